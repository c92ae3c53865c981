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
