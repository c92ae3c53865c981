SELECT b.tenants::regclass::text AS table, quote_ident(b.tenant_id) AS column,
       @extschema@._wab_customer_ref_of(NULL, b) AS as_text,
       (SELECT bool_or(i.indisunique AND i.indnkeyatts = 1) FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = b.tenants AND a.attname = b.tenant_id AND i.indisvalid AND i.indpred IS NULL) AS unique,
       c.relkind = 'v' AS is_view
FROM @extschema@._wab_binding() b JOIN pg_class c ON c.oid = b.tenants
