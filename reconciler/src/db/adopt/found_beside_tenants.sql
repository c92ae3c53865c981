SELECT f.bridge_id, f.customer_ref, nullif(f.status, 'unknown') AS status, f.drift,
       f.kept AND f.tenant_id IS NULL AS kept
FROM @extschema@.wab_fleet f
WHERE f.drift <> '{}' OR (f.kept AND f.tenant_id IS NULL AND f.bridge_id IS NOT NULL)
