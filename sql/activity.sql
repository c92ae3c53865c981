-- Keeps when each bridge last had a message, from message events. A paired bridge without any may be dead.

CREATE TABLE @extschema@.wab_activity (
    bridge_id bigint PRIMARY KEY,
    active_at timestamptz NOT NULL
);
COMMENT ON TABLE @extschema@.wab_activity IS
    'When each bridge last had a message event, as wab_ingest_event() was told. Written at most once a minute a bridge.';
COMMENT ON COLUMN @extschema@.wab_activity.bridge_id IS 'The bridge.';
COMMENT ON COLUMN @extschema@.wab_activity.active_at IS 'The time of the event.';

CREATE FUNCTION @extschema@._wab_silent_since(bridge_id bigint, paired_since timestamptz, before timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    since timestamptz := greatest(paired_since, (SELECT a.active_at FROM @extschema@.wab_activity a
                                                 WHERE a.bridge_id = _wab_silent_since.bridge_id));
BEGIN
    -- An event does not tell apart bridges that share a customer_ref.
    RETURN CASE WHEN since < before AND NOT (SELECT b.duplicated FROM @extschema@.wab_bridges b
                                             WHERE b.bridge_id = _wab_silent_since.bridge_id) THEN since END;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_silent_since IS
    'Since when this bridge has had no message event, at the earliest since it was paired, if that is before this time; '
    'otherwise null. The drift views call it only while wab_policy.silent_after is set.';

-- It takes no lock that a refresh holds, and waits for no other event of the bridge. Only the event that ends a silence
-- takes the observe lock, before it writes.
CREATE FUNCTION @extschema@._wab_note_activity(customer_ref text, at timestamptz) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    bridge    record;
    is_silent boolean;
BEGIN
    SELECT b.bridge_id, b.duplicated, a.active_at INTO bridge
    FROM @extschema@.wab_bridges b LEFT JOIN @extschema@.wab_activity a ON a.bridge_id = b.bridge_id
    WHERE b.customer_ref = customer_ref LIMIT 1;
    IF bridge.bridge_id IS NULL OR bridge.duplicated THEN
        RETURN CASE WHEN bridge.duplicated THEN 'ambiguous' ELSE 'no_bridge' END;
    ELSIF bridge.active_at > at - interval '1 minute' AND bridge.active_at <= clock_timestamp() THEN
        RETURN CASE WHEN bridge.active_at > at THEN 'late' ELSE 'recorded' END;
    END IF;
    is_silent := EXISTS (SELECT FROM @extschema@.wab_drift_episodes e
                         WHERE e.subject = bridge.bridge_id::text AND e.kind = 'silent' AND e.ended_at IS NULL);
    IF is_silent THEN
        PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    END IF;
    -- An event that waited here for another one's row could hold what that one waits for.
    IF bridge.active_at IS NULL AND pg_try_advisory_xact_lock(77616, hashint8(bridge.bridge_id)) THEN
        INSERT INTO @extschema@.wab_activity (bridge_id, active_at) VALUES (bridge.bridge_id, at) ON CONFLICT DO NOTHING;
    ELSIF bridge.active_at IS NOT NULL THEN
        UPDATE @extschema@.wab_activity a SET active_at = at
        WHERE a.bridge_id = (SELECT l.bridge_id FROM @extschema@.wab_activity l
                             WHERE l.bridge_id = bridge.bridge_id FOR UPDATE SKIP LOCKED);
    END IF;
    IF is_silent THEN
        PERFORM @extschema@._wab_note_drift_of(ARRAY[customer_ref]);
    END IF;
    RETURN 'recorded';
END
$$;
COMMENT ON FUNCTION @extschema@._wab_note_activity IS
    'Stores that a bridge had a message at this time, unless one of the last minute is stored. Returns what '
    'wab_ingest_event() returns.';

CREATE FUNCTION @extschema@._wab_forget_activity(bridge_ids bigint[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
    DELETE FROM @extschema@.wab_activity a WHERE a.bridge_id IN (
        SELECT l.bridge_id FROM @extschema@.wab_activity l WHERE l.bridge_id = ANY (bridge_ids)
        FOR UPDATE SKIP LOCKED);
$$;
COMMENT ON FUNCTION @extschema@._wab_forget_activity IS 'Deletes the activity of these bridges.';
