-- Row-level security spares superusers, roles with BYPASSRLS, and without FORCE the owner and members of the owner.
SELECT DISTINCT quote_ident(r.rolname)
FROM cron.job j JOIN pg_roles r ON r.rolname = j.username
CROSS JOIN @extschema@.wab_tenant_binding b JOIN pg_class c ON c.oid = b.tenants
WHERE j.active AND j.database = current_database() AND j.command ~ '\mwab_'
  AND NOT r.rolsuper AND NOT r.rolbypassrls
  AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE'))
ORDER BY 1
