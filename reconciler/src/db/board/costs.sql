SELECT c.month::pg_catalog.text AS month, c.bridges, c.bridge_days, c.cost, c.wasted_days, c.waste
FROM @extschema@.wab_costs c
ORDER BY c.month DESC
LIMIT 13
