-- Counts the live bridges that a poll could ask and for which no status was ever observed.
SELECT pg_catalog.count(*)
FROM @extschema@.wab_bridges b
WHERE b.status_observed_at IS NULL AND b.customer_ref IS NOT NULL AND NOT b.duplicated
