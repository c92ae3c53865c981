SELECT r.customer_ref, r.bridge_id, r.since, r.last_nudged_at, r.last_nudged_by, r.last_nudged_channel, r.last_code_at, r.next_step
FROM @extschema@.wab_to_repair r
ORDER BY r.nth
LIMIT $1::pg_catalog.int8
