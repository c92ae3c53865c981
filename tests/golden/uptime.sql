-- Tests wab_tenant_uptime() with a week that can be computed by hand.
CREATE EXTENSION pg_wabridges;
SET timezone = 'America/New_York';
SET intervalstyle = 'postgres';
SELECT * FROM wab_tenant_uptime();
-- The fleet was listed every half hour from March 1 to March 9, but for six hours on March 5.
INSERT INTO wab_observations (observed_at, source, listing_sha256, bridges, appeared, changed, disappeared, malformed)
SELECT o, 'sql', 'x', 1, 0, 0, 0, 0 FROM generate_series('2026-03-01 00:00Z'::timestamptz, '2026-03-09 12:00Z', '30 minutes') o
WHERE NOT (o > '2026-03-05 00:00Z' AND o < '2026-03-05 06:00Z');
INSERT INTO wab_bridges (bridge_id, customer_ref, status, created_at, first_seen_at, duplicated) VALUES
    (1, 'a', 'paired', '2026-02-01 00:00Z', '2026-03-01 00:00Z', false),
    (2, 'b', 'paired', '2026-03-03 00:00Z', '2026-03-03 00:00Z', false),
    (3, 'd', 'paired', '2026-03-01 00:00Z', '2026-03-01 00:00Z', false),
    (5, 'e', 'paired', '2026-03-02 12:00Z', '2026-03-02 12:00Z', false),
    (6, 'f', 'awaiting_scan', '2026-03-01 00:00Z', '2026-03-01 00:00Z', false),
    (7, 'g', 'unknown', '2026-03-01 00:00Z', '2026-03-01 00:00Z', false),
    (9, 'h', 'paired', '2026-03-03 12:00Z', '2026-03-03 12:00Z', false),
    (10, NULL, 'paired', '2026-03-01 00:00Z', '2026-03-01 00:00Z', false),
    (11, 'i', 'awaiting_scan', '2026-03-01 00:00Z', '2026-03-01 00:00Z', false),
    (12, 'j', 'paired', '2026-03-01 00:00Z', '2026-03-01 00:00Z', false);
INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since) VALUES
    ('2026-03-01 00:00Z', 1, 'a', 'appeared', NULL, 'paired', '2026-02-01 00:00Z'),
    ('2026-03-02 06:00Z', 1, 'a', 'status', 'paired', 'disconnected', NULL),
    ('2026-03-02 12:00Z', 1, 'a', 'status', 'disconnected', 'paired', NULL),
    ('2026-03-06 03:00Z', 1, 'a', 'status', 'paired', 'disconnected', NULL),
    ('2026-03-06 07:00Z', 1, 'a', 'status', 'disconnected', 'paired', NULL),
    -- b was first paired on March 3 at noon. A webhook told of an outage while the fleet was not listed.
    ('2026-03-03 00:00Z', 2, 'b', 'appeared', NULL, 'awaiting_scan', '2026-03-03 00:00Z'),
    ('2026-03-03 12:00Z', 2, 'b', 'status', 'awaiting_scan', 'paired', NULL),
    ('2026-03-05 02:00Z', 2, 'b', 'status', 'paired', 'disconnected', NULL),
    ('2026-03-05 04:00Z', 2, 'b', 'status', 'disconnected', 'paired', NULL),
    -- Bridge 3 was moved from c to d.
    ('2026-03-01 00:00Z', 3, 'c', 'appeared', NULL, 'paired', '2026-03-01 00:00Z'),
    ('2026-03-04 00:00Z', 3, 'd', 'customer_ref', 'c', 'd', NULL),
    -- e had a second bridge from March 2 on, and lost the first on March 3.
    ('2026-03-01 00:00Z', 4, 'e', 'appeared', NULL, 'paired', '2026-03-01 00:00Z'),
    ('2026-03-02 00:00Z', 4, 'e', 'status', 'paired', 'disconnected', NULL),
    ('2026-03-02 12:00Z', 5, 'e', 'appeared', NULL, 'paired', '2026-03-02 12:00Z'),
    ('2026-03-03 00:00Z', 4, 'e', 'disappeared', 'disconnected', NULL, '2026-03-01 00:00Z'),
    -- f was never paired; the status of g is not known.
    ('2026-03-01 00:00Z', 6, 'f', 'appeared', NULL, 'awaiting_scan', '2026-03-01 00:00Z'),
    ('2026-03-01 00:00Z', 7, 'g', 'appeared', NULL, 'unknown', '2026-03-01 00:00Z'),
    -- The bridge of h was replaced, and the new one had to be paired.
    ('2026-03-01 00:00Z', 8, 'h', 'appeared', NULL, 'paired', '2026-03-01 00:00Z'),
    ('2026-03-02 00:00Z', 8, 'h', 'disappeared', 'paired', NULL, '2026-03-01 00:00Z'),
    ('2026-03-03 12:00Z', 9, 'h', 'appeared', NULL, 'awaiting_scan', '2026-03-03 12:00Z'),
    ('2026-03-03 18:00Z', 9, 'h', 'status', 'awaiting_scan', 'paired', NULL),
    ('2026-03-01 00:00Z', 10, NULL, 'appeared', NULL, 'paired', '2026-03-01 00:00Z'),
    -- i was paired, and then logged out.
    ('2026-03-01 00:00Z', 11, 'i', 'appeared', NULL, 'paired', '2026-03-01 00:00Z'),
    ('2026-03-02 00:00Z', 11, 'i', 'status', 'paired', 'awaiting_scan', NULL),
    -- j: a webhook told in the gap that it was lost; the next listing says that it is paired, so what lies between is not known.
    ('2026-03-01 00:00Z', 12, 'j', 'appeared', NULL, 'paired', '2026-03-01 00:00Z'),
    ('2026-03-05 01:00Z', 12, 'j', 'status', 'paired', 'disconnected', NULL),
    ('2026-03-05 01:00Z', 12, 'j', 'status', 'disconnected', 'disconnected', NULL),
    ('2026-03-05 06:00Z', 12, 'j', 'status', 'disconnected', 'paired', NULL);
