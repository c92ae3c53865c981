-- Tests storing a list of which the caller passes only the rows that may differ, and changes between the call and the store.
CREATE EXTENSION pg_wabridges;
\set observe 'SELECT bridges, appeared, changed, disappeared, skipped FROM wab_observe'
\set store 'SELECT bridges, appeared, changed, disappeared, skipped FROM _wab_store_listing'
\set known 'SELECT bridge_id, customer_ref, state, raw_status, duplicated FROM wab_bridges ORDER BY 1'
\set stored 'SELECT bridges, appeared, changed, disappeared, statuses, listing_sha256, mirrored FROM wab_observations ORDER BY observed_at DESC LIMIT 1'
:store('{1,2,3}', '{a,b,c}', '{running,running,running}', '{qr,NULL,connected}', '{NULL,NULL,NULL}', '{}', 3, 2, 'one', clock_timestamp(), 'sql', 0, false);
:known;
:stored;
-- One bridge changed, one appeared, one disappeared; the caller passes an unchanged one too.
:store('{2,3,4}', '{b,c,b}', '{stopped,running,running}', '{NULL,connected,qr}', '{NULL,NULL,NULL}', '{1}', 3, 2, 'two', clock_timestamp(), 'sql', 0, false);
:known;
:stored;
SELECT bridge_id, customer_ref, event, was, became FROM wab_bridge_events ORDER BY at, bridge_id, event;
-- The list is unchanged. Then a row is malformed, so the absent bridge does not count as disappeared.
:store('{}', '{}', '{}', '{}', '{}', '{}', 3, 2, 'two', clock_timestamp(), 'sql', 0, false);
:stored;
:store('{}', '{}', '{}', '{}', '{}', '{3}', 2, 1, 'three', clock_timestamp(), 'sql', 1, false);
:stored;
-- Refused: an empty list, a much shorter list, a future time. Skipped: a list that is older than the stored one.
:store('{}', '{}', '{}', '{}', '{}', '{2,3,4}', 0, 0, 'four', clock_timestamp(), 'sql', 0, false);
:store('{}', '{}', '{}', '{}', '{}', '{3,4}', 1, 0, 'four', clock_timestamp(), 'sql', 0, false);
:store('{}', '{}', '{}', '{}', '{}', '{}', 3, 2, 'four', 'infinity', 'sql', 0, false);
:store('{}', '{}', '{}', '{}', '{}', '{2,3,4}', 0, 0, 'four', '2026-01-01', 'sql', 0, false);
-- The complete list gives the same result.
:observe('{2,3,4}', '{b,c,b}', '{stopped,running,running}', '{NULL,connected,qr}', '{NULL,NULL,NULL}');
SELECT mirrored, statuses FROM wab_observations ORDER BY observed_at DESC LIMIT 1;
:store('{}', '{}', '{}', '{}', '{}', '{2,3,4}', 0, 0, 'five', clock_timestamp(), 'sql', 0, true);
-- A list call from before a poll or a deletion does not undo it; a bridge with another customer_ref loses its status and webhook_url.
:observe('{1,2}', '{a,b}', '{running,running}', '{connected,connected}', '{2026-01-01,2026-01-01}', force => true);
SELECT clock_timestamp() AS asked \gset
SELECT _wab_observe_statuses('{1}', '{closed}'), _wab_record_delete(2, 'b');
:observe('{1,2}', '{a,b}', '{running,running}', '{qr,connected}', '{2026-01-01,2026-01-01}', listed_at => :'asked');
SELECT bridge_id, status, raw_status FROM wab_bridges ORDER BY 1;
:observe('{1}', '{a}', '{running}', '{qr}', '{NULL}', listed_at => 'infinity');
UPDATE wab_bridges SET webhook_url = 'https://example.com/a';
:observe('{1}', '{z}', '{running}', '{NULL}', '{2026-01-01}');
SELECT bridge_id, customer_ref, status, raw_status, webhook_url, status_observed_at FROM wab_bridges;
SELECT _wab_record_provision('y', 1, NULL, NULL, NULL);
SELECT bridge_id, customer_ref, state, status FROM wab_bridges;
-- A session that was asked without an answer is polled last.
:observe('{1,3}', '{y,c}', '{running,running}', '{NULL,NULL}', '{2026-01-01,2026-01-01}');
SELECT _wab_observe_statuses('{1}', '{NULL}', now() - interval '1 hour');
SELECT * FROM _wab_poll_candidates(10);
-- state_since is when the present state was first observed.
:observe('{1,3}', '{y,c}', '{restarting,running}', '{NULL,NULL}', '{2026-01-01,2026-01-01}');
SELECT b.bridge_id, b.state, b.state_since = (SELECT max(o.observed_at) FROM wab_observations o) AS since_the_last FROM wab_bridges b ORDER BY 1;
:observe('{1,3}', '{y,c}', '{restarting,stopped}', '{NULL,NULL}', '{2026-01-01,2026-01-01}');
SELECT b.bridge_id, b.state, b.state_since = (SELECT max(o.observed_at) FROM wab_observations o) AS since_the_last FROM wab_bridges b ORDER BY 1;
-- What a listing leaves out stays as it is known.
:observe('{1,3}', '{y,c}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}');
SELECT b.bridge_id, b.state, b.created_at IS NOT NULL AS created FROM wab_bridges b ORDER BY 1;

-- A listing names each bridge once, by a positive id.
:observe('{7,7}', '{g,h}', '{running,running}', '{qr,qr}', '{NULL,NULL}');
:observe('{7,NULL}', '{g,h}', '{running,running}', '{qr,qr}', '{NULL,NULL}');
:observe('{0}', '{g}', '{running}', '{qr}', '{NULL}');
SELECT bridges FROM wab_observe('{7}', '{g}', '{running}', '{qr}', '{NULL}', malformed => -1);
