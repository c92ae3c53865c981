-- Stores webhook events as observations of one bridge's status. Events may arrive late, twice and in any order; history
-- and status end as if they had arrived once and in order.

-- A time without a zone is UTC, whatever the session's settings are.
CREATE FUNCTION @extschema@._wab_event_time(event jsonb) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
BEGIN
    RETURN CASE jsonb_typeof(event -> 'timestamp')
        WHEN 'string' THEN (event ->> 'timestamp')::timestamptz
        -- Unix time in seconds; from 10^11 on (the year 5138), in milliseconds.
        WHEN 'number' THEN to_timestamp((event ->> 'timestamp')::double precision
                                        / CASE WHEN (event ->> 'timestamp')::numeric < 100000000000
                                               THEN 1 ELSE 1000 END) END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_event_time IS
    'The time in the key timestamp of an event (ISO 8601, or Unix time); null if it is absent or cannot be read.';

-- Inserts a reported status into a bridge's history at its place in time. A row stores the status before it (was) and the
-- one after it (became), which depends on whether the bridge was paired before. So the rows after the new one are
-- corrected, up to the first that needs no correction.
CREATE FUNCTION @extschema@._wab_insert_status(bridge @extschema@.wab_bridges, at timestamptz, reported text,
    known_at timestamptz)
RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    before    text;
    confirmed text;
    unpaired  timestamptz;
    status    text;
    listed_at timestamptz;
    last_at   timestamptz := at;
    heard_at  timestamptz := at;
    heard     text := reported;
    later     record;
BEGIN
    -- Statuses with the same time are in the order of _wab_status_order(), and equal ones in that in which they were stored.
    -- What was before the bridge disappeared and appeared again says nothing of its present life.
    SELECT e.became, coalesce(e.reported, e.became) INTO before, confirmed FROM @extschema@.wab_bridge_events e
    WHERE e.bridge_id = bridge.bridge_id AND (e.event = 'status' OR (e.event = 'appeared' AND e.became <> 'unknown'))
      AND (e.at, @extschema@._wab_status_order(coalesce(e.reported, e.became))) < (at, @extschema@._wab_status_order(reported))
      AND e.at >= least(bridge.first_seen_at, at)
    ORDER BY e.at DESC, @extschema@._wab_status_order(coalesce(e.reported, e.became)) DESC, e.event_id DESC LIMIT 1;
    SELECT CASE WHEN 'awaiting_scan' IN (e.became, e.reported) THEN e.at END INTO unpaired
    FROM @extschema@.wab_bridge_events e
    WHERE e.bridge_id = bridge.bridge_id AND e.event IN ('status', 'appeared')
      AND (e.became <> 'unknown' OR e.reported IS NOT NULL)
      AND (e.at, @extschema@._wab_status_order(coalesce(e.reported, e.became))) < (at, @extschema@._wab_status_order(reported))
      AND e.at >= least(bridge.first_seen_at, at)
    ORDER BY e.at DESC, @extschema@._wab_status_order(coalesce(e.reported, e.became)) DESC, e.event_id DESC LIMIT 1;
    IF NOT FOUND AND bridge.unpaired_since <= at THEN
        unpaired := bridge.unpaired_since;
    END IF;
    status := @extschema@._wab_status_of(reported, unpaired);
    INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became, reported)
    VALUES (at, bridge.bridge_id, bridge.customer_ref, 'status', coalesce(before, 'unknown'), status,
            nullif(reported, status));
    -- A listing before the next known status confirmed the status before the new one: no row of it was written.
    SELECT min(o.observed_at) INTO listed_at FROM @extschema@.wab_observations o
    WHERE o.observed_at > at AND o.statuses = o.bridges AND o.malformed = 0
      AND o.observed_at < (SELECT e.at FROM @extschema@.wab_bridge_events e
                           WHERE e.bridge_id = bridge.bridge_id AND e.event = 'status'
                             AND (e.at, @extschema@._wab_status_order(coalesce(e.reported, e.became)))
                                 > (at, @extschema@._wab_status_order(reported))
                           ORDER BY e.at LIMIT 1);
    IF listed_at IS NOT NULL AND confirmed IS NOT NULL THEN
        before := status;
        status := @extschema@._wab_status_of(confirmed, CASE status WHEN 'awaiting_scan' THEN at END);
        IF status <> before THEN
            INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became, reported)
            VALUES (listed_at, bridge.bridge_id, bridge.customer_ref, 'status', before, status, nullif(confirmed, status));
        END IF;
        at := listed_at;
        reported := confirmed;
    END IF;
    FOR later IN
        SELECT e.event_id, e.at, e.was, e.became, e.since, coalesce(e.reported, e.became) AS reported
        FROM @extschema@.wab_bridge_events e
        WHERE e.bridge_id = bridge.bridge_id AND e.event = 'status'
          AND (e.at, @extschema@._wab_status_order(coalesce(e.reported, e.became))) > (at, @extschema@._wab_status_order(reported))
        ORDER BY e.at, @extschema@._wab_status_order(coalesce(e.reported, e.became)), e.event_id
    LOOP
        IF status <> 'unknown' THEN
            unpaired := CASE status WHEN 'awaiting_scan' THEN later.at END;
        END IF;
        IF listed_at IS NULL AND later.since <= heard_at AND bridge.status_observed_at NOT BETWEEN heard_at AND later.at THEN
            -- The word that was mapped then had last been heard before the new status, and says nothing of the time after it.
            later.since := heard_at;
            later.reported := heard;
        ELSIF later.became <> 'unknown'
           AND (later.was, later.became) = (status, @extschema@._wab_status_of(later.reported, unpaired)) THEN
            RETURN bridge.status;
        END IF;
        UPDATE @extschema@.wab_bridge_events e
        SET was = status, became = @extschema@._wab_status_of(later.reported, unpaired), since = later.since,
            reported = nullif(later.reported, @extschema@._wab_status_of(later.reported, unpaired))
        WHERE e.event_id = later.event_id RETURNING e.became INTO status;
        last_at := later.at;
    END LOOP;
    IF bridge.raw_status IS NULL AND at < known_at THEN
        RETURN 'unknown';
    ELSIF at < known_at THEN
        -- The present status was confirmed at known_at, and before by each listing with the statuses of all bridges, and by the
        -- last answer of the session before these. It was no change then; after the inserted status the first confirmation
        -- may be one.
        known_at := least(known_at, CASE WHEN bridge.status_observed_at > last_at THEN bridge.status_observed_at END, (
            SELECT min(o.observed_at) FROM @extschema@.wab_observations o
            WHERE o.observed_at > last_at AND o.observed_at <= clock_timestamp()
              AND o.statuses = o.bridges AND o.malformed = 0));
        before := status;
        reported := @extschema@.wab_normalize_status(bridge.raw_status);
        status := @extschema@._wab_status_of(reported, CASE status WHEN 'awaiting_scan' THEN at END);
        IF status <> before THEN
            INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became, reported)
            VALUES (known_at, bridge.bridge_id, bridge.customer_ref, 'status', before, status,
                    nullif(reported, status));
        END IF;
    END IF;
    RETURN status;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_insert_status IS
    'Inserts a reported status into the history of a bridge at its place in time, and returns the present status by '
    'this history. known_at is when the present status was last confirmed. Called by wab_ingest_event().';

