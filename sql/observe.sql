-- Stores the provider's answers: listings of the whole fleet, and statuses of single sessions. It writes only rows that
-- differ.

-- Stores a complete listing, given as arrays of equal length.
CREATE FUNCTION @extschema@.wab_observe(
    bridge_ids bigint[], customer_refs text[], states text[], raw_statuses text[], created_ats timestamptz[],
    listed_at timestamptz DEFAULT clock_timestamp(), source text DEFAULT 'sql',
    malformed integer DEFAULT 0, force boolean DEFAULT false, listing_sha256 text DEFAULT NULL)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer,
               skipped boolean)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    listed integer := cardinality(bridge_ids);
    wrong  record;
BEGIN
    IF bridge_ids IS NULL OR customer_refs IS NULL OR states IS NULL OR raw_statuses IS NULL OR created_ats IS NULL
       OR listed_at IS NULL OR source IS NULL OR malformed IS NULL OR force IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_observe() takes no null argument',
            HINT = 'Pass an unknown state, status or time as a null element of its array.';
    END IF;
    IF (cardinality(customer_refs), cardinality(states), cardinality(raw_statuses), cardinality(created_ats))
       <> (listed, listed, listed, listed) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_observe() takes five arrays of equal length',
            HINT = 'Nothing was stored. Pass an element for each bridge in each array, null for what is unknown.';
    ELSIF malformed < 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_observe(): malformed may not be negative',
            DETAIL = format('malformed: %s', malformed),
            HINT = 'Pass the number of rows of the list that could not be read.';
    END IF;
    SELECT l.bridge_id, count(*) AS often INTO wrong FROM unnest(bridge_ids) AS l(bridge_id)
    GROUP BY l.bridge_id HAVING count(*) > 1 OR (l.bridge_id > 0) IS NOT TRUE LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_observe(): bridge_ids are positive and different from each other',
            DETAIL = format('bridge_id: %s, %s times', coalesce(wrong.bridge_id::text, 'null'), wrong.often),
            HINT = 'Nothing was stored. Pass each bridge once.';
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    RETURN QUERY SELECT s.* FROM @extschema@._wab_store_listing(
        bridge_ids, customer_refs, states, raw_statuses, created_ats,
        ARRAY(SELECT b.bridge_id FROM @extschema@.wab_bridges b
              WHERE NOT EXISTS (SELECT FROM unnest(bridge_ids) AS l(bridge_id) WHERE l.bridge_id = b.bridge_id)),
        listed, listed - cardinality(array_positions(raw_statuses, NULL)),
        coalesce(listing_sha256, encode(sha256(convert_to(
            ROW(bridge_ids, customer_refs, states, raw_statuses, created_ats)::text, 'UTF8')), 'hex')),
        listed_at, source, malformed, force) s;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_observe IS
    'Stores a complete listing of the fleet, given as arrays. Writes only rows that changed. Raises 55000 for an empty '
    'listing, and for one that shrank by more than wab_policy.max_shrink, unless force is true. skipped: a newer '
    'observation is already stored. listing_sha256: the caller''s SHA-256 of the listing, for _wab_observe_again().';

-- THE definition of the changes that a listing makes. A caller that has compared the listing with wab_bridges may pass
-- only a part of it: the listed bridges that may differ, and the ids of known bridges that were not listed (absent).
-- `listed` counts the bridges of the whole listing, `statuses` those of them with a status. Unless a newer observation
-- is stored, it always writes one row of wab_observations.
CREATE FUNCTION @extschema@._wab_store_listing(
    bridge_ids bigint[], customer_refs text[], states text[], raw_statuses text[], created_ats timestamptz[],
    absent bigint[], listed integer, statuses integer, listing_sha256 text,
    listed_at timestamptz, source text, malformed integer, allow_shrink boolean)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer,
               skipped boolean)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    given   bigint[] := bridge_ids || absent;
    ours    constant text := @extschema@._wab_customer_refs();
    outside integer := 0;
    stated  integer := 0;
    known   integer;
    deleted bigint[];
    held    integer;
    moved   integer;
    allowed integer;
    last    @extschema@.wab_observations;
    -- The clocks of the provider and of this server may differ by some minutes.
    born_after timestamptz;
    -- A stored time that is later than this one is of a clock that was set back: it counts as past.
    present timestamptz;
