-- Tests that wab_tenant_history() lists all that is recorded about one tenant, in the order of time.
CREATE EXTENSION pg_wabridges;
SET timezone = 'UTC';
SELECT * FROM wab_tenant_history('a');
INSERT INTO wab_queue (customer_ref, enqueued_at, enqueued_by, attempts, last_error, finished_at, outcome) VALUES
    ('a', '2026-01-01 00:00', 'shop', 1, 'this tenant is not wanted', '2026-01-01 00:01', 'refused'),
    ('a', '2026-01-01 00:02', 'shop', 1, NULL, '2026-01-01 00:03', 'provisioned');
INSERT INTO wab_calls (called_at, answered_at, call, customer_ref, bridge_id, called_by, application_name, outcome)
SELECT c.column1::timestamptz, c.column1::timestamptz + interval '1 second', c.column2, c.column3, c.column4, c.column5, c.column6, c.column7 FROM (VALUES
    ('2026-01-01 00:02:50', 'provision', 'a', NULL, 'cron', 'pg_cron', 'failed: 08001'),
    ('2026-01-01 00:03', 'provision', 'a', 7, 'cron', 'pg_cron', 'provisioned'),
    ('2026-01-01 01:00', 'pair', 'a', 7, 'eve', '', 'code'),
    ('2026-01-04 00:00', 'logout', 'a', 7, 'eve', 'psql', 'disconnected'),
    ('2026-01-01 01:00', 'pair', 'b', 8, 'eve', '', 'code')) c;
INSERT INTO wab_bridges (bridge_id, customer_ref, first_seen_at, status) VALUES (8, 'b', '2026-01-01', 'paired'), (9, 'a', '2026-01-06', 'paired');
INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, became, reported) VALUES
    ('2026-01-01 00:03:01', 7, 'a', 'appeared', NULL, 'unknown', 'awaiting_scan'),
    ('2026-01-01 00:04', 7, 'a', 'status', 'unknown', 'awaiting_scan', 'disconnected'),
    ('2026-01-01 01:01', 7, 'a', 'status', 'awaiting_scan', 'paired', NULL),
    ('2026-01-02 00:00', 7, 'a', 'state', 'running', 'exited', NULL),
    ('2026-01-02 00:01', 7, 'a', 'status', 'paired', 'disconnected', NULL),
    ('2026-01-02 00:02', 7, 'a', 'status', 'disconnected', 'disconnected', NULL),
    ('2026-01-02 12:00', 7, 'a', 'status', 'disconnected', 'paired', NULL),
    ('2026-01-04 00:01', 7, 'a', 'status', 'paired', 'disconnected', NULL),
    ('2026-01-05 00:00', 7, 'c', 'customer_ref', 'a', 'c', NULL),
    ('2026-01-05 01:00', 7, 'c', 'status', 'disconnected', 'paired', NULL),
    ('2026-01-06 00:00', 9, 'z', 'appeared', NULL, 'paired', NULL),
    ('2026-01-06 12:00', 9, 'a', 'customer_ref', NULL, 'a', NULL),
    ('2026-01-06 00:00', 8, 'b', 'appeared', NULL, 'paired', NULL);
INSERT INTO wab_drift_episodes (kind, subject, bridge_id, customer_ref, wasted, began_at, ended_at) VALUES
    ('missing', 'a', NULL, 'a', false, '2026-01-01 00:01:30', '2026-01-01 00:03:02'),
    ('status_drift', '7', 7, 'a', false, '2026-01-02 00:01', '2026-01-02 00:02'),
    ('disconnected', '7', 7, 'a', false, '2026-01-02 00:16', '2026-01-02 12:00'),
    ('churned', '9', 9, 'a', true, '2026-01-07 00:00', NULL);
INSERT INTO wab_runs (run_id, started_at, who, tool, ci_url, steps, outcome) VALUES ('00000000-0000-0000-0000-000000000001', '2026-01-08', 'ci@host', 'wab 0.3.0', 'https://ci.example.com/9', 3, 'partly');
INSERT INTO wab_operations (run_id, step, kind, customer_ref, bridge_id, started_at, finished_at, outcome, detail) VALUES
    ('00000000-0000-0000-0000-000000000001', 1, 'link', 'a', 9, '2026-01-08 00:00:01', '2026-01-08 00:00:02', 'done', NULL),
    ('00000000-0000-0000-0000-000000000001', 2, 'delete', 'a', 9, '2026-01-08 00:00:03', '2026-01-08 00:00:04', 'failed', 'HTTP 500'),
    ('00000000-0000-0000-0000-000000000001', 3, 'delete', 'a', 9, '2026-01-08 00:00:05', NULL, NULL, NULL);
INSERT INTO wab_nudges (customer_ref, nudged_at, nudged_by, channel) VALUES ('a', '2026-01-02 02:00', 'eve', 'email'), ('b', '2026-01-02 02:00', 'eve', 'email');
INSERT INTO wab_pairing_codes (customer_ref, requested_at, requested_by, valid_until) VALUES
    ('a', '2026-01-01 01:00:01', 'eve', '2026-01-01 01:03'), ('a', '2026-01-02 03:00', 'kim@desk', '2026-01-02 03:03');
INSERT INTO wab_pairing_links (token_sha256, customer_ref, bridge_id, made_at, made_by, valid_until, revoked_at, revoked_by) VALUES
    (sha256('1'), 'a', 7, '2026-01-02 04:00', 'eve', '2026-01-03 04:00', NULL, NULL),
    (sha256('2'), 'a', 7, '2026-01-02 05:00', 'kim@desk', '2026-01-03 05:00', '2026-01-02 06:00', 'eve'),
    (sha256('3'), 'b', 8, '2026-01-02 05:00', 'eve', '2026-01-03 05:00', NULL, NULL);
INSERT INTO wab_snoozes (customer_ref, kind, until, reason, snoozed_at, snoozed_by) VALUES
    ('a', 'disconnected', '2026-01-03 00:00', 'the customer moves house', '2026-01-02 01:00', 'eve'),
    (NULL, 'disconnected', '2026-01-03 00:00', 'for all', '2026-01-02 01:00', 'eve');
INSERT INTO wab_acknowledgements (incident_id, acknowledged_at, acknowledged_by, note)
SELECT 'disconnected-' || d.episode_id, '2026-01-02 00:30', 'kim', 'I call them' FROM wab_drift_episodes d WHERE d.kind = 'disconnected';
INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was) VALUES ('2026-01-09 00:00', 9, 'a', 'disappeared', 'paired');
DELETE FROM wab_bridges WHERE bridge_id = 9;
SELECT * FROM wab_tenant_history('a');
-- The bridge that a lost is c's since then.
SELECT at, event, bridge_id, detail FROM wab_tenant_history('c');
SELECT count(*) FROM wab_tenant_history('nobody');
SELECT count(*) FROM wab_tenant_history(42);
SELECT * FROM wab_tenant_history(NULL::text);
SELECT * FROM wab_tenant_history('');
