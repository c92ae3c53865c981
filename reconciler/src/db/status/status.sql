SELECT s.observed_at, pg_catalog.floor(pg_catalog.date_part('epoch',
           pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) s.observed_at))::pg_catalog.int8 AS age_seconds,
       o.source, o.malformed, o.outside, s.bridges, s.paired, s.awaiting_scan, s.disconnected, s.unknown, s.orphaned,
       s.churned, s.duplicate, s.missing, s.monthly_cost, s.monthly_waste,
       k.awaiting_scan_drift, k.disconnected_drift,
       pg_catalog.floor(extract(epoch FROM p.awaiting_scan_after))::pg_catalog.int8 AS awaiting_scan_after,
       pg_catalog.floor(extract(epoch FROM p.disconnected_after))::pg_catalog.int8 AS disconnected_after,
       (SELECT floor(extract(epoch FROM w.oldest_status_age))::bigint FROM @extschema@.wab_status w)
           AS oldest_status_seconds,
       (SELECT count(*) FROM @extschema@.wab_bridges b
        WHERE NOT b.status_listed AND b.customer_ref IS NOT NULL AND NOT b.duplicated) AS polled,
       (SELECT pg_catalog.max(f.observed_at) FROM @extschema@.wab_observations f
        WHERE f.observed_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()) AS future_observation
FROM @extschema@.wab_fleet_summary s
CROSS JOIN @extschema@.wab_policy p
CROSS JOIN (SELECT pg_catalog.count(d.awaiting_scan) AS awaiting_scan_drift, pg_catalog.count(d.disconnected) AS disconnected_drift
            FROM @extschema@._wab_kinds d) k
LEFT JOIN @extschema@.wab_observations o ON o.observed_at OPERATOR(pg_catalog.=) s.observed_at
