-- Creates wab_incident_policy, one row per kind of drift: when drift is an incident, how grave it is, and what to do; and the
-- tables of what people did about incidents.

-- Null stands for the default, which the view wab_incident_policy defines.
CREATE TABLE @extschema@._wab_incident_policy (
    kind         text PRIMARY KEY,
    severity     text CHECK (severity IN ('critical', 'warning', 'info')),
    begins_after interval CHECK (begins_after >= interval '0'),
    ends_after   interval CHECK (ends_after >= interval '0'),
    alerts       boolean,
    next_step    text
);

COMMENT ON TABLE @extschema@._wab_incident_policy IS
    'The settings of wab_incident_policy that differ from their defaults. Read and change them through that view.';
COMMENT ON COLUMN @extschema@._wab_incident_policy.kind IS 'As in wab_incident_policy.';
COMMENT ON COLUMN @extschema@._wab_incident_policy.severity IS 'As in wab_incident_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_incident_policy.begins_after IS 'As in wab_incident_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_incident_policy.ends_after IS 'As in wab_incident_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_incident_policy.alerts IS 'As in wab_incident_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_incident_policy.next_step IS 'As in wab_incident_policy; null for the default.';

-- The severities are those of wab_drift. A disconnected bridge is drift only after the grace of wab_policy, so its incident
-- begins at once. Drift that the next wab_reconcile() or wab apply repairs is an incident only if nothing repairs it.
CREATE VIEW @extschema@._wab_incident_defaults AS
SELECT b.kind, b.severity, b.begins_after, b.ends_after, b.severity <> 'info' AS alerts, b.next_step
FROM (VALUES
    ('missing', 'critical', interval '15 minutes', interval '0', 'provision it: wab apply, or SELECT * FROM wab_provision({tenant})'),
    ('outside', 'critical', '15 minutes', '0', 'give the tenant an id that matches customer_refs: SELECT * FROM wab_bind_tenants()'),
    ('disconnected', 'critical', '0', '10 minutes', 'pair it again: wab qr {tenant}, or SELECT wab_qr_text({tenant})'),
    ('state', 'critical', '0', '10 minutes', 'ask the provider why the container of bridge {bridge} does not run'),
    ('unobserved', 'critical', '0', '0', 'find out why no observation is stored: wab doctor, or SELECT * FROM wab_status'),
    ('flapping', 'critical', '0', '1 hour', 'ask the tenant for another WhatsApp Web session, or a phone that is often offline'),
    ('awaiting_scan', 'warning', '0', '0', 'remind the tenant to scan the QR code: wab qr {tenant}'),
    ('unmapped_status', 'warning', '0', '0', 'map the word: INSERT INTO wab_status_words'),
    ('webhook', 'warning', '0', '0', 'set the webhook_url of bridge {bridge} in the provider''s dashboard, then: SELECT wab_webhook_set({tenant})'),
    ('phone_changed', 'warning', '0', '0', 'ask the tenant whether it is their phone, then SELECT wab_accept_phone({tenant})'),
    ('phone_shared', 'warning', '0', '0', 'log one of the two bridges out: wab logout {tenant}, or SELECT * FROM wab_logout({tenant})'),
    ('phone_unexpected', 'warning', '0', '0', 'correct the phone in the tenant row, or pair the right one: wab logout {tenant}, then wab qr {tenant}'),
    ('silent', 'warning', '0', '0', 'send a message through bridge {bridge}; if none arrives: wab logout {tenant}, then wab qr {tenant}'),
    ('orphaned', 'warning', '1 hour', '0', 'review bridge {bridge}: declare it in fleet.yaml under bridges.keep or bridges.remove'),
    ('churned', 'warning', '24 hours', '0', 'review bridge {bridge}: declare it in fleet.yaml under bridges.keep or bridges.remove'),
    ('duplicate', 'warning', '1 hour', '0', 'review bridge {bridge}: declare it in fleet.yaml under bridges.remove'),
    ('unbound', 'info', '1 hour', '10 minutes', 'write the tenant rows: wab apply'),
    ('status_drift', 'info', '1 hour', '10 minutes', 'write the tenant rows: SELECT * FROM wab_reconcile(), or wab apply'),
    ('stale_binding', 'info', '1 hour', '10 minutes', 'write the tenant rows: SELECT * FROM wab_reconcile(), or wab apply')
) AS b(kind, severity, begins_after, ends_after, next_step);

