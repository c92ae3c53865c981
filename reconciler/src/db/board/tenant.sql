SELECT f.wanted, f.kept, f.bridge_id, f.status, f.raw_status, f.status_since, f.state, f.created_at, f.stored_bridge_id, f.stored_status,
       f.webhook_url, f.last_webhook_url, f.declared_reason, f.drift
FROM @extschema@.wab_fleet f
WHERE f.customer_ref OPERATOR(pg_catalog.=) $1::pg_catalog.text
ORDER BY f.bridge_id OPERATOR(pg_catalog.=) f.stored_bridge_id DESC NULLS LAST, f.bridge_id
