SELECT d.customer_ref, d.kind, d.reason,
       -- wab knows no infinite dates: a keep until infinity has no end.
       CASE WHEN d.until < 'infinity' THEN greatest(d.until, date '0001-01-01') END AS until
FROM @extschema@.wab_declared d ORDER BY d.customer_ref
