-- Tests the drift of phones: another one than before, the same one on two bridges, and another one than the tenant row holds.
CREATE EXTENSION pg_wabridges;
\set drift 'SELECT kind, severity, tenant_id, bridge_id, stored, observed, since > now() - interval ''1 minute'' AS since, detail FROM wab_drift ORDER BY kind, bridge_id'
\set episodes 'SELECT kind, subject, ended_at IS NOT NULL AS ended FROM wab_drift_episodes ORDER BY 1, 2, 3'
INSERT INTO _wab_phone_key (key) VALUES ('\x00');
CREATE TABLE tenants (id text PRIMARY KEY, status text DEFAULT 'active', bridge_id bigint, bridge_status text, phone text);
INSERT INTO tenants SELECT chr(96 + n), 'active', n, 'paired' FROM generate_series(1, 5) n;
SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''');
SELECT appeared FROM wab_observe('{1,2,3,4,5}', '{a,b,c,d,e}', array_fill('running'::text, '{5}'), array_fill('connected'::text, '{5}'), array_fill(NULL::timestamptz, '{5}'), now() - interval '1 day');
SELECT wab_ingest_event(t.id, jsonb_build_object('event', 'connected', 'phone', '+1 555 000 000' || t.bridge_id)) FROM tenants t ORDER BY 1;
:drift;
-- A second phone, and a third one. An event that is late tells no phone.
SELECT wab_ingest_event('a', '{"event": "connected", "phone": "15550001111"}'), wab_ingest_event('a', '{"event": "connected", "phone": "15550002222"}'),
       wab_ingest_event('b', '{"event": "connected", "phone": "15550009999"}', now() - interval '1 hour');
:drift;
:episodes;
-- Nobody is on an unpaired bridge, and who is on that of a tenant that left does not matter.
SELECT wab_ingest_event('a', '{"event": "disconnected"}');
SELECT kind FROM wab_drift WHERE kind ~ 'phone';
SELECT wab_ingest_event('a', '{"event": "connected", "phone": "15550002222"}');
UPDATE tenants SET status = 'left' WHERE id = 'a';
SELECT kind FROM wab_drift WHERE kind ~ 'phone';
UPDATE tenants SET status = 'active' WHERE id = 'a';
-- It ends when a person accepts it, when the phone before is back, or after a time.
UPDATE wab_policy SET phone_changed_for = '0';
SELECT kind FROM wab_drift WHERE kind ~ 'phone';
UPDATE wab_policy SET phone_changed_for = '1000000 years';
SELECT kind FROM wab_drift WHERE kind ~ 'phone';
SELECT wab_accept_phone('a');
SELECT accepted_by = session_user AS by_whom FROM wab_phones WHERE bridge_id = 1;
:drift;
:episodes;
SELECT wab_ingest_event('b', '{"event": "connected", "phone": "15550003333"}'), wab_ingest_event('b', '{"event": "connected", "phone": "15550000002"}');
:drift;
-- The same phone on two bridges and on three: each names another one. It ends on both when one of them changes or loses it.
SELECT wab_ingest_event('c', '{"event": "connected", "phone": "15550000004"}'), wab_accept_phone('c');
:drift;
SELECT wab_ingest_event('e', '{"event": "connected", "phone": "15550000004"}'), wab_accept_phone('e');
:drift;
SELECT wab_ingest_event('e', '{"event": "disconnected"}'), wab_ingest_event('c', '{"event": "logged_out"}');
SELECT kind, bridge_id FROM wab_drift WHERE kind ~ 'phone';
SELECT kind, subject, ended_at IS NOT NULL AS ended FROM wab_drift_episodes WHERE kind = 'phone_shared' ORDER BY 2, 3;
SELECT wab_ingest_event('c', '{"event": "connected", "phone": "15550000004"}');
SELECT disappeared FROM wab_observe('{1,2,3,5}', '{a,b,c,e}', array_fill('running'::text, '{4}'), '{connected,connected,connected,closed}', array_fill(NULL::timestamptz, '{4}'));
SELECT kind, bridge_id FROM wab_drift WHERE kind ~ 'phone';
-- The phone of the tenant row, in any form. One that is no international number, and an empty one, are not compared.
UPDATE tenants SET phone = '00 1 (555) 000-0002' WHERE id = 'b'; UPDATE tenants SET phone = '0155 500 1234' WHERE id = 'c'; UPDATE tenants SET phone = '' WHERE id = 'a';
SELECT * FROM wab_bind_tenants(phone => 'phone');
:drift;
UPDATE tenants SET phone = '+44 20 7946 0000' WHERE id = 'b';
:drift;
UPDATE wab_policy SET phones = 'hash';
:drift;
SELECT wab_ingest_event('c', '{"event": "connected", "phone": "15550000005"}');
:drift;
UPDATE tenants SET phone = '15550000002' WHERE id = 'b';
SELECT kind, bridge_id FROM wab_drift WHERE kind = 'phone_unexpected';
-- A role that may not read the numbers sees the comparison that was recorded last, and no digit.
UPDATE tenants SET phone = '+44 20 7946 0000' WHERE id = 'b';
SELECT _wab_record_drift();
BEGIN;
CREATE ROLE golden_reader; GRANT USAGE ON SCHEMA public TO golden_reader;
DO $$ DECLARE r regclass; BEGIN
    FOR r IN SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'v') AND relname ~ '^_?wab_' AND relname NOT IN ('wab_phones', '_wab_phone_key') LOOP
        EXECUTE format('GRANT SELECT ON %s TO golden_reader', r);
    END LOOP;
END $$;
GRANT SELECT ON tenants TO golden_reader;
SET ROLE golden_reader;
:drift;
SELECT kind, bridge_id FROM wab_drift WHERE kind ~ 'phone' AND _wab_unexpected_phone(bridge_id, '15550000002') IS NULL;
ROLLBACK;
-- The binding keeps the expression, follows a new name of the column, and clears it.
ALTER TABLE tenants RENAME phone TO tel;
SELECT * FROM wab_bind_tenants();
SELECT phone FROM wab_tenant_binding;
SELECT * FROM wab_bind_tenants(phone => 'bridge_id');
SELECT * FROM wab_bind_tenants(phone => 'bridge_id::text');
SELECT wab_unbind_tenants(); SELECT phone FROM wab_tenant_binding;
SELECT * FROM wab_bind_tenants(phone => '');
SELECT phone FROM wab_tenant_binding;
