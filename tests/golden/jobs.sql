-- What scheduled runs leave behind.
CREATE EXTENSION pg_wabridges;
SELECT version <> '' AS version, observed_at, bridges, drift, pending_polls, pending_provisions, failing_job, last_error FROM wab_status;
-- Jobs: how often in a row one failed, and how the last failure was worded, until it succeeds.
SELECT _wab_note_job('refresh'), _wab_note_job('poll_status', '08001', 'cannot connect to the provider');
SELECT _wab_note_job('poll_status', '58000', 'the provider failed');
SELECT failing_job, failures, last_error_sqlstate, last_error, last_error_at IS NOT NULL AS at FROM wab_status;
SELECT _wab_note_job('poll_status');
SELECT failing_job, failures, last_error_sqlstate, last_error FROM wab_status;
SELECT job, failures, sqlstate, error, succeeded_at > failed_at AS well FROM wab_jobs ORDER BY job;
