-- Tests the lists of bridges to repair and to nudge, and the record of nudges and pairing codes.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id text PRIMARY KEY, active boolean NOT NULL DEFAULT true, bridge_id bigint, bridge_status text);
INSERT INTO tenants (id, bridge_id) VALUES ('well', 1), ('down', 2), ('down''s', 3), ('new', 4), ('old', 5), ('gone', 6);
UPDATE tenants SET active = false WHERE id = 'gone';
SELECT FROM wab_bind_tenants('tenants', wanted => 'active');
\set repair 'SELECT nth, tenant_id, bridge_id, last_nudged_channel AS channel, last_code_at IS NOT NULL AS code, regexp_replace(next_step, \'\\d\\d:\\d\\d:\\d\\d\', \'HH:MM:SS\') AS next_step FROM wab_to_repair'
\set nudge 'SELECT nth, tenant_id, bridge_id, last_nudged_by, last_nudged_channel AS channel, next_step FROM wab_to_nudge'
-- Two bridges lost their phones, one is new, one waits for long, one is not wanted.
SELECT bridges FROM wab_observe('{1,2,3,4,5,6}', '{well,down,down''s,new,old,gone}', '{running,running,running,running,running,running}',
    '{connected,disconnected,disconnected,qr,qr,disconnected}', array_fill(now() - interval '9 days', '{6}'));
UPDATE wab_bridges SET first_seen_at = now() - interval '9 days' WHERE bridge_id IN (2, 3);
UPDATE wab_bridges SET status_since = now() - interval '1 hour' WHERE bridge_id = 2;
UPDATE wab_bridges SET status_since = now() - interval '2 hours' WHERE bridge_id IN (3, 6);
UPDATE wab_bridges SET created_at = now() - interval '1 hour', unpaired_since = now() - interval '1 hour' WHERE bridge_id = 4;
:repair;
:nudge;
-- A nudged tenant comes last, and the drift says who nudged it. An older nudge is shown and does not count.
INSERT INTO wab_nudges (customer_ref, channel, nudged_at, nudged_by) VALUES ('down', 'email', now() - interval '3 hours', 'anna');
SELECT wab_nudged('down''s', ' phone ') > now() - interval '1 minute' AS nudged;
SELECT wab_nudged('old', 'email') > now() - interval '1 minute' AS nudged;
:repair;
:nudge;
SELECT kind, regexp_replace(detail, '\d{4}-.* UTC by .* \(', 'TIME by ROLE (') FROM wab_drift WHERE kind IN ('awaiting_scan', 'disconnected') ORDER BY 1, 2;
UPDATE wab_nudges SET nudged_at = now() - interval '2 days' WHERE customer_ref = 'old';
:nudge;
-- After a code the session shows a QR code; the bridge stays drift, and on the list, until it is paired. A new bridge is on no list.
SELECT valid_until - clock_timestamp() BETWEEN '2 minutes' AND '3 minutes' AS valid FROM _wab_claim_code('down', 'me@host');
SELECT count(*) FROM _wab_claim_code('down', 'you@host');
SELECT _wab_record_session('down', 'qr'), count(*) FROM _wab_note_code('new');
SELECT status FROM wab_bridges WHERE bridge_id = 2;
:repair;
UPDATE wab_pairing_codes SET valid_until = clock_timestamp();
:repair;
SELECT count(*) FROM _wab_claim_code('down', 'you@host');
SELECT _wab_record_session('down', 'connected');
:repair;
-- A snoozed tenant stays on the list, at its end.
SELECT wab_snooze('down''s', 'disconnected', now() + interval '1 day', 'on holiday') > 0 AS snoozed;
UPDATE wab_nudges SET nudged_at = now() - interval '1 year';
UPDATE wab_bridges SET status = 'disconnected', raw_status = 'disconnected', status_since = now() - interval '30 minutes' WHERE bridge_id = 2;
SELECT nth, tenant_id, regexp_replace(next_step, 'until .* UTC', 'until TIME') AS next_step FROM wab_to_repair;
-- What is recorded about other tenants, or without a channel, is refused.
SELECT wab_nudged('nobody', 'email');
SELECT wab_nudged('old', ' ');
SELECT wab_nudged(NULL, 'email');
SELECT wab_nudged('old', repeat('x', 101));
SELECT wab_nudged(7, 'email');
-- A role that may read the fleet but not the nudges sees the drift.
CREATE ROLE contacts_reader;
GRANT SELECT ON tenants TO contacts_reader;
DO $$
BEGIN
    EXECUTE (SELECT 'GRANT SELECT ON ' || string_agg(c.oid::regclass::text, ', ') || ' TO contacts_reader'
             FROM pg_class c WHERE c.relname ~ '^_?wab_' AND c.relkind IN ('r', 'v') AND c.relname <> 'wab_nudges');
END
$$;
SET ROLE contacts_reader;
SELECT detail FROM wab_drift WHERE kind = 'awaiting_scan';
SELECT wab_nudged('old', 'email');
RESET ROLE;
DROP OWNED BY contacts_reader;
DROP ROLE contacts_reader;
SELECT wab_prune_history('0');