-- The week from March 1 to 7 has 168 hours, of which the listings cover 162.
--   a: lost for 6 and 4 hours: paired 152 of 162. b: lived 120 hours, all of them known by its events; not paired for 12
--   before its first pairing and for 2: 106 of 120. c: 72 of 72. d: lived 96, 90 of 90. e: not paired for 12 hours of
--   March 2: 150 of 162. f: 0 of 162. g: nothing is known. h: lived 24 + 108 hours; 6 of these it waited: 120 of 126.
--   i: 24 of 162, and an outage that lasts: 144 hours less 6. j: from the gap only its first hour is known: 163 of 163.
SELECT * FROM wab_tenant_uptime('2026-03-01 00:00Z', '2026-03-08 00:00Z');
-- An outage of the provider on March 6 from 0 to 6 o'clock leaves one of the four hours for which a was lost: 150 of 156.
-- It is an incident of three bridges, of which the first was lost at midnight and the last stays lost.
UPDATE wab_policy SET mass_bridges = 2;
INSERT INTO wab_bridge_events (at, bridge_id, event, was, became) VALUES
    ('2026-03-04 00:00Z', 101, 'status', 'paired', 'disconnected'), ('2026-03-04 01:00Z', 101, 'status', 'disconnected', 'paired'),
    ('2026-03-06 00:00Z', 101, 'status', 'paired', 'disconnected'), ('2026-03-06 00:01Z', 102, 'status', 'paired', 'disconnected');
INSERT INTO wab_drift_episodes (kind, subject, bridge_id, wasted, began_at, ended_at, incident_id) VALUES
    ('disconnected', '101', 101, false, '2026-03-06 00:15Z', '2026-03-06 05:00Z', 1),
    ('disconnected', '102', 102, false, '2026-03-06 00:16Z', '2026-03-06 06:00Z', 1),
    ('disconnected', '103', 103, false, '2026-03-06 00:16Z', NULL, 1),
    -- One bridge that is lost twice is not the provider's.
    ('disconnected', '104', 104, false, '2026-03-03 00:16Z', '2026-03-03 01:00Z', 2),
    ('disconnected', '104', 104, false, '2026-03-03 02:16Z', '2026-03-03 03:00Z', 2);