COMMENT ON VIEW @extschema@._wab_incident_defaults IS 'The defaults of wab_incident_policy.';
COMMENT ON COLUMN @extschema@._wab_incident_defaults.kind IS 'As in wab_incident_policy.';
COMMENT ON COLUMN @extschema@._wab_incident_defaults.severity IS 'As in wab_incident_policy.';
COMMENT ON COLUMN @extschema@._wab_incident_defaults.begins_after IS 'As in wab_incident_policy.';
COMMENT ON COLUMN @extschema@._wab_incident_defaults.ends_after IS 'As in wab_incident_policy.';
COMMENT ON COLUMN @extschema@._wab_incident_defaults.alerts IS 'As in wab_incident_policy.';
COMMENT ON COLUMN @extschema@._wab_incident_defaults.next_step IS 'As in wab_incident_policy.';

CREATE VIEW @extschema@.wab_incident_policy AS
SELECT d.kind, coalesce(c.severity, d.severity) AS severity,
       coalesce(c.begins_after, d.begins_after) AS begins_after, coalesce(c.ends_after, d.ends_after) AS ends_after,
       coalesce(c.alerts, d.alerts) AS alerts, coalesce(c.next_step, d.next_step) AS next_step
FROM @extschema@._wab_incident_defaults d LEFT JOIN @extschema@._wab_incident_policy c ON c.kind = d.kind;

COMMENT ON VIEW @extschema@.wab_incident_policy IS
    'One row per kind of drift: when it is an incident. UPDATE it; null sets a default again, and a DELETE all defaults of '
    'the kind.';
COMMENT ON COLUMN @extschema@.wab_incident_policy.kind IS
    'The kind of drift, as in wab_drift; or unobserved, for a fleet that is no longer observed.';
COMMENT ON COLUMN @extschema@.wab_incident_policy.severity IS 'critical, warning or info.';
COMMENT ON COLUMN @extschema@.wab_incident_policy.begins_after IS 'Drift that has lasted for this long is an incident.';
COMMENT ON COLUMN @extschema@.wab_incident_policy.ends_after IS
    'The incident ends when there was no drift for this long; drift that comes back before belongs to the same incident.';
COMMENT ON COLUMN @extschema@.wab_incident_policy.alerts IS
    'Whether wab_send_alerts() and wab alert send these incidents. Default: true, except for the severity info.';
COMMENT ON COLUMN @extschema@.wab_incident_policy.next_step IS
    'What a person does about it. {tenant} stands for the customer_ref in quotes, {bridge} for the bridge_id.';

CREATE FUNCTION @extschema@._wab_incident_policy_replace() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    stored  jsonb := '{}';
    refused text;
    was     record;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.kind <> OLD.kind THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the kinds of wab_incident_policy cannot be renamed',
            DETAIL = format('kind: %s', OLD.kind),
            HINT = 'Leave kind out of the UPDATE. The provider and the extension define the kinds: SELECT kind FROM wab_incident_policy;';
    END IF;
    -- Two sessions that change different settings of a kind both succeed.
    LOCK TABLE @extschema@._wab_incident_policy IN SHARE ROW EXCLUSIVE MODE;
    SELECT coalesce(to_jsonb(c), '{}') INTO stored
    FROM (SELECT) one LEFT JOIN @extschema@._wab_incident_policy c ON c.kind = OLD.kind;
    DELETE FROM @extschema@._wab_incident_policy c WHERE c.kind = OLD.kind;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    SELECT p.* INTO was FROM @extschema@.wab_incident_policy p WHERE p.kind = OLD.kind;
    SELECT coalesce(jsonb_object_agg(s.key, s.value), '{}') INTO stored
    FROM (SELECT k.key, CASE WHEN to_jsonb(NEW) -> k.key = to_jsonb(OLD) -> k.key
                             THEN stored -> k.key ELSE to_jsonb(NEW) -> k.key END AS value
          FROM jsonb_object_keys(to_jsonb(was)) AS k(key)) s
    WHERE s.key <> 'kind' AND nullif(s.value, 'null') <> to_jsonb(was) -> s.key;
    IF stored <> '{}' THEN
        BEGIN
            INSERT INTO @extschema@._wab_incident_policy
            SELECT r.* FROM jsonb_populate_record(NULL::@extschema@._wab_incident_policy,
                                                  stored || jsonb_build_object('kind', OLD.kind)) r;
        EXCEPTION WHEN check_violation THEN
            -- PostgreSQL's message names no column, and its DETAIL shows the whole row.
            GET STACKED DIAGNOSTICS refused = CONSTRAINT_NAME;
            refused := substring(refused from '_policy_(.*)_check');
            RAISE EXCEPTION USING ERRCODE = '23514',
                MESSAGE = format('wab_incident_policy.%s cannot be %s', refused, stored ->> refused),
                DETAIL = format('kind: %s', OLD.kind),
                HINT = CASE refused WHEN 'severity' THEN 'A severity is critical, warning or info.'
                                    ELSE 'A time is not negative: 0 for at once, or such as ''10 minutes''.' END;
        END;
    END IF;
    SELECT p.* INTO NEW FROM @extschema@.wab_incident_policy p WHERE p.kind = OLD.kind;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_incident_policy_replace IS
    'Trigger on wab_incident_policy: stores the settings that differ from the defaults in _wab_incident_policy.';
