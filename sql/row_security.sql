-- Refuses roles from which row-level security hides rows. A hidden tenant would look like a tenant that is gone.
--
-- Every function that reads the fleet to decide, record or write something has `SET row_security = off`: PostgreSQL
-- then raises an error instead of leaving rows out. The functions of this file raise it earlier, and say what to do.

CREATE FUNCTION @extschema@._wab_require_all_rows(relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    reason text;
BEGIN
    BEGIN
        EXECUTE format('SELECT FROM %s LIMIT 0', relation);
    EXCEPTION WHEN insufficient_privilege THEN
        GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT;
    END;
    IF reason IS NULL THEN
        RETURN;
    END IF;
    -- If the role lacks SELECT, this fails for that reason. Otherwise row-level security was the reason.
    PERFORM set_config('row_security', 'on', true);
    EXECUTE format('SELECT FROM %s LIMIT 0', relation);
    RAISE EXCEPTION USING ERRCODE = '42501',
        MESSAGE = format('row-level security hides rows from role %s', current_user),
        DETAIL = format('%s: %s', relation, reason),
        HINT = format('Use a role that sees all rows: the owner of the table if it does not FORCE row-level security, '
                      'or a role with BYPASSRLS: ALTER ROLE %I BYPASSRLS;', current_user);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_all_rows(regclass) IS
    'Raises 42501 if row-level security hides rows of this table or view, or of one that it reads, from the caller.';

CREATE FUNCTION @extschema@._wab_warn_of_hidden_rows() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    hidden text;
    hints  text;
BEGIN
    PERFORM @extschema@._wab_require_all_rows('@extschema@.wab_tenants');
EXCEPTION WHEN insufficient_privilege THEN
    GET STACKED DIAGNOSTICS hidden = MESSAGE_TEXT, hints = PG_EXCEPTION_HINT;
    IF hints <> '' THEN
        RAISE WARNING USING ERRCODE = '42501', MESSAGE = hidden,
            DETAIL = 'The bridges of tenants that it hides count as orphaned, and their cost as waste.', HINT = hints;
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_warn_of_hidden_rows IS
    'Raises a WARNING if row-level security hides tenants from the caller, whose bridges then look orphaned.';

CREATE FUNCTION @extschema@._wab_require_all_rows() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM @extschema@._wab_require_all_rows(c.oid)
    FROM pg_class c
    WHERE c.relnamespace = '@extschema@'::regnamespace AND c.relname ~ '^_?wab_' AND c.relrowsecurity;
    IF to_regclass('@extschema@.wab_tenants') IS NOT NULL THEN
        PERFORM @extschema@._wab_require_all_rows('@extschema@.wab_tenants');
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_all_rows() IS
    'Raises 42501 if row-level security hides tenants, or rows of a wab_ table, from the caller.';
