-- Re-creates the views as they were bound, where the table is still there.
DO $$
BEGIN
    IF EXISTS (SELECT FROM @extschema@.wab_tenant_binding b JOIN pg_class c ON c.oid = b.tenants) THEN
        PERFORM @extschema@.wab_bind_tenants();
    END IF;
END
$$;