CREATE TRIGGER _wab_incident_policy_replace INSTEAD OF UPDATE OR DELETE ON @extschema@.wab_incident_policy
    FOR EACH ROW EXECUTE FUNCTION @extschema@._wab_incident_policy_replace();

CREATE TABLE @extschema@.wab_snoozes (
    snooze_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_ref text,
    kind         text,
    until        timestamptz NOT NULL,
    reason       text NOT NULL,
    snoozed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    snoozed_by   text NOT NULL DEFAULT session_user,
    CHECK (num_nonnulls(customer_ref, kind) > 0)
);
CREATE INDEX wab_snoozes_customer_ref ON @extschema@.wab_snoozes USING hash (customer_ref);
CREATE INDEX wab_snoozes_of_all ON @extschema@.wab_snoozes (until) WHERE customer_ref IS NULL;

COMMENT ON TABLE @extschema@.wab_snoozes IS
    'Incidents that send no alert for a while: one row per wab_snooze(). They stay in wab_incidents.';
COMMENT ON COLUMN @extschema@.wab_snoozes.snooze_id IS 'The row''s own id.';
COMMENT ON COLUMN @extschema@.wab_snoozes.customer_ref IS 'The tenant''s id as text; null for every tenant.';
COMMENT ON COLUMN @extschema@.wab_snoozes.kind IS 'The kind of drift; null for every kind.';
COMMENT ON COLUMN @extschema@.wab_snoozes.until IS 'When it ends.';
COMMENT ON COLUMN @extschema@.wab_snoozes.reason IS 'Why.';
COMMENT ON COLUMN @extschema@.wab_snoozes.snoozed_at IS 'When it began.';
COMMENT ON COLUMN @extschema@.wab_snoozes.snoozed_by IS 'The role that asked for it.';

CREATE TABLE @extschema@.wab_acknowledgements (
    incident_id     text NOT NULL,
    acknowledged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    acknowledged_by text NOT NULL,
    note            text,
    PRIMARY KEY (incident_id, acknowledged_at)
);

COMMENT ON TABLE @extschema@.wab_acknowledgements IS
    'Who takes care of an incident: one row per wab_acknowledge(). wab_incidents shows the newest.';
COMMENT ON COLUMN @extschema@.wab_acknowledgements.incident_id IS 'As in wab_incidents.';
COMMENT ON COLUMN @extschema@.wab_acknowledgements.acknowledged_at IS 'When.';
COMMENT ON COLUMN @extschema@.wab_acknowledgements.acknowledged_by IS 'The person''s name, or the role.';
COMMENT ON COLUMN @extschema@.wab_acknowledgements.note IS 'What the person wrote, if anything.';

CREATE TABLE @extschema@.wab_alerts (
    incident_id   text PRIMARY KEY,
    began_sent_at timestamptz NOT NULL,
    ended_sent_at timestamptz
);
CREATE INDEX wab_alerts_open ON @extschema@.wab_alerts (incident_id) WHERE ended_sent_at IS NULL;

COMMENT ON TABLE @extschema@.wab_alerts IS
    'The incidents that were sent: one row each, written by wab_send_alerts() and wab alert when the receiver has answered.';
COMMENT ON COLUMN @extschema@.wab_alerts.incident_id IS 'As in wab_incidents.';
COMMENT ON COLUMN @extschema@.wab_alerts.began_sent_at IS 'When its beginning was sent.';
COMMENT ON COLUMN @extschema@.wab_alerts.ended_sent_at IS 'When its end was sent; null before.';
