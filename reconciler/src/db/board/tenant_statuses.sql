SELECT coalesce(h.status, 'removed') AS status, h.since, h.until
FROM (SELECT b.bridge_id FROM @extschema@.wab_bridges b WHERE b.customer_ref OPERATOR(pg_catalog.=) $1::pg_catalog.text
      UNION
      SELECT e.bridge_id FROM @extschema@.wab_bridge_events e
      WHERE e.customer_ref OPERATOR(pg_catalog.=) $1::pg_catalog.text
        AND e.event OPERATOR(pg_catalog.=) ANY ('{appeared,disappeared,customer_ref}'::pg_catalog.text[])
      UNION
      SELECT e.bridge_id FROM @extschema@.wab_bridge_events e
      WHERE e.was OPERATOR(pg_catalog.=) $1::pg_catalog.text AND e.event OPERATOR(pg_catalog.=) 'customer_ref') b
-- OFFSET 0 keeps the search per bridge; in a join, PostgreSQL would read the history of all bridges.
CROSS JOIN LATERAL (
    SELECT s.status, s.customer_ref, s.since, s.until FROM @extschema@.wab_status_history s
    WHERE s.bridge_id OPERATOR(pg_catalog.=) b.bridge_id OFFSET 0) h
WHERE h.customer_ref OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND (h.until IS NULL OR h.until OPERATOR(pg_catalog.>) (pg_catalog.now() OPERATOR(pg_catalog.-) '720 hours'::pg_catalog.interval))
ORDER BY h.since