SELECT since AT TIME ZONE 'UTC' AS since, until AT TIME ZONE 'UTC' AS until FROM _wab_provider_outages;
SELECT * FROM wab_tenant_uptime('2026-03-01 00:00Z', '2026-03-08 00:00Z') WHERE customer_ref IN ('a', 'c', 'd');
-- It leaves nothing of an outage that lies within it.
SELECT * FROM wab_tenant_uptime('2026-03-06 00:00Z', '2026-03-06 06:00Z') WHERE customer_ref = 'a';
-- The containers of 101 and 102 stop on March 6: the outage begins then, although 101 had lost its phone earlier that day. 102
-- stops three times, and counts once. On March 7 both lose their phones, and their sessions show a QR code at once.
BEGIN;
INSERT INTO wab_bridge_events (at, bridge_id, event, was, became) VALUES
    ('2026-03-06 12:00Z', 101, 'state', 'running', 'exited'), ('2026-03-06 12:01Z', 102, 'state', 'running', 'exited'),
    ('2026-03-07 08:00Z', 101, 'status', 'disconnected', 'paired'), ('2026-03-07 08:00Z', 102, 'status', 'disconnected', 'paired'),
    ('2026-03-07 09:00Z', 101, 'status', 'paired', 'awaiting_scan'), ('2026-03-07 09:01Z', 102, 'status', 'paired', 'awaiting_scan');
INSERT INTO wab_drift_episodes (kind, subject, bridge_id, wasted, began_at, ended_at, incident_id) VALUES
    ('state', '101', 101, false, '2026-03-06 12:05Z', '2026-03-06 12:30Z', 3),
    ('state', '102', 102, false, '2026-03-06 12:06Z', '2026-03-06 12:20Z', 3),
    ('state', '102', 102, false, '2026-03-06 12:25Z', '2026-03-06 18:00Z', 3),
    ('state', '102', 102, false, '2026-03-06 18:05Z', '2026-03-06 19:00Z', 3),
    ('disconnected', '101', 101, false, '2026-03-07 09:15Z', '2026-03-07 10:00Z', 4),
    ('disconnected', '102', 102, false, '2026-03-07 09:16Z', '2026-03-07 10:00Z', 4);
SELECT since AT TIME ZONE 'UTC' AS since, until AT TIME ZONE 'UTC' AS until FROM _wab_provider_outages ORDER BY since;
ROLLBACK;
-- It lasts while as many as make an incident are lost.
UPDATE wab_drift_episodes SET ended_at = NULL WHERE subject = '102';
SELECT since AT TIME ZONE 'UTC' AS since, until FROM _wab_provider_outages;
SELECT excluded FROM wab_tenant_uptime('2026-03-06 00:00Z', '2026-03-08 00:00Z') WHERE customer_ref = 'a';
TRUNCATE wab_drift_episodes;
DELETE FROM wab_bridge_events WHERE bridge_id > 100;
-- An outage that began before the time counts from its beginning: a was lost for 2 of 4 hours, and i all the time.
SELECT customer_ref, paired_share, outages, longest_outage FROM wab_tenant_uptime('2026-03-06 05:00Z', '2026-03-06 09:00Z') WHERE customer_ref IN ('a', 'f', 'i');
-- The clocks go forward on March 8: these two days of New York have 47 hours.
SELECT customer_ref, lived, observed FROM wab_tenant_uptime('2026-03-07', '2026-03-09') WHERE customer_ref = 'a';
-- Before the first listing nothing was observed, and a existed already; for b nothing changes.
SELECT * FROM wab_tenant_uptime('2026-02-22 00:00Z', '2026-03-08 00:00Z') WHERE customer_ref IN ('a', 'b');
SELECT * FROM wab_tenant_uptime('-infinity', '2026-03-08 00:00Z') WHERE customer_ref IN ('a', 'b');
SELECT count(*) FROM wab_tenant_uptime('-infinity', 'infinity');
-- After the last listing nothing was observed.
SELECT customer_ref, paired_share, coverage, outages FROM wab_tenant_uptime('2026-03-10 00:00Z', '2026-03-11 00:00Z') WHERE customer_ref IN ('a', 'f');
-- A wider gap is accepted, and j was lost for 5 hours.
UPDATE wab_policy SET max_gap = '6 hours';
SELECT * FROM wab_tenant_uptime('2026-03-01 00:00Z', '2026-03-08 00:00Z') WHERE customer_ref IN ('d', 'j');
UPDATE wab_policy SET max_gap = NULL;
-- No time, or none yet.
SELECT * FROM wab_tenant_uptime('2026-03-01 00:00Z', '2026-03-01 00:00Z');
SELECT * FROM wab_tenant_uptime('infinity', 'infinity');
SELECT * FROM wab_tenant_uptime('2026-03-02 00:00Z', '2026-03-01 00:00Z');
SELECT * FROM wab_tenant_uptime(NULL);
SELECT * FROM wab_tenant_uptime('2026-03-01 00:00Z', NULL);
-- Pruning changes nothing from the horizon on, and before it nothing counts as observed.
SELECT wab_prune_history(now() - '2026-03-06 00:00Z') AS pruned;
SELECT * FROM wab_tenant_uptime('2026-03-06 00:00Z', '2026-03-08 00:00Z') WHERE customer_ref IN ('a', 'd', 'i');
SELECT * FROM wab_tenant_uptime('2026-03-01 00:00Z', '2026-03-08 00:00Z') WHERE customer_ref IN ('a', 'd', 'i');
-- A bridge that disappeared and appeared again was not observed meanwhile.
SELECT t.bridge_id, t.customer_ref, t.since AT TIME ZONE 'UTC' AS since, t.until < now() AS ended FROM _wab_tenures t WHERE t.bridge_id IN (3, 5) ORDER BY 1, 3;
INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since) VALUES
    ('2026-03-07 00:00Z', 5, 'e', 'disappeared', 'paired', NULL, '2026-03-02 12:00Z'),
    ('2026-03-07 06:00Z', 5, 'e', 'appeared', NULL, 'paired', '2026-03-02 12:00Z');
