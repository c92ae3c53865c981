-- Tests which incidents are due for an alert, and what the document says. tests/e2e/alerts.rs tests the sending.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
INSERT INTO tenants SELECT 't<' || n || '>', n, 'paired' FROM generate_series(1, 3) n;
SELECT * FROM wab_bind_tenants('tenants');
UPDATE wab_policy SET disconnected_after = '0';
SELECT appeared FROM wab_observe('{1,2,3}', '{t<1>,t<2>,t<3>}', '{running,running,running}', '{disconnected,connected,connected}', '{NULL,NULL,NULL}');
SELECT _wab_record_drift();
SELECT _wab_begin_alerts();
SELECT began = ARRAY(SELECT incident_id FROM wab_incidents) AS all_began, ended, document -> 'kinds' AS kinds, document -> 'omitted' AS omitted, regexp_replace(document ->> 'text', '(since )[0-9: -]+|-[0-9]+(?=\))', '\1...', 'g') AS text FROM _wab_due_alerts();
SELECT jsonb_object_keys(document -> 'began' -> 0) AS keys FROM _wab_due_alerts() ORDER BY 1;
-- With the address of wab serve, each incident carries a link.
UPDATE wab_policy SET board_url = 'https://board.example.com/';
SELECT document -> 'began' -> 0 ->> 'link' AS link, document ->> 'text' LIKE '%) https://board.example.com/tenants/t%3C1%3E' AS said FROM _wab_due_alerts();
SELECT _wab_board_link(r) FROM unnest(ARRAY['a/b ?', '..', repeat('x', 257), NULL]) r;
UPDATE wab_policy SET board_url = 'https://board.example.com/?x';
UPDATE wab_policy SET board_url = 'javascript:alert(1)';
UPDATE wab_policy SET board_url = NULL;
SELECT _wab_board_link('a');
SELECT _wab_alerts_sent(began, ended) FROM _wab_due_alerts();
SELECT began, ended FROM _wab_due_alerts();
-- The kind sends no alerts: its end is sent nevertheless, because its beginning was.
UPDATE wab_incident_policy SET alerts = false, ends_after = '0' WHERE kind = 'disconnected';
SELECT changed FROM wab_observe('{1,2,3}', '{t<1>,t<2>,t<3>}', '{running,running,running}', '{connected,disconnected,connected}', '{NULL,NULL,NULL}');
SELECT _wab_record_drift();
SELECT began, cardinality(ended), document -> 'ended' -> 0 ->> 'kind' AS kind FROM _wab_due_alerts();
SELECT _wab_alerts_sent(began, ended) FROM _wab_due_alerts();
-- A failure: the pause grows, and wab_status shows it.
SELECT _wab_alerts_failed('the receiver did not answer') > clock_timestamp() + interval '25 seconds' AS after_30_seconds;
SELECT _wab_begin_alerts();
SELECT _wab_alerts_failed('the receiver did not answer') > clock_timestamp() + interval '55 seconds' AS after_a_minute;
SELECT failing_job, failures, last_error FROM wab_status;
SELECT _wab_plain_text(E'<a> & b\nc'), length(_wab_plain_text(repeat('x', 500)));
-- An outage begins again while the document that tells its end is posted: the same incident is due again.
CREATE FUNCTION pg_temp.listing(down integer[]) RETURNS bigint LANGUAGE sql AS $$
    SELECT bridges FROM wab_observe(ARRAY(SELECT t.bridge_id FROM tenants t ORDER BY 1), ARRAY(SELECT t.id FROM tenants t ORDER BY t.bridge_id),
        ARRAY(SELECT CASE WHEN t.bridge_id = ANY (down) THEN 'stopped' ELSE 'running' END FROM tenants t ORDER BY t.bridge_id),
        ARRAY(SELECT 'connected' FROM tenants t), ARRAY(SELECT NULL::timestamptz FROM tenants t));
    SELECT _wab_record_drift();
$$;
\set incidents 'SELECT i.customer_ref, i.bridges, i.lasting, a.ended_sent_at IS NOT NULL AS ended_sent FROM wab_incidents i LEFT JOIN wab_alerts a ON a.incident_id = i.incident_id WHERE i.kind = \'state\' ORDER BY 1, 2'
\set due 'SELECT o.*, cardinality(d.began) AS began, cardinality(d.ended) AS ended FROM _wab_due_alerts() d LEFT JOIN jsonb_to_recordset(d.document -> \'began\') AS o(customer_ref text, bridges bigint) ON true ORDER BY 1, 2'
DELETE FROM wab_incident_policy;
UPDATE wab_policy SET state_after = '0', mass_bridges = 5;
SELECT pg_temp.listing('{1}');
SELECT _wab_alerts_sent(began, ended) FROM _wab_due_alerts();
SELECT pg_temp.listing('{}');
UPDATE wab_drift_episodes SET began_at = began_at - interval '1 hour', ended_at = ended_at - interval '11 minutes' WHERE kind = 'state';
:due;
-- The container stopped before it was drift, so the outage goes on.
CREATE FUNCTION pg_temp.since() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.state_since := now() - interval '5 minutes'; RETURN NEW; END $$;
CREATE TRIGGER since BEFORE UPDATE ON wab_bridges FOR EACH ROW WHEN (NEW.state = 'stopped') EXECUTE FUNCTION pg_temp.since();
BEGIN;
SELECT _wab_begin_alerts();
SELECT began, ended, alone FROM _wab_due_alerts() \gset
SELECT pg_temp.listing('{1}');
:incidents;
SELECT _wab_alerts_sent(:'began', :'ended', :'alone');
COMMIT;
:due;
-- Two outages are posted while three more make all five one incident. The one that keeps its number is sent again, with the three; the
-- other stays as it was sent.
INSERT INTO tenants SELECT 'm' || n, n, 'paired' FROM generate_series(4, 8) n;
SELECT pg_temp.listing('{4}');
SELECT pg_temp.listing('{4,5}');
SELECT _wab_alerts_sent(began, ended) FROM (SELECT array_agg(i) AS began, '{}'::text[] AS ended FROM (SELECT unnest(began) FROM _wab_due_alerts()) d(i) WHERE i NOT IN (SELECT incident_id FROM wab_incidents WHERE customer_ref IN ('m4', 'm5'))) d;
:due;
BEGIN;
SELECT _wab_begin_alerts();
SELECT began, ended, alone FROM _wab_due_alerts() \gset
SELECT pg_temp.listing('{4,5,6,7,8}');
:incidents;
SELECT _wab_alerts_sent(:'began', :'ended', :'alone');
COMMIT;
:incidents;
:due;
SELECT _wab_alerts_sent(began, ended) FROM _wab_due_alerts();
SELECT e.subject, i.bridges, i.incident_id = a.incident_id AS sent FROM wab_drift_episodes e JOIN wab_incidents i ON i.incident_id = e.kind || '-' || coalesce(e.incident_id, e.episode_id)
LEFT JOIN wab_alerts a ON a.incident_id = i.incident_id WHERE e.kind = 'state' AND e.ended_at IS NULL ORDER BY 1;
-- An incident of many bridges is sent once, also if it takes in another one meanwhile.
INSERT INTO tenants VALUES ('m9', 9, 'paired');
BEGIN;
DELETE FROM wab_alerts;
SELECT began, ended, alone FROM _wab_due_alerts() \gset
SELECT pg_temp.listing('{4,5,6,7,8,9}');
SELECT _wab_alerts_sent(:'began', :'ended', :'alone');
COMMIT;
:incidents;
:due;
