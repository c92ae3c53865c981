SELECT f.bridge_id, f.customer_ref,
       CASE WHEN f.status OPERATOR(pg_catalog.<>) 'unknown' THEN f.status END AS status, f.drift,
       f.kept AND f.tenant_id IS NULL AS kept
FROM @views@.wab_fleet f
WHERE pg_catalog.cardinality(f.drift) OPERATOR(pg_catalog.>) 0
   OR (f.kept AND f.tenant_id IS NULL AND f.bridge_id IS NOT NULL)
