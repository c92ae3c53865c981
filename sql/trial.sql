-- Tries whether a tenant row can be written, and rolls the trial back: when the table is bound, and before the call
-- that makes a bridge, which is paid for whether its row can be written or not.

-- An UPDATE of no row finds a table that no UPDATE is allowed on, generated columns, columns of a view that cannot be
-- written, and statement triggers.
CREATE FUNCTION @extschema@._wab_try_table() RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
BEGIN
    PERFORM set_config('lock_timeout', '2s', true);
    PERFORM @extschema@._wab_update_rows(ARRAY[NULL]::text[], ARRAY[1], ARRAY['paired']);
    RAISE EXCEPTION USING ERRCODE = 'WB001', MESSAGE = 'the trial is rolled back';
EXCEPTION
WHEN SQLSTATE 'WB001' OR lock_not_available THEN
    RETURN NULL;
WHEN OTHERS THEN
    IF NOT @extschema@._wab_is_about_data(SQLSTATE) THEN
        RAISE;
    ELSIF SQLSTATE = '42501' THEN
        PERFORM @extschema@._wab_require_recording();
    END IF;
    RETURN format('%s (SQLSTATE %s)', @extschema@._wab_shown_message(SQLSTATE, SQLERRM), SQLSTATE);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_try_table IS
    'Why the statement of _wab_write_rows() is refused although it changes no row; null if it is not, or if another '
    'session locks the table for 2 seconds.';

CREATE FUNCTION @extschema@._wab_require_writing() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    refusal text := @extschema@._wab_try_table();
BEGIN
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = format('rows of %s cannot be written', (SELECT b.tenants FROM @extschema@.wab_tenant_binding b)),
            DETAIL = refusal,
            HINT = 'Nothing was sent to the provider. Change what refuses an UPDATE of the table first.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_writing IS
    'Raises 55000, before the first bridge is made, if no row of the tenants table can be updated.';

