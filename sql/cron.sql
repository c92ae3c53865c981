-- A recipe for pg_cron, to be run by hand in the database that pg_cron schedules for; it may be run again.
-- Names of jobs are unique per user, and scheduling a name again replaces the job.

-- The fleet, once a minute. A refresh that finds another under way, or a fresh observation, ends at once.
SELECT cron.schedule('wab-refresh', '* * * * *', $$SELECT * FROM wab_refresh(max_age => '50 seconds')$$);

-- Statuses that the list did not bring, well inside the provider's 120 calls a minute.
SELECT cron.schedule('wab-poll-status', '* * * * *', $$SELECT * FROM wab_poll_status(max_calls => 60)$$);

-- The hourly summary, into wab_summaries and the server log.
SELECT cron.schedule('wab-summary', '5 * * * *', $$SELECT wab_log_summary()$$);

-- History older than 400 days, and pg_cron's own trail older than 7.
SELECT cron.schedule('wab-prune', '15 3 * * *', $$SELECT wab_prune_history(interval '400 days')$$);
SELECT cron.schedule('wab-purge-cron', '20 3 * * *', $$DELETE FROM cron.job_run_details WHERE end_time < now() - interval '7 days'$$);