BEGIN
    IF listed_at > clock_timestamp() THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_observe(): listed_at is in the future',
            DETAIL = format('listed_at: %s', listed_at),
            HINT = 'Read clock_timestamp() from this database before asking the provider for the list.';
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    -- After the lock: no other session writes wab_bridges with a later time.
    present := clock_timestamp();
    SELECT o.* INTO last FROM @extschema@._wab_last_observation() o;
    IF last.observed_at >= listed_at THEN
        RETURN QUERY SELECT last.observed_at, last.bridges, 0, 0, 0, true;
        RETURN;
    END IF;
    born_after := last.observed_at - interval '5 minutes';
    -- The list may still contain a bridge that was deleted after the provider was asked.
    SELECT coalesce(array_agg(e.bridge_id), '{}') INTO deleted
    FROM @extschema@.wab_bridge_events e
    WHERE e.event = 'disappeared' AND e.at >= listed_at AND e.at <= present;
    -- A bridge of another database is never stored, so it is in every part of a listing that a caller may pass.
    IF ours IS NOT NULL THEN
        SELECT count(*), count(u.raw_status) INTO outside, stated
        FROM unnest(customer_refs, raw_statuses) AS u(customer_ref, raw_status)
        WHERE coalesce(u.customer_ref, '') COLLATE "C" !~ ours;
    END IF;
    IF listed = 0 AND NOT allow_shrink THEN
        SELECT count(*) INTO known FROM @extschema@.wab_bridges b
        WHERE b.first_seen_at <= listed_at OR b.first_seen_at > present;
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the listing has no bridges and was refused',
            DETAIL = format('%s bridges were known before.', known),
            HINT = format('If the account really is empty: SELECT * FROM wab_refresh(force => true), or: wab apply %s',
                          CASE known WHEN 0 THEN '--first-run' ELSE '--accept-shrink' END);
    END IF;

    WITH compared AS MATERIALIZED (
        SELECT l.bridge_id AS listed_id, b.bridge_id AS known_id, l.customer_ref, l.state, l.raw_status, s.status,
               l.created_at, b.customer_ref AS was_customer_ref, b.state AS was_state, b.status AS was_status,
               coalesce(b.created_at, b.first_seen_at, l.created_at, listed_at) AS lived_since,
               b.bridge_id IS NULL AS is_new,
               l.bridge_id = b.bridge_id AS is_known,
               l.bridge_id IS NOT NULL AND l.raw_status IS NOT NULL AS is_told,
               (l.bridge_id IS NOT NULL AND l.raw_status IS NOT NULL) IS DISTINCT FROM b.status_listed AS told_moved,
               w.reported,
               @extschema@._wab_unpaired_since(w.reported, listed_at, n.unpaired_since, b.status, b.raw_status,
                   b.status_since, coalesce(b.created_at, b.first_seen_at, l.created_at, listed_at)) AS unpaired_since,
               -- A bridge first seen after the provider was asked may be newer than the list, so it is not deleted.
               l.bridge_id IS NULL AND malformed = 0
                   AND (b.first_seen_at <= listed_at OR b.first_seen_at > present) AS is_gone,
               -- What a listing leaves out stays as it is known.
               l.state <> b.state OR (l.state IS NOT NULL AND b.state IS NULL) AS state_moved,
               l.created_at <> b.created_at OR (l.created_at IS NOT NULL AND b.created_at IS NULL) AS created_at_moved,
               -- The stored status and webhook_url belong to the customer_ref that the bridge carried before.
               l.customer_ref IS DISTINCT FROM b.customer_ref AS owner_moved,
               -- A listing overwrites a stored status only if it carries one and is newer than the stored one.
               r.differs AND n.newer AS raw_status_moved,
               l.raw_status IS NOT NULL AND s.status IS DISTINCT FROM b.status AND n.newer AS status_moved,
               r.differs AND NOT n.newer AS is_older
        FROM (SELECT u.bridge_id, u.customer_ref, u.state, u.raw_status,
                     CASE WHEN isfinite(u.created_at) THEN u.created_at END AS created_at
              FROM unnest(bridge_ids, customer_refs, states, raw_statuses, created_ats)
                           AS u(bridge_id, customer_ref, state, raw_status, created_at)
              WHERE u.bridge_id <> ALL (deleted)
                AND coalesce(coalesce(u.customer_ref, '') COLLATE "C" ~ ours, true)) l
        FULL JOIN (SELECT k.* FROM @extschema@.wab_bridges k WHERE k.bridge_id = ANY (given)) b
          ON b.bridge_id = l.bridge_id
        CROSS JOIN LATERAL (SELECT coalesce((SELECT @extschema@._wab_status_map())
            ->> @extschema@._wab_status_word(l.raw_status), 'unknown') AS reported) w
        CROSS JOIN LATERAL (
            SELECT l.raw_status IS NOT NULL AND l.raw_status IS DISTINCT FROM b.raw_status AS differs) r
        CROSS JOIN LATERAL (
            SELECT coalesce(b.status_observed_at < listed_at OR b.status_observed_at > present, true) AS newer,
                   CASE WHEN b.bridge_id IS NOT NULL THEN b.unpaired_since
                        -- A bridge that was created after the last observation was never paired.
                        WHEN coalesce(l.created_at > born_after, last.malformed = 0) THEN coalesce(l.created_at, listed_at)
                   END AS unpaired_since) n
        CROSS JOIN LATERAL (SELECT @extschema@._wab_status_of(w.reported, n.unpaired_since) AS status) s
    ), diff AS MATERIALIZED (
        SELECT c.* FROM compared c
        WHERE c.is_new OR c.is_gone
           OR (c.is_known AND (c.owner_moved OR c.raw_status_moved OR c.state_moved OR c.created_at_moved))
           -- A known bridge may be absent from a listing with malformed rows.
           OR (c.known_id IS NOT NULL AND c.told_moved)
    ), added AS (
        INSERT INTO @extschema@.wab_bridges
            (bridge_id, customer_ref, state, state_since, status, raw_status, created_at, first_seen_at,
             status_since, status_observed_at, status_listed, unpaired_since)
        SELECT d.listed_id, d.customer_ref, d.state, listed_at, d.status, d.raw_status, d.created_at, listed_at,
               CASE WHEN d.is_told THEN listed_at END, CASE WHEN d.is_told THEN listed_at END, d.is_told,
               d.unpaired_since
        FROM diff d WHERE d.is_new
    ), updated AS (
        UPDATE @extschema@.wab_bridges b
        SET customer_ref = d.customer_ref, state = coalesce(d.state, b.state),
            created_at = coalesce(d.created_at, b.created_at),
            state_since = CASE WHEN d.state_moved THEN listed_at ELSE b.state_since END,
            status = CASE WHEN d.status_moved OR d.owner_moved THEN d.status ELSE b.status END,
            raw_status = CASE WHEN d.raw_status_moved OR d.owner_moved THEN d.raw_status ELSE b.raw_status END,
            status_since = CASE WHEN d.status_moved OR d.owner_moved THEN listed_at ELSE b.status_since END,
            status_observed_at = CASE WHEN d.owner_moved AND d.raw_status IS NULL THEN NULL
                                      WHEN d.raw_status_moved OR d.owner_moved THEN listed_at
                                      -- The last listing was the last to confirm the status.
                                      WHEN d.told_moved AND NOT d.is_told
                                      THEN greatest(b.status_observed_at, last.observed_at)
                                      ELSE b.status_observed_at END,
            status_asked_at = CASE WHEN d.owner_moved THEN NULL ELSE b.status_asked_at END,
            webhook_url = CASE WHEN d.owner_moved THEN NULL ELSE b.webhook_url END,
            status_listed = d.is_told,
            unpaired_since = CASE WHEN d.is_told AND (d.raw_status_moved OR d.owner_moved) THEN d.unpaired_since
                                  ELSE b.unpaired_since END
        FROM diff d WHERE d.known_id = b.bridge_id AND d.is_known
    ), unlisted AS (
        UPDATE @extschema@.wab_bridges b
        SET status_listed = false, status_observed_at = greatest(b.status_observed_at, last.observed_at)
        FROM diff d WHERE d.known_id = b.bridge_id AND d.listed_id IS NULL AND NOT d.is_gone
    ), gone AS (
        DELETE FROM @extschema@.wab_bridges b USING diff d WHERE d.known_id = b.bridge_id AND d.is_gone
    ), events AS (
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since, reported)
        SELECT listed_at, coalesce(d.listed_id, d.known_id), coalesce(d.customer_ref, d.was_customer_ref),
               e.event, e.was, e.became, CASE WHEN d.is_known THEN NULL ELSE d.lived_since END, e.reported
        FROM diff d, LATERAL (VALUES
            ('appeared', d.is_new, NULL, d.status,
                         CASE WHEN d.status <> 'unknown' THEN nullif(d.reported, d.status)
                              WHEN d.unpaired_since IS NOT NULL THEN 'awaiting_scan' END),
            ('disappeared', d.is_gone, d.was_status, NULL, NULL),
            ('status', d.is_known AND (d.status_moved OR d.owner_moved) AND d.status <> d.was_status,
                       d.was_status, d.status, nullif(d.reported, d.status)),
            ('state', d.is_known AND d.state_moved, d.was_state, d.state, NULL),
            ('customer_ref', d.is_known AND d.owner_moved, d.was_customer_ref, d.customer_ref, NULL)
        ) AS e(event, happened, was, became, reported)
        WHERE e.happened
    )
    SELECT (SELECT count(*) FROM diff d WHERE d.is_new),
           (SELECT count(*) FROM diff d WHERE d.is_known AND (d.owner_moved OR d.raw_status_moved OR d.state_moved
                                                              OR d.created_at_moved)),
           (SELECT count(*) FROM diff d WHERE d.is_known AND d.owner_moved),
           (SELECT count(*) FROM diff d WHERE d.is_gone),
           -- Rows that still differ from the listing: absent bridges that are kept, and older statuses.
           (SELECT count(*) FROM compared c WHERE (c.listed_id IS NULL AND NOT c.is_gone)
                                               OR (c.is_known AND c.is_older AND NOT c.owner_moved))
    INTO appeared, changed, moved, disappeared, held;

    -- The number of absent bridges is known only after the statement above. Raising an error undoes its writes.
    IF disappeared > 1 AND NOT allow_shrink THEN
        SELECT count(*) - appeared + disappeared INTO known FROM @extschema@.wab_bridges b
        WHERE b.first_seen_at <= listed_at OR b.first_seen_at > present;
        SELECT greatest(1, floor(known * p.max_shrink)) INTO allowed FROM @extschema@.wab_policy p;
        IF disappeared > allowed THEN
            RAISE EXCEPTION USING ERRCODE = '55000',
                MESSAGE = 'the listing shrank too much and was refused',
                DETAIL = format('%s bridges were listed; %s of the %s known ones are not among them; '
                                'wab_policy.max_shrink allows %s.', listed - outside, disappeared, known, allowed),
                HINT = 'If they really are gone: SELECT * FROM wab_refresh(force => true), or: wab apply --accept-shrink';
        END IF;
    END IF;
    IF appeared + moved + disappeared > 0 THEN
        PERFORM @extschema@._wab_mark_duplicates();
    END IF;
    INSERT INTO @extschema@.wab_observations
        (observed_at, source, listing_sha256, bridges, appeared, changed, disappeared, malformed, statuses, outside, mirrored)
    VALUES (listed_at, source, listing_sha256, listed - outside, appeared, changed, disappeared, malformed,
            statuses - stated, outside,
            -- mirrored, see unchanged.sql. Above READ COMMITTED the snapshot may be older than the observe lock, and
            -- not show rows that another session wrote.
            held = 0 AND malformed = 0 AND deleted = '{}'
                AND current_setting('transaction_isolation') = 'read committed');
    RETURN QUERY SELECT listed_at, listed - outside, appeared, changed, disappeared, false;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_store_listing IS
    'Stores a listing for wab_observe(), wab_refresh() and wab. Takes the listed bridges that may differ from '
    'wab_bridges (arrays), the known ones that were not listed (absent), and the number of listed bridges in all and '
    'with a status. Bridges outside of the binding''s customer_refs are counted and not stored.';

