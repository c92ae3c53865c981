-- The tables of 0.2.0 in the words of 0.3.0.

ALTER TABLE @extschema@.wab_observations RENAME COLUMN digest TO listing_sha256;
UPDATE @extschema@.wab_operations SET kind = 'link' WHERE kind = 'bind';
