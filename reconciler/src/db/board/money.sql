SELECT s.bridges, s.monthly_cost, s.monthly_waste
FROM @extschema@.wab_fleet_summary s
