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
