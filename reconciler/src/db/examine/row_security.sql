SELECT c.oid::regclass::text AS table, c.relrowsecurity AS enabled
FROM @extschema@.wab_tenant_binding b JOIN pg_class c ON c.oid = b.tenants
