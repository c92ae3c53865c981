SELECT p.bridge_id, p.phone, p.name, p.phone_since, p.seen_at, p.previous_phone, p.shared
FROM @extschema@.wab_phones p
WHERE p.customer_ref OPERATOR(pg_catalog.=) $1::pg_catalog.text
ORDER BY p.bridge_id
