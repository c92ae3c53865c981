-- Which of these bridges may be in use although no tenant is found that needs them, and by whom.
SELECT b.bridge_id, pg_catalog.format('the row of the tenant %s holds it', t.customer_ref)
FROM @views@.wab_tenants t JOIN @extschema@.wab_bridges b ON b.bridge_id OPERATOR(pg_catalog.=) t.bridge_id
WHERE t.wanted AND t.bridge_id OPERATOR(pg_catalog.=) ANY ($1)
  AND (t.customer_ref OPERATOR(pg_catalog.=) b.customer_ref) IS NOT TRUE
  AND NOT EXISTS (SELECT FROM @extschema@.wab_bridges o WHERE o.customer_ref OPERATOR(pg_catalog.=) t.customer_ref)
UNION ALL
SELECT b.bridge_id, 'it is paired, and no other bridge of this customer_ref is: find out which one is in use. If it is this '
                    'one, write its bridge_id on the tenant row; if not, delete it in the provider''s dashboard'
FROM @extschema@.wab_bridges b
WHERE b.bridge_id OPERATOR(pg_catalog.=) ANY ($1) AND b.duplicated AND b.status OPERATOR(pg_catalog.=) 'paired'
  AND NOT EXISTS (SELECT FROM @extschema@.wab_bridges o
                  WHERE o.customer_ref OPERATOR(pg_catalog.=) b.customer_ref
                    AND o.bridge_id OPERATOR(pg_catalog.<>) b.bridge_id AND o.status OPERATOR(pg_catalog.=) 'paired')
  AND (EXISTS (SELECT FROM @views@.wab_tenants t
               WHERE t.customer_ref OPERATOR(pg_catalog.=) b.customer_ref AND t.wanted)
       OR EXISTS (SELECT FROM @extschema@.wab_declared d
                  WHERE d.customer_ref OPERATOR(pg_catalog.=) b.customer_ref AND d.kind OPERATOR(pg_catalog.=) 'extra'))
