INSERT INTO @extschema@.wab_operations (run_id, step, kind, customer_ref, bridge_id, started_at)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() - make_interval(secs => $6))
ON CONFLICT (run_id, step) DO NOTHING
