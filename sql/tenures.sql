-- Creates _wab_tenures: which bridge carried which customer_ref from when to when. wab_costs and the functions about
-- single tenants read it.

-- Every change of customer_ref and every disappearance has one row, which names the customer_ref before it. So the view
-- reads backwards from the present fleet, and is right for the remaining history after wab_prune_history().
CREATE INDEX wab_bridge_events_tenure ON @extschema@.wab_bridge_events (bridge_id, at)
    WHERE event IN ('disappeared', 'customer_ref');

CREATE VIEW @extschema@._wab_tenures AS
WITH changed AS MATERIALIZED (
    SELECT e.bridge_id, CASE e.event WHEN 'customer_ref' THEN e.was ELSE e.customer_ref END AS customer_ref, e.at,
           e.event = 'disappeared' AS is_end, e.event_id, e.since AS born
    FROM @extschema@.wab_bridge_events e WHERE e.event IN ('disappeared', 'customer_ref')
), present AS (
    -- A join, because the planner turns IN into a search per bridge once the list outgrows work_mem.
    SELECT b.bridge_id, b.customer_ref, coalesce(CASE WHEN isfinite(b.created_at) AND b.created_at <= now() THEN b.created_at END, b.first_seen_at) AS born,
           c.bridge_id IS NOT NULL AS has_changed
    FROM @extschema@.wab_bridges b LEFT JOIN (SELECT DISTINCT g.bridge_id FROM changed g) c ON c.bridge_id = b.bridge_id
), life AS (
    -- A bridge that disappeared may appear again: each disappearance ends one life.
    SELECT e.bridge_id, e.customer_ref, e.at, e.event_id, e.born,
           count(*) FILTER (WHERE e.is_end) OVER (PARTITION BY e.bridge_id ORDER BY e.at DESC, e.event_id DESC) AS life
    FROM (SELECT c.bridge_id, c.customer_ref, c.at, c.is_end, c.event_id, c.born FROM changed c
          UNION ALL
          SELECT p.bridge_id, p.customer_ref, 'infinity' AS at, true AS is_end, 0 AS event_id, p.born
          FROM present p WHERE p.has_changed) e
), tenure AS (
    SELECT p.bridge_id, p.customer_ref, p.born AS since, now() AS until FROM present p WHERE NOT p.has_changed
    UNION ALL
    SELECT l.bridge_id, l.customer_ref,
           CASE WHEN lag(l.at) OVER w IS NULL THEN min(l.born) OVER (PARTITION BY l.bridge_id)
                WHEN lag(l.life) OVER w = l.life THEN lag(l.at) OVER w
                ELSE greatest(lag(l.at) OVER w, min(l.born) OVER (PARTITION BY l.bridge_id, l.life)) END,
           least(l.at, now())
    FROM life l WINDOW w AS (PARTITION BY l.bridge_id ORDER BY l.at, l.event_id)
)
SELECT t.bridge_id, t.customer_ref, t.since, t.until FROM tenure t WHERE t.since < t.until;

COMMENT ON VIEW @extschema@._wab_tenures IS
    'One row per time in which a bridge carried one customer_ref. The times of one bridge do not overlap.';
COMMENT ON COLUMN @extschema@._wab_tenures.bridge_id IS 'The bridge.';
COMMENT ON COLUMN @extschema@._wab_tenures.customer_ref IS 'The customer_ref that it carried; null for none.';
COMMENT ON COLUMN @extschema@._wab_tenures.since IS
    'When the bridge was created, or first observed if that is not known, or when it came to carry this customer_ref.';
COMMENT ON COLUMN @extschema@._wab_tenures.until IS
    'When the bridge disappeared or came to carry another customer_ref; now() while it lasts.';

-- Since PostgreSQL 15 a view can read with the rights of the caller; before 15 it reads with those of its owner.
DO $$
BEGIN
    IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 150000 THEN
        ALTER VIEW @extschema@._wab_tenures SET (security_invoker = true);
    END IF;
END
$$;
