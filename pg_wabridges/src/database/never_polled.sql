-- How many live bridges have a status that was never learnt, though it could be asked for.
SELECT pg_catalog.count(*)
FROM @extschema@.wab_bridges b
WHERE b.status_observed_at IS NULL AND b.customer_ref IS NOT NULL AND NOT b.duplicated
