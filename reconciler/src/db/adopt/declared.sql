SELECT d.customer_ref, d.kind, d.reason, d.until FROM @extschema@.wab_declared d ORDER BY d.customer_ref
