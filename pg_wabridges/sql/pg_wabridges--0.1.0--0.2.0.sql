-- From 0.1.0 to 0.2.0: history and money, webhook events, sessions, the queue, jobs. Afterwards: SELECT * FROM wab_bind_tenants();

-- The tables of 0.1.0 become those of 0.2.0. The functions and views are replaced by whoever runs this.

-- While it runs, PostgreSQL's own operators and functions are found and nobody else's.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE @extschema@.wab_bridge_events ADD COLUMN since timestamptz;
ALTER TABLE @extschema@.wab_observations ADD COLUMN statuses integer NOT NULL DEFAULT 0;
ALTER TABLE @extschema@.wab_observations ADD COLUMN mirrored boolean NOT NULL DEFAULT false;
ALTER TABLE @extschema@.wab_observations ADD COLUMN answer_digest text;
-- Since when a bridge that is gone had lived was not noted: since it was first seen, as far as there is history.
UPDATE @extschema@.wab_bridge_events e
SET since = (SELECT pg_catalog.max(a.at) FROM @extschema@.wab_bridge_events a
             WHERE a.bridge_id OPERATOR(pg_catalog.=) e.bridge_id AND a.event OPERATOR(pg_catalog.=) 'appeared'
               AND a.at OPERATOR(pg_catalog.<=) e.at)
