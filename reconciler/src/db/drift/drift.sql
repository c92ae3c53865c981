SELECT d.kind, d.severity, d.tenant_id::text, d.bridge_id, d.customer_ref, d.stored, d.observed, d.since,
       d.detail, d.monthly_cost, d.webhook_url
FROM @extschema@.wab_drift d WHERE $1::bigint[] IS NULL OR d.bridge_id = ANY ($1)