-- The present status began at the oldest row that says it and is not followed by a row of another status, be it unknown,
-- or of another customer_ref, nor by the disappearance of the bridge.
CREATE FUNCTION @extschema@._wab_status_began(bridge @extschema@.wab_bridges, status text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    other record;
    run   record;
BEGIN
    SELECT e.at, o.nth, e.event_id INTO other
    FROM @extschema@.wab_bridge_events e
    CROSS JOIN LATERAL (SELECT CASE WHEN e.event IN ('customer_ref', 'disappeared') THEN 0
                                    ELSE @extschema@._wab_status_order(coalesce(e.reported, e.became)) END AS nth) o
    WHERE e.bridge_id = bridge.bridge_id
      AND (e.event IN ('customer_ref', 'disappeared') OR (e.event IN ('status', 'appeared') AND e.became <> status))
    ORDER BY e.at DESC, o.nth DESC, e.event_id DESC LIMIT 1;
    SELECT e.at, e.was INTO run
    FROM @extschema@.wab_bridge_events e
    WHERE e.bridge_id = bridge.bridge_id AND e.event IN ('status', 'appeared') AND e.became = status
      AND (other.at IS NULL OR (e.at >= other.at
           AND (e.at, @extschema@._wab_status_order(coalesce(e.reported, e.became)), e.event_id)
               > (other.at, other.nth, other.event_id)))
    ORDER BY e.at, e.event_id LIMIT 1;
    RETURN CASE
        WHEN run.at IS NULL THEN bridge.status_since
        WHEN run.was = status THEN least(bridge.status_since, run.at)
        -- If the word was mapped meanwhile, the provider has said it since before.
        WHEN run.was = 'unknown' AND bridge.status = status AND bridge.status_since BETWEEN other.at AND run.at
        THEN bridge.status_since
        ELSE run.at END;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_status_began IS
    'When this status, the present one, of a bridge began, by its history, or wab_bridges.status_since if the history '
    'does not go back that far.';

CREATE FUNCTION @extschema@._wab_ingest(customer_ref text, event jsonb, occurred_at timestamptz, OUT outcome text, OUT moved boolean)
LANGUAGE plpgsql COST 1000 SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    event_name text := lower(event ->> 'event');
    reported   text;
    at         timestamptz;
    bridge     @extschema@.wab_bridges;
    known_at   timestamptz;
    is_newest  boolean;
    present    text;
    began_at   timestamptz;
    unpaired   timestamptz;
    paired     text[] := '{}';
BEGIN
    moved := false;
    IF customer_ref IS NULL OR event IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_ingest_event(): customer_ref and event may not be null',
            HINT = 'Pass the customer_ref that the webhook''s address names, and its body.';
    ELSIF jsonb_typeof(event) <> 'object' OR event_name IS NULL OR jsonb_typeof(event -> 'event') <> 'string' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_ingest_event(): event is not a webhook event',
            DETAIL = format('event: %s', left(event::text, 200)),
            HINT = 'Pass the whole body of the webhook, for instance {"event": "connected"}.';
    ELSIF event ->> 'customer_ref' <> customer_ref THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_ingest_event(): the event has another customer_ref',
            DETAIL = format('customer_ref: %s; in the event: %s', left(customer_ref, 200),
                left(event ->> 'customer_ref', 200)),
            HINT = 'Nothing was stored. Pass the customer_ref that the event names.';
    END IF;
    at := least(coalesce(occurred_at, @extschema@._wab_event_time(event), clock_timestamp()), clock_timestamp());
    IF event_name = 'message' AND @extschema@._wab_may_remember() THEN
        outcome := @extschema@._wab_note_activity(customer_ref, at);
        RETURN;
    ELSIF event_name NOT IN ('connected', 'disconnected', 'logged_out') THEN
        outcome := 'ignored';
        RETURN;
    END IF;
    reported := @extschema@.wab_normalize_status(event_name);

    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    SELECT b.* INTO bridge FROM @extschema@.wab_bridges b WHERE b.customer_ref = customer_ref LIMIT 1;
    IF bridge.bridge_id IS NULL OR bridge.duplicated THEN
        outcome := CASE WHEN bridge.duplicated THEN 'ambiguous' ELSE 'no_bridge' END;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM @extschema@.wab_bridge_events e
               WHERE e.bridge_id = bridge.bridge_id AND e.event = 'status' AND e.at = at
                 AND coalesce(e.reported, e.became) = reported) THEN
        outcome := 'duplicate';
        RETURN;
    ELSIF at < bridge.first_seen_at AND bridge.first_seen_at <= clock_timestamp() THEN
        outcome := 'late';
        RETURN;
    END IF;
    -- The newest listing confirmed the status if it carried one.
    SELECT CASE WHEN bridge.status_listed THEN greatest(bridge.status_observed_at, max(o.observed_at))
                ELSE bridge.status_observed_at END INTO known_at
    FROM @extschema@._wab_last_observation() o;
    is_newest := coalesce((at, @extschema@._wab_status_order(reported))
                          > (known_at, @extschema@._wab_status_order(@extschema@.wab_normalize_status(bridge.raw_status))), true);
    present := @extschema@._wab_insert_status(bridge, at, reported, known_at);
    began_at := @extschema@._wab_status_began(bridge, present);
    unpaired := CASE WHEN present = 'unknown' THEN bridge.unpaired_since
                     WHEN present <> 'awaiting_scan' THEN NULL
                     WHEN is_newest AND bridge.unpaired_since IS NOT NULL THEN bridge.unpaired_since
                     ELSE @extschema@._wab_unpaired_by_history(bridge) END;
    -- A word that is not mapped is an observed status too.
    moved := (present <> 'unknown' OR bridge.raw_status IS NOT NULL)
             AND (present, began_at) IS DISTINCT FROM (bridge.status, bridge.status_since);
    IF is_newest THEN
        UPDATE @extschema@.wab_bridges b
        SET status = present, raw_status = event_name, status_observed_at = at, status_since = began_at,
            unpaired_since = unpaired
        WHERE b.bridge_id = bridge.bridge_id;
    ELSIF moved OR (present <> 'unknown' AND unpaired IS DISTINCT FROM bridge.unpaired_since) THEN
        UPDATE @extschema@.wab_bridges b SET status = present, status_since = began_at, unpaired_since = unpaired
        WHERE b.bridge_id = bridge.bridge_id;
    END IF;
    IF is_newest AND event_name = 'connected' AND @extschema@._wab_may_remember() THEN
        paired := @extschema@._wab_observe_phones(ARRAY[bridge.bridge_id], ARRAY[event ->> 'phone'],
                                                  ARRAY[event ->> 'jid'], ARRAY[event ->> 'name'], at);
    END IF;
    moved := moved OR paired <> '{}';
    outcome := CASE WHEN is_newest THEN 'recorded' ELSE 'late' END;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_ingest IS
    'What wab_ingest_event() does, but for the drift; moved says whether the drift of this customer_ref may have changed.';

CREATE FUNCTION @extschema@.wab_ingest_event(customer_ref text, event jsonb,
    occurred_at timestamptz DEFAULT NULL) RETURNS text
LANGUAGE plpgsql COST 1000 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    told record;
BEGIN
    SELECT i.* INTO told FROM @extschema@._wab_ingest(customer_ref, event, occurred_at) i;
    IF told.moved THEN
        PERFORM @extschema@._wab_note_drift_of(ARRAY[customer_ref]);
    END IF;
    RETURN told.outcome;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_ingest_event IS
    'Stores a webhook event of the provider: connected, disconnected and logged_out set the bridge''s status; connected '
    'may name the phone; message shows that the bridge is alive. The '
    'time is occurred_at, or the event''s timestamp, or now. Returns recorded; late (older than the known status: '
    'stored in the history only, and not at all before first_seen_at); duplicate; ignored (another kind of event); '
    'no_bridge; or ambiguous (several bridges carry this customer_ref). wab_reconcile() or wab apply writes the '
    'tenant rows.';
