-- Tests the drift of kind silent: a paired bridge without a message for too long.
CREATE EXTENSION pg_wabridges;
\set silent 'SELECT kind, severity, tenant_id, bridge_id, stored, observed, date_trunc(''hour'', now() - since) AS since, detail FROM wab_drift WHERE kind = ''silent'' ORDER BY bridge_id'
CREATE TABLE tenants (id text PRIMARY KEY, status text DEFAULT 'active', bridge_id bigint, bridge_status text);
INSERT INTO tenants SELECT chr(96 + n), CASE n WHEN 5 THEN 'left' ELSE 'active' END, n, 'paired' FROM generate_series(1, 5) n;
SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''');
SELECT appeared FROM wab_observe('{1,2,3,4,5,6,7}', '{a,b,c,d,e,f,f}', array_fill('running'::text, '{7}'), '{connected,connected,connected,qr,connected,connected,connected}', array_fill(NULL::timestamptz, '{7}'), now() - interval '10 hours');
-- Off by default.
:silent;
-- Only paired bridges of wanted tenants are silent. One that never had a message counts from when it was paired.
UPDATE wab_policy SET silent_after = '2 hours';
SELECT wab_ingest_event('a', '{"event": "message"}', now() - interval '1 hour'), wab_ingest_event('b', '{"event": "message"}', now() - interval '5 hours'),
       wab_ingest_event('f', '{"event": "message"}'), wab_ingest_event('nobody', '{"event": "message"}'), wab_ingest_event('c', '{"event": "typing"}');
:silent;
SELECT _wab_record_drift(), (SELECT count(*) FROM wab_drift_episodes WHERE kind = 'silent' AND ended_at IS NULL) AS open;
-- A message ends the silence at once. Within a minute nothing is written, and an older event changes nothing.
SELECT wab_ingest_event('b', '{"event": "message"}', now() - interval '10 seconds');
SELECT xmin AS written FROM wab_activity WHERE bridge_id = 2 \gset
SELECT wab_ingest_event('b', '{"event": "message"}'), wab_ingest_event('b', '{"event": "message"}', now() - interval '3 hours');
SELECT xmin = :written AS untouched, (SELECT count(*) FROM wab_drift_episodes WHERE kind = 'silent' AND ended_at IS NULL) AS open FROM wab_activity WHERE bridge_id = 2;
:silent;
-- A new pairing begins the count anew. 0 is at once, and null never.
SELECT wab_ingest_event('c', '{"event": "disconnected"}'), wab_ingest_event('c', '{"event": "connected"}');
:silent;
UPDATE wab_policy SET silent_after = '0';
SELECT bridge_id FROM wab_drift WHERE kind = 'silent' ORDER BY 1;
UPDATE wab_policy SET silent_after = '1000000 years';
:silent;
UPDATE wab_policy SET silent_after = NULL;
:silent;
SELECT silent_after FROM wab_policy;
-- A bridge that is gone leaves nothing.
SELECT disappeared FROM wab_observe('{1}', '{a}', '{running}', '{connected}', '{NULL}', force => true);
SELECT bridge_id FROM wab_activity;
