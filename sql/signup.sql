-- A recipe, to be run by hand as the owner of your tenants table, after wab_bind_tenants(); it may be run again.
-- A tenant that is wanted and has no bridge is enqueued in the transaction that inserts or changes its row. Nothing is sent to
-- the provider then: CALL wab_work_queue(), scheduled by sql/cron.sql, or the next wab apply does that.
-- Who writes tenants needs the role wab_enqueuer of sql/roles.sql.

DO $$
DECLARE
    ours regnamespace := (SELECT c.relnamespace FROM pg_catalog.pg_class c
                          WHERE c.oid OPERATOR(pg_catalog.=) 'wab_tenant_binding'::pg_catalog.regclass);
    path text := pg_catalog.current_setting('search_path');
    b    record;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    EXECUTE format('SELECT t.* FROM %s.wab_tenant_binding t', ours) INTO STRICT b;
    EXECUTE format('CREATE OR REPLACE TRIGGER wab_signup AFTER INSERT OR UPDATE ON %s FOR EACH ROW WHEN (NEW.%I IS NULL)
                    EXECUTE FUNCTION %s._wab_enqueue_wanted(%L)', b.tenants, b.bridge_id, ours, b.tenant_id);
    PERFORM set_config('search_path', path, true);
END
$$;
