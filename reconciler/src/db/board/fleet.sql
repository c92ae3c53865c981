SELECT f.customer_ref, f.bridge_id, f.status, f.raw_status, f.status_since, f.state, f.wanted, f.drift
FROM @extschema@.wab_fleet f
WHERE ($1::pg_catalog.text IS NULL OR f.status OPERATOR(pg_catalog.=) $1::pg_catalog.text)
  AND ($2::pg_catalog.text IS NULL OR $2::pg_catalog.text OPERATOR(pg_catalog.=) ANY (f.drift))
  AND ($3::pg_catalog.text IS NULL
       OR pg_catalog.strpos(pg_catalog.lower(f.customer_ref), pg_catalog.lower($3::pg_catalog.text)) OPERATOR(pg_catalog.>) 0
       OR f.bridge_id::pg_catalog.text OPERATOR(pg_catalog.=) $3::pg_catalog.text)
  AND ($4::pg_catalog.text IS NULL
       OR ROW(coalesce(f.customer_ref, '') COLLATE "C", coalesce(f.bridge_id, 0))
          OPERATOR(pg_catalog.>) ROW($4::pg_catalog.text COLLATE "C", coalesce($5::pg_catalog.int8, 0)))
ORDER BY coalesce(f.customer_ref, '') COLLATE "C", coalesce(f.bridge_id, 0)
LIMIT $6::pg_catalog.int8
