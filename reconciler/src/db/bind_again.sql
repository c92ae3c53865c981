-- Creates the views again from the stored binding, if the tenants table still exists.
DO $$
BEGIN
    IF EXISTS (SELECT FROM @extschema@.wab_tenant_binding b JOIN pg_class c ON c.oid = b.tenants) THEN
        PERFORM @extschema@.wab_bind_tenants();
    END IF;
END
$$;
