SELECT coalesce(h.status, 'removed') AS status, h.since, h.until
FROM (SELECT DISTINCT t.bridge_id FROM @extschema@._wab_tenures t
      WHERE t.customer_ref OPERATOR(pg_catalog.=) $1::pg_catalog.text) b
CROSS JOIN LATERAL (
    SELECT s.status, s.customer_ref, s.since, s.until FROM @extschema@.wab_status_history s
    WHERE s.bridge_id OPERATOR(pg_catalog.=) b.bridge_id) h
WHERE h.customer_ref OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND (h.until IS NULL OR h.until OPERATOR(pg_catalog.>) (pg_catalog.now() OPERATOR(pg_catalog.-) '720 hours'::pg_catalog.interval))
ORDER BY h.since
