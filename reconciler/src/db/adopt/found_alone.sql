SELECT b.bridge_id, b.customer_ref, nullif(b.status, 'unknown') AS status, ARRAY['orphaned'] AS drift,
       false AS kept
FROM @extschema@.wab_bridges b
WHERE NOT EXISTS (SELECT FROM @extschema@.wab_declared d WHERE d.customer_ref = b.customer_ref)
