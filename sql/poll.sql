-- Chooses the bridges to ask for their status.
--
-- The provider allows 120 calls a minute, so a large fleet takes many minutes. The schedule is fair: a bridge that was
-- asked moves to the end of the line, and at least two thirds of the calls go to the front of it. So each bridge is
-- asked within one and a half times (bridges / calls) rounds, however many are down. The remaining third notices
-- repaired bridges sooner: it asks those that are disconnected, the less often the longer the outage lasts.

CREATE FUNCTION @extschema@._wab_poll_candidates(
    max_calls integer, bridge_ids bigint[] DEFAULT NULL, customer_refs text[] DEFAULT NULL,
    at timestamptz DEFAULT clock_timestamp())
RETURNS TABLE (bridge_id bigint, customer_ref text)
LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
    WITH pollable AS MATERIALIZED (
        SELECT c.bridge_id, c.customer_ref, b.status_asked_at AS asked_at,
               CASE WHEN b.status = 'disconnected'
                    THEN b.status_asked_at + least((at - b.status_since) / 10, interval '1 hour') END AS due_at
        FROM (SELECT l.bridge_id, l.customer_ref
              FROM unnest(_wab_poll_candidates.bridge_ids, _wab_poll_candidates.customer_refs)
                       AS l(bridge_id, customer_ref)
              UNION ALL
              SELECT o.bridge_id, o.customer_ref FROM @extschema@.wab_bridges o
              WHERE _wab_poll_candidates.bridge_ids IS NULL AND NOT o.status_listed) c
        LEFT JOIN @extschema@.wab_bridges b ON b.bridge_id = c.bridge_id
        -- 50 seconds, so that a job that starts once a minute, sometimes a little earlier, leaves no bridge out.
        WHERE c.customer_ref IS NOT NULL AND b.duplicated IS NOT TRUE
          AND coalesce(c.customer_ref COLLATE "C" ~ (SELECT @extschema@._wab_customer_refs()), true)
          AND coalesce(b.status_asked_at < at - interval '50 seconds' OR b.status_asked_at > at, true)
    ), down AS MATERIALIZED (
        SELECT p.bridge_id, p.customer_ref, p.due_at FROM pollable p WHERE p.due_at <= at
        ORDER BY p.due_at, p.bridge_id LIMIT max_calls / 3
    ), stalest AS (
        SELECT p.bridge_id, p.customer_ref, p.asked_at FROM pollable p
        WHERE p.bridge_id NOT IN (SELECT d.bridge_id FROM down d)
        ORDER BY p.asked_at NULLS FIRST, p.bridge_id LIMIT max_calls - (SELECT count(*) FROM down)
    )
    -- Two of the stalest, then one that is down, and so on: a poll that ends early is fair too.
    SELECT o.bridge_id, o.customer_ref
    FROM (SELECT s.bridge_id, s.customer_ref, s.nth + (s.nth - 1) / 2 AS place
          FROM (SELECT t.bridge_id, t.customer_ref,
                       row_number() OVER (ORDER BY t.asked_at NULLS FIRST, t.bridge_id) AS nth FROM stalest t) s
          UNION ALL
          SELECT d.bridge_id, d.customer_ref, 3 * row_number() OVER (ORDER BY d.due_at, d.bridge_id) FROM down d) o
    ORDER BY o.place;
$$;
COMMENT ON FUNCTION @extschema@._wab_poll_candidates IS
    'Bridges to ask for their status, out of these, or of all for which the newest listing carried no status. A third '
    'of the calls or less is for disconnected ones: the next call follows after a tenth of the outage, at most 1 hour. '
    'All other calls are for those never asked, then those asked longest ago. Leaves out bridges asked within the last '
    '50 seconds, duplicates, because they share one session path, and bridges of other databases.';
