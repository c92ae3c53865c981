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

CREATE FUNCTION @extschema@.wab_last_observation(max_age interval DEFAULT NULL) RETURNS SETOF @extschema@.wab_observations
LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT o.* FROM (SELECT l.* FROM @extschema@.wab_observations l
                     WHERE l.observed_at <= clock_timestamp() ORDER BY l.observed_at DESC LIMIT 1) o
    WHERE max_age IS NULL OR o.observed_at > clock_timestamp() - max_age;
$$;
COMMENT ON FUNCTION @extschema@.wab_last_observation IS 'The newest observation, unless it is older than max_age. One dated in the future, from a clock that was set back, does not count.';

CREATE FUNCTION @extschema@.wab_mark_duplicates() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    WITH twice AS (
        SELECT b.customer_ref FROM @extschema@.wab_bridges b
        WHERE b.customer_ref IS NOT NULL GROUP BY b.customer_ref HAVING count(*) > 1
    )
    UPDATE @extschema@.wab_bridges b SET duplicated = NOT b.duplicated
    WHERE b.duplicated <> (b.customer_ref IS NOT NULL AND b.customer_ref IN (SELECT t.customer_ref FROM twice t));
$$;
COMMENT ON FUNCTION @extschema@.wab_mark_duplicates IS 'Brings wab_bridges.duplicated up to date.';

-- Statuses asked of the sessions themselves; a null is a session that did not answer.
CREATE FUNCTION @extschema@.wab_observe_statuses(
    bridge_ids bigint[], raw_statuses text[], asked_at timestamptz DEFAULT clock_timestamp())
RETURNS integer
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    WITH diff AS MATERIALIZED (
        SELECT b.bridge_id, b.customer_ref, b.status AS was,
               coalesce(n.learnt, false) AS learnt, s.raw_status, @extschema@.wab_normalize_status(s.raw_status) AS status
        FROM unnest(bridge_ids, raw_statuses) AS s(bridge_id, raw_status)
        JOIN @extschema@.wab_bridges b ON b.bridge_id = s.bridge_id
        CROSS JOIN LATERAL (SELECT s.raw_status IS NOT NULL AND coalesce(b.status_observed_at < asked_at, true) AS learnt) n
        WHERE coalesce(b.status_asked_at < asked_at, true)
    ), updated AS (
        UPDATE @extschema@.wab_bridges b
        SET status_asked_at = asked_at,
            status = CASE WHEN d.learnt THEN d.status ELSE b.status END,
            raw_status = CASE WHEN d.learnt THEN d.raw_status ELSE b.raw_status END,
            status_observed_at = CASE WHEN d.learnt THEN asked_at ELSE b.status_observed_at END,
            status_since = CASE WHEN d.learnt AND (d.status <> d.was OR b.status_since IS NULL) THEN asked_at ELSE b.status_since END
        FROM diff d WHERE b.bridge_id = d.bridge_id
    ), events AS (
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
        SELECT asked_at, d.bridge_id, d.customer_ref, 'status', d.was, d.status FROM diff d WHERE d.learnt AND d.status <> d.was
    )
    SELECT count(*)::integer FROM diff d WHERE d.learnt AND d.status <> d.was;
$$;
COMMENT ON FUNCTION @extschema@.wab_observe_statuses IS 'Stores statuses asked of the sessions themselves (null: no answer); returns how many changed. An older answer never overwrites a newer one.';
