-- Creates wab_tenant_uptime(): for how much of a time each tenant was paired, how often it was not, and how much of that
-- is known.
--
-- Three things are kept apart: time in an outage of the provider (excluded), time that was not observed, and the rest,
-- of which the share is computed.

-- What began on many bridges together is the provider's: an incident of kind disconnected or state with several bridges. It
-- lasts until fewer of them than wab_policy.mass_bridges are left, so that a few that must be paired again do not prolong
-- it. The drift is found after its grace; the outage began when the first of these bridges was lost.
CREATE VIEW @extschema@._wab_provider_outages AS
SELECT least(m.began_at, (
           SELECT min(l.at)
           FROM unnest(m.bridges) AS b(bridge_id)
           CROSS JOIN LATERAL (
               SELECT s.at FROM @extschema@.wab_bridge_events s
               WHERE s.bridge_id = b.bridge_id AND s.event = m.event AND s.at <= m.began_at
                 AND CASE m.event WHEN 'state' THEN s.was = m.good AND s.became <> m.good
                                  ELSE s.was NOT IN ('disconnected', 'awaiting_scan')
                                       AND s.became IN ('disconnected', 'awaiting_scan') END
                 -- A bridge that was well again since began to be lost later.
                 AND NOT EXISTS (SELECT FROM @extschema@.wab_bridge_events w
                                 WHERE w.bridge_id = s.bridge_id AND w.event = s.event AND w.at > s.at
                                   AND w.at <= m.began_at AND w.became = m.good)
               ORDER BY s.at DESC LIMIT 1) l)) AS since,
       m.ends[least(p.mass_bridges, cardinality(m.ends))] AS until
FROM (
    SELECT min(b.began_at) AS began_at, array_agg(b.ended_at ORDER BY b.ended_at DESC NULLS FIRST) AS ends,
           array_agg(b.bridge_id) AS bridges, k.event, k.good
    -- One row per bridge, however often it was lost meanwhile.
    FROM (SELECT e.kind, coalesce(e.incident_id, e.episode_id) AS incident_id, e.bridge_id, min(e.began_at) AS began_at,
                 CASE WHEN count(*) = count(e.ended_at) THEN max(e.ended_at) END AS ended_at
          FROM @extschema@.wab_drift_episodes e WHERE e.kind IN ('disconnected', 'state')
          GROUP BY e.kind, coalesce(e.incident_id, e.episode_id), e.bridge_id) b
    JOIN (VALUES ('disconnected', 'status', 'paired'), ('state', 'state', 'running')) AS k(kind, event, good) USING (kind)
    GROUP BY k.kind, k.event, k.good, b.incident_id HAVING count(*) > 1) m
CROSS JOIN @extschema@.wab_policy p;
COMMENT ON VIEW @extschema@._wab_provider_outages IS
    'Times in which an outage of the provider lasted. wab_tenant_uptime() leaves them out.';
COMMENT ON COLUMN @extschema@._wab_provider_outages.since IS 'When it began.';
COMMENT ON COLUMN @extschema@._wab_provider_outages.until IS 'When it ended; null while it lasts.';

-- The times between two listings that are further apart than wab_policy.max_gap, as wab_fleet_health has them. The
-- history begins with the first listing, or with the first event where the fleet was never listed.
CREATE FUNCTION @extschema@._wab_listing_gaps(begins timestamptz, ends timestamptz)
RETURNS TABLE (since timestamptz, until timestamptz, is_open boolean)
LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$
    WITH horizon AS (
        SELECT coalesce((SELECT min(o.observed_at) FROM @extschema@.wab_observations o WHERE o.observed_at <= now()),
                        (SELECT min(e.at) FROM @extschema@.wab_bridge_events e)) AS at
    ), listed AS (
        SELECT h.at FROM horizon h
        UNION
        SELECT o.observed_at FROM @extschema@.wab_observations o
        WHERE o.observed_at <= now()
          AND o.observed_at >= coalesce((SELECT max(b.observed_at) FROM @extschema@.wab_observations b
                                         WHERE b.observed_at <= begins), '-infinity')
          AND o.observed_at <= coalesce((SELECT min(a.observed_at) FROM @extschema@.wab_observations a
                                         WHERE a.observed_at >= ends), 'infinity')
    ), span AS (
        SELECT l.at AS since, lead(l.at) OVER (ORDER BY l.at) AS until FROM listed l
    )
    SELECT '-infinity', h.at, false FROM horizon h WHERE h.at > begins
    UNION ALL
    SELECT s.since, coalesce(s.until, now()), s.until IS NULL FROM span s
    WHERE coalesce(s.until, now()) - s.since > (SELECT p.max_gap FROM @extschema@.wab_policy p)
      AND s.since < ends AND coalesce(s.until, now()) > begins;
