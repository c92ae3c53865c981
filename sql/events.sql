-- Stores webhook events as observations of one bridge's status. Events may arrive late, twice and in any order; history
-- and status end as if they had arrived once and in order.

CREATE FUNCTION @extschema@._wab_event_time(event jsonb) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
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

-- Inserts a status into a bridge's history at its place in time. Each row stores the status before it (was), so the row
-- after the new one is corrected too.
CREATE FUNCTION @extschema@._wab_insert_status(bridge @extschema@.wab_bridges, at timestamptz, status text,
    known_at timestamptz)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    before text;
    after  record;
BEGIN
    -- Of two statuses with the same time, disconnected counts as the later one.
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
        -- The present status was confirmed at known_at. It was no change then; after the inserted status it is one.
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
        VALUES (known_at, bridge.bridge_id, bridge.customer_ref, 'status', status, bridge.status);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_insert_status IS
    'Inserts a status into the history of a bridge at its place in time. known_at is when the present status was last '
    'confirmed. Called by wab_ingest_event().';

-- The present status began at the oldest row of the history after which no other status follows.
CREATE FUNCTION @extschema@._wab_status_began(bridge_id bigint, status text, known_since timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN run.was IS DISTINCT FROM _wab_status_began.status THEN run.at ELSE least(known_since, run.at) END
    FROM (SELECT e.at, e.was FROM @extschema@.wab_bridge_events e
          WHERE e.bridge_id = _wab_status_began.bridge_id AND e.event IN ('status', 'appeared')
            AND e.became = _wab_status_began.status
            AND (e.at, e.became = 'disconnected') > ALL (
                SELECT o.at, o.became = 'disconnected' FROM @extschema@.wab_bridge_events o
                WHERE o.bridge_id = _wab_status_began.bridge_id AND o.event IN ('status', 'appeared')
                  AND o.became NOT IN (_wab_status_began.status, 'unknown')
                ORDER BY o.at DESC, o.became = 'disconnected' DESC LIMIT 1)
          ORDER BY e.at LIMIT 1) run;
$$;
COMMENT ON FUNCTION @extschema@._wab_status_began IS
    'When the present status of a bridge began, by its history, or known_since if the history does not go back that '
    'far.';

CREATE FUNCTION @extschema@.wab_ingest_event(customer_ref text, event jsonb,
    occurred_at timestamptz DEFAULT NULL) RETURNS text
LANGUAGE plpgsql COST 1000 SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    event_name text := lower(event ->> 'event');
    status     text;
    at         timestamptz;
    bridge     @extschema@.wab_bridges;
    known_at   timestamptz;
    began_at   timestamptz;
BEGIN
    IF customer_ref IS NULL OR event IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_ingest_event(): customer_ref and event may not be null';
    ELSIF jsonb_typeof(event) <> 'object' OR event_name IS NULL OR jsonb_typeof(event -> 'event') <> 'string' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_ingest_event(): event is not a webhook event',
            DETAIL = format('event: %s', left(event::text, 200)),
            HINT = 'Pass the whole body of the webhook, for instance {"event": "connected"}.';
    ELSIF event ->> 'customer_ref' <> customer_ref THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_ingest_event(): the event has another customer_ref',
            DETAIL = format('customer_ref: %s; in the event: %s', left(customer_ref, 200),
                left(event ->> 'customer_ref', 200));
    END IF;
    IF event_name NOT IN ('connected', 'disconnected', 'logged_out') THEN
        RETURN 'ignored';
    END IF;
    status := @extschema@.wab_normalize_status(event_name);
    at := least(coalesce(occurred_at, @extschema@._wab_event_time(event), clock_timestamp()), clock_timestamp());

    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
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
    -- A listing that carried the status of every bridge confirmed the status of this one too.
    SELECT greatest(bridge.status_observed_at, max(o.observed_at)) INTO known_at
    FROM @extschema@._wab_last_observation() o
    WHERE o.statuses = o.bridges AND o.bridges > 0 AND bridge.raw_status IS NOT NULL
        AND bridge.first_seen_at <= o.observed_at;
    PERFORM @extschema@._wab_insert_status(bridge, at, status, known_at);
    IF coalesce(at > known_at, true) OR (at = known_at AND status = 'disconnected') THEN
        UPDATE @extschema@.wab_bridges b SET status = status, raw_status = event_name, status_observed_at = at
        WHERE b.bridge_id = bridge.bridge_id RETURNING b.* INTO bridge;
    END IF;
    began_at := @extschema@._wab_status_began(bridge.bridge_id, bridge.status, bridge.status_since);
    IF bridge.status <> 'unknown' AND began_at IS DISTINCT FROM bridge.status_since THEN
        UPDATE @extschema@.wab_bridges b SET status_since = began_at WHERE b.bridge_id = bridge.bridge_id;
    END IF;
    RETURN CASE WHEN bridge.status_observed_at = at AND bridge.status = status THEN 'recorded' ELSE 'late' END;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_ingest_event IS
    'Stores a webhook event of the provider: connected, disconnected and logged_out set the bridge''s status. The '
    'time is occurred_at, or the event''s timestamp, or now. Returns recorded; late (older than the known status: '
    'stored in the history only, and not at all before first_seen_at); duplicate; ignored (another kind of event); '
    'no_bridge; or ambiguous (several bridges carry this customer_ref). wab_reconcile() or wab apply writes the '
    'tenant rows.';
