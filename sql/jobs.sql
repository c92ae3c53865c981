-- What scheduled runs leave behind for who watches: how long drift lasts, a notification when it changes, how the jobs do.

-- Without JIT, for compiling takes longer than the one pass over the fleet; with memory for its hash table, which is known to be the
-- only large one.
-- Planned anew each time: for a few bridges with indexes, for all in one pass.
CREATE FUNCTION @extschema@.wab_record_drift(bridge_ids bigint[] DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET hash_mem_multiplier = 64 SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    at     timestamptz := clock_timestamp();
    began  jsonb;
    ended  jsonb;
    moved  bigint;
    reason text;
BEGIN
    IF to_regclass('@extschema@.wab_drift') IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    BEGIN
        WITH present AS MATERIALIZED (
            SELECT d.kind, coalesce(d.bridge_id::text, d.customer_ref) AS subject, d.bridge_id, d.customer_ref
            FROM @extschema@.wab_drift d WHERE bridge_ids IS NULL OR d.bridge_id = ANY (bridge_ids)
        ), lasting AS MATERIALIZED (
            SELECT e.kind, e.subject, e.ctid AS row FROM @extschema@.wab_drift_episodes e
            WHERE e.ended_at IS NULL
              -- A subject may be a customer_ref that reads like an id.
              AND (bridge_ids IS NULL OR (e.subject = ANY (bridge_ids::text[]) AND e.bridge_id IS NOT NULL))
        ), moved AS MATERIALIZED (
            -- A full join is never a nested loop, however wrong the estimates are.
            SELECT p.kind, p.subject, p.bridge_id, p.customer_ref, l.row
            FROM present p FULL JOIN lasting l ON l.kind = p.kind AND l.subject = p.subject
            WHERE p.kind IS NULL OR l.kind IS NULL
        ), began AS (
            INSERT INTO @extschema@.wab_drift_episodes (kind, subject, bridge_id, customer_ref, began_at)
            SELECT m.kind, m.subject, m.bridge_id, m.customer_ref, at FROM moved m WHERE m.row IS NULL
            RETURNING kind
        ), ended AS (
            UPDATE @extschema@.wab_drift_episodes e SET ended_at = greatest(at, e.began_at)
            WHERE e.ctid = ANY (ARRAY(SELECT m.row FROM moved m WHERE m.row IS NOT NULL))
            RETURNING e.kind
        )
        SELECT (SELECT jsonb_object_agg(b.kind, b.n) FROM (SELECT kind, count(*) AS n FROM began GROUP BY kind) b),
               (SELECT jsonb_object_agg(e.kind, e.n) FROM (SELECT kind, count(*) AS n FROM ended GROUP BY kind) e),
               (SELECT count(*) FROM began) + (SELECT count(*) FROM ended)
        INTO began, ended, moved;
    -- An observation is worth keeping though the drift cannot be read, for instance by a role that may not see the tenants.
    EXCEPTION WHEN data_exception OR syntax_error_or_access_rule_violation THEN
        GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT;
        RAISE WARNING USING MESSAGE = 'the drift could not be recorded', DETAIL = reason,
            HINT = 'What was observed is stored. SELECT * FROM wab_drift shows the error.';
        RETURN 0;
    END;
    IF moved > 0 THEN
        PERFORM pg_notify('wab_drift', jsonb_build_object(
            'at', at, 'began', coalesce(began, '{}'), 'ended', coalesce(ended, '{}'), 'drift', coalesce((
                SELECT jsonb_object_agg(o.kind, o.n) FROM (SELECT e.kind, count(*) AS n FROM @extschema@.wab_drift_episodes e
                                                           WHERE e.ended_at IS NULL GROUP BY e.kind) o), '{}'))::text);
    END IF;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_record_drift IS 'Notes in wab_drift_episodes which drift began and ended since the last time (of these bridges only, if any are given); returns how many. If any did, notifies channel wab_drift with JSON: at, and counts by kind of what began, ended, and is there now.';

CREATE FUNCTION @extschema@.wab_drift_moved() RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off SET hash_mem_multiplier = 64
AS $$
BEGIN
    RETURN to_regclass('@extschema@.wab_drift') IS NOT NULL AND EXISTS (
        SELECT FROM (SELECT d.kind, coalesce(d.bridge_id::text, d.customer_ref) AS subject FROM @extschema@.wab_drift d) present
        FULL JOIN (SELECT e.kind, e.subject FROM @extschema@.wab_drift_episodes e WHERE e.ended_at IS NULL) known
          ON known.kind = present.kind AND known.subject = present.subject
        WHERE present.kind IS NULL OR known.kind IS NULL);
-- wab_record_drift() will say what is wrong.
EXCEPTION WHEN data_exception OR syntax_error_or_access_rule_violation THEN
    RETURN true;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_drift_moved IS 'Whether wab_record_drift() would find anything to note.';

CREATE FUNCTION @extschema@.wab_drift_rows(bridge_ids bigint[] DEFAULT NULL)
RETURNS TABLE (kind text, tenant_id text, bridge_id bigint, customer_ref text, stored text, observed text, detail text, noted boolean)
LANGUAGE plpgsql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp SET jit = off SET hash_mem_multiplier = 64 SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT d.kind, d.tenant_id::text, d.bridge_id, d.customer_ref, d.stored, d.observed, d.detail,
           EXISTS (SELECT FROM @extschema@.wab_drift_episodes e
                   WHERE e.ended_at IS NULL AND e.kind = d.kind AND e.subject = coalesce(d.bridge_id::text, d.customer_ref))
    FROM @extschema@.wab_drift d
    WHERE wab_drift_rows.bridge_ids IS NULL OR d.bridge_id = ANY (wab_drift_rows.bridge_ids);
END
$$;
COMMENT ON FUNCTION @extschema@.wab_drift_rows IS 'wab_drift, or what of it concerns these bridges, and whether wab_record_drift() has noted it.';

CREATE FUNCTION @extschema@.wab_note_job(job text, state text DEFAULT NULL, message text DEFAULT NULL) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO @extschema@.wab_jobs AS j (job, succeeded_at, failed_at, failures, sqlstate, error)
    VALUES (job, CASE WHEN state IS NULL THEN clock_timestamp() END, CASE WHEN state IS NOT NULL THEN clock_timestamp() END,
            (state IS NOT NULL)::integer, state, nullif(message, ''))
    ON CONFLICT (job) DO UPDATE
    SET succeeded_at = coalesce(excluded.succeeded_at, j.succeeded_at), failed_at = coalesce(excluded.failed_at, j.failed_at),
        failures = CASE WHEN excluded.failures = 0 THEN 0 ELSE j.failures + 1 END,
        sqlstate = coalesce(excluded.sqlstate, j.sqlstate), error = coalesce(excluded.error, j.error);
$$;
COMMENT ON FUNCTION @extschema@.wab_note_job IS 'Notes in wab_jobs how a run of a job ended: with an error, or well.';

-- With the rights of its owner on purpose: whoever monitors sees this one row, and no bridge, tenant or phone number.
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
    j.job AS failing_job, j.failures, j.failed_at AS last_error_at, j.sqlstate AS last_error_sqlstate, j.error AS last_error
FROM (SELECT 1) always
LEFT JOIN LATERAL (SELECT l.observed_at, l.bridges, l.malformed FROM @extschema@.wab_observations l
                   ORDER BY l.observed_at DESC LIMIT 1) o ON true
LEFT JOIN LATERAL (SELECT f.job, f.failures, f.failed_at, f.sqlstate, f.error FROM @extschema@.wab_jobs f
                   WHERE f.failures OPERATOR(pg_catalog.>) 0 ORDER BY f.failed_at DESC LIMIT 1) j ON true;

COMMENT ON VIEW @extschema@.wab_status IS 'One row for monitoring, which pg_monitor may read: how fresh the observation is, what waits, what fails. For the fleet itself see wab_fleet_summary.';
COMMENT ON COLUMN @extschema@.wab_status.version IS 'The version of the compiled library, or of the wab that installed the objects.';
COMMENT ON COLUMN @extschema@.wab_status.observed_at IS 'When the last good observation was made; null when there was none.';
COMMENT ON COLUMN @extschema@.wab_status.observation_age IS 'How long ago that was.';
COMMENT ON COLUMN @extschema@.wab_status.bridges IS 'Bridges that it listed.';
COMMENT ON COLUMN @extschema@.wab_status.malformed IS 'Listed rows that it could not read.';
COMMENT ON COLUMN @extschema@.wab_status.drift IS 'Differences that last, when they were last recorded.';
COMMENT ON COLUMN @extschema@.wab_status.pending_polls IS 'Bridges whose status was never learnt, though it could be asked for.';
COMMENT ON COLUMN @extschema@.wab_status.pending_provisions IS 'Tenants that wait in wab_queue.';
COMMENT ON COLUMN @extschema@.wab_status.failing_job IS 'The job that failed last, if its newest run failed; null when all is well.';
COMMENT ON COLUMN @extschema@.wab_status.failures IS 'How often in a row it failed.';
COMMENT ON COLUMN @extschema@.wab_status.last_error_at IS 'When it failed last.';
COMMENT ON COLUMN @extschema@.wab_status.last_error_sqlstate IS 'With which SQLSTATE.';
COMMENT ON COLUMN @extschema@.wab_status.last_error IS 'What the error said.';
GRANT SELECT ON @extschema@.wab_status TO pg_monitor;
