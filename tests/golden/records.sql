-- Tests the constraints of the tables that record what was done.
CREATE EXTENSION pg_wabridges;
SET timezone = 'UTC';
INSERT INTO wab_runs (run_id, started_at, who, tool, steps, outcome)
VALUES ('00000000-0000-0000-0000-000000000001', '2026-01-01', 'ci', 'wab', 2, 'finished');
INSERT INTO wab_runs (run_id, who, tool, steps) VALUES ('00000000-0000-0000-0000-000000000001', 'ci', 'wab', 2);
INSERT INTO wab_operations (run_id, step, kind, customer_ref) VALUES ('00000000-0000-0000-0000-000000000002', 1, 'provision', 'a');
INSERT INTO wab_operations (run_id, step, kind, customer_ref, started_at)
VALUES ('00000000-0000-0000-0000-000000000001', 1, 'provision', 'a', '2026-01-01');
UPDATE wab_operations SET outcome = 'perhaps';
-- The steps of a run go with it.
DELETE FROM wab_runs;
SELECT count(*) FROM wab_operations;
-- Drift does not end before it began.
INSERT INTO wab_drift_episodes (kind, subject, wasted, began_at, ended_at) VALUES ('missing', 'a', false, '2026-01-02', '2026-01-01');
-- A tenant waits once, and an entry that ended says how.
INSERT INTO wab_queue (customer_ref, enqueued_at, queue_id) VALUES ('', '2026-01-01', '00000000-0000-0000-0000-000000000001');
INSERT INTO wab_queue (customer_ref) VALUES ('a');
INSERT INTO wab_queue (customer_ref) VALUES ('a');
UPDATE wab_queue SET outcome = 'provisioned', queue_id = '00000000-0000-0000-0000-000000000001', enqueued_at = '2026-01-01';
UPDATE wab_queue SET outcome = 'provisioned', finished_at = '2026-01-02';
INSERT INTO wab_queue (customer_ref) VALUES ('a');
SELECT customer_ref, outcome, count(*) FROM wab_queue GROUP BY 1, 2 ORDER BY 2;
