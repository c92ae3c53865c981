SELECT h.at, h.event, h.bridge_id, h.by_whom, h.detail
FROM @extschema@.wab_tenant_history($1::pg_catalog.text) WITH ORDINALITY h(at, event, bridge_id, by_whom, detail, nth)
ORDER BY h.nth DESC
LIMIT $2::pg_catalog.int8
