-- Creates a trigger on your tenants table that enqueues a tenant which is wanted and has no bridge, in the transaction
-- that inserts or updates its row. Run it as the owner of that table, after wab_bind_tenants(); it may be run again.
-- CALL wab_work_queue(), scheduled by sql/cron.sql, or the next wab apply calls the provider later.
-- A role that writes tenants needs membership in wab_enqueuer (sql/roles.sql).

DO $$
DECLARE
    ours regnamespace := (SELECT c.relnamespace FROM pg_catalog.pg_class c
                          WHERE c.oid OPERATOR(pg_catalog.=) 'wab_tenant_binding'::pg_catalog.regclass);
    path text := pg_catalog.current_setting('search_path');
    b    record;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    EXECUTE format('SELECT t.* FROM %s.wab_tenant_binding t', ours) INTO STRICT b;
    EXECUTE format('CREATE OR REPLACE TRIGGER wab_signup AFTER INSERT OR UPDATE ON %s
                    FOR EACH ROW WHEN (NEW.%I IS NULL)
                    EXECUTE FUNCTION %s._wab_enqueue_wanted(%L)', b.tenants, b.bridge_id, ours, b.tenant_id);
    PERFORM set_config('search_path', path, true);
END
$$;