SELECT t.since AT TIME ZONE 'UTC' AS since, t.until < now() AS ended FROM _wab_tenures t WHERE t.bridge_id = 5 ORDER BY 1;
SELECT * FROM wab_tenant_uptime('2026-03-07 00:00Z', '2026-03-08 00:00Z') WHERE customer_ref = 'e';
-- Where the fleet was never listed, events alone tell.
TRUNCATE wab_observations, wab_bridge_events, wab_bridges;
INSERT INTO wab_bridges (bridge_id, customer_ref, status, first_seen_at) VALUES (1, 'a', 'paired', '2026-03-01 00:00Z');
INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since) VALUES
    ('2026-03-01 00:00Z', 1, 'a', 'appeared', NULL, 'unknown', '2026-03-01 00:00Z'),
    ('2026-03-02 00:00Z', 1, 'a', 'status', 'unknown', 'paired', NULL),
    ('2026-03-03 00:00Z', 1, 'a', 'status', 'paired', 'disconnected', NULL),
    ('2026-03-03 01:00Z', 1, 'a', 'status', 'disconnected', 'paired', NULL);
SELECT * FROM wab_tenant_uptime('2026-03-01 00:00Z', '2026-03-04 00:00Z');
-- Of two statuses with the same time, awaiting_scan counts as the later one, whichever was stored first.
INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since) VALUES
    ('2026-03-03 12:00Z', 1, 'a', 'status', 'paired', 'awaiting_scan', NULL),
    ('2026-03-03 12:00Z', 1, 'a', 'status', 'paired', 'paired', NULL);
SELECT paired, outages FROM wab_tenant_uptime('2026-03-03 12:00Z', '2026-03-04 00:00Z');
-- A word that is mapped to another status, and back, is no observation: only the half hour between the listings is known.
TRUNCATE wab_observations, wab_bridge_events, wab_bridges;
SELECT now() AS noon \gset
SELECT bridges FROM wab_observe('{1}', '{a}', '{running}', '{connected}', '{2026-01-01}', listed_at => :'noon'::timestamptz - interval '480 hours');
SELECT bridges FROM wab_observe('{1}', '{a}', '{running}', '{connected}', '{2026-01-01}', listed_at => :'noon'::timestamptz - interval '479 hours 30 minutes');
SELECT paired, observed, coverage FROM wab_tenant_uptime();
INSERT INTO wab_status_words VALUES ('connected', 'awaiting_scan');
DELETE FROM wab_status_words WHERE word = 'connected';
SELECT was, became, since = :'noon'::timestamptz - interval '480 hours' AS said_since_the_first FROM wab_bridge_events WHERE event = 'status' ORDER BY event_id;
SELECT paired, observed, coverage, outages FROM wab_tenant_uptime();
-- What the provider itself tells is one.
SELECT wab_ingest_event('a', '{"event": "disconnected"}');
SELECT observed > interval '479 hours' AS observed FROM wab_tenant_uptime();
