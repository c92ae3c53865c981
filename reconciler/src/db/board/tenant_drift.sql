SELECT d.kind, d.severity, d.bridge_id, d.stored, d.observed, d.since, d.detail, d.monthly_cost
FROM @extschema@.wab_drift d
WHERE d.customer_ref OPERATOR(pg_catalog.=) $1::pg_catalog.text
ORDER BY pg_catalog.array_position('{critical,warning,info}'::pg_catalog.text[], d.severity), d.kind
