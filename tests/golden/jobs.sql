-- Tests wab_jobs and wab_status, which show the results of scheduled jobs.
CREATE EXTENSION pg_wabridges;
SELECT version <> '' AS version, observed_at, bridges, drift, pending_polls, pending_provisions, failing_job, last_error FROM wab_status;
-- Each job shows the number of failures in a row and the last error message; a success resets both in wab_status.
SELECT _wab_note_job('refresh'), _wab_note_job('poll_status', '08001', 'cannot connect to the provider');
SELECT _wab_note_job('poll_status', '58000', 'the provider failed');
SELECT failing_job, failures, last_error_sqlstate, last_error, last_error_at IS NOT NULL AS at FROM wab_status;
SELECT _wab_note_job('poll_status');
SELECT failing_job, failures, last_error_sqlstate, last_error FROM wab_status;
SELECT job, failures, sqlstate, error, succeeded_at > failed_at AS well FROM wab_jobs ORDER BY job;
-- A job that does not run as scheduled is failing too: one that never ran, one that ran last long ago, none that is on time.
SELECT _wab_expect_job('reconcile', '1 minute'), _wab_expect_job('summary', '1 hour'), _wab_expect_job('prune', '1 day');
SELECT failing_job FROM wab_status;
UPDATE wab_jobs SET scheduled_at = '2026-01-01 12:00:00+00' WHERE job = 'reconcile';
SELECT failing_job, failures, last_error_sqlstate, last_error, last_error_at = '2026-01-01 12:00:00+00' AS at FROM wab_status;
SELECT _wab_note_job('reconcile', '08001', 'cannot connect to the provider');
SELECT failing_job, failures, last_error FROM wab_status;
SELECT _wab_note_job('reconcile'), _wab_expect_job('reconcile', '1 minute');
SELECT failing_job FROM wab_status;
SELECT count(_wab_job_is_late(every, now() - every - interval '2 minutes')), count(_wab_job_is_late(every, now() - every * 2 - interval '3 minutes')) FROM wab_jobs;
