SELECT n.nspname::text AS schema, quote_ident(n.nspname) AS quoted,
       coalesce(n.oid = (SELECT e.extnamespace FROM pg_extension e WHERE e.extname = 'pg_wabridges'), false)
       OR n.nspname = ANY ($1) AS preferred
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = 'wab_tenant_binding' AND c.relkind = 'r' AND ($2::text IS NULL OR n.nspname = $2)
ORDER BY n.oid = (SELECT e.extnamespace FROM pg_extension e WHERE e.extname = 'pg_wabridges') DESC NULLS LAST,
         array_position($1, n.nspname::text), n.nspname
