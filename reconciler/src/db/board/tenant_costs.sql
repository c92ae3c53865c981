SELECT m.month::pg_catalog.text AS month, c.customer_ref, c.bridge_days, c.cost, c.waste
FROM (VALUES (pg_catalog.date_trunc('month', pg_catalog.now() AT TIME ZONE 'UTC')),
             (pg_catalog.date_trunc('month', pg_catalog.now() AT TIME ZONE 'UTC') OPERATOR(pg_catalog.-) '1 month'::pg_catalog.interval)) v(at)
CROSS JOIN LATERAL (SELECT v.at::pg_catalog.date AS month) m
CROSS JOIN LATERAL @extschema@.wab_tenant_costs(m.month) c
