-- Lists the comments of the views over the tenants table.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
SELECT * FROM wab_bind_tenants('tenants');
\pset format unaligned
\pset tuples_only on
SELECT c.relname, obj_description(c.oid) FROM pg_class c
WHERE c.relkind = 'v' AND c.relname ~ '^_?wab_' AND EXISTS (
    SELECT FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid AND w.ev_class = c.oid
    WHERE d.refobjid IN ('wab_tenants'::regclass, '_wab_rows'::regclass, '_wab_kinds'::regclass, 'tenants'::regclass))
ORDER BY 1;
SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute a WHERE a.attrelid = 'wab_drift'::regclass AND a.attnum > 0 ORDER BY a.attnum;
