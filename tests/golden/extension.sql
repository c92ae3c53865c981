-- Lists the members of the extension, the rights of PUBLIC, the dumped tables and the settings.
CREATE EXTENSION pg_wabridges;
SELECT pg_describe_object(classid, objid, 0) COLLATE "C" AS member FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'pg_wabridges' AND d.deptype = 'e'
-- Since PostgreSQL 17 a table's row type and its array type are members too.
AND NOT (d.classid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_type t WHERE t.oid = d.objid AND (t.typrelid <> 0 OR t.typelem <> 0))) ORDER BY 1;
SELECT p.oid::regprocedure AS public_may_call FROM pg_proc p WHERE p.proname ~ '^_?wab_' AND has_function_privilege('public', p.oid, 'EXECUTE') ORDER BY p.proname, p.oid::regprocedure::text;
SELECT c.relname AS public_may_read FROM pg_class c WHERE c.relname ~ '^_?wab_' AND has_table_privilege('public', c.oid, 'SELECT');
SELECT unnest(extconfig)::regclass AS dumped FROM pg_extension WHERE extname = 'pg_wabridges';
-- The procedures name a bad argument.
CALL wab_work_queue(-5);
CALL wab_work_queue(NULL);
CALL wab_run_job(' ', 'SELECT 1');
CALL wab_run_job('job', NULL);
LOAD 'pg_wabridges';
SELECT name, setting, unit, context FROM pg_settings WHERE name LIKE 'wab.%' ORDER BY 1;
DROP EXTENSION pg_wabridges;