WHERE e.event OPERATOR(pg_catalog.=) ANY ('{appeared,disappeared}'::pg_catalog.text[]);
COMMENT ON TABLE @extschema@.wab_bridge_events IS 'History of the fleet: one row per change that was observed. wab_status_history shows it as spans.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.became IS 'The value after; null for disappeared. A status event that a webhook repeats has was = became.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.since IS 'For appeared and disappeared: since when the bridge has lived, by its created_at or by when it was first seen. Otherwise null.';
COMMENT ON COLUMN @extschema@.wab_observations.digest IS 'SHA-256 (hex) over the listing, by who stored it: equal digests, equal listings.';
COMMENT ON COLUMN @extschema@.wab_observations.statuses IS 'Listed bridges that came with a status.';
COMMENT ON COLUMN @extschema@.wab_observations.mirrored IS 'Of the newest one: true while wab_bridges says what this listing said, so that storing an equal listing again would change nothing.';
COMMENT ON COLUMN @extschema@.wab_observations.answer_digest IS 'SHA-256 (hex) over the provider''s answer as it came, and the version that read it: an equal answer need not be read again. Null: not known.';
CREATE TABLE @extschema@.wab_drift_episodes (
    kind         text NOT NULL,
    subject      text NOT NULL,
    bridge_id    bigint,
    customer_ref text,
    began_at     timestamptz NOT NULL,
    ended_at     timestamptz CHECK (ended_at >= began_at)
);
CREATE INDEX wab_drift_episodes_open ON @extschema@.wab_drift_episodes USING hash (subject) WHERE ended_at IS NULL;
CREATE INDEX wab_drift_episodes_lasting ON @extschema@.wab_drift_episodes (began_at) WHERE ended_at IS NULL;
CREATE INDEX wab_drift_episodes_ended ON @extschema@.wab_drift_episodes (ended_at) WHERE ended_at IS NOT NULL;
COMMENT ON TABLE @extschema@.wab_drift_episodes IS 'How long each drift lasted: one row from when wab_refresh() or wab first saw it until it was gone. Written by wab_record_drift().';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.kind IS 'The kind of drift, as in wab_drift.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.subject IS 'What drifted: the bridge_id as text, or the customer_ref where there is no bridge.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.bridge_id IS 'The live bridge; null when there was none.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.customer_ref IS 'The customer_ref when it began.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.began_at IS 'When it was first seen.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.ended_at IS 'When it was no longer seen; null: it still lasts.';
CREATE TABLE @extschema@.wab_queue (
    queue_id      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_ref  text NOT NULL CHECK (customer_ref <> ''),
    enqueued_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    enqueued_by   name NOT NULL DEFAULT session_user,
    attempts      integer NOT NULL DEFAULT 0,
    claimed_until timestamptz,
    last_error    text,
    finished_at   timestamptz,
    outcome       text CHECK (outcome IN ('provisioned', 'refused')),
    CHECK ((finished_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX wab_queue_pending ON @extschema@.wab_queue USING hash (customer_ref) WHERE finished_at IS NULL;
COMMENT ON TABLE @extschema@.wab_queue IS 'Tenants waiting for their bridge, as enqueued by wab_enqueue_provision() in the transaction that created them. Worked off by CALL wab_work_queue() or wab apply.';
COMMENT ON COLUMN @extschema@.wab_queue.queue_id IS 'The entry''s own id.';
COMMENT ON COLUMN @extschema@.wab_queue.customer_ref IS 'The tenant''s id as text.';
COMMENT ON COLUMN @extschema@.wab_queue.enqueued_at IS 'When it was enqueued.';
COMMENT ON COLUMN @extschema@.wab_queue.enqueued_by IS 'The role that enqueued it.';
COMMENT ON COLUMN @extschema@.wab_queue.attempts IS 'How often a worker took it up.';
COMMENT ON COLUMN @extschema@.wab_queue.claimed_until IS 'No worker takes it up before: one is at it, or it failed and waits for its next attempt.';
COMMENT ON COLUMN @extschema@.wab_queue.last_error IS 'Why the last attempt failed.';
COMMENT ON COLUMN @extschema@.wab_queue.finished_at IS 'When it was done with; null: still waiting.';
COMMENT ON COLUMN @extschema@.wab_queue.outcome IS 'provisioned: the tenant has its bridge. refused: the tenant is unknown or not wanted, see last_error.';
CREATE TABLE @extschema@.wab_jobs (
    job            text PRIMARY KEY,
    succeeded_at   timestamptz,
    failed_at      timestamptz,
    failures       integer NOT NULL DEFAULT 0,
    sqlstate       text,
    error          text
);
COMMENT ON TABLE @extschema@.wab_jobs IS 'How the scheduled jobs do: one row per job of sql/cron.sql, written by wab_run_job() and wab_work_queue().';
COMMENT ON COLUMN @extschema@.wab_jobs.job IS 'Its name, for instance refresh, poll_status or work_queue.';
COMMENT ON COLUMN @extschema@.wab_jobs.succeeded_at IS 'When it last succeeded.';
COMMENT ON COLUMN @extschema@.wab_jobs.failed_at IS 'When it last failed.';
COMMENT ON COLUMN @extschema@.wab_jobs.failures IS 'How often in a row it failed; 0 when it succeeded last.';
COMMENT ON COLUMN @extschema@.wab_jobs.sqlstate IS 'The SQLSTATE of its last failure.';
COMMENT ON COLUMN @extschema@.wab_jobs.error IS 'What its last failure said.';

-- It takes two arguments more now; what was granted on it is granted anew below.
ALTER FUNCTION @extschema@.wab_observe(bigint[], text[], text[], text[], timestamptz[], timestamptz, text, integer, boolean) RENAME TO wab_observe_0_1_0;

-- Called by the views for duplicated bridges only, and kept out of line so that EXPLAIN of a view stays readable.
CREATE OR REPLACE FUNCTION @extschema@.wab_serves(bridge_id bigint, customer_ref text, stored_bridge_id bigint) RETURNS boolean
LANGUAGE sql STABLE COST 10 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT wab_serves.bridge_id = coalesce(
        min(b.bridge_id) FILTER (WHERE b.bridge_id = stored_bridge_id), min(b.bridge_id))
    FROM @extschema@.wab_bridges b WHERE b.customer_ref = wab_serves.customer_ref;
$$;

-- A call cannot be taken back, so whoever could not record it is refused before it.
CREATE OR REPLACE FUNCTION @extschema@.wab_require_recording() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    lacking text;
BEGIN
    SELECT string_agg(n.needed, '; ') INTO lacking FROM (
        SELECT format('GRANT EXECUTE ON FUNCTION %s', f) AS needed
        FROM unnest('{wab_record_provision,wab_record_delete,wab_observe_statuses,wab_mark_duplicates}'::name[]) AS w(name)
        JOIN pg_proc p ON p.proname = w.name AND p.pronamespace = to_regnamespace('@extschema@')
        CROSS JOIN LATERAL (SELECT p.oid::regprocedure AS f) r
        WHERE NOT has_function_privilege(p.oid, 'EXECUTE')
        UNION ALL
        SELECT format('GRANT %s ON %s', g.privilege, g.target)
        FROM (VALUES ('@extschema@.wab_bridges'::regclass, 'SELECT'), ('@extschema@.wab_bridges', 'INSERT'),
                     ('@extschema@.wab_bridges', 'UPDATE'), ('@extschema@.wab_bridges', 'DELETE'),
                     ('@extschema@.wab_bridge_events', 'INSERT'),
                     ('@extschema@.wab_observations', 'SELECT'), ('@extschema@.wab_observations', 'UPDATE'),
                     ('@extschema@.wab_queue', 'SELECT'), ('@extschema@.wab_queue', 'UPDATE')) AS g(target, privilege)
        WHERE NOT has_table_privilege(g.target, g.privilege)
        UNION ALL
        SELECT format('GRANT UPDATE (%I) ON %s', a.attname, a.attrelid::regclass)
        FROM @extschema@.wab_tenant_binding b
        JOIN pg_attribute a
          ON (a.attrelid = to_regclass('@extschema@.wab_tenants') AND a.attname IN ('bridge_id', 'bridge_status'))
          -- Before 15 a view reaches its table with its owner's rights.
          OR (a.attrelid = b.tenants AND a.attname IN (b.bridge_id, b.bridge_status)
              AND current_setting('server_version_num')::integer >= 150000)
        WHERE NOT has_column_privilege(a.attrelid, a.attnum, 'UPDATE')) n;
    IF lacking IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'permission denied to record what the provider would do',
            DETAIL = format('%s lacks: %s', current_user, lacking), HINT = 'Nothing was sent to the provider.';
    END IF;
END
$$;

-- After the provider said yes. One home for what wab_provision() and wab apply write.
CREATE OR REPLACE FUNCTION @extschema@.wab_record_provision(
    customer_ref text, bridge_id bigint, state text, raw_status text DEFAULT NULL, webhook_url text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    at  timestamptz := clock_timestamp();
    was @extschema@.wab_bridges;
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    SELECT b.* INTO was FROM @extschema@.wab_bridges b WHERE b.bridge_id = wab_record_provision.bridge_id;
    IF was.bridge_id IS NULL THEN
        INSERT INTO @extschema@.wab_bridges (bridge_id, customer_ref, state, webhook_url, first_seen_at)
        VALUES (bridge_id, customer_ref, state, webhook_url, at);
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, became, since)
        VALUES (at, bridge_id, customer_ref, 'appeared', 'unknown', at);
    ELSIF was.customer_ref IS DISTINCT FROM customer_ref THEN
        -- Another owner's status and webhook_url are not this one's.
        UPDATE @extschema@.wab_bridges b
        SET customer_ref = wab_record_provision.customer_ref, state = coalesce(wab_record_provision.state, b.state),
            webhook_url = wab_record_provision.webhook_url, status = 'unknown', raw_status = NULL,
            status_since = NULL, status_observed_at = NULL, status_asked_at = NULL
        WHERE b.bridge_id = wab_record_provision.bridge_id;
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
        VALUES (at, bridge_id, customer_ref, 'customer_ref', was.customer_ref, customer_ref);
        IF was.status <> 'unknown' THEN
            INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
            VALUES (at, bridge_id, customer_ref, 'status', was.status, 'unknown');
        END IF;
    ELSE
        UPDATE @extschema@.wab_bridges b
        SET state = coalesce(wab_record_provision.state, b.state),
            webhook_url = coalesce(wab_record_provision.webhook_url, b.webhook_url)
        WHERE b.bridge_id = wab_record_provision.bridge_id
          AND (b.state, b.webhook_url) IS DISTINCT FROM
              (coalesce(wab_record_provision.state, b.state), coalesce(wab_record_provision.webhook_url, b.webhook_url));
    END IF;
    IF was.bridge_id IS NULL OR was.customer_ref IS DISTINCT FROM customer_ref THEN
        PERFORM @extschema@.wab_mark_duplicates();
    END IF;
    IF raw_status IS NOT NULL THEN
        PERFORM @extschema@.wab_observe_statuses(ARRAY[bridge_id], ARRAY[raw_status], clock_timestamp());
    END IF;
    UPDATE @extschema@.wab_tenants t
    SET bridge_id = b.bridge_id, bridge_status = CASE b.status WHEN 'unknown' THEN t.bridge_status ELSE b.status END
    FROM @extschema@.wab_bridges b
    WHERE b.bridge_id = wab_record_provision.bridge_id AND t.customer_ref = wab_record_provision.customer_ref
      AND (t.bridge_id IS DISTINCT FROM b.bridge_id OR (b.status <> 'unknown' AND t.bridge_status IS DISTINCT FROM b.status));
    UPDATE @extschema@.wab_queue q SET finished_at = at, outcome = 'provisioned', claimed_until = NULL
    WHERE q.customer_ref = wab_record_provision.customer_ref AND q.finished_at IS NULL;
END
$$;

COMMENT ON FUNCTION @extschema@.wab_record_provision IS 'Records a bridge that the provider just created or returned, writes its bridge_id and, if known, its status on the tenant row, and takes the tenant off wab_queue.';

CREATE FUNCTION @extschema@.wab_record_session(customer_ref text, raw_status text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF raw_status IS NOT NULL THEN
        PERFORM @extschema@.wab_observe_statuses(ARRAY[b.bridge_id], ARRAY[wab_record_session.raw_status], clock_timestamp())
        FROM @extschema@.wab_bridges b WHERE b.customer_ref = wab_record_session.customer_ref AND NOT b.duplicated;
    END IF;
    RETURN @extschema@.wab_normalize_status(raw_status);
END
$$;

COMMENT ON FUNCTION @extschema@.wab_record_session IS 'Records what a tenant''s session was just asked for (null: it did not say), and returns it in our words.';

CREATE OR REPLACE FUNCTION @extschema@.wab_record_delete(bridge_id bigint, customer_ref text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    was @extschema@.wab_bridges;
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    DELETE FROM @extschema@.wab_bridges b WHERE b.bridge_id = wab_record_delete.bridge_id RETURNING b.* INTO was;
    IF FOUND THEN
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, since)
        VALUES (clock_timestamp(), bridge_id, customer_ref, 'disappeared', was.status, coalesce(was.created_at, was.first_seen_at));
        PERFORM @extschema@.wab_mark_duplicates();
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION @extschema@.wab_write_statuses(customer_refs text[] DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    written integer;
BEGIN
    UPDATE @extschema@.wab_tenants t SET bridge_status = s.status
    FROM @extschema@.wab_status_drift s
    WHERE t.customer_ref = s.customer_ref
      AND (wab_write_statuses.customer_refs IS NULL OR s.customer_ref = ANY (wab_write_statuses.customer_refs));
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

CREATE FUNCTION @extschema@.wab_write_statuses_of(bridge_ids bigint[]) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    written integer;
BEGIN
    UPDATE @extschema@.wab_tenants t SET bridge_status = s.status
    FROM @extschema@.wab_status_drift s
    WHERE t.customer_ref = s.customer_ref AND s.bridge_id = ANY (wab_write_statuses_of.bridge_ids);
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

COMMENT ON FUNCTION @extschema@.wab_write_statuses_of IS 'wab_write_statuses() for the tenants of these bridges.';

-- What the provider said, stored: listings and the statuses of sessions. Only what differs is written. No HTTP here.

-- Merges a complete listing, given as arrays of equal length: finds what differs, and stores that.
CREATE FUNCTION @extschema@.wab_observe(
    bridge_ids bigint[], customer_refs text[], states text[], raw_statuses text[], created_ats timestamptz[],
    listed_at timestamptz DEFAULT clock_timestamp(), source text DEFAULT 'sql',
    malformed integer DEFAULT 0, force boolean DEFAULT false, digest text DEFAULT NULL, answer_digest text DEFAULT NULL)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer, skipped boolean)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    listed integer := cardinality(bridge_ids);
BEGIN
    IF bridge_ids IS NULL OR customer_refs IS NULL OR states IS NULL OR raw_statuses IS NULL OR created_ats IS NULL
       OR listed_at IS NULL OR source IS NULL OR malformed IS NULL OR force IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_observe() takes no null argument',
            HINT = 'An unknown state, status or time is a null element of its array.';
    END IF;
    IF (cardinality(customer_refs), cardinality(states), cardinality(raw_statuses), cardinality(created_ats))
       <> (listed, listed, listed, listed) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_observe() takes five arrays of equal length';
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    RETURN QUERY
    SELECT s.* FROM (
        SELECT coalesce(array_agg(l.bridge_id) FILTER (WHERE l.bridge_id IS NOT NULL), '{}') AS ids,
               array_agg(l.customer_ref) FILTER (WHERE l.bridge_id IS NOT NULL) AS refs,
               array_agg(l.state) FILTER (WHERE l.bridge_id IS NOT NULL) AS containers,
               array_agg(l.raw_status) FILTER (WHERE l.bridge_id IS NOT NULL) AS raws,
               array_agg(l.created_at) FILTER (WHERE l.bridge_id IS NOT NULL) AS times,
               coalesce(array_agg(b.bridge_id) FILTER (WHERE l.bridge_id IS NULL), '{}') AS absent
        FROM unnest(bridge_ids, customer_refs, states, raw_statuses, created_ats)
             AS l(bridge_id, customer_ref, state, raw_status, created_at)
        FULL JOIN @extschema@.wab_bridges b ON b.bridge_id = l.bridge_id
        WHERE b.bridge_id IS NULL OR l.bridge_id IS NULL
           OR l.customer_ref IS DISTINCT FROM b.customer_ref OR l.state IS DISTINCT FROM b.state
           OR l.created_at IS DISTINCT FROM b.created_at
           OR (l.raw_status IS NOT NULL AND l.raw_status IS DISTINCT FROM b.raw_status)
    ) d, @extschema@.wab_store_listing(
        d.ids, d.refs, d.containers, d.raws, d.times, d.absent, listed, listed - cardinality(array_positions(raw_statuses, NULL)),
        coalesce(digest, encode(sha256(convert_to(ROW(bridge_ids, customer_refs, states, raw_statuses, created_ats)::text, 'UTF8')), 'hex')),
        answer_digest, listed_at, source, malformed, force) s;
END
$$;

COMMENT ON FUNCTION @extschema@.wab_observe IS 'Stores a complete listing of the fleet, given as arrays; writes only what changed. Refuses an empty or sharply shrunken listing (55000) unless forced. skipped: a newer observation is there already. digest: the listing''s own, for wab_observe_again(); answer_digest: the answer''s, which spares reading it again.';

-- Of a listing only what differs from wab_bridges is given: the listed bridges that are new or not as they are known, and the known
-- ones that are absent; more does no harm. Only rows that differ are written; one row of wab_observations always is. A bridge
-- first seen after the list was asked for is newer than the list, so its absence proves nothing.
CREATE FUNCTION @extschema@.wab_store_listing(
    bridge_ids bigint[], customer_refs text[], states text[], raw_statuses text[], created_ats timestamptz[],
    absent bigint[], listed integer, statuses integer, digest text, answer_digest text,
    listed_at timestamptz, source text, malformed integer, force boolean)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer, skipped boolean)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    touched bigint[] := bridge_ids || absent;
    known   integer;
    deleted bigint[];
    held    integer;
    moved   integer;
    allowed integer;
    last    @extschema@.wab_observations;
BEGIN
    IF listed_at > clock_timestamp() THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_observe(): listed_at is in the future',
            DETAIL = format('listed_at: %s', listed_at), HINT = 'Take the time from this database, before asking for the list.';
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    SELECT o.* INTO last FROM @extschema@.wab_last_observation() o;
    IF last.observed_at >= listed_at THEN
        RETURN QUERY SELECT last.observed_at, last.bridges, 0, 0, 0, true;
        RETURN;
    END IF;
    -- What was deleted after the list was asked for may still be in it.
    SELECT coalesce(array_agg(e.bridge_id), '{}') INTO deleted
    FROM @extschema@.wab_bridge_events e WHERE e.event = 'disappeared' AND e.at >= listed_at;
    IF listed = 0 AND NOT force THEN
        SELECT count(*) INTO known FROM @extschema@.wab_bridges b WHERE b.first_seen_at <= listed_at;
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the provider listed no bridge at all, which is not believed',
            DETAIL = format('%s bridges were known before.', known),
            HINT = format('If the account really is empty: SELECT * FROM wab_refresh(force => true), or wab %s.',
                          CASE known WHEN 0 THEN '--first-run' ELSE '--accept-shrink' END);
    END IF;

    WITH difference AS MATERIALIZED (
        SELECT l.bridge_id AS listed_id, b.bridge_id AS known_id, l.customer_ref, l.state, l.raw_status, l.created_at,
               b.customer_ref AS was_customer_ref, b.state AS was_state, b.raw_status AS was_raw_status, b.status AS was_status,
               b.created_at AS was_created_at, b.first_seen_at, coalesce(b.status_observed_at < listed_at, true) AS newer
        FROM (SELECT u.* FROM unnest(bridge_ids, customer_refs, states, raw_statuses, created_ats)
                           AS u(bridge_id, customer_ref, state, raw_status, created_at)
              WHERE u.bridge_id <> ALL (deleted)) l
        FULL JOIN (SELECT k.* FROM @extschema@.wab_bridges k WHERE k.bridge_id = ANY (touched)) b ON b.bridge_id = l.bridge_id
        WHERE b.bridge_id IS NULL
           OR l.bridge_id IS NULL
           OR (b.bridge_id IS NOT NULL AND (
                  l.customer_ref IS DISTINCT FROM b.customer_ref
               OR l.state IS DISTINCT FROM b.state
               OR l.created_at IS DISTINCT FROM b.created_at
               OR (l.raw_status IS NOT NULL AND l.raw_status IS DISTINCT FROM b.raw_status)))
    ), judged AS MATERIALIZED (
        SELECT d.*, coalesce(d.was_created_at, d.first_seen_at, d.created_at, listed_at) AS lived_since, s.status,
               d.known_id IS NULL AS is_new, d.known_id = d.listed_id AS is_known,
               d.listed_id IS NULL AND malformed = 0 AND d.first_seen_at <= listed_at AS is_gone,
               -- Another owner's status and webhook_url are not this one's.
               d.customer_ref IS DISTINCT FROM d.was_customer_ref AS owner_moved,
               d.raw_status IS NOT NULL AND d.raw_status IS DISTINCT FROM d.was_raw_status AS raw_status_differs,
               d.raw_status IS NOT NULL AND d.raw_status IS DISTINCT FROM d.was_raw_status AND d.newer AS raw_status_moved,
               d.raw_status IS NOT NULL AND s.status IS DISTINCT FROM d.was_status AND d.newer AS status_moved
        FROM difference d CROSS JOIN LATERAL (SELECT @extschema@.wab_normalize_status(d.raw_status) AS status) s
    ), diff AS MATERIALIZED (
        SELECT j.* FROM judged j
        WHERE j.is_new OR j.is_gone OR (j.is_known AND (
            j.owner_moved OR j.raw_status_moved OR j.state IS DISTINCT FROM j.was_state OR j.created_at IS DISTINCT FROM j.was_created_at))
    ), added AS (
        INSERT INTO @extschema@.wab_bridges
            (bridge_id, customer_ref, state, status, raw_status, created_at, first_seen_at, status_since, status_observed_at)
        SELECT d.listed_id, d.customer_ref, d.state, d.status, d.raw_status, d.created_at, listed_at,
               CASE WHEN d.raw_status IS NOT NULL THEN listed_at END, CASE WHEN d.raw_status IS NOT NULL THEN listed_at END
        FROM diff d WHERE d.is_new
    ), updated AS (
        UPDATE @extschema@.wab_bridges b
        SET customer_ref = d.customer_ref, state = d.state, created_at = d.created_at,
            status = CASE WHEN d.status_moved OR d.owner_moved THEN d.status ELSE b.status END,
            raw_status = CASE WHEN d.raw_status_moved OR d.owner_moved THEN d.raw_status ELSE b.raw_status END,
            status_since = CASE WHEN d.status_moved OR d.owner_moved THEN listed_at ELSE b.status_since END,
            status_observed_at = CASE WHEN d.owner_moved AND d.raw_status IS NULL THEN NULL
                                      WHEN d.raw_status_moved OR d.owner_moved THEN listed_at ELSE b.status_observed_at END,
            status_asked_at = CASE WHEN d.owner_moved THEN NULL ELSE b.status_asked_at END,
            webhook_url = CASE WHEN d.owner_moved THEN NULL ELSE b.webhook_url END
        FROM diff d WHERE d.known_id = b.bridge_id AND d.is_known
    ), gone AS (
        DELETE FROM @extschema@.wab_bridges b USING diff d WHERE d.known_id = b.bridge_id AND d.is_gone
    ), events AS (
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since)
        SELECT listed_at, coalesce(d.listed_id, d.known_id), coalesce(d.customer_ref, d.was_customer_ref), e.event, e.was, e.became,
               CASE WHEN d.is_known THEN NULL ELSE d.lived_since END
        FROM diff d, LATERAL (VALUES
            ('appeared', d.is_new, NULL, d.status),
            ('disappeared', d.is_gone, d.was_status, NULL),
            ('status', d.is_known AND (d.status_moved OR d.owner_moved) AND d.status <> d.was_status, d.was_status, d.status),
            ('state', d.is_known AND d.state IS DISTINCT FROM d.was_state, d.was_state, d.state),
            ('customer_ref', d.is_known AND d.owner_moved, d.was_customer_ref, d.customer_ref)
        ) AS e(event, happened, was, became)
        WHERE e.happened
    )
    SELECT (SELECT count(*) FROM diff d WHERE d.is_new), (SELECT count(*) FROM diff d WHERE d.is_known),
           (SELECT count(*) FROM diff d WHERE d.is_known AND d.owner_moved),
           (SELECT count(*) FROM diff d WHERE d.is_gone),
           -- What differs and stays: an absence that proves nothing, a status that is older than the known one.
           (SELECT count(*) FROM judged j WHERE (j.listed_id IS NULL AND NOT j.is_gone)
                                             OR (j.is_known AND j.raw_status_differs AND NOT j.newer AND NOT j.owner_moved))
    INTO appeared, changed, moved, disappeared, held;

    -- Raising here undoes the merge above: the count comes from the merge's own pass.
    IF disappeared > 1 AND NOT force THEN
        SELECT count(*) - appeared + disappeared INTO known FROM @extschema@.wab_bridges b
        WHERE b.first_seen_at <= listed_at;
        SELECT greatest(1, floor(known * p.max_shrink)) INTO allowed FROM @extschema@.wab_policy p;
        IF disappeared > allowed THEN
            RAISE EXCEPTION USING ERRCODE = '55000',
                MESSAGE = 'the list of bridges shrank too much to be believed',
                DETAIL = format('%s bridges were listed; %s of the %s known ones are not among them; wab_policy.max_shrink allows %s.',
                                listed, disappeared, known, allowed),
                HINT = 'If they really are gone: SELECT * FROM wab_refresh(force => true), or wab --accept-shrink.';
        END IF;
    END IF;
    IF appeared + moved + disappeared > 0 THEN
        PERFORM @extschema@.wab_mark_duplicates();
    END IF;
    INSERT INTO @extschema@.wab_observations
        (observed_at, source, digest, bridges, appeared, changed, disappeared, malformed, statuses, answer_digest, mirrored)
    VALUES (listed_at, source, digest, listed, appeared, changed, disappeared, malformed, statuses, answer_digest,
            -- A snapshot older than the lock may not show what another wrote.
            held = 0 AND malformed = 0 AND deleted = '{}' AND current_setting('transaction_isolation') = 'read committed');
    RETURN QUERY SELECT listed_at, listed, appeared, changed, disappeared, false;
END
$$;

COMMENT ON FUNCTION @extschema@.wab_store_listing IS 'What wab_observe() and wab_refresh() store of a listing once they know what differs: bridges that are new or changed (arrays), known ones that were not listed (absent), and how many there are in all, with a status or not.';

CREATE FUNCTION @extschema@.wab_observe_again(digest text, listed_at timestamptz, source text, answer_digest text DEFAULT NULL)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer, skipped boolean)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    RETURN QUERY
    INSERT INTO @extschema@.wab_observations AS o
        (observed_at, source, digest, bridges, appeared, changed, disappeared, malformed, statuses, answer_digest, mirrored)
    SELECT wab_observe_again.listed_at, wab_observe_again.source, l.digest, l.bridges, 0, 0, 0, 0, l.statuses,
           coalesce(wab_observe_again.answer_digest, l.answer_digest), true
    FROM @extschema@.wab_last_observation() l
    WHERE l.mirrored AND l.digest = wab_observe_again.digest AND l.bridges > 0
      AND l.observed_at < wab_observe_again.listed_at AND wab_observe_again.listed_at <= clock_timestamp()
      AND current_setting('transaction_isolation') = 'read committed'
    RETURNING o.observed_at, o.bridges, o.appeared, o.changed, o.disappeared, false;
END
$$;

COMMENT ON FUNCTION @extschema@.wab_observe_again IS 'Stores that the listing of this digest was observed once more, in one row, if it is what wab_bridges holds. No row: hand the listing to wab_observe().';

-- Whoever writes wab_bridges: the newest listing no longer tells what is in it. The lock comes first, as everywhere.
CREATE FUNCTION @extschema@.wab_unmirror() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    UPDATE @extschema@.wab_observations o SET mirrored = false
    WHERE o.mirrored AND o.observed_at = (SELECT max(l.observed_at) FROM @extschema@.wab_observations l)
      -- A listing without statuses has nothing to say against other ones.
      AND (TG_NARGS = 0 OR o.statuses > 0);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION @extschema@.wab_unmirror IS 'Notes that wab_bridges may no longer hold what the newest listing said.';

CREATE TRIGGER wab_unmirror BEFORE INSERT OR DELETE OR TRUNCATE OR UPDATE OF bridge_id, customer_ref, state, created_at
    ON @extschema@.wab_bridges FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.wab_unmirror();

CREATE TRIGGER wab_unmirror_status BEFORE UPDATE OF raw_status
    ON @extschema@.wab_bridges FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.wab_unmirror('status');

-- THE definition of drift: each kind once, in wab_fleet_kinds. No writes here (functions.sql).
--
-- The views stand over your tenants table, so they are created by wab_bind_tenants() and not by the install script. They are
-- ordinary views and no members of the extension: dump, restore and DROP TABLE treat them as they treat any view.

CREATE OR REPLACE FUNCTION @extschema@.wab_create_views() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $views$
DECLARE
    kind text;
    said record;
BEGIN

-- One row per tenant or bridge, in one pass: hash joins over three tables. In each condition what is cheap and seldom true comes
-- first: PostgreSQL evaluates them in this order, for every row. `own` tells the bridge that serves a customer_ref
-- from its duplicates. The one-row settings come as sub-selects: they are evaluated once and join nothing.
CREATE OR REPLACE VIEW @extschema@.wab_fleet_kinds AS
SELECT
    k.tenant_id, k.customer_ref, k.wanted, k.kept,
    k.bridge_id, k.stored_bridge_id,
    k.state, k.status, k.raw_status, k.stored_status, k.status_since, k.created_at,
    k.webhook_url, k.last_webhook_url, k.declared_reason, k.kept_until,
    k.is_missing, k.is_unbound, k.is_status_drift, k.is_orphaned, k.is_churned, k.is_duplicate,
    k.is_disconnected, k.is_awaiting_scan, k.is_state, k.is_webhook,
    k.is_well,
    array_remove(ARRAY[
        CASE WHEN k.is_missing THEN 'missing' END,
        CASE WHEN k.is_unbound THEN 'unbound' END,
        CASE WHEN k.is_status_drift THEN 'status_drift' END,
        CASE WHEN k.is_orphaned THEN 'orphaned' END,
        CASE WHEN k.is_churned THEN 'churned' END,
        CASE WHEN k.is_duplicate THEN 'duplicate' END,
        CASE WHEN k.is_disconnected THEN 'disconnected' END,
        CASE WHEN k.is_awaiting_scan THEN 'awaiting_scan' END,
        CASE WHEN k.is_state THEN 'state' END,
        CASE WHEN k.is_webhook THEN 'webhook' END
    ], NULL) AS drift
FROM (
    SELECT
        f.*,
        NOT f.live AND f.wanted AS is_missing,
        f.own AND f.is_tenant AND f.bridge_id IS DISTINCT FROM f.stored_bridge_id AS is_unbound,
        f.own AND f.is_tenant AND f.status <> 'unknown' AND f.status IS DISTINCT FROM f.stored_status AS is_status_drift,
        f.live AND NOT f.is_tenant AND NOT f.wanted AND NOT f.kept AS is_orphaned,
        f.own AND f.is_tenant AND NOT f.wanted AND NOT f.kept AS is_churned,
        f.live AND NOT f.own AND (f.is_tenant OR f.wanted OR f.kept) AS is_duplicate,
        f.status = 'disconnected' AND f.own AND f.wanted
            AND f.status_since < now() - (SELECT p.disconnected_after FROM @extschema@.wab_policy p) AS is_disconnected,
        f.status = 'awaiting_scan' AND f.own AND f.wanted
            AND f.status_since < now() - (SELECT p.awaiting_scan_after FROM @extschema@.wab_policy p) AS is_awaiting_scan,
        f.live AND f.state <> 'running' AS is_state,
        f.own AND f.last_webhook_url <> f.webhook_url AS is_webhook,
        -- What most rows are like: none of the above can be true then, and need not be asked. The bridge that the row holds serves it.
        CASE WHEN NOT f.live THEN NOT f.wanted
        ELSE f.bridge_id = f.stored_bridge_id AND f.wanted AND f.state = 'running'
            AND (f.last_webhook_url IS NULL OR f.last_webhook_url = f.webhook_url)
            AND CASE f.status
                WHEN 'paired' THEN f.stored_status = 'paired'
                WHEN 'awaiting_scan' THEN f.stored_status = 'awaiting_scan'
                    AND f.status_since >= now() - (SELECT p.awaiting_scan_after FROM @extschema@.wab_policy p)
                WHEN 'disconnected' THEN f.stored_status = 'disconnected'
                    AND f.status_since >= now() - (SELECT p.disconnected_after FROM @extschema@.wab_policy p)
                WHEN 'unknown' THEN true END
        END AS is_well
    FROM (
        SELECT
            t.tenant_id,
            coalesce(t.customer_ref, b.customer_ref, d.customer_ref) AS customer_ref,
            t.customer_ref IS NOT NULL AS is_tenant,
            b.bridge_id IS NOT NULL AS live,
            coalesce(t.wanted, false) OR coalesce(d.kind = 'extra', false) AS wanted,
            coalesce(d.kind = 'keep' AND (d.until IS NULL OR d.until >= current_date), false) AS kept,
            b.bridge_id IS NOT NULL
                AND (NOT b.duplicated OR @extschema@.wab_serves(b.bridge_id, b.customer_ref, t.bridge_id)) AS own,
            b.bridge_id, t.bridge_id AS stored_bridge_id,
            b.state, b.status, b.raw_status, t.bridge_status AS stored_status, b.status_since, b.created_at,
            coalesce(t.webhook_url, d.webhook_url) AS webhook_url, b.webhook_url AS last_webhook_url,
            d.kind AS declared, d.reason AS declared_reason, d.until AS kept_until
        FROM @extschema@.wab_tenants t
        FULL JOIN @extschema@.wab_bridges b ON b.customer_ref = t.customer_ref
        FULL JOIN @extschema@.wab_declared d ON d.customer_ref = coalesce(t.customer_ref, b.customer_ref)
    ) f
    WHERE f.is_tenant OR f.live OR f.declared = 'extra'
) k;

CREATE OR REPLACE VIEW @extschema@.wab_fleet AS
SELECT
    k.tenant_id, k.customer_ref, k.wanted, k.kept,
    k.bridge_id, k.stored_bridge_id,
    k.state, k.status, k.raw_status, k.stored_status, k.status_since, k.created_at,
    k.webhook_url, k.last_webhook_url, k.declared_reason, k.kept_until, k.drift
FROM @extschema@.wab_fleet_kinds k;

-- One row per difference: a bridge or tenant with two kinds of drift has two rows. PostgreSQL takes half of the rows not to be
-- well, for it knows nothing of coalesce(); otherwise it would expect none of them to be.
CREATE OR REPLACE VIEW @extschema@.wab_drift AS
SELECT
    d.kind,
    CASE WHEN d.kind IN ('missing', 'disconnected', 'state') THEN 'critical'
         WHEN d.kind IN ('unbound', 'status_drift') THEN 'info'
         ELSE 'warning' END AS severity,
    d.tenant_id, d.bridge_id, d.customer_ref,
    CASE d.kind
         WHEN 'missing' THEN d.stored_bridge_id::text
         WHEN 'unbound' THEN d.stored_bridge_id::text
         WHEN 'status_drift' THEN d.stored_status
         WHEN 'webhook' THEN d.webhook_url END AS stored,
    CASE d.kind
         WHEN 'status_drift' THEN d.status
         WHEN 'disconnected' THEN d.raw_status
         WHEN 'awaiting_scan' THEN d.raw_status
         WHEN 'state' THEN d.state
         WHEN 'webhook' THEN d.last_webhook_url
         ELSE d.bridge_id::text END AS observed,
    CASE WHEN d.kind IN ('disconnected', 'awaiting_scan') THEN d.status_since
         ELSE (SELECT min(e.began_at) FROM @extschema@.wab_drift_episodes e
               WHERE e.ended_at IS NULL AND e.kind = d.kind AND e.subject = coalesce(d.bridge_id::text, d.customer_ref)) END AS since,
    CASE d.kind
         WHEN 'missing' THEN CASE
              WHEN EXISTS (SELECT FROM @extschema@.wab_queue q WHERE q.customer_ref = d.customer_ref AND q.finished_at IS NULL)
                   THEN 'wanted, and waits for its bridge in wab_queue'
              WHEN d.tenant_id IS NULL THEN 'declared extra: ' || d.declared_reason
              WHEN d.stored_bridge_id IS NULL THEN 'wanted, and has no bridge'
              ELSE 'wanted, and bridge ' || d.stored_bridge_id || ' is no longer listed' END
         WHEN 'unbound' THEN CASE
              WHEN d.stored_bridge_id IS NULL THEN 'the tenant row holds no bridge_id'
              ELSE 'the tenant row holds another bridge_id' END
         WHEN 'status_drift' THEN 'the tenant row holds another status'
         WHEN 'orphaned' THEN CASE
              WHEN d.customer_ref IS NULL THEN 'the bridge has no customer_ref'
              WHEN d.kept_until IS NOT NULL THEN 'no tenant owns it; kept until ' || d.kept_until || ', which has passed'
              ELSE 'no tenant owns it' END
         WHEN 'churned' THEN CASE
              WHEN d.kept_until IS NOT NULL THEN 'the tenant is no longer wanted; kept until ' || d.kept_until || ', which has passed'
              ELSE 'the tenant is no longer wanted' END
         WHEN 'duplicate' THEN 'another live bridge serves this customer_ref'
         WHEN 'disconnected' THEN 'disconnected: pair it again'
         WHEN 'awaiting_scan' THEN 'the QR code was not scanned: remind the tenant'
         WHEN 'state' THEN 'the container is not running'
         WHEN 'webhook' THEN 'set the webhook_url by hand in the dashboard' END AS detail,
    CASE WHEN d.kind IN ('orphaned', 'churned', 'duplicate')
         THEN (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) ELSE 0.00 END::numeric(10,2) AS monthly_cost,
    d.webhook_url
FROM (SELECT unnest(k.drift) AS kind, k.* FROM @extschema@.wab_fleet_kinds k WHERE NOT coalesce(k.is_well, false)) d;

CREATE OR REPLACE VIEW @extschema@.wab_orphaned_bridges AS
SELECT f.bridge_id, f.customer_ref, f.state, f.status, f.created_at, f.kept_until,
       (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS monthly_cost
FROM @extschema@.wab_fleet_kinds f WHERE f.is_orphaned;

CREATE OR REPLACE VIEW @extschema@.wab_missing_bridges AS
SELECT f.tenant_id, f.customer_ref, f.stored_bridge_id, f.webhook_url
FROM @extschema@.wab_fleet_kinds f WHERE f.is_missing;

CREATE OR REPLACE VIEW @extschema@.wab_status_drift AS
SELECT f.tenant_id, f.bridge_id, f.customer_ref, f.stored_status, f.status, f.raw_status, f.status_since
FROM @extschema@.wab_fleet_kinds f WHERE f.is_status_drift;

CREATE OR REPLACE VIEW @extschema@.wab_churned_bridges AS
SELECT f.tenant_id, f.bridge_id, f.customer_ref, f.state, f.status, f.created_at,
       (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS monthly_cost
FROM @extschema@.wab_fleet_kinds f WHERE f.is_churned;

CREATE OR REPLACE VIEW @extschema@.wab_fleet_summary AS
SELECT
    (SELECT max(o.observed_at) FROM @extschema@.wab_observations o) AS observed_at,
    c.bridges, c.paired, c.awaiting_scan, c.disconnected, c.unknown, c.orphaned, c.churned, c.missing,
    (c.bridges * c.price)::numeric(12,2) AS monthly_cost,
    ((c.orphaned + c.churned + c.duplicate) * c.price)::numeric(12,2) AS monthly_waste,
    c.duplicate, c.unbound, c.status_drift
FROM (
    SELECT
        count(f.bridge_id) AS bridges,
        count(*) FILTER (WHERE f.status = 'paired') AS paired,
        count(*) FILTER (WHERE f.status = 'awaiting_scan') AS awaiting_scan,
        count(*) FILTER (WHERE f.status = 'disconnected') AS disconnected,
        count(*) FILTER (WHERE f.status = 'unknown') AS unknown,
        count(*) FILTER (WHERE f.is_orphaned) AS orphaned,
        count(*) FILTER (WHERE f.is_churned) AS churned,
        count(*) FILTER (WHERE f.is_missing) AS missing,
        count(*) FILTER (WHERE f.is_duplicate) AS duplicate,
        count(*) FILTER (WHERE f.is_unbound) AS unbound,
        count(*) FILTER (WHERE f.is_status_drift) AS status_drift,
        (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS price
    FROM @extschema@.wab_fleet_kinds f
) c;

COMMENT ON VIEW @extschema@.wab_fleet IS 'The whole picture: one row per tenant or bridge, with the kinds of drift it has.';
COMMENT ON COLUMN @extschema@.wab_fleet.tenant_id IS 'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_fleet.customer_ref IS 'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_fleet.wanted IS 'Should there be a bridge: the tenant is wanted, or an extra is declared.';
COMMENT ON COLUMN @extschema@.wab_fleet.kept IS 'Declared to be kept though nobody owns it, and the date has not passed.';
COMMENT ON COLUMN @extschema@.wab_fleet.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_fleet.stored_bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.state IS 'The container''s state.';
COMMENT ON COLUMN @extschema@.wab_fleet.status IS 'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_fleet.raw_status IS 'The same in the provider''s words.';
COMMENT ON COLUMN @extschema@.wab_fleet.stored_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.status_since IS 'Since when the status has been what it is, as far as it was observed.';
COMMENT ON COLUMN @extschema@.wab_fleet.created_at IS 'When the provider created the bridge.';
COMMENT ON COLUMN @extschema@.wab_fleet.webhook_url IS 'The webhook_url that is wanted.';
COMMENT ON COLUMN @extschema@.wab_fleet.last_webhook_url IS 'The webhook_url that we set last; null when we never did.';
COMMENT ON COLUMN @extschema@.wab_fleet.declared_reason IS 'Why it is declared in wab_declared.';
COMMENT ON COLUMN @extschema@.wab_fleet.kept_until IS 'The last day on which the keep holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.drift IS 'Kinds of drift that this row has; empty when all is well.';
COMMENT ON COLUMN @extschema@.wab_fleet_kinds.is_well IS 'True where a few questions tell that there is no drift. Otherwise there may be: see drift.';
COMMENT ON VIEW @extschema@.wab_fleet_kinds IS 'wab_fleet with a column for each kind of drift: what the other views are made of. Null is no.';

COMMENT ON VIEW @extschema@.wab_drift IS 'One row per difference between the tenants table and the observed fleet.';
COMMENT ON COLUMN @extschema@.wab_drift.kind IS 'missing, unbound, status_drift, orphaned, churned, duplicate, disconnected, awaiting_scan, state or webhook.';
COMMENT ON COLUMN @extschema@.wab_drift.severity IS 'critical: a customer is without service. warning: money or attention is lost. info: repaired by wab apply or wab_reconcile().';
COMMENT ON COLUMN @extschema@.wab_drift.tenant_id IS 'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_drift.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_drift.customer_ref IS 'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_drift.stored IS 'What your side says.';
COMMENT ON COLUMN @extschema@.wab_drift.observed IS 'What the provider says.';
COMMENT ON COLUMN @extschema@.wab_drift.since IS 'Since when, as far as it was observed: the status, or for other kinds since a refresh or wab first saw this drift. Null before that.';
COMMENT ON COLUMN @extschema@.wab_drift.detail IS 'The difference in words.';
COMMENT ON COLUMN @extschema@.wab_drift.monthly_cost IS 'US dollars per month that are paid for a bridge nobody needs; 0 for other kinds.';
COMMENT ON COLUMN @extschema@.wab_drift.webhook_url IS 'The webhook_url that is wanted for this tenant.';

COMMENT ON VIEW @extschema@.wab_orphaned_bridges IS 'Live bridges that no tenant owns and nobody declared: paid for in vain.';
COMMENT ON VIEW @extschema@.wab_missing_bridges IS 'Wanted tenants and declared extras with no live bridge.';
COMMENT ON VIEW @extschema@.wab_status_drift IS 'Tenant rows whose stored status differs from the observed one.';
COMMENT ON VIEW @extschema@.wab_churned_bridges IS 'Live bridges of tenants that are no longer wanted: still being paid for.';
COMMENT ON VIEW @extschema@.wab_fleet_summary IS 'One row: bridges by status, drift by kind, US dollars per month.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.duplicate IS 'Live bridges beside the one that serves their customer_ref.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.unbound IS 'Tenants whose row does not hold their live bridge''s id.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.status_drift IS 'Tenants whose row holds another status than was observed.';
COMMENT ON VIEW @extschema@.wab_tenants IS 'Your tenants table as this extension reads it. Updates of bridge_id and bridge_status go to the table.';
COMMENT ON COLUMN @extschema@.wab_tenants.customer_ref IS 'The tenant''s id as text: what its bridge carries.';
COMMENT ON COLUMN @extschema@.wab_tenants.bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_tenants.bridge_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_tenants.wanted IS 'Should this tenant have a bridge, as the binding says.';

FOREACH kind IN ARRAY ARRAY['missing', 'unbound', 'status_drift', 'orphaned', 'churned', 'duplicate', 'disconnected',
                            'awaiting_scan', 'state', 'webhook'] LOOP
    EXECUTE format('COMMENT ON COLUMN @extschema@.wab_fleet_kinds.%I IS %L', 'is_' || kind, format('Whether it has drift of kind %s.', kind));
END LOOP;

-- A column that is the same in several views is described once, above or on wab_summaries.
FOR said IN
    SELECT DISTINCT ON (v.oid, a.attnum) v.relname, a.attname, d.description
    FROM pg_class v JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0
    JOIN unnest(ARRAY['wab_fleet', 'wab_drift', 'wab_summaries']) WITH ORDINALITY AS home(name, nth)
      ON v.relname <> 'wab_fleet_summary' OR home.name = 'wab_summaries'
    JOIN pg_attribute h ON h.attrelid = format('%s.%I', v.relnamespace::regnamespace, home.name)::regclass AND h.attname = a.attname
    JOIN pg_description d ON d.objoid = h.attrelid AND d.objsubid = h.attnum AND d.classoid = 'pg_class'::regclass
    WHERE v.oid IN ('@extschema@.wab_tenants'::regclass, '@extschema@.wab_fleet_kinds'::regclass, '@extschema@.wab_orphaned_bridges'::regclass,
                    '@extschema@.wab_missing_bridges'::regclass, '@extschema@.wab_status_drift'::regclass,
                    '@extschema@.wab_churned_bridges'::regclass, '@extschema@.wab_fleet_summary'::regclass)
      AND col_description(v.oid, a.attnum) IS NULL
    ORDER BY v.oid, a.attnum, home.nth
LOOP
    EXECUTE format('COMMENT ON COLUMN @extschema@.%I.%I IS %L', said.relname, said.attname, said.description);
END LOOP;

END
$views$;

CREATE OR REPLACE FUNCTION @extschema@.wab_create_tenants_view(binding @extschema@.wab_tenant_binding) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    replaced oid := to_regclass('@extschema@.wab_tenants');
BEGIN
    -- A view can be replaced but its columns cannot change type. Without CASCADE: what depends on it is yours to move first.
    IF EXISTS (SELECT FROM pg_attribute v JOIN pg_attribute c
                   ON c.attrelid = binding.tenants
                  AND c.attname = CASE v.attname WHEN 'tenant_id' THEN binding.tenant_id
                                                 WHEN 'bridge_id' THEN binding.bridge_id
                                                 WHEN 'bridge_status' THEN binding.bridge_status END
               WHERE v.attrelid = replaced AND (v.atttypid, v.atttypmod, v.attcollation)
                                            <> (c.atttypid, c.atttypmod, c.attcollation)) THEN
        DROP VIEW @extschema@.wab_fleet_summary, @extschema@.wab_churned_bridges, @extschema@.wab_status_drift,
                  @extschema@.wab_missing_bridges, @extschema@.wab_orphaned_bridges, @extschema@.wab_drift,
                  @extschema@.wab_fleet, @extschema@.wab_fleet_kinds, @extschema@.wab_tenants;
    END IF;
    PERFORM set_config('search_path', 'pg_catalog, ' || binding.resolved_in, true);
    EXECUTE format(E'CREATE OR REPLACE VIEW @extschema@.wab_tenants AS
        SELECT %1$I AS tenant_id, %1$I::pg_catalog.text AS customer_ref, %2$I AS bridge_id, %3$I AS bridge_status,
               COALESCE((\n%4$s\n), false) AS wanted, (\n%5$s\n)::pg_catalog.text AS webhook_url
        FROM %6$s WHERE %1$I IS NOT NULL',
        binding.tenant_id, binding.bridge_id, binding.bridge_status, binding.wanted, coalesce(binding.webhook_url, 'NULL'),
        binding.tenants);
    IF pg_relation_is_updatable(to_regclass('@extschema@.wab_tenants'), false) & 4 = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '42809', MESSAGE = format('rows of %s could not be updated through wab_tenants', binding.tenants),
            DETAIL = format('wanted: %s; webhook_url: %s', binding.wanted, binding.webhook_url),
            HINT = 'Bind a table, and use expressions over a single row: no aggregate, window or set-returning function.';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION @extschema@.wab_bind_tenants(
    tenants regclass DEFAULT NULL, tenant_id text DEFAULT 'id', bridge_id text DEFAULT 'bridge_id',
    bridge_status text DEFAULT 'bridge_status', wanted text DEFAULT 'true', webhook_url text DEFAULT NULL,
    add_columns boolean DEFAULT false, resolved_in text DEFAULT current_setting('search_path'))
RETURNS TABLE (bound regclass, tenant_rows bigint, wanted_rows bigint)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    binding       @extschema@.wab_tenant_binding;
    views         constant name[] := '{wab_tenants,wab_fleet_kinds,wab_fleet,wab_drift,wab_orphaned_bridges,wab_missing_bridges,
                                       wab_status_drift,wab_churned_bridges,wab_fleet_summary}';
    foreign_views text;
    view          name;
BEGIN
    IF tenants IS NULL THEN
        SELECT b.* INTO binding FROM @extschema@.wab_tenant_binding b;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'no tenants table was bound before',
                HINT = 'Name it: SELECT * FROM wab_bind_tenants(''public.tenants'');';
        ELSIF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = binding.tenants) THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the tenants table that was bound no longer exists',
                HINT = 'Name the one to bind now: SELECT * FROM wab_bind_tenants(''public.tenants'');';
        END IF;
    ELSIF tenant_id IS NULL OR bridge_id IS NULL OR bridge_status IS NULL OR wanted IS NULL OR add_columns IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_bind_tenants(): only tenants and webhook_url may be null';
    ELSE
        binding := ROW(true, tenants, tenant_id, bridge_id, bridge_status, wanted, webhook_url,
                       coalesce(nullif(resolved_in, ''), 'pg_catalog'), clock_timestamp(), session_user);
    END IF;
    PERFORM @extschema@.wab_check_column(binding.tenants, 'tenant_id', binding.tenant_id, NULL, NULL);
    PERFORM @extschema@.wab_check_column(binding.tenants, 'bridge_id', binding.bridge_id,
        CASE WHEN add_columns THEN 'bigint' END, '{bigint}');
    PERFORM @extschema@.wab_check_column(binding.tenants, 'bridge_status', binding.bridge_status,
        CASE WHEN add_columns THEN 'text' END, '{text,varchar}');
    PERFORM @extschema@.wab_check_expression(binding.tenants, 'wanted', binding.wanted, 'boolean', binding.resolved_in);
    IF binding.webhook_url IS NOT NULL THEN
        PERFORM @extschema@.wab_check_expression(binding.tenants, 'webhook_url', binding.webhook_url, 'text', binding.resolved_in);
    END IF;
    PERFORM @extschema@.wab_check_tenant_ids(binding.tenants, binding.tenant_id);

    PERFORM @extschema@.wab_create_tenants_view(binding);
    PERFORM @extschema@.wab_create_views();
    -- OR REPLACE keeps the owner: a view that lay in wait under one of these names would stay somebody else's to change.
    SELECT string_agg(format('%s belongs to %I', c.oid::regclass, o.rolname), '; ' ORDER BY c.relname) INTO foreign_views
    FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner
    WHERE c.relnamespace = '@extschema@'::regnamespace AND c.relname = ANY (views)
      AND o.rolname <> current_user AND NOT o.rolsuper
      AND o.oid NOT IN (SELECT t.relowner FROM pg_class t
                        WHERE t.oid IN ('@extschema@.wab_tenant_binding'::regclass, binding.tenants));
    IF foreign_views IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'a view under one of our names belongs to somebody else',
            DETAIL = foreign_views, HINT = 'Look at it, and drop it or change its owner.';
    END IF;
    IF current_setting('server_version_num')::integer >= 150000 THEN
        FOREACH view IN ARRAY views LOOP
            EXECUTE format('ALTER VIEW @extschema@.%I SET (security_invoker = true)', view);
        END LOOP;
    END IF;
    DELETE FROM @extschema@.wab_tenant_binding;
    INSERT INTO @extschema@.wab_tenant_binding SELECT binding.*;
    RETURN QUERY SELECT binding.tenants, count(*), count(*) FILTER (WHERE t.wanted) FROM @extschema@.wab_tenants t;
END
$$;

-- Webhook events as observations of one bridge's status. They may come late, twice and in any order: the history and the status
-- end as if they had come in order.

CREATE FUNCTION @extschema@.wab_event_time(event jsonb) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE jsonb_typeof(event -> 'timestamp')
        WHEN 'string' THEN (event ->> 'timestamp')::timestamptz
        -- Unix time in seconds, or in milliseconds if it is too large for that.
        WHEN 'number' THEN to_timestamp((event ->> 'timestamp')::double precision
                                        / CASE WHEN (event ->> 'timestamp')::numeric < 100000000000 THEN 1 ELSE 1000 END) END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION @extschema@.wab_event_time IS 'The time that an event carries in its key timestamp (ISO 8601, or Unix time); null if it carries none that can be read.';

-- Puts a status into a bridge's history at its place in time. Each row of the history says what was before it, so the row after
-- the new one is put right as well.
CREATE FUNCTION @extschema@.wab_insert_status(bridge @extschema@.wab_bridges, at timestamptz, status text, known_at timestamptz)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    before text;
    after  record;
BEGIN
    -- Of two statuses of one moment, disconnected is taken to be the later one.
    SELECT e.became INTO before FROM @extschema@.wab_bridge_events e
    WHERE e.bridge_id = bridge.bridge_id AND (e.event = 'status' OR (e.event = 'appeared' AND e.became <> 'unknown'))
      AND (e.at, e.became = 'disconnected') < (at, status = 'disconnected')
    ORDER BY e.at DESC, e.became = 'disconnected' DESC LIMIT 1;
    SELECT e.at, e.event, e.became INTO after FROM @extschema@.wab_bridge_events e
    WHERE e.bridge_id = bridge.bridge_id AND (e.event = 'status' OR (e.event = 'appeared' AND e.became <> 'unknown'))
      AND (e.at, e.became = 'disconnected') > (at, status = 'disconnected')
    ORDER BY e.at, e.became = 'disconnected' LIMIT 1;
    INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
    VALUES (at, bridge.bridge_id, bridge.customer_ref, 'status', coalesce(before, 'unknown'), status);
    IF after.event = 'status' THEN
        UPDATE @extschema@.wab_bridge_events e SET was = status
        WHERE e.bridge_id = bridge.bridge_id AND e.event = 'status' AND e.at = after.at AND e.became = after.became;
    ELSIF after.event IS NULL AND at < known_at AND bridge.status <> 'unknown' AND bridge.status <> status THEN
        -- What was learnt afterwards, and was no change then, is one now.
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
        VALUES (known_at, bridge.bridge_id, bridge.customer_ref, 'status', status, bridge.status);
    END IF;
END
$$;

COMMENT ON FUNCTION @extschema@.wab_insert_status IS 'Inserts a status into the history of a bridge at its place in time; known_at is when its present status was last confirmed. Called by wab_ingest_event().';

-- When a bridge's present status began: the first row of the history's last run of it.
CREATE FUNCTION @extschema@.wab_status_began(bridge_id bigint, status text, known_since timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN run.was IS DISTINCT FROM wab_status_began.status THEN run.at ELSE least(known_since, run.at) END
    FROM (SELECT e.at, e.was FROM @extschema@.wab_bridge_events e
          WHERE e.bridge_id = wab_status_began.bridge_id AND e.event IN ('status', 'appeared')
            AND e.became = wab_status_began.status
            AND (e.at, e.became = 'disconnected') > ALL (
                SELECT o.at, o.became = 'disconnected' FROM @extschema@.wab_bridge_events o
                WHERE o.bridge_id = wab_status_began.bridge_id AND o.event IN ('status', 'appeared')
                  AND o.became NOT IN (wab_status_began.status, 'unknown')
                ORDER BY o.at DESC, o.became = 'disconnected' DESC LIMIT 1)
          ORDER BY e.at LIMIT 1) run;
$$;

COMMENT ON FUNCTION @extschema@.wab_status_began IS 'Since when a bridge has had its present status, by its history; known_since where the history does not reach back so far.';

CREATE FUNCTION @extschema@.wab_ingest_event(customer_ref text, event jsonb, occurred_at timestamptz DEFAULT NULL) RETURNS text
LANGUAGE plpgsql COST 1000 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    said     text := lower(event ->> 'event');
    status   text;
    at       timestamptz;
    bridge   @extschema@.wab_bridges;
    known_at timestamptz;
    began_at timestamptz;
BEGIN
    IF customer_ref IS NULL OR event IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_ingest_event(): customer_ref and event may not be null';
    ELSIF jsonb_typeof(event) <> 'object' OR said IS NULL OR jsonb_typeof(event -> 'event') <> 'string' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_ingest_event(): this is no event of the provider',
            DETAIL = format('event: %s', left(event::text, 200)), HINT = 'Hand over the webhook''s whole body: {"event": "connected", …}.';
    ELSIF event ->> 'customer_ref' <> customer_ref THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_ingest_event(): the event is another customer''s',
            DETAIL = format('customer_ref: %s; the event says: %s', left(customer_ref, 200), left(event ->> 'customer_ref', 200));
    END IF;
    IF said NOT IN ('connected', 'disconnected', 'logged_out') THEN
        RETURN 'ignored';
    END IF;
    status := @extschema@.wab_normalize_status(said);
    at := least(coalesce(occurred_at, @extschema@.wab_event_time(event), clock_timestamp()), clock_timestamp());

    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    SELECT b.* INTO bridge FROM @extschema@.wab_bridges b WHERE b.customer_ref = customer_ref LIMIT 1;
    IF bridge.bridge_id IS NULL OR bridge.duplicated THEN
        RETURN CASE WHEN bridge.duplicated THEN 'ambiguous' ELSE 'no_bridge' END;
    END IF;
    IF EXISTS (SELECT FROM @extschema@.wab_bridge_events e
               WHERE e.bridge_id = bridge.bridge_id AND e.event = 'status' AND e.at = at AND e.became = status) THEN
        RETURN 'duplicate';
    ELSIF at < bridge.first_seen_at THEN
        RETURN 'late';
    END IF;
    -- A list that brought every bridge's status confirmed this one's.
    SELECT greatest(bridge.status_observed_at, max(o.observed_at)) INTO known_at
    FROM @extschema@.wab_last_observation() o
    WHERE o.statuses = o.bridges AND o.bridges > 0 AND bridge.raw_status IS NOT NULL AND bridge.first_seen_at <= o.observed_at;
    PERFORM @extschema@.wab_insert_status(bridge, at, status, known_at);
    IF coalesce(at > known_at, true) OR (at = known_at AND status = 'disconnected') THEN
        UPDATE @extschema@.wab_bridges b SET status = status, raw_status = said, status_observed_at = at
        WHERE b.bridge_id = bridge.bridge_id RETURNING b.* INTO bridge;
    END IF;
    began_at := @extschema@.wab_status_began(bridge.bridge_id, bridge.status, bridge.status_since);
    IF bridge.status <> 'unknown' AND began_at IS DISTINCT FROM bridge.status_since THEN
        UPDATE @extschema@.wab_bridges b SET status_since = began_at WHERE b.bridge_id = bridge.bridge_id;
    END IF;
    RETURN CASE WHEN bridge.status_observed_at = at AND bridge.status = status THEN 'recorded' ELSE 'late' END;
END
$$;

COMMENT ON FUNCTION @extschema@.wab_ingest_event IS 'Takes a webhook event of the provider: connected and disconnected become the bridge''s status at the time it occurred (given, or in its timestamp, else now). Returns recorded, late (an older one than is known, so only the history takes it, back to when the bridge was first seen), duplicate, ignored (another kind of event), no_bridge or ambiguous (several bridges have this customer_ref). Tenant rows are written by wab_reconcile() or wab apply.';

-- What the history tells: spans of status, health over time, money. These views know no tenants table; all months and days are UTC's.

CREATE FUNCTION @extschema@.wab_create_history_views() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $views$
DECLARE
    name text;
BEGIN

CREATE OR REPLACE VIEW @extschema@.wab_status_history AS
SELECT c.bridge_id, c.customer_ref, c.status, c.at AS since,
       lead(c.at) OVER (PARTITION BY c.bridge_id ORDER BY c.at, c.status = 'disconnected') AS until
FROM (
    SELECT e.bridge_id, e.customer_ref, e.at, e.became AS status
    FROM @extschema@.wab_bridge_events e
    WHERE e.event IN ('appeared', 'disappeared') OR (e.event = 'status' AND e.was <> e.became)
) c;

-- From change to change: how many bridges lived and how many were paired. Counted back from the present, so that it holds for
-- as far back as there is history, however much of it was pruned.
CREATE OR REPLACE VIEW @extschema@.wab_fleet_levels AS
WITH change AS (
    SELECT e.at,
           sum(CASE e.event WHEN 'appeared' THEN 1 WHEN 'disappeared' THEN -1 ELSE 0 END) AS bridges,
           sum((e.became IS NOT DISTINCT FROM 'paired')::integer - (e.was IS NOT DISTINCT FROM 'paired')::integer) AS paired
    FROM @extschema@.wab_bridge_events e
    WHERE e.event IN ('appeared', 'disappeared', 'status')
    GROUP BY e.at
), present AS (
    SELECT count(*) AS bridges, count(*) FILTER (WHERE b.status = 'paired') AS paired FROM @extschema@.wab_bridges b
)
SELECT c.at AS since, lead(c.at, 1, now()) OVER (ORDER BY c.at) AS until,
       p.bridges - coalesce(sum(c.bridges) OVER later, 0) AS bridges,
       p.paired - coalesce(sum(c.paired) OVER later, 0) AS paired
FROM change c CROSS JOIN present p
WINDOW later AS (ORDER BY c.at DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);

CREATE OR REPLACE VIEW @extschema@.wab_fleet_health_daily AS
WITH level AS (
    SELECT d.day, greatest(l.since, d.day) AS since, least(l.until, d.day + interval '24 hours') AS until, l.bridges, l.paired
    FROM @extschema@.wab_fleet_levels l
    CROSS JOIN LATERAL (
        SELECT s.day AT TIME ZONE 'UTC' AS day
        FROM generate_series(date_trunc('day', l.since AT TIME ZONE 'UTC'), l.until AT TIME ZONE 'UTC', interval '1 day') AS s(day)) d
), repaired AS (
    SELECT date_trunc('day', h.until, 'UTC') AS day, count(*) AS reconnections, avg(h.until - h.since) AS mean_time_disconnected
    FROM @extschema@.wab_status_history h WHERE h.status = 'disconnected' AND h.until IS NOT NULL GROUP BY 1
), share AS (
    SELECT l.day,
           sum(l.bridges * extract(epoch FROM l.until - l.since)) AS bridge_seconds,
           sum(l.paired * extract(epoch FROM l.until - l.since)) AS paired_seconds,
           sum(extract(epoch FROM l.until - l.since)) AS seconds
    FROM level l WHERE l.until > l.since GROUP BY l.day
)
SELECT (s.day AT TIME ZONE 'UTC')::date AS day,
       round(s.bridge_seconds / s.seconds, 1) AS bridges,
       round(s.paired_seconds / nullif(s.bridge_seconds, 0), 4) AS paired_share,
       coalesce(r.reconnections, 0) AS reconnections, r.mean_time_disconnected
FROM share s LEFT JOIN repaired r ON r.day = s.day;

CREATE OR REPLACE VIEW @extschema@.wab_fleet_health AS
SELECT n.bridges, n.paired, round(n.paired::numeric / nullif(n.bridges, 0), 4) AS paired_share,
       s.paired_share_1d, s.paired_share_7d, s.paired_share_30d,
       r.reconnections_30d, r.mean_time_disconnected_30d,
       now() - d.status_since AS longest_disconnected, d.bridge_id AS longest_disconnected_bridge_id,
       d.customer_ref AS longest_disconnected_customer_ref
FROM (SELECT count(*) AS bridges, count(*) FILTER (WHERE b.status = 'paired') AS paired FROM @extschema@.wab_bridges b) n
CROSS JOIN (
    SELECT round(sum(l.paired * w.seconds) FILTER (WHERE w.days = 1) / nullif(sum(l.bridges * w.seconds) FILTER (WHERE w.days = 1), 0), 4) AS paired_share_1d,
           round(sum(l.paired * w.seconds) FILTER (WHERE w.days = 7) / nullif(sum(l.bridges * w.seconds) FILTER (WHERE w.days = 7), 0), 4) AS paired_share_7d,
           round(sum(l.paired * w.seconds) FILTER (WHERE w.days = 30) / nullif(sum(l.bridges * w.seconds) FILTER (WHERE w.days = 30), 0), 4) AS paired_share_30d
    FROM @extschema@.wab_fleet_levels l
    CROSS JOIN LATERAL (
        SELECT p.days, extract(epoch FROM l.until - greatest(l.since, now() - make_interval(hours => 24 * p.days))) AS seconds
        FROM (VALUES (1), (7), (30)) AS p(days)) w
    WHERE w.seconds > 0) s
CROSS JOIN (
    SELECT count(*) AS reconnections_30d, avg(h.until - h.since) AS mean_time_disconnected_30d
    FROM @extschema@.wab_status_history h
    WHERE h.status = 'disconnected' AND h.until > now() - interval '720 hours') r
LEFT JOIN LATERAL (
    SELECT b.bridge_id, b.customer_ref, b.status_since FROM @extschema@.wab_bridges b
    WHERE b.status = 'disconnected' AND b.status_since IS NOT NULL ORDER BY b.status_since, b.bridge_id LIMIT 1) d ON true;

-- A bridge's lives as ranges of time, and within them the times when nobody needed it; cut into months, and these into dollars.
CREATE OR REPLACE VIEW @extschema@.wab_costs AS
WITH life AS (
    SELECT l.bridge_id, range_agg(tstzrange(l.since, l.until)) AS lived
    FROM (SELECT b.bridge_id, coalesce(b.created_at, b.first_seen_at) AS since, now() AS until FROM @extschema@.wab_bridges b
          UNION ALL
          SELECT e.bridge_id, e.since, e.at FROM @extschema@.wab_bridge_events e WHERE e.event = 'disappeared') l
    WHERE l.since < l.until GROUP BY l.bridge_id
), vain AS (
    SELECT e.bridge_id, range_agg(tstzrange(e.began_at, coalesce(e.ended_at, now()))) AS wasted
    FROM @extschema@.wab_drift_episodes e
    WHERE e.kind IN ('orphaned', 'churned', 'duplicate') AND e.bridge_id IS NOT NULL GROUP BY e.bridge_id
), part AS (
    SELECT l.bridge_id, false AS wasted, unnest(l.lived) AS during FROM life l
    UNION ALL
    SELECT l.bridge_id, true, unnest(l.lived * v.wasted) FROM life l JOIN vain v ON v.bridge_id = l.bridge_id
), monthly AS (
    SELECT m.month, p.bridge_id, p.wasted,
           extract(epoch FROM least(upper(p.during), m.ends) - greatest(lower(p.during), m.begins)) AS seconds,
           extract(epoch FROM m.ends - m.begins) AS month_seconds
    FROM part p
    CROSS JOIN LATERAL (
        SELECT s.month::date AS month, s.month AT TIME ZONE 'UTC' AS begins, (s.month + interval '1 month') AT TIME ZONE 'UTC' AS ends
        FROM generate_series(date_trunc('month', greatest(lower(p.during), (SELECT min(e.at) FROM @extschema@.wab_bridge_events e))
                                                 AT TIME ZONE 'UTC'),
                             upper(p.during) AT TIME ZONE 'UTC', interval '1 month') AS s(month)) m
    WHERE m.begins < upper(p.during)
)
SELECT m.month,
       count(DISTINCT m.bridge_id) AS bridges,
       round(sum(m.seconds) FILTER (WHERE NOT m.wasted) / 86400, 2) AS bridge_days,
       round((SELECT p.price_per_bridge FROM @extschema@.wab_policy p)
             * sum(m.seconds / m.month_seconds) FILTER (WHERE NOT m.wasted), 2) AS cost,
       round(coalesce(sum(m.seconds) FILTER (WHERE m.wasted), 0) / 86400, 2) AS wasted_days,
       round((SELECT p.price_per_bridge FROM @extschema@.wab_policy p)
             * coalesce(sum(m.seconds / m.month_seconds) FILTER (WHERE m.wasted), 0), 2) AS waste
FROM monthly m GROUP BY m.month;

COMMENT ON VIEW @extschema@.wab_status_history IS 'Each bridge''s statuses as spans of time, from wab_bridge_events.';
COMMENT ON COLUMN @extschema@.wab_status_history.bridge_id IS 'The bridge.';
COMMENT ON COLUMN @extschema@.wab_status_history.customer_ref IS 'Its customer_ref when the span began.';
COMMENT ON COLUMN @extschema@.wab_status_history.status IS 'paired, awaiting_scan, disconnected or unknown; null from when it disappeared.';
COMMENT ON COLUMN @extschema@.wab_status_history.since IS 'When the span began, as far as it was observed.';
COMMENT ON COLUMN @extschema@.wab_status_history.until IS 'When the next one began; null: it lasts.';

COMMENT ON VIEW @extschema@.wab_fleet_levels IS 'Live and paired bridges over time: one row from each change to the next.';
COMMENT ON COLUMN @extschema@.wab_fleet_levels.since IS 'From when it was so.';
COMMENT ON COLUMN @extschema@.wab_fleet_levels.until IS 'Until when; for the last row now.';
COMMENT ON COLUMN @extschema@.wab_fleet_levels.bridges IS 'Live bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_levels.paired IS 'Of these, paired.';

COMMENT ON VIEW @extschema@.wab_fleet_health_daily IS 'One row per day (UTC): how much of its bridges'' time the fleet was paired, and how long outages lasted.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.day IS 'The day, in UTC.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.bridges IS 'Live bridges, on average over the day.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.paired_share IS 'Share of their time in which they were paired, from 0 to 1.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.reconnections IS 'Outages that ended on this day.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.mean_time_disconnected IS 'How long these had lasted, on average; null when there were none.';

COMMENT ON VIEW @extschema@.wab_fleet_health IS 'One row: how much of the fleet is paired now and over time, how long outages last, and the longest one now.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.bridges IS 'Live bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired IS 'Of these, paired.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired_share IS 'Their share now, from 0 to 1.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired_share_1d IS 'Share of the bridges'' time in which they were paired, over the last 24 hours.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired_share_7d IS 'The same over the last 7 days.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired_share_30d IS 'The same over the last 30 days.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.reconnections_30d IS 'Outages that ended within the last 30 days.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.mean_time_disconnected_30d IS 'How long these had lasted, on average.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.longest_disconnected IS 'How long the bridge that has been disconnected for longest has been so; null when none is.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.longest_disconnected_bridge_id IS 'That bridge.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.longest_disconnected_customer_ref IS 'Its customer_ref.';

COMMENT ON VIEW @extschema@.wab_costs IS 'US dollars per month (UTC), to the second: a bridge costs wab_policy.price_per_bridge for a whole month, and its share of it for a part. The first month of the history may be incomplete; the present one is counted up to now.';
COMMENT ON COLUMN @extschema@.wab_costs.month IS 'The first day of the month.';
COMMENT ON COLUMN @extschema@.wab_costs.bridges IS 'Bridges that lived in it, however shortly.';
COMMENT ON COLUMN @extschema@.wab_costs.bridge_days IS 'Days that they lived in it, all together.';
COMMENT ON COLUMN @extschema@.wab_costs.cost IS 'US dollars for that.';
COMMENT ON COLUMN @extschema@.wab_costs.wasted_days IS 'Of these days, those of bridges that were orphaned, churned or duplicate, as far as it was seen.';
COMMENT ON COLUMN @extschema@.wab_costs.waste IS 'US dollars of the cost that went into these.';

-- Before 15 a view reads with its owner's rights.
IF current_setting('server_version_num')::integer >= 150000 THEN
    FOREACH name IN ARRAY ARRAY['wab_status_history', 'wab_fleet_levels', 'wab_fleet_health_daily', 'wab_fleet_health', 'wab_costs'] LOOP
        EXECUTE format('ALTER VIEW @extschema@.%I SET (security_invoker = true)', name);
    END LOOP;
END IF;

END
$views$;

COMMENT ON FUNCTION @extschema@.wab_create_history_views IS 'Creates the views over the history. Called when the extension is installed or upgraded.';

SELECT @extschema@.wab_create_history_views();

CREATE OR REPLACE FUNCTION @extschema@.wab_prune_history(older_than interval DEFAULT '400 days') RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    WITH e AS (DELETE FROM @extschema@.wab_bridge_events WHERE at < now() - older_than RETURNING 1),
         o AS (DELETE FROM @extschema@.wab_observations WHERE observed_at < now() - older_than RETURNING 1),
         s AS (DELETE FROM @extschema@.wab_summaries WHERE logged_at < now() - older_than RETURNING 1),
         r AS (DELETE FROM @extschema@.wab_runs WHERE started_at < now() - older_than RETURNING 1),
         d AS (DELETE FROM @extschema@.wab_drift_episodes WHERE ended_at < now() - older_than RETURNING 1),
         q AS (DELETE FROM @extschema@.wab_queue WHERE finished_at < now() - older_than RETURNING 1)
    SELECT (SELECT count(*) FROM e) + (SELECT count(*) FROM o) + (SELECT count(*) FROM s)
         + (SELECT count(*) FROM r) + (SELECT count(*) FROM d) + (SELECT count(*) FROM q);
$$;

COMMENT ON FUNCTION @extschema@.wab_prune_history IS 'Deletes events, observations, summaries, runs, ended drift and finished queue entries older than this; returns how many rows. What lasts is kept.';

-- Provision on signup: an outbox. An entry is part of the transaction that creates the tenant; the provider is asked only later,
-- by wab apply or by CALL wab_work_queue().

CREATE FUNCTION @extschema@.wab_enqueue_provision(tenant_id text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(tenant_id, '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN tenant_id IS NULL THEN '22004' ELSE '22023' END,
            MESSAGE = 'wab_enqueue_provision(): tenant_id may be neither null nor empty';
    END IF;
    -- Two sessions that enqueue one tenant make one entry.
    PERFORM pg_advisory_xact_lock(7761620, hashtext(tenant_id));
    IF EXISTS (SELECT FROM @extschema@.wab_queue q WHERE q.customer_ref = tenant_id AND q.finished_at IS NULL) THEN
        RETURN false;
    END IF;
    INSERT INTO @extschema@.wab_queue (customer_ref) VALUES (tenant_id);
    RETURN true;
END
$$;

COMMENT ON FUNCTION @extschema@.wab_enqueue_provision(text) IS 'Enqueues a tenant for its bridge, in this transaction: nothing is sent now, and nothing ever if it rolls back. False: it is waiting already.';

CREATE FUNCTION @extschema@.wab_enqueue_provision(tenant_id anynonarray) RETURNS boolean
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_enqueue_provision($1::text); $$;

COMMENT ON FUNCTION @extschema@.wab_enqueue_provision(anynonarray) IS 'wab_enqueue_provision() for tenant ids of another type, such as integer or uuid.';

CREATE FUNCTION @extschema@.wab_enqueue_wanted() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    id text := to_jsonb(NEW) ->> TG_ARGV[0];
BEGIN
    IF EXISTS (SELECT FROM @extschema@.wab_tenants t WHERE t.customer_ref = id AND t.wanted AND t.bridge_id IS NULL) THEN
        PERFORM @extschema@.wab_enqueue_provision(id);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION @extschema@.wab_enqueue_wanted IS 'Trigger for the tenants table, see sql/signup.sql: enqueues a tenant that is wanted and has no bridge. Its argument is the column of the tenant''s id.';

CREATE FUNCTION @extschema@.wab_claim_queued(lease interval DEFAULT '5 minutes')
RETURNS TABLE (queue_id uuid, customer_ref text, webhook_url text, stored_bridge_id bigint)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    claimed @extschema@.wab_queue;
BEGIN
    PERFORM @extschema@.wab_require_recording();
    LOOP
        UPDATE @extschema@.wab_queue q SET claimed_until = clock_timestamp() + lease, attempts = q.attempts + 1
        WHERE q.queue_id = (SELECT n.queue_id FROM @extschema@.wab_queue n
                            WHERE n.finished_at IS NULL AND coalesce(n.claimed_until <= clock_timestamp(), true)
                            ORDER BY n.enqueued_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING q.* INTO claimed;
        EXIT WHEN claimed.queue_id IS NULL;
        BEGIN
            RETURN QUERY SELECT claimed.queue_id, claimed.customer_ref, @extschema@.wab_wanted_webhook_url(claimed.customer_ref),
                                @extschema@.wab_stored_bridge_id(claimed.customer_ref);
            EXIT;
        -- Unknown or not wanted: it will not get a bridge by waiting.
        EXCEPTION WHEN invalid_parameter_value OR object_not_in_prerequisite_state THEN
            IF to_regclass('@extschema@.wab_tenants') IS NULL THEN
                RAISE;
            END IF;
            UPDATE @extschema@.wab_queue q
            SET finished_at = clock_timestamp(), outcome = 'refused', last_error = SQLERRM, claimed_until = NULL
            WHERE q.queue_id = claimed.queue_id;
        END;
    END LOOP;
END
$$;

COMMENT ON FUNCTION @extschema@.wab_claim_queued IS 'Takes up the oldest waiting entry of wab_queue that no other worker is at, for as long as the lease; no row when there is none. Entries of tenants that are unknown or not wanted are finished as refused.';

CREATE FUNCTION @extschema@.wab_release_queued(queue_id uuid, error text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE @extschema@.wab_queue q
    SET last_error = error,
        claimed_until = clock_timestamp() + least(interval '1 hour', interval '30 seconds' * power(2, least(q.attempts, 10)))
    WHERE q.queue_id = wab_release_queued.queue_id AND q.finished_at IS NULL;
$$;

COMMENT ON FUNCTION @extschema@.wab_release_queued IS 'Notes why an entry of wab_queue could not be worked off; its next attempt comes after a minute, then ever later, at most an hour.';

-- pg_wabridges::functions::wab_call_provision
CREATE FUNCTION @extschema@.wab_call_provision(
	"customer_ref" TEXT, 
	"webhook_url" TEXT, 
	"stored_bridge_id" bigint 
) RETURNS TABLE (
	"bridge_id" bigint,  
	"state" TEXT,  
	"raw_status" TEXT,  
	"webhook_url" TEXT  
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c 
AS 'MODULE_PATHNAME', 'wab_call_provision_wrapper';

-- pg_wabridges::functions::wab_list_instances
-- Skipped due to `#[pgrx(sql = false)]`



-- pg_wabridges::functions::wab_list_rows

CREATE FUNCTION @extschema@.wab_list_rows()
RETURNS TABLE (bridge_id bigint, customer_ref text, state text, raw_status text, created_at timestamptz, raw text)
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'wab_list_rows_wrapper';

-- pg_wabridges::sessions::wab_logout
CREATE FUNCTION @extschema@.wab_logout(
	"tenant_id" TEXT 
) RETURNS TABLE (
	"tenant_id" TEXT,  
	"status" TEXT,  
	"raw_status" TEXT  
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c 
AS 'MODULE_PATHNAME', 'wab_logout_wrapper';

-- pg_wabridges::sessions::wab_pair
CREATE FUNCTION @extschema@.wab_pair(
	"tenant_id" TEXT, 
	"phone" TEXT 
) RETURNS TEXT 
VOLATILE PARALLEL UNSAFE
LANGUAGE c 
AS 'MODULE_PATHNAME', 'wab_pair_wrapper';

-- pg_wabridges::sessions::wab_qr
CREATE FUNCTION @extschema@.wab_qr(
	"tenant_id" TEXT 
) RETURNS bytea 
VOLATILE PARALLEL RESTRICTED
LANGUAGE c 
AS 'MODULE_PATHNAME', 'wab_qr_wrapper';

-- pg_wabridges::functions::wab_row_json
CREATE FUNCTION @extschema@.wab_row_json(
	"raw" TEXT 
) RETURNS jsonb 
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c 
AS 'MODULE_PATHNAME', 'wab_row_json_wrapper';

-- pg_wabridges::sessions::wab_session_status
CREATE FUNCTION @extschema@.wab_session_status(
	"tenant_id" TEXT 
) RETURNS TABLE (
	"tenant_id" TEXT,  
	"status" TEXT,  
	"raw_status" TEXT,  
	"phone" TEXT,  
	"jid" TEXT,  
	"name" TEXT  
)
VOLATILE PARALLEL RESTRICTED
LANGUAGE c 
AS 'MODULE_PATHNAME', 'wab_session_status_wrapper';

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

-- What only the extension needs: what calls the provider in steps, which rows a dump takes along, who may call what, the overloads of Rust functions.

-- Written so that a query takes it in whole (no SET, not volatile): the columns that it does not use cost nothing then. What it
-- names was found when it was created.
CREATE OR REPLACE FUNCTION @extschema@.wab_list_instances()
RETURNS TABLE (bridge_id bigint, customer_ref text, state text, status text, raw_status text, created_at timestamptz, raw jsonb)
LANGUAGE sql STABLE PARALLEL RESTRICTED COST 1000000 ROWS 1000
BEGIN ATOMIC
    SELECT r.bridge_id, r.customer_ref, r.state, @extschema@.wab_normalize_status(r.raw_status), r.raw_status, r.created_at,
           @extschema@.wab_row_json(r.raw)
    FROM @extschema@.wab_list_rows() r;

END;

CREATE FUNCTION @extschema@.wab_session_status(tenant_id anynonarray)
RETURNS TABLE (tenant_id text, status text, raw_status text, phone text, jid text, name text)
LANGUAGE sql VOLATILE COST 1000000 ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.tenant_id, s.status, s.raw_status, s.phone, s.jid, s.name FROM @extschema@.wab_session_status($1::text) s;
$$;

CREATE FUNCTION @extschema@.wab_qr(tenant_id anynonarray) RETURNS bytea
LANGUAGE sql VOLATILE COST 1000000 SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_qr($1::text); $$;

CREATE FUNCTION @extschema@.wab_pair(tenant_id anynonarray, phone text) RETURNS text
LANGUAGE sql VOLATILE COST 1000000 SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_pair($1::text, $2); $$;

CREATE FUNCTION @extschema@.wab_logout(tenant_id anynonarray)
RETURNS TABLE (tenant_id text, status text, raw_status text)
LANGUAGE sql VOLATILE COST 1000000 ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ SELECT l.tenant_id, l.status, l.raw_status FROM @extschema@.wab_logout($1::text) l; $$;

COMMENT ON FUNCTION @extschema@.wab_session_status(text) IS 'Asks a tenant''s WhatsApp session for its status, and, while it is paired, for phone, jid and name. Stores nothing.';

COMMENT ON FUNCTION @extschema@.wab_session_status(anynonarray) IS 'wab_session_status() for tenant ids of another type, such as integer or uuid.';

COMMENT ON FUNCTION @extschema@.wab_qr(text) IS 'The QR code for a tenant to scan, as a PNG file. There is one only while the bridge is unpaired.';

COMMENT ON FUNCTION @extschema@.wab_qr(anynonarray) IS 'wab_qr() for tenant ids of another type, such as integer or uuid.';

COMMENT ON FUNCTION @extschema@.wab_pair(text, text) IS 'A code for the tenant to type on the phone of this number (digits with the country code) under Linked Devices. A ROLLBACK does not undo it.';

COMMENT ON FUNCTION @extschema@.wab_pair(anynonarray, text) IS 'wab_pair() for tenant ids of another type, such as integer or uuid.';

COMMENT ON FUNCTION @extschema@.wab_logout(text) IS 'Unpairs a tenant''s bridge and destroys its session, for good: it must be paired again. The bridge stays. A ROLLBACK does not undo it.';

COMMENT ON FUNCTION @extschema@.wab_logout(anynonarray) IS 'wab_logout() for tenant ids of another type, such as integer or uuid.';

COMMENT ON FUNCTION @extschema@.wab_call_provision(text, text, bigint) IS 'The call of wab_provision() and nothing else: writes nothing. For wab_work_queue().';

COMMENT ON FUNCTION @extschema@.wab_list_instances() IS 'Asks the provider for the whole fleet, one row per bridge. Stores nothing. Takes EXECUTE on wab_list_rows() too.';

COMMENT ON FUNCTION @extschema@.wab_list_rows() IS 'What wab_list_instances() is made of: the list as the provider has it, the status in its own words, raw as text.';

COMMENT ON FUNCTION @extschema@.wab_row_json(text) IS 'The raw of wab_list_rows() as jsonb; null where it is JSON but no jsonb, such as an escaped NUL.';

ALTER FUNCTION @extschema@.wab_session_status(text) COST 1000000 ROWS 1;

ALTER FUNCTION @extschema@.wab_qr(text) COST 1000000;

ALTER FUNCTION @extschema@.wab_pair(text, text) COST 1000000;

ALTER FUNCTION @extschema@.wab_logout(text) COST 1000000 ROWS 1;

ALTER FUNCTION @extschema@.wab_call_provision(text, text, bigint) COST 1000000 ROWS 1;

ALTER FUNCTION @extschema@.wab_list_rows() COST 1000000 ROWS 1000;

-- What sql/cron.sql schedules. These commit, so they are called outside of a transaction block, and have no SET of their own: every
-- name is qualified. A failure is noted in wab_jobs, and then raised as it was.
CREATE PROCEDURE @extschema@.wab_run_job(job text, command text)
LANGUAGE plpgsql AS $$
DECLARE
    state   text;
    message text;
    details text;
    hints   text;
BEGIN
    BEGIN
        EXECUTE command;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL, hints = PG_EXCEPTION_HINT;
    END;
    CALL @extschema@.wab_end_job(job, state, message, details, hints);
END
$$;

COMMENT ON PROCEDURE @extschema@.wab_run_job(text, text) IS 'Runs an SQL command as a scheduled job, with the caller''s rights: notes in wab_jobs under this name how it went, and raises its error if it had one.';

-- Claim, call, record: each in a transaction of its own, so that none that holds a lock or a row is open while the provider is asked.
CREATE PROCEDURE @extschema@.wab_work_queue(max_calls integer DEFAULT 9)
LANGUAGE plpgsql AS $$
DECLARE
    entry   record;
    made    record;
    state   text;
    message text;
    details text;
    hints   text;
    failed  boolean;
BEGIN
    FOR nth IN 1 .. max_calls LOOP
        SELECT c.queue_id, c.customer_ref, c.webhook_url, c.stored_bridge_id INTO entry FROM @extschema@.wab_claim_queued() c;
        COMMIT;
        EXIT WHEN entry.queue_id IS NULL;
        failed := false;
        BEGIN
            SELECT p.bridge_id, p.state, p.raw_status, p.webhook_url INTO made
            FROM @extschema@.wab_call_provision(entry.customer_ref, entry.webhook_url, entry.stored_bridge_id) p;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL, hints = PG_EXCEPTION_HINT;
            failed := true;
        END;
        IF failed THEN
            PERFORM @extschema@.wab_release_queued(entry.queue_id, pg_catalog.concat_ws(': ', message, details));
        ELSE
            PERFORM @extschema@.wab_record_provision(entry.customer_ref, made.bridge_id, made.state, made.raw_status, made.webhook_url);
        END IF;
        COMMIT;
        -- The key, the network or the limit: the next entry would fare no better.
        EXIT WHEN failed AND pg_catalog.left(state, 2) OPERATOR(pg_catalog.=) ANY ('{08,28,53,55}'::pg_catalog.text[]);
    END LOOP;
    CALL @extschema@.wab_end_job('work_queue', state, message, details, hints);
END
$$;

COMMENT ON PROCEDURE @extschema@.wab_work_queue(integer) IS 'Provisions bridges for tenants that wait in wab_queue, up to max_calls of them, oldest first. Several may run at once. Entries that fail are tried again later; then it ends with the last one''s error.';

CREATE PROCEDURE @extschema@.wab_end_job(job text, state text, message text, details text, hints text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM @extschema@.wab_note_job(job, state, pg_catalog.rtrim(pg_catalog.concat_ws(': ', message, details), ': '));
    COMMIT;
    IF message IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = details, HINT = hints;
    END IF;
END
$$;

COMMENT ON PROCEDURE @extschema@.wab_end_job(text, text, text, text, text) IS 'Notes in wab_jobs how a job went, and raises its error if it had one.';

-- For wab_status.
GRANT USAGE ON SCHEMA @extschema@ TO pg_monitor;

SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_drift_episodes', '');

SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_queue', '');

SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_jobs', '');

-- What is new is closed to PUBLIC; what somebody granted on the rest stays.
DO $$
DECLARE
    member regprocedure;
BEGIN
    FOR member IN
        SELECT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
        JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) d.objid
        WHERE e.extname OPERATOR(pg_catalog.=) 'pg_wabridges' AND d.deptype OPERATOR(pg_catalog.=) 'e'
          AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.proacl IS NULL
          AND p.proname OPERATOR(pg_catalog.<>) ALL ('{wab_normalize_status,wab_row_json,wab_url_encode,wab_lock_id,wab_serves,wab_version}'::pg_catalog.name[])
    LOOP
        EXECUTE pg_catalog.format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', member);
    END LOOP;
END
$$;

-- Who could call a function can call what has come into its place.
DO $$
DECLARE
    may record;
BEGIN
    FOR may IN
        SELECT r.now, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::pg_catalog.regrole::pg_catalog.text END AS role
        FROM (VALUES ('wab_observe_0_1_0', 'wab_observe'), ('wab_observe_0_1_0', 'wab_store_listing'),
                     ('wab_write_statuses', 'wab_write_statuses_of'),
                     ('wab_list_instances', 'wab_list_rows')) AS r(was, now)
        JOIN pg_catalog.pg_proc p ON p.proname OPERATOR(pg_catalog.=) r.was
             AND p.pronamespace OPERATOR(pg_catalog.=) '@extschema@'::pg_catalog.regnamespace
        CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) g
        WHERE g.grantee OPERATOR(pg_catalog.<>) p.proowner
    LOOP
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION @extschema@.%I TO %s', may.now, may.role);
    END LOOP;
END
$$;
DROP FUNCTION @extschema@.wab_observe_0_1_0;
