-- Schedules the jobs with pg_cron. Run it in the database that pg_cron schedules for; it may be run again.
-- Job names are unique per user, and scheduling a name again replaces the job. A failed job is an error in
-- cron.job_run_details, and stays in wab_status until the job succeeds.

-- Refreshes the fleet once a minute. A refresh ends at once if another is running or the observation is fresh.
SELECT cron.schedule('wab-refresh', '* * * * *',
    $$CALL wab_run_job('refresh', 'SELECT * FROM wab_refresh(max_age => ''50 seconds'')')$$);

-- Asks for statuses that the list did not carry: 60 calls a minute, within the provider's limit of 120.
SELECT cron.schedule('wab-poll-status', '* * * * *',
    $$CALL wab_run_job('poll_status', 'SELECT * FROM wab_poll_status(max_calls => 60)')$$);

-- Provisions bridges for enqueued tenants: 9 a minute, within the provider's limit of 10.
SELECT cron.schedule('wab-work-queue', '* * * * *', $$CALL wab_work_queue(max_calls => 9)$$);

-- Writes the hourly summary to wab_summaries and the server log.
SELECT cron.schedule('wab-summary', '5 * * * *', $$CALL wab_run_job('summary', 'SELECT wab_log_summary()')$$);

-- Deletes history older than 400 days, and the run log of these jobs older than 7 days.
SELECT cron.schedule('wab-prune', '15 3 * * *',
    $$CALL wab_run_job('prune', 'SELECT wab_prune_history(interval ''400 days'')')$$);
SELECT cron.schedule('wab-purge-cron', '20 3 * * *',
    $$DELETE FROM cron.job_run_details d USING cron.job j
      WHERE j.jobid = d.jobid AND j.jobname LIKE 'wab-%' AND d.end_time < now() - interval '7 days'$$);
