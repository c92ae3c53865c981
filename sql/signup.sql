-- Creates triggers on your tenants table that enqueue tenants which are wanted and have no bridge, in the transaction
-- that inserts or updates their rows. Run it as the owner of that table, after wab_bind_tenants(). You may run it
-- again, and must do so after you add a partition whose rows your application inserts or updates directly.
-- CALL wab_work_queue(), scheduled by sql/cron.sql, or the next wab apply calls the provider later.
-- A view, a foreign table and a distributed table cannot have these triggers: there, schedule wab_enqueue_missing().
-- A role that writes tenants needs membership in wab_enqueuer (sql/roles.sql), and SELECT on the tenants table, or on all of its
-- columns that the binding names: the trigger reads the view wab_tenants with the rights of that role.

DO $$
DECLARE
    -- The extension's schema, or a visible one, or the only one that has the objects.
    ours regnamespace := (
        SELECT CASE WHEN pg_catalog.bool_or(e.oid IS NOT NULL OR pg_catalog.pg_table_is_visible(c.oid))
                         OR pg_catalog.count(*) OPERATOR(pg_catalog.=) 1
                    THEN (pg_catalog.array_agg(c.relnamespace
                          ORDER BY e.oid, pg_catalog.pg_table_is_visible(c.oid) DESC))[1] END
        FROM pg_catalog.pg_class c
        LEFT JOIN pg_catalog.pg_extension e ON e.extname OPERATOR(pg_catalog.=) 'pg_wabridges'
                                           AND e.extnamespace OPERATOR(pg_catalog.=) c.relnamespace
        WHERE c.relname OPERATOR(pg_catalog.=) 'wab_tenant_binding' AND c.relkind OPERATOR(pg_catalog.=) 'r');
    path text := pg_catalog.current_setting('search_path');
    part regclass;
    b    record;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF ours IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = 'this database has no wab_ objects, or has them in several schemas',
            HINT = 'Run it in the database of the fleet; if several schemas have them, name one: SET search_path.';
    END IF;
    EXECUTE format('SELECT %s._wab_require_binding()', ours);
    EXECUTE format('SELECT t.* FROM %s._wab_binding() t', ours) INTO STRICT b;
    BEGIN
        IF (SELECT c.relkind FROM pg_class c WHERE c.oid = b.tenants) = 'p' THEN
            -- A row that an UPDATE moves to another partition fires no UPDATE trigger of a row.
            EXECUTE format('DROP TRIGGER IF EXISTS wab_signup_update ON %s', b.tenants);
        ELSE
            EXECUTE format('CREATE OR REPLACE TRIGGER wab_signup_update AFTER UPDATE ON %s
                            FOR EACH ROW WHEN (NEW.%I IS NULL) EXECUTE FUNCTION %s._wab_enqueue_wanted()',
                           b.tenants, b.bridge_id, ours);
        END IF;
        -- A statement fires the trigger of the table that it names, which may be a partition.
        FOR part IN SELECT c.oid FROM pg_class c
                    WHERE c.oid = b.tenants
                       OR (c.oid IN (SELECT p.relid FROM pg_partition_tree(b.tenants) p) AND c.relkind IN ('r', 'p')) LOOP
            EXECUTE format('CREATE OR REPLACE TRIGGER wab_signup AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows
                            FOR EACH STATEMENT EXECUTE FUNCTION %s._wab_enqueue_wanted()', part, ours);
            IF (SELECT c.relkind FROM pg_class c WHERE c.oid = b.tenants) = 'p' THEN
                EXECUTE format('CREATE OR REPLACE TRIGGER wab_signup_update AFTER UPDATE ON %s REFERENCING NEW TABLE AS new_rows
                                FOR EACH STATEMENT EXECUTE FUNCTION %s._wab_enqueue_wanted()', part, ours);
            END IF;
        END LOOP;
    -- 42809 for a view or a foreign table; Citus raises XX000.
    EXCEPTION WHEN wrong_object_type OR feature_not_supported OR internal_error THEN
        RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('%s cannot have the signup triggers', b.tenants),
            DETAIL = SQLERRM,
            HINT = format('Schedule the function that enqueues tenants without a bridge instead: '
                          'SELECT %s.wab_enqueue_missing();', ours);
    END;
    PERFORM set_config('search_path', path, true);
END
$$;
