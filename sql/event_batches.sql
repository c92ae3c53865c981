-- Stores many webhook events at once, for wab serve. The result is that of wab_ingest_event() for one after the other.

-- Most events are newer than everything that is known of their bridge. These are found in one query and stored with one
-- statement; of several events of one bridge only the first is among them. Under the conditions below _wab_ingest()
-- does no more than this: no row of the history follows, and the last row determines what the status was.
CREATE FUNCTION @extschema@._wab_ingest_newest(customer_refs text[], events jsonb[], received timestamptz,
    OUT nths integer[], OUT moved text[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    newest record;
    paired record;
BEGIN
    nths := '{}';
    moved := '{}';
    -- An event that says that a message came waits for no lock.
    IF NOT EXISTS (SELECT FROM unnest(events) AS e(event)
                   WHERE lower(e.event ->> 'event') IN ('connected', 'disconnected', 'logged_out')) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    WITH words AS MATERIALIZED (
        SELECT w.name, @extschema@.wab_normalize_status(w.name) AS reported
        FROM unnest('{connected,disconnected,logged_out}'::text[]) AS w(name)
    ), listed AS MATERIALIZED (
        SELECT max(o.observed_at) AS at FROM @extschema@._wab_last_observation() o
    ), told AS (
        SELECT DISTINCT ON (e.customer_ref COLLATE "C") e.customer_ref, e.event, e.nth, w.name, w.reported,
               least(coalesce(CASE WHEN e.event ? 'timestamp' THEN @extschema@._wab_event_time(e.event) END, received),
                     clock_timestamp()) AS at
        FROM unnest(customer_refs, events) WITH ORDINALITY AS e(customer_ref, event, nth)
        JOIN words w ON w.name = lower(e.event ->> 'event')
        WHERE (e.event ->> 'customer_ref' <> e.customer_ref) IS NOT TRUE
        ORDER BY e.customer_ref COLLATE "C", e.nth
    ), plain AS (
        SELECT t.*, b.bridge_id, l.became AS was, s.status,
               -- A repeated status began with the first of its repetitions.
               coalesce(CASE WHEN l.became = s.status
                             THEN @extschema@._wab_status_began(b, s.status) END, t.at) AS since,
               b.status AS known_status, b.status_since AS known_since
        FROM told t CROSS JOIN listed o
        JOIN @extschema@.wab_bridges b ON b.customer_ref = t.customer_ref
        CROSS JOIN LATERAL (
            SELECT e.at, e.became, e.reported FROM @extschema@.wab_bridge_events e
            WHERE e.bridge_id = b.bridge_id AND e.event IN ('status', 'appeared')
            ORDER BY e.at DESC, @extschema@._wab_status_order(coalesce(e.reported, e.became)) DESC,
                     e.event_id DESC LIMIT 1) l
        CROSS JOIN LATERAL (
            SELECT @extschema@._wab_status_of(
                t.reported, CASE WHEN 'awaiting_scan' IN (l.became, l.reported) THEN l.at END) AS status) s
        WHERE NOT b.duplicated AND t.at >= b.first_seen_at AND t.at > l.at AND l.became <> 'unknown'
          AND (t.at > CASE WHEN b.status_listed THEN greatest(b.status_observed_at, o.at)
                           ELSE b.status_observed_at END) IS NOT FALSE
          AND (s.status IN ('paired', 'disconnected') OR (s.status = 'awaiting_scan' AND b.unpaired_since IS NOT NULL))
    )
    SELECT array_agg(p.nth::integer) AS nths, array_agg(p.bridge_id) AS ids, array_agg(p.customer_ref) AS refs,
           array_agg(p.name) AS names, array_agg(p.at) AS ats, array_agg(p.was) AS was, array_agg(p.status) AS statuses,
           array_agg(p.reported) AS reported, array_agg(p.since) AS since,
           array_agg(p.customer_ref) FILTER (WHERE (p.status, p.since) IS DISTINCT FROM (p.known_status, p.known_since)) AS moved,
           array_agg(p.event) AS events
    INTO newest FROM plain p;
    IF newest.nths IS NULL THEN
        RETURN;
    END IF;
    nths := newest.nths;
    moved := coalesce(newest.moved, '{}');
    WITH n AS MATERIALIZED (
        SELECT n.* FROM unnest(newest.ids, newest.refs, newest.names, newest.ats, newest.was, newest.statuses, newest.reported,
                               newest.since) AS n(bridge_id, customer_ref, name, at, was, status, reported, since)
    ), history AS (
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became, reported)
        SELECT n.at, n.bridge_id, n.customer_ref, 'status', n.was, n.status, nullif(n.reported, n.status) FROM n
    )
    UPDATE @extschema@.wab_bridges b
    SET status = n.status, raw_status = n.name, status_observed_at = n.at, status_since = n.since,
        unpaired_since = CASE WHEN n.status = 'awaiting_scan' THEN b.unpaired_since END
    FROM n WHERE b.bridge_id = n.bridge_id;
    FOR paired IN
        SELECT n.at, array_agg(n.bridge_id) AS ids, array_agg(n.event ->> 'phone') AS phones,
               array_agg(n.event ->> 'jid') AS jids, array_agg(n.event ->> 'name') AS names
        FROM unnest(newest.ids, newest.names, newest.ats, newest.events) AS n(bridge_id, name, at, event)
        WHERE n.name = 'connected' AND n.event ->> 'phone' <> '' GROUP BY n.at ORDER BY n.at
    LOOP
        moved := moved || @extschema@._wab_observe_phones(paired.ids, paired.phones, paired.jids, paired.names, paired.at);
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_ingest_newest IS
    'Stores those of these events that are newer than everything that is known of their bridge, but for the drift. nths are '
    'their places in the arrays; moved are the customer_refs whose drift may have changed.';

CREATE FUNCTION @extschema@._wab_ingest_events(customer_refs text[], events text[]) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Before the lock, as in _wab_ingest(): a listing that is stored meanwhile is newer than these events.
    received constant timestamptz := clock_timestamp();
    outcomes text[] := array_fill(NULL::text, ARRAY[coalesce(array_length(customer_refs, 1), 0)]);
    moved    text[] := '{}';
    newest   record;
    told     record;
BEGIN
    -- If one body is no JSON, all of them go the other way.
    BEGIN
        SELECT n.* INTO newest FROM @extschema@._wab_ingest_newest(customer_refs, events::jsonb[], received) n;
        moved := newest.moved;
        FOR i IN 1 .. cardinality(newest.nths) LOOP
            outcomes[newest.nths[i]] := 'recorded';
        END LOOP;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
        NULL;
    END;
    FOR nth IN 1 .. cardinality(outcomes) LOOP
        CONTINUE WHEN outcomes[nth] IS NOT NULL;
        -- A body that is no event, or is nested too deeply, must not take the others with it.
        BEGIN
            SELECT i.* INTO told FROM @extschema@._wab_ingest(customer_refs[nth], events[nth]::jsonb, NULL) i;
            outcomes[nth] := told.outcome;
            moved := moved || CASE WHEN told.moved THEN customer_refs[nth:nth] END;
        EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
            outcomes[nth] := 'invalid';
        END;
    END LOOP;
    IF moved <> '{}' THEN
        PERFORM @extschema@._wab_note_drift_of(ARRAY(SELECT DISTINCT m.ref FROM unnest(moved) AS m(ref)));
    END IF;
    RETURN outcomes;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_ingest_events IS
    'wab_ingest_event() for many webhooks, in their order, for wab serve: one outcome each, which is also invalid.';
