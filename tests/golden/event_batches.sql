-- Tests batches of webhook events: the outcome of each, and what is stored, as if they had come one by one.
CREATE EXTENSION pg_wabridges;
SET timezone = 'UTC';
SELECT appeared FROM wab_observe('{1,2,3,4,5}', '{a,b,c,c,e}', '{running,running,running,running,running}', '{connected,connected,connected,connected,NULL}', '{NULL,NULL,NULL,NULL,NULL}', '2026-01-01');
-- New, a second one of the same bridge, one that repeats the status, one of a bridge whose status was never observed.
SELECT _wab_ingest_events('{a,a,b,e}', ARRAY['{"event": "disconnected", "timestamp": "2026-01-02T00:00:00Z"}', '{"event": "connected", "timestamp": "2026-01-03T00:00:00Z", "phone": "15550001234"}',
                          '{"event": "CONNECTED", "timestamp": "2026-01-02T00:00:00Z"}', '{"event": "disconnected", "timestamp": "2026-01-02T00:00:00Z"}']);
SELECT at, bridge_id, event, was, became, reported FROM wab_bridge_events WHERE event = 'status' ORDER BY bridge_id, at;
SELECT bridge_id, status, raw_status, status_since, status_observed_at, unpaired_since FROM wab_bridges ORDER BY 1;
SELECT bridge_id, phone, phone_since FROM wab_phones;
-- Which of them are stored together.
SELECT * FROM _wab_ingest_newest('{a,a,b,c,e}', ARRAY['{"event": "disconnected"}', '{"event": "connected"}', '{"event": "battery"}', '{"event": "connected"}', '{"event": "connected", "phone": "15550005678"}']::jsonb[], '2026-01-04');
-- Repeated, late, from before the bridge was seen, and of customers with two bridges or none.
SELECT _wab_ingest_events('{a,a,b,c,nobody}', ARRAY['{"event": "disconnected", "timestamp": "2026-01-04T00:00:00Z"}', '{"event": "disconnected", "timestamp": "2026-01-02T12:00:00Z"}',
                          '{"event": "connected", "timestamp": "2025-01-02T00:00:00Z"}', '{"event": "connected"}', '{"event": "connected"}']);
-- An event that is none does not take the others with it.
SELECT _wab_ingest_events('{a,a,a,a,b}', ARRAY['{"event": "battery"}', 'no json', NULL, '{"event": "connected", "customer_ref": "x"}', '{"event": "disconnected"}']);
SELECT bridge_id, status, status_observed_at > now() - interval '1 minute' AS now FROM wab_bridges WHERE bridge_id = 2;
SELECT _wab_ingest_events('{}', '{}');
