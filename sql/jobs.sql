-- Records the results of scheduled jobs, and creates wab_status, one row for monitoring.

CREATE FUNCTION @extschema@._wab_note_job(
    job text, state text DEFAULT NULL, message text DEFAULT NULL, details text DEFAULT NULL)
RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO @extschema@.wab_jobs AS j (job, succeeded_at, failed_at, failures, sqlstate, error)
    VALUES (job, CASE WHEN state IS NULL THEN clock_timestamp() END,
            CASE WHEN state IS NOT NULL THEN clock_timestamp() END,
            (state IS NOT NULL)::integer, state,
            CASE WHEN state IS NOT NULL
                 THEN @extschema@._wab_shown_error(state, message, details) END)
    ON CONFLICT (job) DO UPDATE
    SET succeeded_at = coalesce(excluded.succeeded_at, j.succeeded_at),
        failed_at = coalesce(excluded.failed_at, j.failed_at),
        failures = CASE WHEN excluded.failures = 0 THEN 0 ELSE j.failures + 1 END,
        sqlstate = coalesce(excluded.sqlstate, j.sqlstate), error = coalesce(excluded.error, j.error);
$$;
COMMENT ON FUNCTION @extschema@._wab_note_job IS
    'Stores in wab_jobs how a run of a job ended: with this SQLSTATE, message and detail, or with success if state is '
    'null.';

CREATE FUNCTION @extschema@._wab_expect_job(job text, every interval) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO @extschema@.wab_jobs AS j (job, every, scheduled_at) VALUES (job, every, clock_timestamp())
    ON CONFLICT (job) DO UPDATE SET every = excluded.every, scheduled_at = excluded.scheduled_at;
$$;
COMMENT ON FUNCTION @extschema@._wab_expect_job IS
    'Stores in wab_jobs how often a job shall run, so that wab_status shows when it does not.';

-- pg_cron stores a run that could not start, for instance because its connection was refused, only where it is installed
-- and only for the job''s role. A job that is late is noticed here, whoever asks. A job may skip one run.
CREATE FUNCTION @extschema@._wab_job_is_late(every interval, last_at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('it has not run since %s UTC, and shall run every %s: pg_cron cannot start it (see cron.job_run_details), '
                  'or it is not scheduled any more', to_char(last_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), every)
    WHERE now() - last_at > every * 2 + interval '2 minutes';
$$;
COMMENT ON FUNCTION @extschema@._wab_job_is_late IS
    'Why a job that shall run so often and ran last at this time is late; null if it is not.';

-- The view reads with the rights of its owner on purpose, so that a monitoring role sees this row without the right to
-- read bridges, tenants or phone numbers.
CREATE VIEW @extschema@.wab_status AS
SELECT
    @extschema@.wab_version() AS version,
    o.observed_at,
    pg_catalog.now() OPERATOR(pg_catalog.-) o.observed_at AS observation_age,
    o.bridges,
    o.malformed,
    (SELECT pg_catalog.count(*) FROM @extschema@.wab_drift_episodes e WHERE e.ended_at IS NULL) AS drift,
    (SELECT pg_catalog.count(*) FROM @extschema@.wab_bridges b
     WHERE b.status_observed_at IS NULL AND b.customer_ref IS NOT NULL AND NOT b.duplicated) AS pending_polls,
    (SELECT pg_catalog.count(*) FROM @extschema@.wab_queue q WHERE q.finished_at IS NULL) AS pending_provisions,
    j.job AS failing_job, j.failures, j.failed_at AS last_error_at, j.sqlstate AS last_error_sqlstate,
    j.error AS last_error,
    -- The newest listing confirmed each status that it carried.
    (SELECT pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.min(
                CASE WHEN b.status_listed THEN greatest(b.status_observed_at, o.observed_at)
                     ELSE coalesce(b.status_observed_at, b.first_seen_at) END)
     FROM @extschema@.wab_bridges b WHERE b.customer_ref IS NOT NULL AND NOT b.duplicated) AS oldest_status_age
FROM (SELECT 1) always
LEFT JOIN LATERAL (SELECT l.observed_at, l.bridges, l.malformed FROM @extschema@.wab_observations l
                   WHERE l.observed_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()
                   ORDER BY l.observed_at DESC LIMIT 1) o ON true
LEFT JOIN LATERAL (SELECT f.job, f.failures, CASE WHEN l.late IS NULL THEN f.failed_at ELSE r.last_at END AS failed_at,
                          CASE WHEN l.late IS NULL THEN f.sqlstate END AS sqlstate, coalesce(l.late, f.error) AS error
                   FROM @extschema@.wab_jobs f
                   CROSS JOIN LATERAL (SELECT greatest(f.succeeded_at, f.failed_at, f.scheduled_at) AS last_at) r
                   CROSS JOIN LATERAL (SELECT @extschema@._wab_job_is_late(f.every, r.last_at) AS late) l
                   WHERE f.failures OPERATOR(pg_catalog.>) 0 OR l.late IS NOT NULL
                   ORDER BY l.late IS NULL, r.last_at DESC LIMIT 1) j ON true;

COMMENT ON VIEW @extschema@.wab_status IS
    'One row for monitoring: the age of the observation, the pending work and the failing job. Members of pg_monitor '
    'may read it. For the fleet itself see wab_fleet_summary.';
COMMENT ON COLUMN @extschema@.wab_status.version IS
    'The version of the compiled library, or of the wab that installed the objects.';
COMMENT ON COLUMN @extschema@.wab_status.observed_at IS
    'When the last stored listing was requested; null if none was stored.';
COMMENT ON COLUMN @extschema@.wab_status.observation_age IS 'The time since observed_at.';
COMMENT ON COLUMN @extschema@.wab_status.bridges IS 'Bridges in that listing.';
COMMENT ON COLUMN @extschema@.wab_status.malformed IS 'Rows of that listing that could not be read.';
COMMENT ON COLUMN @extschema@.wab_status.drift IS
    'Rows of wab_drift, counted when the drift was last recorded in wab_drift_episodes.';
COMMENT ON COLUMN @extschema@.wab_status.pending_polls IS
    'Bridges that a poll could ask and for which no status was ever observed.';
COMMENT ON COLUMN @extschema@.wab_status.pending_provisions IS 'Tenants that wait in wab_queue.';
COMMENT ON COLUMN @extschema@.wab_status.failing_job IS
    'The job that does not run as scheduled, or else the one with the latest failure, if its newest run failed; null if '
    'the newest run of every job succeeded and none is late.';
COMMENT ON COLUMN @extschema@.wab_status.failures IS 'Failures of that job in a row.';
COMMENT ON COLUMN @extschema@.wab_status.last_error_at IS 'When that job last failed, or ran last before it was late.';
COMMENT ON COLUMN @extschema@.wab_status.last_error_sqlstate IS 'The SQLSTATE of that failure; null for a late job.';
COMMENT ON COLUMN @extschema@.wab_status.last_error IS 'The message and detail of that failure.';
COMMENT ON COLUMN @extschema@.wab_status.oldest_status_age IS
    'The age of the oldest status: the longest time for which neither a session, an event nor a listing confirmed the '
    'status of a bridge that a poll could ask. A status that was never observed is as old as the bridge is known.';
GRANT SELECT ON @extschema@.wab_status TO pg_monitor;
