-- Schedules the jobs with pg_cron. Run it in the database that pg_cron schedules for (cron.database_name); it may be
-- run again. If the fleet is in another database, name it before, and the schema of its wab_ objects unless it is public:
--     SET wab_cron.database = 'app'; SET wab_cron.schema = 'wab';
-- Job names are unique per user, and scheduling a name again replaces the job. A failed job is an error in
-- cron.job_run_details, and stays in wab_status until the job succeeds.

DO $$
DECLARE
    -- The extension's schema, or a visible one, or the only one that has the objects.
    ours regnamespace := (
        SELECT CASE WHEN pg_catalog.bool_or(e.oid IS NOT NULL OR pg_catalog.pg_table_is_visible(c.oid))
                         OR pg_catalog.count(*) OPERATOR(pg_catalog.=) 1
                    THEN (pg_catalog.array_agg(c.relnamespace
                          ORDER BY e.oid, pg_catalog.pg_table_is_visible(c.oid) DESC))[1] END
        FROM pg_catalog.pg_class c
        LEFT JOIN pg_catalog.pg_extension e ON e.extname OPERATOR(pg_catalog.=) 'pg_wabridges'
                                           AND e.extnamespace OPERATOR(pg_catalog.=) c.relnamespace
        WHERE c.relname OPERATOR(pg_catalog.=) 'wab_tenant_binding' AND c.relkind OPERATOR(pg_catalog.=) 'r');
    path      text := pg_catalog.current_setting('search_path');
    elsewhere text := pg_catalog.current_setting('wab_cron.database', true);
    schema    text;
    command   text;
    job       record;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    elsewhere := nullif(elsewhere, '');
    schema := CASE WHEN elsewhere IS NULL THEN ours::text
                   ELSE quote_ident(coalesce(nullif(current_setting('wab_cron.schema', true), ''), 'public')) END;
    IF schema IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = 'this database has no wab_ objects, or has them in several schemas',
            HINT = 'If the fleet is in another database: SET wab_cron.database = ''app''; if several schemas have them, '
                   'name one: SET search_path.';
    END IF;
    IF to_regnamespace('cron') IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'pg_cron is not in this database',
            DETAIL = format('It schedules for the database %s (cron.database_name).',
                            coalesce(nullif(current_setting('cron.database_name', true), ''), 'postgres')),
            HINT = 'There: CREATE EXTENSION pg_cron; and, if the fleet is in another one, SET wab_cron.database = ''app''; then '
                   'run this again. The server must have shared_preload_libraries = ''pg_cron''.';
    END IF;
    -- {wab} stands for the schema. A command with a name before it is run by wab_run_job(), which stores its result under
    -- this name. wab_status shows a job that does not run so often, unless the fleet is in another database.
    FOR job IN SELECT j.* FROM (VALUES
        -- Once a minute: lists the fleet, asks for statuses that the list did not carry, and writes bridge_status on the
        -- tenant rows. At 60 status calls it stays within the provider's limit of 120 a minute. It makes no call if another
        -- refresh is running.
        ('wab-reconcile', '* * * * *', '1 minute', 'reconcile', 'reconcile',
            'SELECT count(*) FROM {wab}.wab_reconcile(max_status_calls => 60)'),
        -- Provisions bridges for enqueued tenants: 9 a minute, within the provider's limit of 10.
        ('wab-work-queue', '* * * * *', '1 minute', NULL, 'work_queue', 'CALL {wab}.wab_work_queue(max_calls => 9)'),
        -- Posts the incidents that began and ended to the URL in wab.alert_url_file; without that setting it does nothing.
        ('wab-alerts', '* * * * *', '1 minute', NULL, 'alerts', 'SELECT count(*) FROM {wab}.wab_send_alerts()'),
        -- Writes the hourly summary to wab_summaries and the server log.
        ('wab-summary', '5 * * * *', '1 hour', 'summary', 'summary', 'SELECT {wab}.wab_log_summary()'),
        -- Deletes history older than 400 days.
        ('wab-prune', '15 3 * * *', '1 day', 'prune', 'prune', 'SELECT {wab}.wab_prune_history(interval ''400 days'')')
    ) AS j(name, schedule, every, run_as, noted_as, command) LOOP
        command := replace(job.command, '{wab}', schema);
        IF job.run_as IS NOT NULL THEN
            command := format('CALL %s.wab_run_job(%L, %L)', schema, job.run_as, command);
        END IF;
        IF elsewhere IS NULL THEN
            PERFORM cron.schedule(job.name, job.schedule, command);
            EXECUTE format('SELECT %s._wab_expect_job(%L, %L)', schema, job.noted_as, job.every);
        ELSE
            PERFORM cron.schedule_in_database(job.name, job.schedule, command, elsewhere);
        END IF;
    END LOOP;
    -- Before 0.3.0 these two jobs did what wab-reconcile does, without writing tenant rows.
    PERFORM cron.unschedule(j.jobid) FROM cron.job j
    WHERE j.jobname IN ('wab-refresh', 'wab-poll-status') AND j.username = current_user;
    -- Deletes the run log of these jobs older than 7 days. It is in this database.
    PERFORM cron.schedule('wab-purge-cron', '20 3 * * *',
        'DELETE FROM cron.job_run_details d USING cron.job j
         WHERE j.jobid = d.jobid AND j.jobname LIKE ''wab-%'' AND d.end_time < now() - interval ''7 days''');
    PERFORM set_config('search_path', path, true);
END
$$;
