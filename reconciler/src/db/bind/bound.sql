SELECT b.tenants::oid AS oid, b.tenants::text AS table, b.tenant_id::text, b.bridge_id::text,
       b.bridge_status::text, b.wanted, b.webhook_url, b.resolved_in,
       b.customer_refs, b.disconnected_after, b.awaiting_scan_after, b.phone,
       to_regclass('@extschema@.wab_drift') IS NOT NULL AS usable
FROM @extschema@._wab_binding() b
