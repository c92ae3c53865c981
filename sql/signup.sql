-- A recipe, to be run by hand as the owner of your tenants table, after wab_bind_tenants(); it may be run again.
-- A tenant that is wanted and has no bridge is enqueued in the transaction that inserts or changes its row. Nothing is sent to
-- the provider then: CALL wab_work_queue(), scheduled by sql/cron.sql, or the next wab apply does that.
-- Who writes tenants needs the role wab_enqueuer of sql/roles.sql.

DO $$
DECLARE
    b record;
BEGIN
    SELECT t.tenants::regclass AS tenants, t.tenant_id, t.bridge_id, c.relnamespace::regnamespace AS ours INTO STRICT b
    FROM wab_tenant_binding t, pg_class c WHERE c.oid = 'wab_tenant_binding'::regclass;
    EXECUTE format('CREATE OR REPLACE TRIGGER wab_signup AFTER INSERT OR UPDATE ON %s FOR EACH ROW WHEN (NEW.%I IS NULL)
                    EXECUTE FUNCTION %s.wab_enqueue_wanted(%L)', b.tenants, b.bridge_id, b.ours, b.tenant_id);
END
$$;
