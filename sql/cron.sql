-- Schedules the jobs with pg_cron. Run it in the database that pg_cron schedules for; it may be run again.
-- Job names are unique per user, and scheduling a name again replaces the job. A failed job is an error in
-- cron.job_run_details, and stays in wab_status until the job succeeds.

-- Once a minute: lists the fleet, asks for statuses that the list did not carry, and writes bridge_status on the tenant
-- rows. At 60 status calls it stays within the provider's limit of 120 a minute. It makes no call if another refresh is
-- running.
SELECT cron.schedule('wab-reconcile', '* * * * *',
    $$CALL wab_run_job('reconcile', 'SELECT count(*) FROM wab_reconcile(max_status_calls => 60)')$$);

-- Before 0.3.0 these two jobs did it, without writing tenant rows.
SELECT cron.unschedule(j.jobid) FROM cron.job j
WHERE j.jobname IN ('wab-refresh', 'wab-poll-status') AND j.username = current_user;

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
