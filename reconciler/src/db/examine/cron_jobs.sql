SELECT coalesce(j.jobname::text, 'job ' || j.jobid) AS name, j.active,
       d.status IS NOT NULL AS ran,
       CASE WHEN d.status = 'failed' THEN coalesce(d.return_message, '?') END AS failure
FROM cron.job j LEFT JOIN LATERAL (SELECT r.status, r.return_message FROM cron.job_run_details r
                                   WHERE r.jobid = j.jobid ORDER BY r.runid DESC LIMIT 1) d ON true
WHERE j.database = current_database() AND j.command ~ '\mwab_' ORDER BY 1