-- The newest row of all is compared with the clock, not each row: clock_timestamp() is volatile, so no index serves it.
CREATE FUNCTION @extschema@._wab_last_observation(max_age interval DEFAULT NULL)
RETURNS SETOF @extschema@.wab_observations
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT o.observed_at, o.source, o.listing_sha256, o.bridges, o.appeared, o.changed, o.disappeared, o.malformed,
           o.statuses, o.mirrored AND (SELECT max(f.observed_at) FROM @extschema@.wab_observations f) <= clock_timestamp(),
           o.outside
    FROM (SELECT l.* FROM @extschema@.wab_observations l
          WHERE l.observed_at <= clock_timestamp() ORDER BY l.observed_at DESC LIMIT 1) o
    WHERE max_age IS NULL OR o.observed_at > clock_timestamp() - least(max_age, interval '1000 years');
END
$$;
COMMENT ON FUNCTION @extschema@._wab_last_observation IS
    'The newest observation, if it is younger than max_age. Leaves out observations dated in the future, which exist '
    'after the clock was set back; while there are such, wab_bridges may hold another listing.';

-- Stores statuses that sessions reported; null means that the session did not answer.
CREATE FUNCTION @extschema@._wab_observe_statuses(
    bridge_ids bigint[], raw_statuses text[], asked_at timestamptz DEFAULT clock_timestamp())
