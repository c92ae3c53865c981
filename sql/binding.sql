-- Binds your tenants table: checks the table, its columns and the two expressions, and creates the view wab_tenants.
-- The drift views over it are in views.sql.

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
-- before it runs either.
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
    PERFORM @extschema@._wab_try_expression(tenants, expression, type, resolved_in);
EXCEPTION WHEN insufficient_privilege THEN
    RAISE;
WHEN syntax_error_or_access_rule_violation OR data_exception OR feature_not_supported OR invalid_cursor_definition
     OR invalid_schema_name THEN
    GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
    RAISE EXCEPTION USING ERRCODE = state,
        MESSAGE = format('%s is not a valid SQL expression over %s', what, tenants),
        DETAIL = format('%s: %s', expression, reason),
        HINT = format('It must give one %s for a row of %s, for instance: %s', type, tenants,
            CASE type WHEN 'boolean'::regtype THEN 'status = ''active'''
                      ELSE '''https://app.example.com/hooks/'' || id' END);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_expression IS
    'Raises an error that quotes the text unless it is one SQL expression of this type over a row of the table.';

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
            HINT = CASE WHEN what = 'tenant_id' THEN 'Name the column that identifies a tenant: tenant_id => ''…''.'
                        ELSE format('Name another column (%s => ''…''), or have it added: add_columns => true.',
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

CREATE FUNCTION @extschema@._wab_check_tenant_ids(tenants regclass, tenant_id text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    twice text;
BEGIN
    EXECUTE format('SELECT string_agg(quote_literal(d.id), '', '') FROM
                    (SELECT %1$I::text AS id FROM %2$s
                        WHERE %1$I IS NOT NULL GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 3) d',
                   tenant_id, tenants) INTO twice;
    IF twice IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '23505',
            MESSAGE = format('column %I of %s does not identify a tenant', tenant_id, tenants),
            DETAIL = format('More than one row has: %s.', twice),
            HINT = 'Make the ids unique, for instance with a unique constraint.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_tenant_ids IS 'Raises 23505 when two tenant rows have the same id.';

CREATE FUNCTION @extschema@._wab_customer_ref_of(table_alias text, tenant_id text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN format('(%s%I)::pg_catalog.text', table_alias || '.', tenant_id);
COMMENT ON FUNCTION @extschema@._wab_customer_ref_of IS
    'The SQL expression of a tenant row''s customer_ref, for this alias of the table.';

CREATE FUNCTION @extschema@._wab_create_tenants_view(binding @extschema@.wab_tenant_binding) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    replaced oid := to_regclass('@extschema@.wab_tenants');
BEGIN
    -- CREATE OR REPLACE cannot change the type of a view's column, so the views are dropped. Without CASCADE: if your
    -- own view depends on one of them, PostgreSQL raises an error that names it.
    IF EXISTS (SELECT FROM pg_attribute v JOIN pg_attribute c
                   ON c.attrelid = binding.tenants
                  AND c.attname = CASE v.attname WHEN 'tenant_id' THEN binding.tenant_id
                                                 WHEN 'bridge_id' THEN binding.bridge_id
                                                 WHEN 'bridge_status' THEN binding.bridge_status END
               WHERE v.attrelid = replaced AND (v.atttypid, v.atttypmod, v.attcollation)
                                            <> (c.atttypid, c.atttypmod, c.attcollation)) THEN
        DROP VIEW @extschema@.wab_fleet_summary, @extschema@.wab_churned_bridges, @extschema@.wab_status_drift,
                  @extschema@.wab_missing_bridges, @extschema@.wab_orphaned_bridges, @extschema@.wab_drift,
                  @extschema@.wab_fleet, @extschema@._wab_kinds, @extschema@._wab_rows, @extschema@.wab_tenants;
    END IF;
    PERFORM set_config('search_path', 'pg_catalog, ' || binding.resolved_in, true);
    EXECUTE format(E'CREATE OR REPLACE VIEW @extschema@.wab_tenants AS
        SELECT %1$I AS tenant_id, %7$s AS customer_ref, %2$I AS bridge_id, %3$I AS bridge_status,
               COALESCE((\n%4$s\n), false) AS wanted, (\n%5$s\n)::pg_catalog.text AS webhook_url
        FROM %6$s WHERE %1$I IS NOT NULL',
        binding.tenant_id, binding.bridge_id, binding.bridge_status, binding.wanted,
        coalesce(binding.webhook_url, 'NULL'), binding.tenants,
        @extschema@._wab_customer_ref_of(NULL, binding.tenant_id));
    IF pg_relation_is_updatable(binding.tenants, true) & 4 = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '42809',
            MESSAGE = format('rows of %s cannot be updated', binding.tenants),
            HINT = 'Bind a table, or a view that can be updated.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_create_tenants_view IS
    'Creates or replaces the view wab_tenants for this binding.';

CREATE FUNCTION @extschema@._wab_count_tenants() RETURNS TABLE (tenant_rows bigint, wanted_rows bigint)
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    with_webhook bigint;
    reason       text;
    state        text;
BEGIN
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE t.wanted), pg_catalog.count(t.webhook_url)
    INTO tenant_rows, wanted_rows, with_webhook
    FROM @extschema@.wab_tenants t;
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = 'an expression of the binding fails on a row of the tenants table',
        DETAIL = (SELECT format('wanted: %s; webhook_url: %s; %s', b.wanted, b.webhook_url, reason)
                  FROM @extschema@.wab_tenant_binding b),
        HINT = 'The expressions must give a value for every row.';
END
$$;
COMMENT ON FUNCTION @extschema@._wab_count_tenants IS
    'Evaluates the expressions of the binding on all rows, and counts the rows and the wanted ones.';

CREATE FUNCTION @extschema@.wab_bind_tenants(
    tenants regclass DEFAULT NULL, tenant_id text DEFAULT 'id', bridge_id text DEFAULT 'bridge_id',
    bridge_status text DEFAULT 'bridge_status', wanted text DEFAULT 'true', webhook_url text DEFAULT NULL,
    add_columns boolean DEFAULT false, resolved_in text DEFAULT current_setting('search_path'))
RETURNS TABLE (bound regclass, tenant_rows bigint, wanted_rows bigint)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    binding       @extschema@.wab_tenant_binding;
    views         constant name[] := '{wab_tenants,_wab_rows,_wab_kinds,wab_fleet,wab_drift,
                                       wab_orphaned_bridges,wab_missing_bridges,
                                       wab_status_drift,wab_churned_bridges,wab_fleet_summary}';
    foreign_views text;
    view          name;
BEGIN
    IF tenants IS NULL THEN
        SELECT b.* INTO binding FROM @extschema@._wab_binding() b;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'no tenants table was bound before',
                HINT = 'Name it: SELECT * FROM wab_bind_tenants(''public.tenants'');';
        ELSIF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = binding.tenants) THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the tenants table that was bound no longer exists',
                HINT = 'Name the one to bind now: SELECT * FROM wab_bind_tenants(''public.tenants'');';
        END IF;
        binding := @extschema@._wab_with_present_names(binding);
    ELSIF tenant_id IS NULL OR bridge_id IS NULL OR bridge_status IS NULL OR wanted IS NULL OR add_columns IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004',
            MESSAGE = 'wab_bind_tenants(): only tenants and webhook_url may be null';
    ELSE
        binding := ROW(true, tenants, tenant_id, bridge_id, bridge_status, wanted, webhook_url,
                       coalesce(nullif(resolved_in, ''), 'pg_catalog'), clock_timestamp(), session_user);
    END IF;
    PERFORM @extschema@._wab_require_all_rows(binding.tenants);
    PERFORM @extschema@._wab_check_column(binding.tenants, 'tenant_id', binding.tenant_id, NULL, NULL);
    PERFORM @extschema@._wab_check_column(binding.tenants, 'bridge_id', binding.bridge_id,
        CASE WHEN add_columns THEN 'bigint' END, '{bigint}');
    PERFORM @extschema@._wab_check_column(binding.tenants, 'bridge_status', binding.bridge_status,
        CASE WHEN add_columns THEN 'text' END, '{text,varchar}');
    PERFORM @extschema@._wab_check_expression(binding.tenants, 'wanted', binding.wanted, 'boolean',
        binding.resolved_in);
    IF binding.webhook_url IS NOT NULL THEN
        PERFORM @extschema@._wab_check_expression(binding.tenants, 'webhook_url', binding.webhook_url, 'text',
            binding.resolved_in);
    END IF;
    PERFORM @extschema@._wab_check_tenant_ids(binding.tenants, binding.tenant_id);

    PERFORM @extschema@._wab_create_tenants_view(binding);
    PERFORM @extschema@._wab_create_views();
    -- The views of 0.2.0 selected from this one; the views of this version do not.
    IF to_regclass('@extschema@._wab_differences') IS NOT NULL THEN
        DROP VIEW @extschema@._wab_differences;
    END IF;
    PERFORM @extschema@._wab_comment_views();
    -- OR REPLACE keeps the owner. If another role created a view with one of these names beforehand, that role could
    -- still change it.
    SELECT string_agg(format('%s belongs to %I', c.oid::regclass, o.rolname), '; ' ORDER BY c.relname)
    INTO foreign_views
    FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner
    WHERE c.relnamespace = '@extschema@'::regnamespace AND c.relname = ANY (views)
      AND o.rolname <> current_user AND NOT o.rolsuper
      AND o.oid NOT IN (SELECT t.relowner FROM pg_class t
                        WHERE t.oid IN ('@extschema@.wab_tenant_binding'::regclass, binding.tenants));
    IF foreign_views IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'a view with a wab_ name belongs to another role',
            DETAIL = foreign_views, HINT = 'Inspect the view, then drop it or change its owner.';
    END IF;
    IF current_setting('server_version_num')::integer >= 150000 THEN
        FOREACH view IN ARRAY views LOOP
            EXECUTE format('ALTER VIEW @extschema@.%I SET (security_invoker = true)', view);
        END LOOP;
    END IF;
    DELETE FROM @extschema@.wab_tenant_binding;
    INSERT INTO @extschema@.wab_tenant_binding SELECT binding.*;
    RETURN QUERY SELECT binding.tenants, c.tenant_rows, c.wanted_rows FROM @extschema@._wab_count_tenants() c;
    PERFORM @extschema@._wab_check_writing();
END
$$;
COMMENT ON FUNCTION @extschema@.wab_bind_tenants IS
    'Binds your tenants table: checks it and creates wab_tenants and the drift views. Without arguments it re-creates '
    'the views of the present binding, for instance after an upgrade.';
