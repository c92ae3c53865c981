-- Checks a binding of the tenants table: the table, its columns and the expressions.

CREATE FUNCTION @extschema@._wab_require_binding() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF to_regclass('@extschema@.wab_tenants') IS NOT NULL THEN
        RETURN;
    ELSIF EXISTS (SELECT FROM @extschema@.wab_tenant_binding b JOIN pg_class c ON c.oid = b.tenants) THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the views of the tenants table are missing',
            DETAIL = 'They were dropped, for instance together with a column that they read.',
            HINT = 'Create them again: SELECT * FROM wab_bind_tenants();';
    ELSE
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'no tenants table is bound yet',
            HINT = 'SELECT * FROM wab_bind_tenants(''public.tenants'', wanted => ''status = ''''active'''''');';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_binding IS
    'Raises 55000, with the call to make as hint, if no tenants table is bound.';

-- A function in the expression may name an object that its own search_path does not have, which PostgreSQL finds out when
-- it runs: on a table without rows never. It is run on a sample row. Other errors are those of the sample's values.
CREATE FUNCTION @extschema@._wab_try_expression(tenants regclass, expression text, type regtype, resolved_in text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    command text := format(E'SELECT (\n%s\n)::%s FROM jsonb_populate_record(NULL::%s, %L) AS %I', expression, type,
        tenants, @extschema@._wab_sample_row(tenants), (SELECT c.relname FROM pg_class c WHERE c.oid = tenants));
    probe   refcursor;
BEGIN
    PERFORM set_config('search_path', 'pg_catalog, ' || resolved_in, true);
    -- An expression that needs the table itself, for instance a system column, cannot be run on a sample.
    BEGIN
        OPEN probe FOR EXECUTE command;
    EXCEPTION WHEN OTHERS THEN
        RETURN;
    END;
    BEGIN
        MOVE probe;
        CLOSE probe;
    EXCEPTION WHEN syntax_error_or_access_rule_violation OR invalid_schema_name THEN
        RAISE;
    WHEN OTHERS THEN
        NULL;
    END;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_try_expression IS
    'Raises an error if evaluating the expression on a sample row uses an object that is not found.';

-- A cursor accepts exactly one query, so PostgreSQL refuses an expression that ends the query and starts another,
-- before it runs either. Between round and between square brackets alike, only one whole expression is valid: not
-- "false) OR (true".
CREATE FUNCTION @extschema@._wab_check_expression(tenants regclass, what text, expression text, type regtype,
    resolved_in text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    probe  refcursor;
    reason text;
    state  text;
BEGIN
    PERFORM set_config('search_path', 'pg_catalog, ' || resolved_in, true);
    -- PostgreSQL refuses aggregates, window functions and set-returning functions in WHERE. A view that has one of
    -- these is not updatable.
    OPEN probe FOR EXECUTE format(E'SELECT FROM %s WHERE COALESCE((\n%s\n), NULL::%s) IS NULL LIMIT 0',
                                  tenants, expression, type);
    CLOSE probe;
    OPEN probe FOR EXECUTE format(E'SELECT FROM %s WHERE (ARRAY[\n%s\n])[1] IS NULL LIMIT 0', tenants, expression);
    CLOSE probe;
    PERFORM @extschema@._wab_try_expression(tenants, expression, type, resolved_in);
EXCEPTION WHEN insufficient_privilege THEN
    RAISE;
WHEN syntax_error_or_access_rule_violation OR data_exception OR feature_not_supported OR invalid_cursor_definition
     OR invalid_schema_name THEN
    GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
    RAISE EXCEPTION USING ERRCODE = state,
        MESSAGE = format('%s is not a valid SQL expression over %s', what, tenants),
        -- A webhook_url may hold a secret.
        DETAIL = CASE WHEN what = 'webhook_url' THEN reason ELSE format('%s: %s', expression, reason) END,
        HINT = format('It must give one %s for a row of %s, for instance: %s', type, tenants,
            CASE WHEN type = 'boolean'::regtype THEN 'status = ''active'''
                 WHEN type = 'interval'::regtype THEN 'CASE plan WHEN ''gold'' THEN interval ''5 min'' END'
                 WHEN what = 'phone' THEN 'phone::text'
                      ELSE '''https://app.example.com/hooks/'' || id' END);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_expression IS
    'Raises an error unless the text is one SQL expression of this type over a row of the table. The error quotes '
    'every expression but webhook_url.';

CREATE FUNCTION @extschema@._wab_check_column(tenants regclass, what text, column_name text, add_type text,
    types regtype[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_type regtype;
    width      integer;
BEGIN
    SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, a.atttypmod - 4 INTO found_type, width
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = tenants AND a.attname = column_name AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND AND add_type IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', tenants, column_name, add_type);
    ELSIF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42703',
            MESSAGE = format('%s has no column %I (argument %s)', tenants, column_name, what),
            HINT = CASE WHEN what = 'tenant_id' THEN 'Name the column that identifies a tenant: tenant_id => ''...''.'
                        ELSE format('Name another column (%s => ''...''), or have it added: add_columns => true.',
                            what) END;
    ELSIF types IS NOT NULL AND found_type <> ALL (types) THEN
        RAISE EXCEPTION USING ERRCODE = '42804',
            MESSAGE = format('column %I of %s cannot serve as %s: its type is %s', column_name, tenants, what,
                found_type),
            HINT = format('Use a column of type %s.', array_to_string(types, ' or '));
    ELSIF types IS NOT NULL AND found_type = 'varchar'::regtype AND width BETWEEN 0 AND 12 THEN
        RAISE EXCEPTION USING ERRCODE = '42804',
            MESSAGE = format('column %I of %s is too narrow to serve as %s: varchar(%s)', column_name, tenants, what,
                width),
            HINT = 'The longest status, awaiting_scan, has 13 characters: use text.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_column IS
    'Raises an error unless the column exists and has one of these types. Adds a missing column if add_type is given.';

-- The customer_ref of a tenant is its id as text, so one id must always have the same text, and another id another one.
-- Left out are types that settings of the session print (timestamps, dates, intervals, floating-point numbers, bytea,
-- money, regclass ...), numeric without a scale (1 and 1.0 are equal), types that hold any of these, and unknown ones.
-- char(n) is printed without its trailing blanks, which it ignores when it compares. citext is of category S.
CREATE FUNCTION @extschema@._wab_check_id_type(tenants regclass, column_name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    declared text;
    id_type  oid;
    modifier integer;
    t        pg_type;
BEGIN
    SELECT format_type(a.atttypid, a.atttypmod), a.atttypid, a.atttypmod INTO declared, id_type, modifier
    FROM pg_attribute a WHERE a.attrelid = tenants AND a.attname = column_name AND NOT a.attisdropped;
    LOOP
        SELECT y.* INTO t FROM pg_type y WHERE y.oid = id_type;
        EXIT WHEN t.typtype <> 'd';
        id_type := t.typbasetype;
        modifier := t.typtypmod;
    END LOOP;
    IF t.typtype = 'e'
       OR (t.typnamespace = 'pg_catalog'::regnamespace
           AND (t.typname IN ('int2', 'int4', 'int8', 'oid', 'uuid', 'text', 'varchar', 'bpchar', 'name')
                OR (t.typname = 'numeric' AND modifier >= 0)))
       OR (t.typnamespace <> 'pg_catalog'::regnamespace AND t.typtype = 'b' AND t.typcategory = 'S') THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING ERRCODE = '42804',
        MESSAGE = format('column %I of %s cannot serve as tenant_id: its type is %s', column_name, tenants, declared),
        DETAIL = CASE t.typname WHEN 'numeric' THEN 'Equal numbers of this type may have different texts: 1 and 1.0.'
                 ELSE 'The customer_ref is the id as text, which must be the same for one value in every session.' END,
        HINT = 'Use a column of an integer type, uuid, text, varchar, char, citext, an enum, numeric with precision '
               'and scale, or a domain over one of these.';
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_id_type IS
    'Raises 42804 unless the type of this column has one text per value, whatever the settings of the session.';

-- Under a nondeterministic collation, texts that differ may be equal, and two tenants would match one bridge. COLLATE
-- is added only there, because an index on the column serves only its own collation.
CREATE FUNCTION @extschema@._wab_customer_ref_of(table_alias text, binding @extschema@.wab_tenant_binding) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('(%s%I)::pg_catalog.text%s', table_alias || '.', binding.tenant_id,
                  CASE WHEN NOT c.collisdeterministic THEN ' COLLATE pg_catalog."C"' END)
    FROM (SELECT) one
    LEFT JOIN pg_attribute a ON a.attrelid = binding.tenants AND a.attname = binding.tenant_id
    LEFT JOIN pg_collation c ON c.oid = a.attcollation;
$$;
COMMENT ON FUNCTION @extschema@._wab_customer_ref_of IS
    'The SQL expression of a tenant row''s customer_ref, for this alias of the table (null: none).';

CREATE FUNCTION @extschema@._wab_check_tenant_ids(binding @extschema@.wab_tenant_binding) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    twice text;
BEGIN
    EXECUTE format('SELECT string_agg(quote_literal(d.id), '', '') FROM
                    (SELECT %s AS id FROM %s
                        WHERE %I IS NOT NULL GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 3) d',
                   @extschema@._wab_customer_ref_of(NULL, binding), binding.tenants, binding.tenant_id) INTO twice;
    IF twice IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '23505',
            MESSAGE = format('column %I of %s does not identify a tenant', binding.tenant_id, binding.tenants),
            DETAIL = format('More than one row has: %s.', twice),
            HINT = 'Make the ids unique, for instance with a unique constraint.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_tenant_ids IS 'Raises 23505 when two tenant rows have the same id.';

CREATE FUNCTION @extschema@._wab_check_table(tenants regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reason text;
BEGIN
    SELECT CASE WHEN c.relnamespace = '@extschema@'::regnamespace AND c.relname ~ '^_?wab_'
                     THEN 'It belongs to the wab_ objects.'
                WHEN c.relkind NOT IN ('r', 'p', 'f', 'v') THEN 'It is an index, a sequence or another object that holds no rows of tenants.'
                WHEN c.relpersistence = 't' THEN 'It is temporary: it ends with this session.' END
    INTO reason FROM pg_class c WHERE c.oid = tenants;
    IF reason IS NOT NULL OR NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42809', MESSAGE = format('%s is no tenants table', tenants),
            DETAIL = coalesce(reason, 'There is no such table.'),
            HINT = 'Name the table that has a row for each of your tenants.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_table IS
    'Raises 42809 unless this is a table, or a view, that can hold the tenants.';

-- A bridge that is gone is deleted from wab_bridges. Such a key would refuse that for ever, or delete the tenant.
CREATE FUNCTION @extschema@._wab_check_foreign_keys(binding @extschema@.wab_tenant_binding) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kept record;
BEGIN
    SELECT c.conname, c.conrelid::regclass AS relid INTO kept
    FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
    WHERE c.contype = 'f' AND c.confrelid = '@extschema@.wab_bridges'::regclass AND c.confdeltype NOT IN ('n', 'd')
      AND c.conrelid = binding.tenants AND a.attname = binding.bridge_id;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = format('the foreign key %I of %s would keep bridges that are gone, or delete tenants with them',
                             kept.conname, kept.relid),
            HINT = format('ALTER TABLE %1$s DROP CONSTRAINT %2$I, ADD CONSTRAINT %2$I FOREIGN KEY (%3$I) REFERENCES %4$s '
                          'ON DELETE SET NULL;', kept.relid, kept.conname, binding.bridge_id,
                          '@extschema@.wab_bridges'::regclass);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_foreign_keys IS
    'Raises 55000 if the bound bridge_id has a foreign key to wab_bridges that does not set it to null when a bridge is gone.';

CREATE FUNCTION @extschema@._wab_check_binding(
    binding @extschema@.wab_tenant_binding, add_columns boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
BEGIN
    PERFORM @extschema@._wab_check_table(binding.tenants);
    PERFORM @extschema@._wab_require_all_rows(binding.tenants);
    PERFORM @extschema@._wab_check_column(binding.tenants, 'tenant_id', binding.tenant_id, NULL, NULL);
    PERFORM @extschema@._wab_check_id_type(binding.tenants, binding.tenant_id);
    PERFORM @extschema@._wab_check_column(binding.tenants, 'bridge_id', binding.bridge_id,
        CASE WHEN add_columns THEN 'bigint' END, '{bigint}');
    PERFORM @extschema@._wab_check_column(binding.tenants, 'bridge_status', binding.bridge_status,
        CASE WHEN add_columns THEN 'text' END, '{text,varchar}');
    IF binding.tenant_id IN (binding.bridge_id, binding.bridge_status) OR binding.bridge_id = binding.bridge_status THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = 'tenant_id, bridge_id and bridge_status are three different columns',
            DETAIL = format('tenant_id: %I; bridge_id: %I; bridge_status: %I', binding.tenant_id, binding.bridge_id,
                            binding.bridge_status),
            HINT = 'The last two are written. Name columns of their own, or let them be added: add_columns => true.';
    END IF;
    PERFORM @extschema@._wab_check_foreign_keys(binding);
    PERFORM @extschema@._wab_check_expression(binding.tenants, 'wanted', binding.wanted, 'boolean',
        binding.resolved_in);
    IF binding.webhook_url IS NOT NULL THEN
        PERFORM @extschema@._wab_check_expression(binding.tenants, 'webhook_url', binding.webhook_url, 'text',
            binding.resolved_in);
    END IF;
    IF binding.disconnected_after IS NOT NULL THEN
        PERFORM @extschema@._wab_check_expression(binding.tenants, 'disconnected_after', binding.disconnected_after,
            'interval', binding.resolved_in);
    END IF;
    IF binding.awaiting_scan_after IS NOT NULL THEN
        PERFORM @extschema@._wab_check_expression(binding.tenants, 'awaiting_scan_after', binding.awaiting_scan_after,
            'interval', binding.resolved_in);
    END IF;
    IF binding.phone IS NOT NULL THEN
        PERFORM @extschema@._wab_check_expression(binding.tenants, 'phone', binding.phone, 'text', binding.resolved_in);
    END IF;
    PERFORM @extschema@._wab_check_tenant_ids(binding);
    IF binding.customer_refs IS NOT NULL THEN
        PERFORM @extschema@._wab_check_customer_refs(binding);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_binding IS
    'Raises an error unless this binding can be made. With add_columns it adds the two columns where they are missing.';
