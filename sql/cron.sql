-- A recipe for pg_cron, to be run by hand in the database that pg_cron schedules for; it may be run again.
-- Names of jobs are unique per user, and scheduling a name again replaces the job. A job that fails is an error in
-- cron.job_run_details, and in wab_status until it succeeds.

-- The fleet, once a minute. A refresh that finds another under way, or a fresh observation, ends at once.
SELECT cron.schedule('wab-refresh', '* * * * *', $$CALL wab_run_job('refresh', 'SELECT * FROM wab_refresh(max_age => ''50 seconds'')')$$);

-- Statuses that the list did not bring, well inside the provider's 120 calls a minute.
SELECT cron.schedule('wab-poll-status', '* * * * *', $$CALL wab_run_job('poll_status', 'SELECT * FROM wab_poll_status(max_calls => 60)')$$);

-- Bridges for tenants that wab_enqueue_provision() or sql/signup.sql enqueued, within the provider's 10 a minute.
SELECT cron.schedule('wab-work-queue', '* * * * *', $$CALL wab_work_queue(max_calls => 9)$$);

-- The hourly summary, into wab_summaries and the server log.
SELECT cron.schedule('wab-summary', '5 * * * *', $$CALL wab_run_job('summary', 'SELECT wab_log_summary()')$$);

-- History older than 400 days, and pg_cron's own trail older than 7.
SELECT cron.schedule('wab-prune', '15 3 * * *', $$CALL wab_run_job('prune', 'SELECT wab_prune_history(interval ''400 days'')')$$);
SELECT cron.schedule('wab-purge-cron', '20 3 * * *', $$DELETE FROM cron.job_run_details WHERE end_time < now() - interval '7 days'$$);