-- A new id would not pass a foreign key, and an existing one may not pass a UNIQUE constraint; a duplicate is no
-- refusal, because the real id is another one.
CREATE FUNCTION @extschema@._wab_trial_bridge_id(held bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    bridges constant oid := '@extschema@.wab_bridges'::regclass;
    keys    oid[] := ARRAY(
        SELECT c.confrelid FROM @extschema@._wab_binding() t
        JOIN pg_attribute a ON a.attrelid = t.tenants AND a.attname = t.bridge_id
        JOIN pg_constraint c ON c.conrelid = t.tenants AND c.contype = 'f' AND a.attnum = ANY (c.conkey));
BEGIN
    IF keys = '{}' THEN
        RETURN greatest((SELECT max(b.bridge_id) FROM @extschema@.wab_bridges b), held, 0) + 1;
    END IF;
    RETURN coalesce((SELECT max(b.bridge_id) FROM @extschema@.wab_bridges b WHERE b.bridge_id IS DISTINCT FROM held),
                    CASE WHEN keys <> ARRAY[bridges] THEN 1 END);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_trial_bridge_id IS
    'A bridge_id to try on a row that holds this one: a new id, or the id of a live bridge if a foreign key checks it; '
    'null if there is none.';

CREATE FUNCTION @extschema@._wab_is_wanted(customer_ref text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
BEGIN
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    RETURN (SELECT pg_catalog.bool_or(t.wanted) FROM @extschema@.wab_tenants t
            WHERE t.customer_ref OPERATOR(pg_catalog.=) _wab_is_wanted.customer_ref);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_is_wanted IS 'Whether this tenant is wanted; null if it has no row.';

CREATE FUNCTION @extschema@._wab_try_row(
    customer_ref text, statuses text[] DEFAULT '{paired,awaiting_scan,disconnected,unknown}', patience text DEFAULT '2s')
RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    held    bigint;
    tried   bigint;
    status  text;
    wanted  boolean := @extschema@._wab_is_wanted(customer_ref);
    refusal text;
    state   text;
    message text;
    context text;
BEGIN
    SELECT t.bridge_id INTO held FROM @extschema@._wab_stored_rows(ARRAY[customer_ref]) t;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    tried := @extschema@._wab_trial_bridge_id(held);
    FOREACH status IN ARRAY statuses LOOP
        BEGIN
            PERFORM set_config('lock_timeout', patience, true);
            PERFORM @extschema@._wab_update_rows(ARRAY[customer_ref], CASE WHEN tried IS NOT NULL THEN ARRAY[tried] END,
                                                 ARRAY[status]);
            SELECT u.reason INTO refusal FROM @extschema@._wab_unwritten_rows(
                ARRAY[customer_ref], CASE WHEN tried IS NOT NULL THEN ARRAY[tried] END, ARRAY[status]) u;
            IF refusal IS NULL AND wanted IS DISTINCT FROM @extschema@._wab_is_wanted(customer_ref) THEN
                refusal := format('whether the tenant %s is wanted changes when its bridge and the status %s are written: '
                                  '"wanted" may read neither column', left(customer_ref, 200), status);
            END IF;
            RAISE EXCEPTION USING ERRCODE = 'WB001', MESSAGE = 'the trial is rolled back';
        EXCEPTION
        WHEN SQLSTATE 'WB001' THEN
            NULL;
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT;
            IF state = '55P03' OR NOT @extschema@._wab_is_about_data(state) THEN
                RAISE;
            ELSIF state = '42501' THEN
                PERFORM @extschema@._wab_require_recording();
            END IF;
            IF state <> '23505' OR (
                (SELECT count(*) FROM @extschema@._wab_stored_rows(ARRAY[customer_ref])) > 1
                AND NOT EXISTS (SELECT FROM @extschema@._wab_stored_rows(NULL, ARRAY[tried]) t
                                WHERE t.customer_ref <> _wab_try_row.customer_ref)) THEN
                refusal := @extschema@._wab_refused_row(customer_ref, tried, status, state, message, context);
            END IF;
        END;
        EXIT WHEN refusal IS NOT NULL;
    END LOOP;
    RETURN refusal;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_try_row IS
    'Writes a bridge_id with each of these statuses on the tenant''s row, and rolls it back. Returns why one of them '
    'cannot be written; null if all can, or if there is no such row. Raises 55P03 if another session locks the row for '
    'this time.';

-- A bridge is made for a row that another session holds: the row is tried again when it is written.
CREATE FUNCTION @extschema@._wab_row_refusal(customer_ref text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
BEGIN
    RETURN @extschema@._wab_try_row(customer_ref);
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_row_refusal IS
    'Why the row of this tenant cannot take a bridge_id and each status; null if it can, if there is no such row, or if '
    'another session locks it for 2 seconds.';

CREATE FUNCTION @extschema@._wab_require_row(customer_ref text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    refusal text := @extschema@._wab_row_refusal(customer_ref);
BEGIN
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'a bridge could not be written on the row of this tenant',
            DETAIL = format('tenant_id: %s; %s', left(customer_ref, 200), refusal),
            HINT = 'Nothing was sent to the provider. Change the constraint, the trigger, the rule or the policy '
                   'first.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_row IS
    'Raises 55000, before a bridge is made, if the row of this tenant cannot take a bridge_id and each status.';

CREATE FUNCTION @extschema@._wab_sample_row(tenants regclass) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(jsonb_object_agg(v.attname, v.value) FILTER (WHERE v.value IS NOT NULL), '{}')
    FROM (SELECT a.attname, CASE
              WHEN t.typtype = 'd' THEN NULL
              WHEN t.typtype = 'e' THEN (SELECT to_jsonb(e.enumlabel) FROM pg_enum e WHERE e.enumtypid = t.oid
                                         ORDER BY e.enumsortorder LIMIT 1)
              WHEN t.oid = 'uuid'::regtype THEN '"00000000-0000-0000-0000-000000000000"'
              WHEN t.oid IN ('json'::regtype, 'jsonb'::regtype) THEN '{}'
              ELSE CASE t.typcategory WHEN 'B' THEN 'false' WHEN 'N' THEN '0' WHEN 'S' THEN '""'
                                      WHEN 'D' THEN '"2000-01-01 00:00:00+00"' END::jsonb END AS value
          FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
          WHERE a.attrelid = tenants AND a.attnum > 0 AND NOT a.attisdropped) v;
$$;
COMMENT ON FUNCTION @extschema@._wab_sample_row IS
    'A row of this table with a value in each column of a common type, for expressions that must be tried on a table '
    'without rows.';

-- CHECK constraints of the two columns and their domains, which an UPDATE of no row does not reach. A constraint that
-- reads other columns too depends on the row, and is tried on the row.
CREATE FUNCTION @extschema@._wab_try_checks(statuses text[]) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    binding @extschema@.wab_tenant_binding;
    status  text;
    checks  record;
    passes  boolean;
BEGIN
    SELECT b.* INTO STRICT binding FROM @extschema@._wab_binding() b;
    FOREACH status IN ARRAY statuses LOOP
        FOR checks IN
            SELECT c.conname, format('SELECT (%s) FROM jsonb_populate_record(NULL::%s, %L) AS %I',
                coalesce(pg_get_expr(c.conbin, c.conrelid), 'true'), binding.tenants,
                jsonb_build_object(binding.bridge_id, 1, binding.bridge_status, status), t.relname) AS query
            FROM pg_class t
            LEFT JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'c' AND c.conkey <@ ARRAY(
                SELECT a.attnum FROM pg_attribute a
                WHERE a.attrelid = t.oid AND a.attname IN (binding.bridge_id, binding.bridge_status))
            WHERE t.oid = binding.tenants
        LOOP
            BEGIN
                EXECUTE checks.query INTO passes;
            EXCEPTION WHEN integrity_constraint_violation OR data_exception THEN
                RETURN @extschema@._wab_refused_row(NULL, 1, status, SQLSTATE, SQLERRM, '');
            END;
            IF NOT passes THEN
                RETURN @extschema@._wab_refused_row(NULL, 1, status, '23514',
                    format('check constraint %I is violated', checks.conname), '');
            END IF;
        END LOOP;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_try_checks IS
    'Why a CHECK constraint or a domain of the two bound columns refuses one of these statuses; null if none does.';

-- A trigger may protect some rows, so the function refuses a table only if it can write none of three rows. It leaves out
-- rows that other sessions hold.
CREATE FUNCTION @extschema@._wab_check_writing() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    all_statuses constant text[] := '{paired,awaiting_scan,disconnected,unknown}';
    binding @extschema@.wab_tenant_binding;
    samples text[];
    sample  text;
    refusal text;
    tried   integer := 0;
BEGIN
    SELECT b.* INTO STRICT binding FROM @extschema@._wab_binding() b;
    -- A role that binds the table without the right to write it cannot try it.
    IF NOT has_column_privilege(binding.tenants, binding.bridge_id, 'UPDATE')
       OR NOT has_column_privilege(binding.tenants, binding.bridge_status, 'UPDATE') THEN
        RETURN;
    END IF;
    refusal := coalesce(@extschema@._wab_try_table(), @extschema@._wab_try_checks(all_statuses));
    IF refusal IS NULL THEN
        PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
        samples := ARRAY(SELECT t.customer_ref FROM @extschema@.wab_tenants t WHERE t.wanted LIMIT 20);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        FOREACH sample IN ARRAY samples LOOP
            EXIT WHEN tried = 3;
            BEGIN
                -- The views are locked meanwhile: whoever holds the row may wait for them.
                refusal := @extschema@._wab_try_row(sample, all_statuses, '10ms');
                EXIT WHEN refusal IS NULL;
                tried := tried + 1;
            EXCEPTION WHEN lock_not_available THEN
                CONTINUE;
            END;
        END LOOP;
    END IF;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('rows of %s cannot be written', binding.tenants),
            DETAIL = refusal,
            HINT = 'The two columns must take every bridge_id, and each of the statuses paired, awaiting_scan, '
                   'disconnected and unknown. Change the table, or name other columns: bridge_id => ''...'', '
                   'bridge_status => ''...'', add_columns => true.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_writing IS
    'Raises 55000 if the bound table cannot take a bridge_id and each status. Tries it on up to three wanted tenants '
    'and rolls it back; on a table without them it checks the columns and their constraints.';
