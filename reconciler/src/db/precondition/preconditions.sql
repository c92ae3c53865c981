SELECT f.customer_ref, f.wanted, f.bridge_id, f.stored_bridge_id::bigint, f.stored_status::text
FROM @extschema@.wab_fleet f WHERE f.customer_ref = ANY ($1)
