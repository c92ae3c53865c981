-- Tests what is recorded when the provider answered.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id text PRIMARY KEY, wanted boolean NOT NULL DEFAULT true, bridge_id bigint, bridge_status text);
INSERT INTO tenants (id) VALUES ('a'), ('b');
SELECT * FROM wab_bind_tenants('tenants', wanted => 'wanted');
-- A new bridge: its row, its history, the tenant row.
SELECT _wab_record_provision('a', 1, 'running', 'qr', 'https://example.com/a');
SELECT bridge_id, customer_ref, state, status, raw_status, webhook_url FROM wab_bridges ORDER BY 1;
SELECT bridge_id, event, was, became FROM wab_bridge_events ORDER BY at, event_id;
SELECT * FROM tenants ORDER BY 1;
-- A word that is not mapped, and no word, say nothing about the status.
SELECT _wab_record_provision('b', 2, 'stopped', 'odd');
SELECT bridge_id, state, status, raw_status FROM wab_bridges ORDER BY 1;
-- A session tells its status.
SELECT _wab_record_session('a', 'connected');
SELECT _wab_record_session('nobody', 'connected');
SELECT bridge_id, status, raw_status FROM wab_bridges ORDER BY 1;
SELECT * FROM tenants ORDER BY 1;
SELECT bridges, appeared, disappeared FROM wab_observe('{1,2}', '{a,b}', '{running,stopped}', '{connected,odd}', '{NULL,NULL}');
-- A deletion: the row of a tenant that is still wanted keeps the id, so that drift shows it; the other one is cleared.
UPDATE tenants SET wanted = false WHERE id = 'b';
SELECT _wab_record_delete(1, 'a');
SELECT _wab_record_delete(2, 'b');
SELECT _wab_record_delete(3, 'c');
SELECT bridge_id FROM wab_bridges;
SELECT * FROM tenants ORDER BY 1;
SELECT kind, customer_ref, bridge_id FROM wab_drift ORDER BY 1, 2;
