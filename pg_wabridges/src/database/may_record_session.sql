-- Whether the caller may store the status of one bridge. False before ALTER EXTENSION UPDATE from 0.2.0.
SELECT coalesce(pg_catalog.bool_and(coalesce(pg_catalog.has_function_privilege(f.oid, 'EXECUTE'), false)), false)
   AND pg_catalog.has_table_privilege('@extschema@.wab_bridges', 'SELECT')
   AND pg_catalog.has_table_privilege('@extschema@.wab_bridges', 'UPDATE')
   AND pg_catalog.has_table_privilege('@extschema@.wab_bridge_events', 'INSERT')
   AND pg_catalog.has_table_privilege('@extschema@.wab_observations', 'SELECT')
   AND pg_catalog.has_table_privilege('@extschema@.wab_observations', 'UPDATE')
FROM (VALUES (pg_catalog.to_regprocedure('@extschema@._wab_record_session(text, text, timestamptz)')::pg_catalog.oid),
             (pg_catalog.to_regprocedure('@extschema@._wab_observe_statuses(bigint[], text[], timestamptz)')),
             (pg_catalog.to_regprocedure('@extschema@._wab_note_drift_of(text[], bigint[])'))) AS f(oid)
