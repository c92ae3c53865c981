SELECT d.kind, d.severity, pg_catalog.count(*) AS differences
FROM @extschema@.wab_drift d
GROUP BY d.kind, d.severity
ORDER BY pg_catalog.array_position('{critical,warning,info}'::pg_catalog.text[], d.severity), d.kind
