-- Tests the incidents and what people do with them: snooze and acknowledge. tests/e2e/incidents.rs tests their times.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id integer PRIMARY KEY, bridge_id bigint, bridge_status text);
INSERT INTO tenants SELECT n, n, 'paired' FROM generate_series(1, 30) n;
SELECT * FROM wab_bind_tenants('tenants');
UPDATE wab_policy SET disconnected_after = '0';
SELECT count(*) FROM wab_incidents;
SELECT appeared FROM wab_observe(array(select generate_series(1, 30)), array(select generate_series(1, 30)::text), array_fill('running'::text, '{30}'), array(select CASE WHEN n < 3 THEN 'disconnected' ELSE 'connected' END FROM generate_series(1, 30) n), array_fill(NULL::timestamptz, '{30}'));
SELECT _wab_record_drift();
SELECT incident_id, severity, kind, customer_ref, bridge_id, bridges, lasting, episodes, state, next_step FROM wab_incidents ORDER BY bridge_id;
SELECT wab_snooze(1, 'disconnected', now() + interval '2 hours', 'a new phone is on its way');
SELECT wab_acknowledge('disconnected-2', 'calling them', 'Ada');
SELECT wab_acknowledge('disconnected-2');
SELECT incident_id, state, date_trunc('minute', snoozed_until - now() + interval '1 minute') AS snoozed_for, snoozed_by = session_user AS by_me, snooze_reason, acknowledged_by = session_user AS acknowledged_by_me, note FROM wab_incidents ORDER BY bridge_id;
SELECT acknowledged_by, note FROM wab_acknowledgements WHERE acknowledged_by = 'Ada';
-- All kinds of a tenant, a kind of all tenants; a snooze ends.
SELECT wab_snooze(NULL, 'disconnected', now() + interval '1 hour', 'the provider works on it');
SELECT wab_snooze('2', NULL, now() + interval '3 hours', 'on holiday');
SELECT customer_ref, state, snooze_reason FROM wab_incidents ORDER BY 1;
SELECT wab_unsnooze(1), wab_unsnooze(1), wab_unsnooze(99);
SELECT wab_unsnooze(2), wab_unsnooze(3);
SELECT customer_ref, state FROM wab_incidents ORDER BY 1;
-- Most bridges go down together: one incident, with the one before that nobody acknowledged.
SELECT changed FROM wab_observe(array(select generate_series(1, 30)), array(select generate_series(1, 30)::text), array_fill('running'::text, '{30}'), array(select CASE WHEN n < 30 THEN 'disconnected' ELSE 'connected' END FROM generate_series(1, 30) n), array_fill(NULL::timestamptz, '{30}'));
SELECT _wab_record_drift();
SELECT incident_id, customer_ref, bridges, lasting, state, next_step FROM wab_incidents ORDER BY began_at, 1;
SELECT customer_ref, bridge_id, episodes, lasts FROM wab_incident_bridges WHERE incident_id = (SELECT incident_id FROM wab_incidents WHERE bridges > 1) ORDER BY bridge_id LIMIT 2;
-- They are well again: recovering, then ended.
SELECT changed FROM wab_observe(array(select generate_series(1, 30)), array(select generate_series(1, 30)::text), array_fill('running'::text, '{30}'), array_fill('connected'::text, '{30}'), array_fill(NULL::timestamptz, '{30}'));
SELECT _wab_record_drift();
SELECT incident_id, bridges, lasting, state FROM wab_incidents ORDER BY 1;
UPDATE wab_incident_policy SET ends_after = '0' WHERE kind = 'disconnected';
SELECT count(*) FROM wab_incidents;
SELECT incident_id, bridges, ended_at IS NOT NULL AS ended FROM wab_incident_history ORDER BY 1;
-- Nobody observes the fleet.
UPDATE wab_observations SET observed_at = observed_at - interval '11 minutes';
SELECT severity, kind, bridges, now() - began_at < interval '2 minutes' AS began, state, next_step FROM wab_incidents;
-- Refused, with the way on.
SELECT wab_snooze(77, 'disconnected', now() + interval '1 hour', 'why');
SELECT wab_snooze(1, 'disconnectd', now() + interval '1 hour', 'why');
SELECT wab_snooze(1, 'disconnected', '2020-01-01', 'why');
SELECT wab_snooze(1, 'disconnected', 'infinity', 'why');
SELECT wab_snooze(1, 'disconnected', now() + interval '1 hour', ' ');
SELECT wab_snooze(NULL, NULL, now() + interval '1 hour', 'why');
SELECT wab_acknowledge('disconnected-99');
SELECT wab_acknowledge(NULL);
