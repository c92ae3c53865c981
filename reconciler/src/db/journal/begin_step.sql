INSERT INTO @extschema@.wab_operations (run_id, step, kind, customer_ref, bridge_id)
VALUES ($1, $2, $3, $4, $5)
