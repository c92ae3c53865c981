-- Whether the caller may record that a pairing code was requested. False before ALTER EXTENSION UPDATE from 0.2.0.
SELECT coalesce(pg_catalog.has_function_privilege(f.oid, 'EXECUTE') AND pg_catalog.has_table_privilege(t.oid, 'INSERT')
                AND pg_catalog.has_table_privilege(t.oid, 'SELECT'), false)
FROM (VALUES (pg_catalog.to_regprocedure('@extschema@._wab_note_code(text, text)')::pg_catalog.oid)) AS f(oid),
     (VALUES (pg_catalog.to_regclass('@extschema@.wab_pairing_codes')::pg_catalog.oid)) AS t(oid)
