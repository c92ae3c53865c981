-- Tests the functions that observe, bind and summarize in plain SQL.
CREATE EXTENSION pg_wabridges;
\set observe 'SELECT bridges, appeared, changed, disappeared, skipped FROM wab_observe'
SELECT raw, wab_normalize_status(raw) FROM unnest('{connected,paired,qr,unpaired,pairing,awaiting_scan,disconnected,logged_out,closed,Connected,odd,NULL}'::text[]) raw;
SELECT wab_url_encode('cust_42'), wab_url_encode('a b/ü?&%'), wab_url_encode('');
-- wab_url_encode() follows RFC 3986 for the UTF-8 bytes: all of ASCII, and characters of two, three and four bytes.
SELECT wab_url_encode(string_agg(chr(n), '' ORDER BY n)) FROM generate_series(1, 127) n;
SELECT wab_url_encode('é€😀'), wab_url_encode(E'a\nb'), wab_url_encode(NULL) IS NULL AS unknown;
SELECT * FROM wab_summary();
SELECT * FROM _wab_wanted_webhook_url('a');
-- The first observation; unknown statuses stay unknown.
:observe('{1,2,3,4,5}', '{a,b,c,c,NULL}', '{running,running,running,running,stopped}', '{connected,qr,NULL,odd,closed}', '{2026-01-01,2026-01-01,2026-01-01,2026-01-01,2026-01-01}');
SELECT bridge_id, customer_ref, state, status, raw_status, duplicated, status_since IS NOT NULL AS since FROM wab_bridges ORDER BY 1;
-- The same list again adds one row to wab_observations and changes nothing else.
:observe('{1,2,3,4,5}', '{a,b,c,c,NULL}', '{running,running,running,running,stopped}', '{connected,qr,NULL,odd,closed}', '{2026-01-01,2026-01-01,2026-01-01,2026-01-01,2026-01-01}');
SELECT count(*), count(DISTINCT listing_sha256) FROM wab_observations;
-- A list without statuses overwrites no stored status; one bridge changes, one disappears, one appears.
:observe('{1,2,3,5,6}', '{a,b,c,NULL,f}', '{running,stopped,running,stopped,running}', '{NULL,NULL,NULL,NULL,NULL}', '{2026-01-01,2026-01-01,2026-01-01,2026-01-01,NULL}');
SELECT bridge_id, customer_ref, state, status, raw_status, duplicated FROM wab_bridges ORDER BY 1;
SELECT bridge_id, customer_ref, event, was, became FROM wab_bridge_events ORDER BY at, bridge_id, event;
-- Refused: an empty list, a much shorter list, arrays of different lengths, nulls.
:observe('{}', '{}', '{}', '{}', '{}');
:observe('{1,2}', '{a,b}', '{running,stopped}', '{NULL,NULL}', '{NULL,NULL}');
:observe('{1}', '{a,b}', '{running}', '{NULL}', '{NULL}');
:observe(NULL, '{}', '{}', '{}', '{}');
SELECT count(*) FROM wab_bridges;
-- With a malformed row no bridge counts as disappeared; an older list changes nothing; force => true accepts a much shorter list.
:observe('{1,2}', '{a,b}', '{running,stopped}', '{NULL,NULL}', '{2026-01-01,2026-01-01}', malformed => 1);
:observe('{1}', '{a}', '{running}', '{NULL}', '{NULL}', listed_at => '2026-01-01');
:observe('{1,2}', '{a,b}', '{running,stopped}', '{NULL,NULL}', '{2026-01-01,2026-01-01}', force => true);
-- A bridge that was recorded after the list call does not count as disappeared.
CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
INSERT INTO tenants VALUES ('a'), ('b'), ('g');
SELECT * FROM wab_bind_tenants('tenants');
SELECT clock_timestamp() AS asked \gset
SELECT _wab_record_provision('g', 7, 'running', 'qr', 'https://example.com/g');
:observe('{1,2}', '{a,b}', '{running,stopped}', '{NULL,NULL}', '{2026-01-01,2026-01-01}', listed_at => :'asked');
SELECT * FROM tenants ORDER BY 1;
-- An older status does not overwrite a newer one.
SELECT _wab_observe_statuses('{1,2}', '{closed,connected}');
SELECT _wab_observe_statuses('{1}', '{connected}', now() - interval '1 hour');
SELECT bridge_id, status FROM wab_bridges ORDER BY 1;
SELECT * FROM _wab_link_bridges('{a,b}', '{1,2}');
SELECT * FROM _wab_write_statuses('{a}');
SELECT * FROM tenants ORDER BY 1;
SELECT * FROM _wab_write_statuses();
SELECT * FROM _wab_write_statuses();
SELECT * FROM _wab_poll_candidates(10);
UPDATE wab_bridges SET status_asked_at = now() - bridge_id * interval '1 hour';
SELECT * FROM _wab_poll_candidates(2);
SELECT _wab_record_delete(7, 'g');
SELECT bridges, paired, disconnected, missing, monthly_cost, monthly_waste FROM wab_summary();
SELECT (wab_log_summary()).bridges, (SELECT count(*) FROM wab_summaries) AS logged;
SELECT wab_prune_history('1 hour'), wab_prune_history('0') > 0 AS pruned, count(*) FROM wab_bridges;
