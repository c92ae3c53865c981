SELECT f.customer_ref, f.wanted, f.bridge_id, f.stored_bridge_id::pg_catalog.int8, f.stored_status::pg_catalog.text
FROM @views@.wab_fleet f WHERE f.customer_ref OPERATOR(pg_catalog.=) ANY ($1)