$$;
COMMENT ON FUNCTION @extschema@._wab_listing_gaps IS
    'The parts of a time in which the fleet was not listed; is_open for the one after the newest listing. The first '
    'begins at -infinity if the history begins later than the time.';

-- Two stopwatches, in whole microseconds, which float8 holds exactly and adds quickly: one stands still in outages of the provider (counted), the other also in gaps between
-- listings (listed). With them the length of a span is a subtraction, however many gaps and outages there are. From each
-- start on a stopwatch shows base + pace * the time since `begins`.
CREATE FUNCTION @extschema@._wab_stopwatches(begins timestamptz, ends timestamptz)
RETURNS TABLE (starts timestamptz[], counted_base float8[], counted_pace float8[], listed_base float8[],
               listed_pace float8[])
LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
    WITH moment AS (
        SELECT m.at, sum(m.gaps) AS gaps, sum(m.outages) AS outages
        FROM (
            SELECT begins AS at, 0 AS gaps, 0 AS outages
            UNION ALL
            SELECT x.at, x.change * (c.kind = 'gap')::integer, x.change * (c.kind = 'outage')::integer
            FROM (SELECT 'gap' AS kind, g.since, g.until FROM @extschema@._wab_listing_gaps(begins, ends) g
                  UNION ALL
                  SELECT 'outage', o.since, coalesce(o.until, 'infinity') FROM @extschema@._wab_provider_outages o) c
            CROSS JOIN LATERAL (VALUES (greatest(c.since, begins), 1), (least(c.until, ends), -1)) AS x(at, change)
            WHERE c.since < c.until AND c.since < ends AND c.until > begins) m
        GROUP BY m.at
    ), span AS (
        SELECT m.at, round(date_part('epoch', m.at - begins) * 1000000) AS elapsed,
               round(date_part('epoch', lead(m.at, 1, ends) OVER w - m.at) * 1000000) AS lasts,
               (sum(m.outages) OVER w = 0)::integer AS counts,
               (sum(m.outages) OVER w = 0 AND sum(m.gaps) OVER w = 0)::integer AS lists
        FROM moment m WINDOW w AS (ORDER BY m.at)
    ), watch AS (
        SELECT s.at, s.elapsed, s.counts, s.lists,
               coalesce(sum(s.lasts * s.counts) OVER w, 0) AS counted, coalesce(sum(s.lasts * s.lists) OVER w, 0) AS listed
        FROM span s WINDOW w AS (ORDER BY s.at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    SELECT array_agg(w.at ORDER BY w.at),
           array_agg(w.counted - w.elapsed * w.counts ORDER BY w.at), array_agg(w.counts::float8 ORDER BY w.at),
           array_agg(w.listed - w.elapsed * w.lists ORDER BY w.at), array_agg(w.lists::float8 ORDER BY w.at)
    FROM watch w;
$$;
COMMENT ON FUNCTION @extschema@._wab_stopwatches IS
    'Two stopwatches as arrays, with an element for each moment at which a gap between listings or an outage of the '
    'provider begins or ends.';

-- The parts of the gaps between listings in which events told the status of a bridge: up to an event, and from one on. What
-- follows the last event of a gap counts only if the next listing confirms it.
CREATE FUNCTION @extschema@._wab_told_spans(begins timestamptz, ends timestamptz)
RETURNS TABLE (bridge_id bigint, since timestamptz, until timestamptz)
LANGUAGE plpgsql STABLE ROWS 3000 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    starts timestamptz[];
    stops  timestamptz[];
    opens  boolean[];
    longest interval := (SELECT p.max_gap FROM @extschema@.wab_policy p);
BEGIN
    SELECT array_agg(g.since ORDER BY g.since), array_agg(g.until ORDER BY g.since), array_agg(g.is_open ORDER BY g.since)
    INTO starts, stops, opens
    FROM @extschema@._wab_listing_gaps(begins, ends) g WHERE g.since > '-infinity';
    IF starts IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT t.bridge_id, starts[t.nth],
           CASE WHEN stops[t.nth] - t.last <= longest OR NOT (t.moved OR opens[t.nth]) THEN stops[t.nth] ELSE t.last END
    FROM (
        SELECT e.bridge_id, g.nth, max(e.at) FILTER (WHERE e.at < stops[g.nth]) AS last,
               bool_or(e.at = stops[g.nth] AND e.was IS DISTINCT FROM e.became) AS moved
        FROM @extschema@.wab_bridge_events e
        -- The gap that begins before the event, not with it.
        CROSS JOIN LATERAL (SELECT width_bucket(e.at - interval '1 microsecond', starts) AS nth) g
        -- A status word that was mapped to another status tells nothing: such an event has a since.
        WHERE (e.event = 'appeared' OR (e.event = 'status' AND e.since IS NULL))
          AND e.at > starts[1] AND e.at <= stops[cardinality(stops)] AND g.nth > 0 AND e.at <= stops[g.nth]
        GROUP BY e.bridge_id, g.nth) t
    WHERE t.last IS NOT NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_told_spans IS
    'Times between listings in which the status of a bridge is known from its events.';

CREATE FUNCTION @extschema@.wab_tenant_uptime(since timestamptz DEFAULT now() - interval '720 hours',
    until timestamptz DEFAULT now())
RETURNS TABLE (customer_ref text, paired_share numeric, outages bigint, longest_outage interval, coverage numeric,
               paired interval, observed interval, excluded interval, lived interval)
LANGUAGE plpgsql STABLE ROWS 3000 SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
SET work_mem = '64MB'
AS $$
#variable_conflict use_column
DECLARE
    ends   timestamptz := least(until, now());
    begins timestamptz := since;
BEGIN
    IF since IS NULL OR until IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_tenant_uptime(): since and until may not be null',
            HINT = 'Leave them out for the last 30 days, or pass -infinity and infinity for the whole history.';
    ELSIF since > until THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_tenant_uptime(): since is later than until',
            DETAIL = format('since: %s; until: %s', since, until), HINT = 'Exchange the two.';
    END IF;
    IF begins = '-infinity' THEN
        SELECT g.until INTO begins FROM @extschema@._wab_listing_gaps('-infinity', ends) g WHERE g.since = '-infinity';
    END IF;
    IF begins IS NULL OR begins >= ends THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH told AS MATERIALIZED (
        SELECT o.bridge_id, o.since, o.until FROM @extschema@._wab_told_spans(begins, ends) o
    ), tenure AS MATERIALIZED (
        -- Rows sort faster by a number than by the customer_ref. Most tenants have one bridge, and that had no other
        -- tenant; then the bridge's statuses are the tenant's.
        SELECT t.bridge_id, t.customer_ref, dense_rank() OVER (ORDER BY t.customer_ref COLLATE "C") AS tenant,
               greatest(t.since, begins) AS since, least(t.until, ends) AS until,
               count(*) OVER (PARTITION BY t.customer_ref COLLATE "C") = 1 AND count(*) OVER (PARTITION BY t.bridge_id) = 1
                   AND t.bridge_id NOT IN (SELECT o.bridge_id FROM told o) AS is_alone
        FROM @extschema@._wab_tenures t WHERE t.customer_ref IS NOT NULL AND t.since < ends AND t.until > begins
    ), event AS (
        SELECT e.bridge_id, e.at, e.was, e.became, lead(e.at, 1, 'infinity') OVER w AS until,
               row_number() OVER w = 1 AS is_first, (first_value(e.was) OVER w = 'paired') IS TRUE AS began_paired,
               count(*) FILTER (WHERE e.became = 'paired') OVER w AS pairings
        FROM @extschema@.wab_bridge_events e
        WHERE e.at >= begins AND e.event IN ('appeared', 'disappeared', 'status')
        WINDOW w AS (PARTITION BY e.bridge_id ORDER BY e.at, @extschema@._wab_status_order(coalesce(e.reported, e.became)), e.event_id)
    ), span AS MATERIALIZED (
        -- The status at `begins` is the one that the first later event names as the one before it, or the present one: so
        -- no older event is read. But a bridge that then waits to be scanned is lost if it was paired before.
        SELECT t.tenant, t.is_alone, greatest(x.since, t.since) AS since, least(x.until, t.until) AS until,
               (x.status = 'paired') IS TRUE AS paired,
               (x.status IN ('paired', 'awaiting_scan', 'disconnected')) IS TRUE AS known,
               CASE WHEN x.status = 'awaiting_scan' AND x.since = begins
                    THEN EXISTS (SELECT FROM @extschema@.wab_bridge_events p
                                 WHERE p.bridge_id = t.bridge_id AND p.at <= begins AND 'paired' IN (p.was, p.became)
                                   AND p.event IN ('appeared', 'disappeared', 'status'))
                    ELSE (x.status = 'disconnected') IS TRUE END AS lost, x.run
        FROM tenure t
        LEFT JOIN event e ON e.bridge_id = t.bridge_id
        LEFT JOIN @extschema@.wab_bridges b ON b.bridge_id = t.bridge_id AND e.bridge_id IS NULL
        CROSS JOIN LATERAL (
            SELECT begins AS since, coalesce(e.at, 'infinity') AS until, coalesce(b.status, e.was) AS status,
                   coalesce(b.status = 'paired', e.began_paired)::integer AS run
            WHERE e.is_first IS NOT FALSE
            UNION ALL
            SELECT e.at, e.until, e.became, e.pairings + e.began_paired::integer WHERE e.bridge_id IS NOT NULL) x
        WHERE x.since < x.until AND x.since < t.until AND x.until > t.since
    ), change AS (
        -- Of the other tenants, the numbers of their bridges at each time: one paired bridge is enough.
        SELECT s.tenant, x.at, x.change AS live, s.paired::integer * x.change AS paired,
               s.known::integer * x.change AS known, 0 AS told, s.lost AND x.change = 1 AS lost
        FROM span s CROSS JOIN LATERAL (VALUES (s.since, 1), (s.until, -1)) AS x(at, change)
        WHERE NOT s.is_alone
        UNION ALL
        SELECT t.tenant, x.at, 0, 0, 0, x.change, false
        FROM tenure t JOIN told o ON o.bridge_id = t.bridge_id AND o.since < t.until AND o.until > t.since
        CROSS JOIN LATERAL (VALUES (greatest(o.since, t.since), 1), (least(o.until, t.until), -1)) AS x(at, change)
    ), level AS (
        SELECT c.tenant, c.at AS since, lead(c.at) OVER w AS until, c.lost, sum(c.live) OVER w > 0 AS live,
               sum(c.paired) OVER w > 0 AS paired,
               sum(c.paired) OVER w > 0 OR sum(c.known) OVER w = sum(c.live) OVER w AS known, sum(c.told) OVER w > 0 AS told
        FROM change c WINDOW w AS (PARTITION BY c.tenant ORDER BY c.at)
    ), run AS (
        -- What lies between two times of being paired is one outage.
        SELECT s.tenant, s.since, s.until, s.paired, s.known, s.lost, false AS told, s.run FROM span s WHERE s.is_alone
        UNION ALL
        SELECT l.tenant, l.since, l.until, l.paired, l.known, l.lost, l.told,
               count(*) FILTER (WHERE l.paired AND l.since < l.until) OVER (PARTITION BY l.tenant ORDER BY l.since)
        FROM level l WHERE l.live
    ), timed AS (
        SELECT r.*, round(date_part('epoch', r.since - begins) * 1000000) AS from_elapsed,
               round(date_part('epoch', r.until - begins) * 1000000) AS to_elapsed,
               width_bucket(r.since, w.starts) AS from_nth, width_bucket(r.until, w.starts) AS to_nth, w.*
        FROM run r CROSS JOIN @extschema@._wab_stopwatches(begins, ends) w
        -- Otherwise the planner would compute these values once for each time that they are used below.
        OFFSET 0
    ), measured AS (
        SELECT t.tenant, t.run, t.paired, t.lost, t.known, t.told, t.to_elapsed - t.from_elapsed AS lasted,
               t.counted_base[t.to_nth] + t.counted_pace[t.to_nth] * t.to_elapsed
                   - t.counted_base[t.from_nth] - t.counted_pace[t.from_nth] * t.from_elapsed AS counted,
               t.listed_base[t.to_nth] + t.listed_pace[t.to_nth] * t.to_elapsed
                   - t.listed_base[t.from_nth] - t.listed_pace[t.from_nth] * t.from_elapsed AS listed
        FROM timed t OFFSET 0
    ), observed AS (
        SELECT m.tenant, m.run, m.paired, m.lost, m.lasted, m.counted,
               CASE WHEN NOT m.known THEN 0 WHEN m.told THEN m.counted ELSE m.listed END AS observed
        FROM measured m
    ), outage AS (
        SELECT m.tenant, sum(m.lasted) AS lasted, sum(m.counted) AS counted, sum(m.observed) AS observed,
               sum(m.observed) FILTER (WHERE m.paired) AS paired,
               CASE WHEN m.run > 0 OR bool_or(m.lost)
                    THEN nullif(sum(m.observed) FILTER (WHERE NOT m.paired), 0) END AS down
        FROM observed m GROUP BY m.tenant, m.run
    ), total AS (
        SELECT o.tenant, coalesce(sum(o.paired), 0) AS paired, sum(o.observed) AS observed, sum(o.counted) AS counted,
               sum(o.lasted) AS lasted, count(o.down) AS outages, max(o.down) AS longest
        FROM outage o GROUP BY o.tenant
    )
    SELECT n.customer_ref,
           -- Rounded down, so that 1 means always.
           trunc(t.paired::numeric / nullif(t.observed, 0)::numeric, 6), t.outages,
           justify_hours(interval '1 microsecond' * t.longest), trunc(t.observed::numeric / nullif(t.counted, 0)::numeric, 6),
           justify_hours(interval '1 microsecond' * t.paired), justify_hours(interval '1 microsecond' * t.observed),
           justify_hours(interval '1 microsecond' * (t.lasted - t.counted)),
           justify_hours(interval '1 microsecond' * t.lasted)
    FROM total t JOIN (SELECT DISTINCT d.tenant, d.customer_ref FROM tenure d) n ON n.tenant = t.tenant
    ORDER BY t.tenant;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_tenant_uptime IS
    'Per customer_ref: the share of the observed time in which it was paired, and its outages. Time in which an outage of '
    'the provider lasted is left out and shown as excluded; time that was not observed is left out and lowers coverage. '
    'since and until default to the last 30 days; -infinity stands for the beginning of the history. paired_share: '
    'paired / observed, from 0 to 1, rounded down; null if nothing was observed. outages: times in which it was not paired '
    'though it had been, or was disconnected from the start; a first pairing is none. coverage: observed / (lived - '
    'excluded). observed: time with a known status, between listings no further apart than wab_policy.max_gap, or '
    'told by events. lived: time in which a bridge carried the customer_ref; of several bridges one paired is enough.';

-- Since PostgreSQL 15 a view can read with the rights of the caller; before 15 it reads with those of its owner.
DO $$
BEGIN
    IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 150000 THEN
        ALTER VIEW @extschema@._wab_provider_outages SET (security_invoker = true);
    END IF;
END
$$;
