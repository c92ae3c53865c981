-- Tells a bridge that lost its phone from one that was never paired.
--
-- A session without a phone shows a QR code for a while, and is then reported as disconnected until a QR code is
-- requested again. Such a bridge still waits to be scanned. It is not an outage. So wab_bridges.unpaired_since is set
-- while a bridge is known to be unpaired, and while it is set, disconnected means awaiting_scan. Every writer of a
-- status calls these two functions.

CREATE FUNCTION @extschema@._wab_status_of(reported text, unpaired_since timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN reported = 'disconnected' AND unpaired_since IS NOT NULL THEN 'awaiting_scan' ELSE reported END;
COMMENT ON FUNCTION @extschema@._wab_status_of IS
    'The status of a bridge with this unpaired_since for which the provider reported this status.';

CREATE FUNCTION @extschema@._wab_unpaired_since(
    reported text, at timestamptz, unpaired_since timestamptz,
    was text, was_raw_status text, was_since timestamptz, lived_since timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN reported = 'paired' THEN NULL
            WHEN reported <> 'awaiting_scan' OR unpaired_since IS NOT NULL THEN unpaired_since
            WHEN was = 'paired' THEN at
            WHEN was_raw_status IS NULL THEN least(lived_since, at)
            -- It was disconnected, or unknown: it stopped being paired when that began.
            ELSE coalesce(was_since, at) END;
COMMENT ON FUNCTION @extschema@._wab_unpaired_since IS
    'wab_bridges.unpaired_since after the provider reported this status at this time, from the values of the row '
    'before: unpaired_since, status, raw_status, status_since, and when the bridge was created or first seen.';

-- A late event may show that the bridge was paired for a while, and a mapping that is taken back that it was not.
CREATE FUNCTION @extschema@._wab_unpaired_by_history(bridge @extschema@.wab_bridges, mapped text DEFAULT 'counts')
RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        WITH s AS (
            SELECT e.at, e.became, @extschema@._wab_status_order(coalesce(e.reported, e.became)) AS nth
            FROM @extschema@.wab_bridge_events e
            WHERE e.bridge_id = bridge.bridge_id AND e.event IN ('status', 'appeared') AND e.became <> 'unknown'
              AND e.at >= bridge.first_seen_at
              AND (mapped = 'counts' OR e.event = 'appeared' OR e.since IS NULL)
        ), paired AS (
            SELECT s.at, s.nth FROM s WHERE s.became = 'paired' ORDER BY s.at DESC, s.nth DESC LIMIT 1
        ), first AS (
            SELECT s.at, s.became FROM s
            WHERE NOT EXISTS (SELECT FROM paired p) OR (s.at, s.nth) > (SELECT p.at, p.nth FROM paired p)
            ORDER BY s.at, s.nth LIMIT 1
        )
        SELECT CASE WHEN EXISTS (SELECT FROM paired) OR f.became = 'disconnected' THEN f.at
                    ELSE coalesce(bridge.unpaired_since, least(coalesce(bridge.created_at, bridge.first_seen_at), f.at))
               END
        FROM (SELECT 1) always LEFT JOIN first f ON true);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_unpaired_by_history IS
    'wab_bridges.unpaired_since of an unpaired bridge by its history: when it stopped being paired, or the stored value '
    'if it was not paired in the remaining history. mapped: whether a word that was mapped to paired counts, or not.';

-- Called by _wab_rows, for bridges that wait to be scanned since they were first seen. COST 1: PostgreSQL would otherwise compile
-- (JIT) each query.
CREATE FUNCTION @extschema@._wab_appeared_disconnected(bridge_id bigint, at timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM @extschema@.wab_bridge_events e
                   WHERE e.bridge_id = _wab_appeared_disconnected.bridge_id AND e.at = _wab_appeared_disconnected.at
                     AND e.event = 'appeared' AND e.became = 'disconnected');
END
$$;
COMMENT ON FUNCTION @extschema@._wab_appeared_disconnected IS
    'Whether this bridge was disconnected when it was first seen, at this time: it may have been paired before.';
