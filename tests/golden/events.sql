-- Tests webhook events: each sets the status at its own time, in any order of arrival.
CREATE EXTENSION pg_wabridges;
SET timezone = 'UTC';
\set history 'SELECT at, bridge_id, event, was, became FROM wab_bridge_events ORDER BY bridge_id, at, became DESC'
SELECT appeared FROM wab_observe('{1,2,3,4}', '{a,b,c,c}', '{running,running,running,running}', '{NULL,connected,NULL,NULL}', '{NULL,NULL,NULL,NULL}', '2026-01-01');
SELECT wab_ingest_event('a', '{"event": "connected", "phone": "15550001234"}', '2026-01-02');
SELECT wab_ingest_event('a', '{"event": "disconnected", "customer_ref": "a", "timestamp": "2026-01-04T00:00:00Z"}');
SELECT bridge_id, status, raw_status, status_since, status_observed_at FROM wab_bridges WHERE bridge_id = 1;
-- A late event changes the history and not the status. A repeated event changes nothing.
SELECT wab_ingest_event('a', '{"event": "disconnected"}', '2026-01-03'), wab_ingest_event('a', '{"event": "disconnected"}', '2026-01-03');
SELECT bridge_id, status, status_since, status_observed_at FROM wab_bridges WHERE bridge_id = 1;
-- Unix time in seconds and milliseconds; a time before the bridge was first seen; of two events at one time disconnected wins.
SELECT wab_ingest_event('a', '{"event": "connected", "timestamp": 1767571200}'), wab_ingest_event('a', '{"event": "connected", "timestamp": 1767657600000}');
SELECT wab_ingest_event('a', '{"event": "connected"}', '2025-12-31');
SELECT wab_ingest_event('a', '{"event": "disconnected"}', '2026-01-06'), wab_ingest_event('a', '{"event": "connected"}', '2026-01-06');
:history;
-- A poll that confirmed the status becomes a change when a late event from before the poll arrives.
SELECT _wab_observe_statuses('{2}', '{connected}', '2026-01-05');
SELECT wab_ingest_event('b', '{"event": "disconnected"}', '2026-01-03');
SELECT status, status_since FROM wab_bridges WHERE bridge_id = 2;
SELECT at, event, was, became FROM wab_bridge_events WHERE bridge_id = 2 ORDER BY at;
-- The same holds for a list that confirmed every status, and of several lists for the first.
SELECT changed FROM wab_observe('{1,2,3,4}', '{a,b,c,c}', '{running,running,running,running}', '{closed,connected,qr,qr}', '{NULL,NULL,NULL,NULL}', '2026-01-10');
SELECT changed FROM wab_observe('{1,2,3,4}', '{a,b,c,c}', '{running,running,running,running}', '{closed,connected,qr,qr}', '{NULL,NULL,NULL,NULL}', '2026-01-12');
SELECT wab_ingest_event('b', '{"event": "disconnected"}', '2026-01-09');
SELECT status, status_since FROM wab_bridges WHERE bridge_id = 2;
-- An event from the future gets the current time.
SELECT wab_ingest_event('b', '{"event": "disconnected"}', '2999-01-01');
SELECT status, status_observed_at <= clock_timestamp() AS now FROM wab_bridges WHERE bridge_id = 2;
-- Other events, unknown customer_refs and duplicates are ignored; malformed times are ignored; malformed events are errors.
SELECT wab_ingest_event('a', '{"event": "message"}'), wab_ingest_event('nobody', '{"event": "connected"}'), wab_ingest_event('c', '{"event": "connected"}');
SELECT _wab_event_time('{"timestamp": "soon"}'), _wab_event_time('{"timestamp": 1e300}'), _wab_event_time('{"timestamp": [1]}'), _wab_event_time('{}');
-- A time without a zone is UTC.
SET timezone = 'Asia/Kolkata';
SET datestyle = 'SQL, DMY';
SELECT _wab_event_time('{"timestamp": "2026-01-04T00:00:00"}') AT TIME ZONE 'UTC' AS utc;
SELECT _wab_event_time('{"timestamp": "03/04/2026 10:00"}') AS no_iso;
RESET datestyle;
RESET timezone;
SELECT wab_ingest_event(NULL, '{}');
SELECT wab_ingest_event('a', '[]');
SELECT wab_ingest_event('a', '{"event": 1}');
SELECT wab_ingest_event('a', '{"event": "connected", "customer_ref": "b"}');
SELECT * FROM wab_status_history WHERE bridge_id = 1 ORDER BY since;
-- A list without statuses shows another customer_ref, and the session answers at the same time: an event follows the answer.
SELECT changed FROM wab_observe('{1,2,3,4}', '{a,b,c,c}', '{running,running,running,running}', '{connected,closed,qr,qr}', '{NULL,NULL,NULL,NULL}', '2026-01-19');
SELECT changed FROM wab_observe('{1,2,3,4}', '{d,b,c,c}', '{running,running,running,running}', '{NULL,NULL,NULL,NULL}', '{NULL,NULL,NULL,NULL}', '2026-01-20');
SELECT _wab_observe_statuses('{1}', '{connected}', '2026-01-20');
-- Without an index PostgreSQL takes the first of several rows that sort as equal.
SET enable_indexscan = off;
SET enable_bitmapscan = off;
DISCARD PLANS;
SELECT wab_ingest_event('d', '{"event": "disconnected"}', '2026-01-21');
SELECT at, event, was, became FROM wab_bridge_events WHERE bridge_id = 1 AND at >= '2026-01-19' ORDER BY at, event_id;
RESET enable_indexscan;
RESET enable_bitmapscan;
-- While the provider says a word that is not mapped, the status is unknown: the status before it does not go on when the provider
-- says it again, and a late event is followed by the next list.
SELECT appeared FROM wab_observe('{1,2,3,4,5}', '{d,b,c,c,e}', '{running,running,running,running,running}', '{closed,closed,qr,qr,connected}', '{NULL,NULL,NULL,NULL,NULL}', '2026-02-01');
SELECT changed FROM wab_observe('{1,2,3,4,5}', '{d,b,c,c,e}', '{running,running,running,running,running}', '{closed,closed,qr,qr,linked}', '{NULL,NULL,NULL,NULL,NULL}', '2026-02-02');
SELECT changed FROM wab_observe('{1,2,3,4,5}', '{d,b,c,c,e}', '{running,running,running,running,running}', '{closed,closed,qr,qr,linked}', '{NULL,NULL,NULL,NULL,NULL}', '2026-02-04');
SELECT wab_ingest_event('e', '{"event": "disconnected"}', '2026-02-03');
SELECT status, raw_status, status_since FROM wab_bridges WHERE bridge_id = 5;
SELECT wab_ingest_event('e', '{"event": "connected"}', '2026-02-05');
SELECT status, raw_status, status_since FROM wab_bridges WHERE bridge_id = 5;
SELECT changed FROM wab_observe('{1,2,3,4,5}', '{d,b,c,c,e}', '{running,running,running,running,running}', '{closed,closed,qr,qr,linked}', '{NULL,NULL,NULL,NULL,NULL}', '2026-02-06');
-- A mapped word counts since it was said, and still does when an event repeats the status.
INSERT INTO wab_status_words VALUES ('linked', 'paired');
SELECT status, raw_status, status_since FROM wab_bridges WHERE bridge_id = 5;
SELECT wab_ingest_event('e', '{"event": "connected"}');
SELECT status, raw_status, status_since FROM wab_bridges WHERE bridge_id = 5;
SELECT event, was, became FROM wab_bridge_events WHERE bridge_id = 5 ORDER BY at, event_id;
-- A word that is mapped was last listed before a late event, and says nothing of the time after it.
SELECT wab_ingest_event('e', '{"event": "disconnected"}', '2026-02-07');
SELECT event, was, became FROM wab_bridge_events WHERE bridge_id = 5 ORDER BY at, event_id;
-- A late event of an outage that a list and then another event followed: the list ended it.
SELECT changed FROM wab_observe('{1,2,3,4,5,6}', '{d,b,c,c,e,g}', '{running,running,running,running,running,running}', '{closed,closed,qr,qr,linked,connected}', '{NULL,NULL,NULL,NULL,NULL,NULL}', '2026-03-01');
SELECT changed FROM wab_observe('{1,2,3,4,5,6}', '{d,b,c,c,e,g}', '{running,running,running,running,running,running}', '{closed,closed,qr,qr,linked,connected}', '{NULL,NULL,NULL,NULL,NULL,NULL}', '2026-03-03');
SELECT wab_ingest_event('g', '{"event": "disconnected"}', '2026-03-04'), wab_ingest_event('g', '{"event": "connected"}', '2026-03-05');
SELECT wab_ingest_event('g', '{"event": "disconnected"}', '2026-03-02');
SELECT at, was, became FROM wab_bridge_events WHERE bridge_id = 6 ORDER BY at, event_id;
-- So did a list before the sessions told their statuses themselves.
SELECT changed FROM wab_observe('{1,2,3,4,5,6}', '{d,b,c,c,e,g}', '{running,running,running,running,running,running}', '{closed,closed,qr,qr,linked,connected}', '{NULL,NULL,NULL,NULL,NULL,NULL}', '2026-03-07');
SELECT changed FROM wab_observe('{1,2,3,4,5,6}', '{d,b,c,c,e,g}', '{running,running,running,running,running,running}', '{NULL,NULL,NULL,NULL,NULL,NULL}', '{NULL,NULL,NULL,NULL,NULL,NULL}', '2026-03-08');
SELECT _wab_observe_statuses('{6}', '{connected}', '2026-03-09'), wab_ingest_event('g', '{"event": "disconnected"}', '2026-03-06');
SELECT status, status_since FROM wab_bridges WHERE bridge_id = 6;
-- Or the last answer of the session, before the lists tell the statuses again.
SELECT _wab_observe_statuses('{6}', '{connected}', '2026-03-10');
SELECT changed FROM wab_observe('{1,2,3,4,5,6}', '{d,b,c,c,e,g}', '{running,running,running,running,running,running}', '{closed,closed,qr,qr,linked,connected}', '{NULL,NULL,NULL,NULL,NULL,NULL}', '2026-03-10 12:00');
SELECT wab_ingest_event('g', '{"event": "disconnected"}', '2026-03-09 12:00');
SELECT status, status_since FROM wab_bridges WHERE bridge_id = 6;
-- A late event at the time of the next status, which comes after it, is followed by that, and by no list.
\set list 'SELECT appeared, changed, disappeared FROM wab_observe'
:list('{1,2,3,4,5,6}', '{d,b,c,c,e,g}', '{running,running,running,running,running,running}', '{closed,closed,qr,qr,linked,connected}', '{NULL,NULL,NULL,NULL,NULL,NULL}', '2026-03-11');
SELECT wab_ingest_event('g', '{"event": "disconnected"}', '2026-03-12');
:list('{1,2,3,4,5,6}', '{d,b,c,c,e,g}', '{running,running,running,running,running,running}', '{closed,closed,qr,qr,linked,closed}', '{NULL,NULL,NULL,NULL,NULL,NULL}', '2026-03-13');
SELECT wab_ingest_event('g', '{"event": "connected"}', '2026-03-14'), wab_ingest_event('g', '{"event": "connected"}', '2026-03-12');
SELECT at, was, became FROM wab_bridge_events WHERE bridge_id = 6 AND at >= '2026-03-11' ORDER BY at, event_id DESC;
-- A bridge that disappeared and appeared again begins anew: its status, and what was before the next one.
:list('{1,2,3,4,5,6}', '{d,b,c,c,e,g}', '{running,running,running,running,running,running}', '{closed,closed,qr,qr,linked,closed}', '{NULL,NULL,NULL,NULL,NULL,NULL}', '2026-04-01');
:list('{1,2,3,4,5}', '{d,b,c,c,e}', '{running,running,running,running,running}', '{closed,closed,qr,qr,linked}', '{NULL,NULL,NULL,NULL,NULL}', '2026-04-02');
:list('{1,2,3,4,5,6}', '{d,b,c,c,e,g}', '{running,running,running,running,running,running}', '{closed,closed,qr,qr,linked,closed}', '{NULL,NULL,NULL,NULL,NULL,2026-01-01}', '2026-04-10');
SELECT wab_ingest_event('g', '{"event": "disconnected"}', '2026-04-11');
SELECT status, status_since FROM wab_bridges WHERE bridge_id = 6;
SELECT _wab_ingest_events('{g}', '{"{\"event\": \"disconnected\", \"timestamp\": \"2026-04-12T00:00:00Z\"}"}');
SELECT status, status_since FROM wab_bridges WHERE bridge_id = 6;
SELECT wab_ingest_event('g', '{"event": "connected"}', '2026-04-13');
:list('{1,2,3,4,5}', '{d,b,c,c,e}', '{running,running,running,running,running}', '{closed,closed,qr,qr,linked}', '{NULL,NULL,NULL,NULL,NULL}', '2026-04-14');
:list('{1,2,3,4,5,6}', '{d,b,c,c,e,g}', '{running,running,running,running,running,running}', '{NULL,NULL,NULL,NULL,NULL,NULL}', '{NULL,NULL,NULL,NULL,NULL,2026-01-01}', '2026-04-15');
SELECT wab_ingest_event('g', '{"event": "connected"}', '2026-04-16');
SELECT status, since, until FROM wab_status_history WHERE bridge_id = 6 AND since >= '2026-04-13' ORDER BY since;
-- A word that is mapped was heard once more from the session, after the late event: that answer ended the new status.
SELECT _wab_observe_statuses('{6}', '{lost}', '2026-04-17'), _wab_observe_statuses('{6}', '{lost}', '2026-04-19');
INSERT INTO wab_status_words VALUES ('lost', 'disconnected');
SELECT wab_ingest_event('g', '{"event": "connected"}', '2026-04-18');
SELECT CASE WHEN at < '2026-05-01' THEN date(at) END AS day, was, became, since FROM wab_bridge_events WHERE bridge_id = 6 AND at > '2026-04-16 12:00' ORDER BY at, event_id;
-- Under another customer_ref a status begins anew, and an event that repeats it changes nothing of that.
SELECT changed FROM wab_observe('{1,2,3,4,5,6}', '{d,b,c,c,f,g}', '{running,running,running,running,running,running}', '{closed,closed,qr,qr,linked,connected}', '{NULL,NULL,NULL,NULL,NULL,NULL}', clock_timestamp());
CREATE TEMP TABLE renamed AS SELECT status_since FROM wab_bridges WHERE bridge_id = 5;
SELECT wab_ingest_event('f', '{"event": "connected"}');
SELECT b.status, b.status_since = r.status_since AS kept, b.status_since > now() - interval '1 hour' AS anew FROM wab_bridges b, renamed r WHERE b.bridge_id = 5;
