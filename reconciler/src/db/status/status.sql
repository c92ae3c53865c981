SELECT s.observed_at, floor(extract(epoch FROM clock_timestamp() - s.observed_at))::bigint AS age_seconds,
       o.source, o.malformed, s.bridges, s.paired, s.awaiting_scan, s.disconnected, s.unknown, s.orphaned,
       s.churned, s.duplicate, s.missing, s.monthly_cost, s.monthly_waste
FROM @extschema@.wab_fleet_summary s
LEFT JOIN @extschema@.wab_observations o ON o.observed_at = s.observed_at
