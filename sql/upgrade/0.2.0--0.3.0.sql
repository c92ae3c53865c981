-- Renames the columns and values of 0.2.0 that have other names in 0.3.0.

-- While the upgrade runs, only PostgreSQL's own operators and functions are found.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE @extschema@.wab_observations RENAME COLUMN digest TO listing_sha256;
UPDATE @extschema@.wab_operations SET kind = 'link' WHERE kind = 'bind';
