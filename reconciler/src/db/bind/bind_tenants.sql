SELECT FROM @extschema@.wab_bind_tenants($1::oid::regclass, tenant_id => $2, bridge_id => $3,
    bridge_status => $4, wanted => $5, webhook_url => $6, resolved_in => $7, customer_refs => $8,
    disconnected_after => $9, awaiting_scan_after => $10, phone => $11)
