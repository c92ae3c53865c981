SELECT s.bridges, s.paired, s.awaiting_scan, s.disconnected, s.unknown, s.missing, s.orphaned, s.churned, s.duplicate,
       s.monthly_cost, s.monthly_waste, w.pending_provisions, w.pending_polls
FROM @extschema@.wab_fleet_summary s CROSS JOIN @extschema@.wab_status w
