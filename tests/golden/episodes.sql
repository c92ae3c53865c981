-- Tests wab_drift_episodes, which records when drift begins and ends.
CREATE EXTENSION pg_wabridges;
SELECT _wab_record_drift() AS nothing_is_bound;
CREATE TABLE tenants (id text PRIMARY KEY, active boolean NOT NULL DEFAULT true, bridge_id bigint, bridge_status text);
INSERT INTO tenants VALUES ('a'), ('b');
SELECT * FROM wab_bind_tenants('tenants', wanted => 'active');
SELECT appeared FROM wab_observe('{1,2,3}', '{a,x,NULL}', '{running,running,running}', '{connected,NULL,NULL}', '{NULL,NULL,NULL}');
-- Drift begins, lasts and ends; while it lasts, recording writes no row.
SELECT _wab_record_drift(), _wab_record_drift();
SELECT kind, subject, bridge_id, customer_ref, ended_at FROM wab_drift_episodes ORDER BY 1, 2;
SELECT d.kind, d.customer_ref, d.since = e.began_at AS since FROM wab_drift d JOIN wab_drift_episodes e ON e.kind = d.kind AND (e.bridge_id = d.bridge_id OR e.customer_ref = d.customer_ref) ORDER BY 1, 2;
SELECT drift, pending_polls FROM wab_status;
SELECT * FROM _wab_link_bridges('{a}', '{1}');
SELECT * FROM _wab_write_statuses();
SELECT _wab_record_drift();
SELECT kind, subject, ended_at IS NOT NULL AS ended FROM wab_drift_episodes ORDER BY 1, 2;
UPDATE tenants SET bridge_status = 'disconnected' WHERE id = 'a';
SELECT _wab_record_drift();
SELECT kind, subject, ended_at IS NOT NULL AS ended FROM wab_drift_episodes WHERE kind = 'status_drift' ORDER BY began_at;
-- If evaluating the drift fails, the observation is still stored.
ALTER TABLE tenants ADD divisor integer NOT NULL DEFAULT 1;
SELECT * FROM wab_bind_tenants('tenants', wanted => '1 / divisor = 1');
UPDATE tenants SET divisor = 0 WHERE id = 'b';
SELECT _wab_record_drift();
SELECT * FROM _wab_drift_rows();
UPDATE tenants SET divisor = 1;
-- The caller can evaluate the drift of all or some bridges first and then record the result.
SELECT kind, tenant_id, bridge_id, customer_ref, observed FROM _wab_drift_rows('{2}');
SELECT _wab_note_drift(array_agg(kind), array_agg(bridge_id), array_agg(customer_ref), array_agg(wasted)) FROM _wab_drift_rows();
SELECT _wab_note_drift('{}', '{}', '{}', '{}');
