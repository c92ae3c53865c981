-- Tests the words that stand for a status: built-in ones, those of the user, and those that are not mapped.
CREATE EXTENSION pg_wabridges;
SELECT * FROM wab_status_words ORDER BY status, word;
SELECT raw, wab_normalize_status(raw) AS status
FROM unnest('{connected,CONNECTED,awaiting_scan,"Awaiting Scan",loggedOut,LOGGED-OUT,close,banned,online,WORKING,timeout,"",NULL}'::text[]) AS raw;
CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
INSERT INTO tenants SELECT c, n, 'paired' FROM unnest('{a,b,c,d,e}'::text[]) WITH ORDINALITY AS t(c, n);
SELECT * FROM wab_bind_tenants('tenants');
SELECT bridges FROM wab_observe('{1,2,3,4,5,6}', '{a,b,c,d,e,f}', array_fill('running'::text, '{6}'), '{Online,ON_LINE,syncing,NULL,connected,online}', array_fill('2026-01-01'::timestamptz, '{6}'));
SELECT word, raw_status, bridges, since IS NOT NULL AS since FROM wab_unmapped_words ORDER BY 1;
-- A status that was never observed (bridge 4) is no drift.
SELECT kind, severity, bridge_id, stored, observed, since IS NOT NULL AS since, detail FROM wab_drift WHERE kind <> 'orphaned' ORDER BY bridge_id, kind;
-- Within the grace it is not reported yet.
UPDATE wab_policy SET unmapped_after = '1 hour';
SELECT count(*) AS reported FROM wab_drift WHERE kind = 'unmapped_status';
UPDATE wab_policy SET unmapped_after = NULL;
SELECT _wab_write_statuses();
SELECT id, bridge_status FROM tenants ORDER BY 1;
-- The stored statuses and their history follow a new word at once; status_since stays.
SELECT status_since AS since FROM wab_bridges WHERE bridge_id = 1 \gset
INSERT INTO wab_status_words VALUES ('On-Line', 'paired') RETURNING *;
SELECT bridge_id, status, raw_status FROM wab_bridges ORDER BY 1;
SELECT status_since = :'since' AS since_stays FROM wab_bridges WHERE bridge_id = 1;
SELECT bridge_id, was, became FROM wab_bridge_events WHERE event = 'status' ORDER BY 1;
SELECT kind, bridge_id, stored, observed FROM wab_drift WHERE kind <> 'orphaned' ORDER BY bridge_id, kind;
-- A word that says nothing about the session is mapped to unknown, and then no drift.
INSERT INTO wab_status_words VALUES ('syncing', 'unknown');
SELECT count(*) AS unmapped FROM wab_unmapped_words;
SELECT count(*) AS reported FROM wab_drift WHERE kind = 'unmapped_status';
UPDATE wab_status_words SET status = 'disconnected' WHERE word = 'syncing';
SELECT status FROM wab_bridges WHERE bridge_id = 3;
-- A built-in word is overridden, and comes back; it cannot be deleted or renamed.
UPDATE wab_status_words SET status = 'awaiting_scan' WHERE word = 'closed';
SELECT * FROM wab_status_words WHERE word = 'closed' OR NOT built_in ORDER BY 1;
DELETE FROM wab_status_words WHERE NOT built_in;
SELECT word, status, built_in FROM wab_status_words WHERE word IN ('closed', 'online');
SELECT bridge_id, status FROM wab_bridges WHERE bridge_id < 4 ORDER BY 1;
DELETE FROM wab_status_words WHERE word = 'closed';
UPDATE wab_status_words SET word = 'shut' WHERE word = 'closed';
INSERT INTO wab_status_words VALUES ('online', 'connected');
INSERT INTO wab_status_words VALUES (NULL, 'paired');
-- A refresh and a poll use the words too, and an override that was stored before them.
INSERT INTO wab_status_words VALUES ('syncing', 'paired');
SELECT changed FROM wab_observe('{1,2,3,4,5,6}', '{a,b,c,d,e,f}', array_fill('running'::text, '{6}'), '{Syncing,ON_LINE,syncing,NULL,connected,online}', array_fill('2026-01-01'::timestamptz, '{6}'));
SELECT _wab_observe_statuses('{4}', '{SYNCING}');
SELECT bridge_id, status FROM wab_bridges ORDER BY 1;
-- The provider's word for one tenant, when its bridge is recorded: unknown is written only if it was observed.
SELECT _wab_record_provision('b', 2, 'running', 'odd'), _wab_record_provision('d', 7, 'running', NULL);
SELECT id, bridge_id, bridge_status FROM tenants WHERE id IN ('b', 'd') ORDER BY 1;
-- Only what the provider said counts as a change: a word that is mapped to another status, and back, makes no bridge flap, and
-- ends no outage. The tenant's history shows it as mapped.
SELECT bridges FROM wab_observe('{8}', '{h}', '{running}', '{closed}', '{2026-01-01}', force => true);
INSERT INTO tenants VALUES ('h', 8, 'disconnected');
UPDATE wab_policy SET flapping_changes = 2;
INSERT INTO wab_status_words VALUES ('closed', 'paired');
DELETE FROM wab_status_words WHERE word = 'closed';
INSERT INTO wab_status_words VALUES ('closed', 'paired');
SELECT kind FROM wab_drift WHERE bridge_id = 8 AND kind = 'flapping';
SELECT reconnections_30d FROM wab_fleet_health;
SELECT reconnections FROM wab_fleet_health_daily;
SELECT event, bridge_id, detail FROM wab_tenant_history('h') WHERE event NOT LIKE 'drift%';
SELECT changed FROM wab_observe('{8}', '{h}', '{running}', '{disconnected}', '{2026-01-01}');
SELECT changed FROM wab_observe('{8}', '{h}', '{running}', '{connected}', '{2026-01-01}');
SELECT kind, observed FROM wab_drift WHERE bridge_id = 8 AND kind = 'flapping';
SELECT reconnections_30d FROM wab_fleet_health;
-- A word without a letter or a digit would be the word of a bridge that told none.
INSERT INTO wab_status_words VALUES ('', 'paired');
INSERT INTO wab_status_words VALUES (' - _', 'paired');
