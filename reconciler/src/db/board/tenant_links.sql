SELECT l.state, l.made_at, l.made_by, l.valid_until
FROM @extschema@.wab_links l
WHERE l.customer_ref OPERATOR(pg_catalog.=) $1::pg_catalog.text
ORDER BY l.made_at DESC
LIMIT 20