RETURNS integer
LANGUAGE sql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
    SELECT pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    WITH diff AS MATERIALIZED (
        SELECT b.bridge_id, b.customer_ref, b.status AS was,
               coalesce(n.learnt, false) AS learnt, s.raw_status, w.reported,
               @extschema@._wab_status_of(w.reported, b.unpaired_since) AS status,
               @extschema@._wab_unpaired_since(w.reported, asked_at, b.unpaired_since, b.status, b.raw_status,
                   b.status_since, coalesce(b.created_at, b.first_seen_at)) AS unpaired_since
        FROM unnest(bridge_ids, raw_statuses) AS s(bridge_id, raw_status)
        JOIN @extschema@.wab_bridges b ON b.bridge_id = s.bridge_id
        CROSS JOIN LATERAL (SELECT coalesce((SELECT @extschema@._wab_status_map())
            ->> @extschema@._wab_status_word(s.raw_status), 'unknown') AS reported) w
        CROSS JOIN LATERAL (
            SELECT s.raw_status IS NOT NULL AND coalesce(
                b.status_observed_at < asked_at OR b.status_observed_at > clock_timestamp(), true) AS learnt) n
        WHERE coalesce(b.status_asked_at < asked_at OR b.status_asked_at > clock_timestamp(), true)
    ), updated AS (
        UPDATE @extschema@.wab_bridges b
        SET status_asked_at = asked_at,
            status = CASE WHEN d.learnt THEN d.status ELSE b.status END,
            raw_status = CASE WHEN d.learnt THEN d.raw_status ELSE b.raw_status END,
            status_observed_at = CASE WHEN d.learnt THEN asked_at ELSE b.status_observed_at END,
            status_since = CASE WHEN d.learnt AND (d.status <> d.was OR b.status_since IS NULL) THEN asked_at
                                ELSE b.status_since END,
            unpaired_since = CASE WHEN d.learnt THEN d.unpaired_since ELSE b.unpaired_since END
        FROM diff d WHERE b.bridge_id = d.bridge_id
    ), events AS (
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became, reported)
        SELECT asked_at, d.bridge_id, d.customer_ref, 'status', d.was, d.status, nullif(d.reported, d.status)
        FROM diff d WHERE d.learnt AND d.status <> d.was
    )
    SELECT count(*)::integer FROM diff d WHERE d.learnt AND d.status <> d.was;
$$;
COMMENT ON FUNCTION @extschema@._wab_observe_statuses IS
    'Stores statuses that sessions reported (null: no answer). Returns how many changed. An older answer never '
    'overwrites a newer one.';
