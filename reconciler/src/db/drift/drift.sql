SELECT d.kind, d.severity, d.tenant_id::pg_catalog.text, d.bridge_id, d.customer_ref, d.stored, d.observed, d.since,
       d.detail, d.monthly_cost, d.webhook_url
FROM @views@.wab_drift d WHERE $1::pg_catalog.int8[] IS NULL OR d.bridge_id OPERATOR(pg_catalog.=) ANY ($1)
