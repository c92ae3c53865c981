SELECT o.step, o.kind, o.customer_ref, o.bridge_id, o.started_at, o.finished_at, coalesce(o.outcome, 'running') AS outcome, o.detail
FROM @extschema@.wab_operations o
WHERE o.run_id::pg_catalog.text OPERATOR(pg_catalog.=) $1::pg_catalog.text
ORDER BY o.step
