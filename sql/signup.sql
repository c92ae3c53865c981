-- Creates triggers on your tenants table that enqueue tenants which are wanted and have no bridge, in the transaction
-- that inserts or updates their rows. Run it as the owner of that table, after wab_bind_tenants(). It may be run again,
-- and must be after a partition was added into which rows are inserted directly.
-- CALL wab_work_queue(), scheduled by sql/cron.sql, or the next wab apply calls the provider later.
-- A role that writes tenants needs membership in wab_enqueuer (sql/roles.sql).

DO $$
DECLARE
    ours regnamespace := (SELECT c.relnamespace FROM pg_catalog.pg_class c
                          WHERE c.oid OPERATOR(pg_catalog.=) 'wab_tenant_binding'::pg_catalog.regclass);
    path text := pg_catalog.current_setting('search_path');
    part regclass;
    b    record;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    EXECUTE format('SELECT t.* FROM %s._wab_binding() t', ours) INTO STRICT b;
    EXECUTE format('CREATE OR REPLACE TRIGGER wab_signup_update AFTER UPDATE ON %s
                    FOR EACH ROW WHEN (NEW.%I IS NULL) EXECUTE FUNCTION %s._wab_enqueue_wanted()',
                   b.tenants, b.bridge_id, ours);
    -- A statement fires the trigger of the table that it names, which may be a partition.
    FOR part IN SELECT c.oid FROM pg_class c
                WHERE c.oid = b.tenants
                   OR (c.oid IN (SELECT p.relid FROM pg_partition_tree(b.tenants) p) AND c.relkind IN ('r', 'p')) LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER wab_signup AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows
                        FOR EACH STATEMENT EXECUTE FUNCTION %s._wab_enqueue_wanted()', part, ours);
    END LOOP;
    PERFORM set_config('search_path', path, true);
END
$$;
