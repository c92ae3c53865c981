-- Tests that storing an unchanged list adds one row, unless wab_bridges was written since the last list.
CREATE EXTENSION pg_wabridges;
\set again 'SELECT bridges, appeared, changed, disappeared, skipped FROM _wab_observe_again'
\set mirrored 'SELECT listing_sha256, mirrored FROM wab_observations ORDER BY observed_at DESC LIMIT 1'
:again('one', clock_timestamp(), 'sql');
SELECT appeared FROM wab_observe('{1,2}', '{a,b}', '{running,running}', '{connected,NULL}', '{NULL,NULL}', listing_sha256 => 'one');
:mirrored;
:again('one', clock_timestamp(), 'sql');
:again('two', clock_timestamp(), 'sql');
:again('one', clock_timestamp() - interval '1 hour', 'sql');
:again('one', clock_timestamp() + interval '1 hour', 'sql');
-- Writing a column that does not come from the list changes nothing; writing a status does.
UPDATE wab_bridges SET webhook_url = 'https://example.com/a';
:mirrored;
UPDATE wab_bridges SET raw_status = 'qr' WHERE bridge_id = 1;
:mirrored;
:again('one', clock_timestamp(), 'sql');
-- After a list without statuses, writing a status changes nothing.
SELECT changed FROM wab_observe('{1,2}', '{a,b}', '{running,stopped}', '{NULL,NULL}', '{NULL,NULL}', listing_sha256 => 'three');
UPDATE wab_bridges SET raw_status = 'closed' WHERE bridge_id = 1;
:mirrored;
DELETE FROM wab_bridges WHERE bridge_id = 2;
:mirrored;
