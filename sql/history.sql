-- Creates the views over the history: spans of status, health over time, and cost. Days and months are in UTC. The
-- views do not read the tenants table.

CREATE VIEW @extschema@.wab_status_history AS
SELECT c.bridge_id, c.customer_ref, c.status, c.at AS since,
       lead(c.at) OVER (PARTITION BY c.bridge_id ORDER BY c.at, @extschema@._wab_status_order(c.status), c.event_id) AS until
FROM (
    SELECT e.event_id, e.bridge_id, e.customer_ref, e.at, e.became AS status
    FROM @extschema@.wab_bridge_events e
    WHERE e.event IN ('appeared', 'disappeared') OR (e.event = 'status' AND e.was <> e.became)
) c;

-- A word that was mapped to another status ends no outage: such an event has a since.
CREATE VIEW @extschema@._wab_ended_outages AS
SELECT h.since, h.until FROM @extschema@.wab_status_history h
WHERE h.status = 'disconnected' AND h.until IS NOT NULL
  AND NOT EXISTS (SELECT FROM @extschema@.wab_bridge_events e
                  WHERE e.bridge_id = h.bridge_id AND e.at = h.until AND e.event = 'status' AND e.since IS NOT NULL);

-- Live and paired bridges between each two changes, and whether the fleet was observed meanwhile: `seen` turns true at an
-- observation that the next one follows within wab_policy.max_gap. The counts start from the present fleet and go
-- backwards, so that they are right for the remaining history after wab_prune_history().
CREATE VIEW @extschema@._wab_fleet_levels AS
WITH observed AS (
    SELECT o.observed_at AS at, (o.observed_at - lag(o.observed_at) OVER w <= p.max_gap) IS TRUE AS seen_before,
           lead(o.observed_at, 1, now()) OVER w - o.observed_at <= p.max_gap AS seen_after
    FROM @extschema@.wab_observations o CROSS JOIN (SELECT (SELECT p.max_gap FROM @extschema@.wab_policy p)) p(max_gap)
    WINDOW w AS (ORDER BY o.observed_at)
), change AS (
    SELECT c.at, sum(c.bridges) AS bridges, sum(c.paired) AS paired, sum(c.seen) AS seen
    FROM (
        SELECT e.at, CASE e.event WHEN 'appeared' THEN 1 WHEN 'disappeared' THEN -1 ELSE 0 END AS bridges,
               (e.became IS NOT DISTINCT FROM 'paired')::integer - (e.was IS NOT DISTINCT FROM 'paired')::integer AS paired,
               0 AS seen
        FROM @extschema@.wab_bridge_events e WHERE e.event IN ('appeared', 'disappeared', 'status')
        UNION ALL
        SELECT o.at, 0, 0, o.seen_after::integer - o.seen_before::integer
        FROM observed o WHERE o.seen_after <> o.seen_before
    ) c
    GROUP BY c.at
), present AS MATERIALIZED (
    SELECT count(*) AS bridges, count(*) FILTER (WHERE b.status = 'paired') AS paired FROM @extschema@.wab_bridges b
)
SELECT c.at AS since, lead(c.at, 1, now()) OVER (ORDER BY c.at) AS until,
       p.bridges - coalesce(sum(c.bridges) OVER later, 0) AS bridges,
       p.paired - coalesce(sum(c.paired) OVER later, 0) AS paired,
       sum(c.seen) OVER (ORDER BY c.at) > 0 AS seen
FROM change c CROSS JOIN present p
WINDOW later AS (ORDER BY c.at DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);

CREATE VIEW @extschema@.wab_fleet_health_daily AS
WITH level AS (
    SELECT d.day, greatest(l.since, d.day) AS since, least(l.until, d.day + interval '24 hours') AS until, l.bridges,
        l.paired, l.seen
    FROM @extschema@._wab_fleet_levels l
    CROSS JOIN LATERAL (
        SELECT s.day AT TIME ZONE 'UTC' AS day
        FROM generate_series(date_trunc('day', l.since AT TIME ZONE 'UTC'), l.until AT TIME ZONE 'UTC',
            interval '1 day') AS s(day)) d
    -- Before the first observation, pruned history is incomplete.
    WHERE l.until > coalesce((SELECT min(o.observed_at) FROM @extschema@.wab_observations o), '-infinity')
), repaired AS MATERIALIZED (
    SELECT date_trunc('day', h.until, 'UTC') AS day, count(*) AS reconnections,
        avg(h.until - h.since) AS mean_time_disconnected
    FROM @extschema@._wab_ended_outages h GROUP BY 1
), share AS (
    SELECT l.day,
           sum(l.bridges * extract(epoch FROM l.until - l.since)) FILTER (WHERE l.seen) AS bridge_seconds,
           sum(l.paired * extract(epoch FROM l.until - l.since)) FILTER (WHERE l.seen) AS paired_seconds,
           coalesce(sum(extract(epoch FROM l.until - l.since)) FILTER (WHERE l.seen), 0) AS seconds
    FROM level l WHERE l.until > l.since GROUP BY l.day
)
SELECT (s.day AT TIME ZONE 'UTC')::date AS day,
       round(s.bridge_seconds / nullif(s.seconds, 0), 1) AS bridges,
       round(s.paired_seconds / nullif(s.bridge_seconds, 0), 4) AS paired_share,
       coalesce(r.reconnections, 0) AS reconnections, r.mean_time_disconnected,
       round(s.seconds / extract(epoch FROM least(s.day + interval '24 hours', now()) - s.day), 4) AS coverage
FROM share s LEFT JOIN repaired r ON r.day = s.day;

CREATE VIEW @extschema@.wab_fleet_health AS
SELECT n.bridges, n.paired, round(n.paired::numeric / nullif(n.bridges, 0), 4) AS paired_share,
       s.paired_share_1d, s.paired_share_7d, s.paired_share_30d,
       r.reconnections_30d, r.mean_time_disconnected_30d,
       now() - d.status_since AS longest_disconnected, d.bridge_id AS longest_disconnected_bridge_id,
       d.customer_ref AS longest_disconnected_customer_ref,
       s.coverage_1d, s.coverage_7d, s.coverage_30d,
       (SELECT max(o.observed_at) FROM @extschema@.wab_observations o
        WHERE o.observed_at <= clock_timestamp()) AS observed_at
FROM (SELECT count(*) AS bridges, count(*) FILTER (WHERE b.status = 'paired') AS paired
      FROM @extschema@.wab_bridges b) n
CROSS JOIN (
    SELECT round(sum(l.paired * w.seconds) FILTER (WHERE w.days = 1)
                 / nullif(sum(l.bridges * w.seconds) FILTER (WHERE w.days = 1), 0), 4) AS paired_share_1d,
           round(sum(l.paired * w.seconds) FILTER (WHERE w.days = 7)
                 / nullif(sum(l.bridges * w.seconds) FILTER (WHERE w.days = 7), 0), 4) AS paired_share_7d,
           round(sum(l.paired * w.seconds) FILTER (WHERE w.days = 30)
                 / nullif(sum(l.bridges * w.seconds) FILTER (WHERE w.days = 30), 0), 4) AS paired_share_30d,
           round(coalesce(sum(w.seconds) FILTER (WHERE w.days = 1), 0) / 86400, 4) AS coverage_1d,
           round(coalesce(sum(w.seconds) FILTER (WHERE w.days = 7), 0) / (7 * 86400), 4) AS coverage_7d,
           round(coalesce(sum(w.seconds) FILTER (WHERE w.days = 30), 0) / (30 * 86400), 4) AS coverage_30d
    FROM @extschema@._wab_fleet_levels l
    CROSS JOIN LATERAL (
        SELECT p.days,
               extract(epoch FROM l.until - greatest(l.since, now() - make_interval(hours => 24 * p.days))) AS seconds
        FROM (VALUES (1), (7), (30)) AS p(days)) w
    WHERE l.seen AND w.seconds > 0) s
CROSS JOIN (
    SELECT count(*) AS reconnections_30d, avg(h.until - h.since) AS mean_time_disconnected_30d
    FROM @extschema@._wab_ended_outages h WHERE h.until > now() - interval '720 hours') r
LEFT JOIN LATERAL (
    SELECT b.bridge_id, b.customer_ref, b.status_since FROM @extschema@.wab_bridges b
    WHERE b.status = 'disconnected' AND b.status_since IS NOT NULL
    ORDER BY b.status_since, b.bridge_id LIMIT 1) d ON true;

-- The times in which each bridge existed, and the parts of them in which no tenant needed it, both split by month.
-- PostgreSQL expects 1,000 rows of generate_series(), 10 of an array, and 200 groups of bridges: with larger numbers it
-- would compile the query (JIT), which takes ten times as long as running it.
CREATE VIEW @extschema@._wab_paid_times AS
WITH life AS (
    SELECT t.bridge_id, array_agg(t.customer_ref) AS refs, array_agg(tstzrange(t.since, t.until)) AS times
    FROM @extschema@._wab_tenures t GROUP BY t.bridge_id
), unneeded AS MATERIALIZED (
    SELECT e.bridge_id, unnest(range_agg(tstzrange(e.began_at, coalesce(e.ended_at, now())))) AS during
    FROM @extschema@.wab_drift_episodes e
    WHERE e.wasted AND e.bridge_id IS NOT NULL GROUP BY e.bridge_id
), part AS (
    SELECT l.bridge_id, t.customer_ref, false AS wasted, t.during
    FROM life l CROSS JOIN LATERAL unnest(l.refs, l.times) AS t(customer_ref, during)
    UNION ALL
    SELECT l.bridge_id, t.customer_ref, true, t.during * u.during
    FROM life l JOIN unneeded u ON u.bridge_id = l.bridge_id
    CROSS JOIN LATERAL unnest(l.refs, l.times) AS t(customer_ref, during)
    WHERE t.during && u.during
)
SELECT m.month, p.bridge_id, p.customer_ref, p.wasted,
       extract(epoch FROM least(upper(p.during), m.ends) - greatest(lower(p.during), m.begins)) AS seconds,
       extract(epoch FROM m.ends - m.begins) AS month_seconds
FROM part p
CROSS JOIN LATERAL (
    SELECT s.month::date AS month, s.month AT TIME ZONE 'UTC' AS begins,
        (s.month + interval '1 month') AT TIME ZONE 'UTC' AS ends
    FROM unnest(ARRAY(SELECT generate_series(date_trunc('month', greatest(lower(p.during),
        -- Before the first observation, pruned history is incomplete.
        coalesce((SELECT min(o.observed_at) FROM @extschema@.wab_observations o),
                 (SELECT min(e.at) FROM @extschema@.wab_bridge_events e))) AT TIME ZONE 'UTC'),
        upper(p.during) AT TIME ZONE 'UTC', interval '1 month'))) AS s(month)) m
WHERE m.begins < upper(p.during);

CREATE VIEW @extschema@.wab_costs AS
SELECT t.month,
       count(DISTINCT t.bridge_id) AS bridges,
       round(sum(t.seconds) FILTER (WHERE NOT t.wasted) / 86400, 2) AS bridge_days,
       round((SELECT p.price_per_bridge FROM @extschema@.wab_policy p)
             * sum(t.seconds) FILTER (WHERE NOT t.wasted) / max(t.month_seconds), 2) AS cost,
       round(coalesce(sum(t.seconds) FILTER (WHERE t.wasted), 0) / 86400, 2) AS wasted_days,
       round((SELECT p.price_per_bridge FROM @extschema@.wab_policy p)
             * coalesce(sum(t.seconds) FILTER (WHERE t.wasted), 0) / max(t.month_seconds), 2) AS waste
FROM @extschema@._wab_paid_times t GROUP BY t.month;

COMMENT ON VIEW @extschema@.wab_status_history IS 'Each bridge''s statuses as spans of time, from wab_bridge_events.';
COMMENT ON COLUMN @extschema@.wab_status_history.bridge_id IS 'The bridge.';
COMMENT ON COLUMN @extschema@.wab_status_history.customer_ref IS 'Its customer_ref when the span began.';
COMMENT ON COLUMN @extschema@.wab_status_history.status IS
    'paired, awaiting_scan, disconnected or unknown; null after the bridge disappeared.';
COMMENT ON COLUMN @extschema@.wab_status_history.since IS 'When the span began, as far as it was observed, or when '
    'wab_status_words changed.';
COMMENT ON COLUMN @extschema@.wab_status_history.until IS 'When the next span began; null while it lasts.';

COMMENT ON VIEW @extschema@._wab_ended_outages IS
    'The times in which a bridge was disconnected, if an observation ended them.';
COMMENT ON COLUMN @extschema@._wab_ended_outages.since IS 'When the outage began.';
COMMENT ON COLUMN @extschema@._wab_ended_outages.until IS 'When it ended.';

COMMENT ON VIEW @extschema@._wab_fleet_levels IS
    'Live and paired bridges over time: one row per span between two changes.';
COMMENT ON COLUMN @extschema@._wab_fleet_levels.since IS 'When the span began.';
COMMENT ON COLUMN @extschema@._wab_fleet_levels.until IS 'When the span ended; now() for the last row.';
COMMENT ON COLUMN @extschema@._wab_fleet_levels.bridges IS 'Live bridges.';
COMMENT ON COLUMN @extschema@._wab_fleet_levels.paired IS 'Of these, paired.';
COMMENT ON COLUMN @extschema@._wab_fleet_levels.seen IS 'Whether the fleet was observed in this span, without a gap.';

COMMENT ON VIEW @extschema@.wab_fleet_health_daily IS
    'One row per day (UTC): the share of time in which the bridges were paired, and the mean length of outages. Only '
    'time in which the fleet was observed counts; coverage says how much of the day that was.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.day IS 'The day, in UTC.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.bridges IS
    'Live bridges, on average over the observed time.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.paired_share IS
    'Share of the bridges'' observed time in which they were paired, from 0 to 1; null if nothing of it was observed.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.reconnections IS 'Outages that ended on this day.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.mean_time_disconnected IS
    'Mean length of these outages; null if there were none.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.coverage IS
    'Share of the day, or of the present day up to now, in which the fleet was observed without a gap of more than '
    'wab_policy.max_gap.';

COMMENT ON VIEW @extschema@.wab_fleet_health IS
    'One row: the paired share of the fleet now and over time, the mean length of outages, and the longest present '
    'one.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.bridges IS 'Live bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired IS 'Of these, paired.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired_share IS
    'The paired share as of observed_at, from 0 to 1.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired_share_1d IS
    'Share of the bridges'' observed time in which they were paired, over the last 24 hours; null if nothing of it was observed.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired_share_7d IS 'The same over the last 7 days.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired_share_30d IS 'The same over the last 30 days.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.reconnections_30d IS 'Outages that ended within the last 30 days.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.mean_time_disconnected_30d IS 'Mean length of these outages.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.longest_disconnected IS
    'Length of the longest present outage of a bridge; null if no bridge is disconnected.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.longest_disconnected_bridge_id IS 'That bridge''s bridge_id.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.longest_disconnected_customer_ref IS 'That bridge''s customer_ref.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.coverage_1d IS
    'Share of the last 24 hours in which the fleet was observed without a gap of more than wab_policy.max_gap.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.coverage_7d IS 'The same over the last 7 days.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.coverage_30d IS 'The same over the last 30 days.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.observed_at IS 'When the fleet was last observed.';

COMMENT ON VIEW @extschema@._wab_paid_times IS
    'The times that the account pays for: one row per bridge, customer_ref and month (UTC), and another one for each part '
    'of it in which no tenant needed the bridge.';
COMMENT ON COLUMN @extschema@._wab_paid_times.month IS 'The first day of the month.';
COMMENT ON COLUMN @extschema@._wab_paid_times.bridge_id IS 'The bridge.';
COMMENT ON COLUMN @extschema@._wab_paid_times.customer_ref IS 'The customer_ref that it carried; null for none.';
COMMENT ON COLUMN @extschema@._wab_paid_times.wasted IS 'Whether no tenant needed the bridge, as in wab_drift_episodes.';
COMMENT ON COLUMN @extschema@._wab_paid_times.seconds IS 'Seconds of this time in the month.';
COMMENT ON COLUMN @extschema@._wab_paid_times.month_seconds IS 'Seconds of the month.';

COMMENT ON VIEW @extschema@.wab_costs IS
    'The cost of the bridges in US dollars per month (UTC). A bridge costs wab_policy.price_per_bridge for a whole '
    'month, and for a part of a month that share of it, to the second. The first month may be incomplete; the present '
    'one counts up to now.';
COMMENT ON COLUMN @extschema@.wab_costs.month IS 'The first day of the month.';
COMMENT ON COLUMN @extschema@.wab_costs.bridges IS 'Bridges that existed at any time in the month.';
COMMENT ON COLUMN @extschema@.wab_costs.bridge_days IS 'Sum of the days that these bridges existed in the month.';
COMMENT ON COLUMN @extschema@.wab_costs.cost IS 'US dollars for bridge_days.';
COMMENT ON COLUMN @extschema@.wab_costs.wasted_days IS
    'Days of bridge_days on which the bridge was orphaned, churned or duplicate, as recorded in wab_drift_episodes.';
COMMENT ON COLUMN @extschema@.wab_costs.waste IS 'US dollars for wasted_days.';

-- Since PostgreSQL 15 a view can read with the rights of the caller; before 15 it reads with those of its owner.
DO $$
DECLARE
    name text;
BEGIN
    IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 150000 THEN
        FOREACH name IN ARRAY
            '{wab_status_history,_wab_ended_outages,_wab_fleet_levels,wab_fleet_health_daily,wab_fleet_health,_wab_paid_times,
              wab_costs}'::text[]
        LOOP
            EXECUTE pg_catalog.format('ALTER VIEW @extschema@.%I SET (security_invoker = true)', name);
        END LOOP;
    END IF;
END
$$;

CREATE FUNCTION @extschema@.wab_prune_history(older_than interval DEFAULT '400 days') RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    deleted bigint;
BEGIN
    IF older_than IS NULL OR older_than < interval '0' OR older_than > interval '1000 years' THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = 'older_than must be an interval, and neither a negative one nor longer than 1000 years',
            DETAIL = format('It is %L; a negative one would delete the whole history.', older_than::text),
            HINT = 'Name the age of what may go, such as: SELECT wab_prune_history(''400 days'').';
    END IF;
    WITH kept AS (
        -- The status that a live bridge had at that time.
        SELECT DISTINCT ON (l.bridge_id) l.event_id
        FROM @extschema@.wab_bridge_events l
        WHERE l.at < now() - older_than AND (l.event = 'appeared' OR (l.event = 'status' AND l.was <> l.became))
          AND l.bridge_id IN (SELECT b.bridge_id FROM @extschema@.wab_bridges b)
        ORDER BY l.bridge_id, l.at DESC, @extschema@._wab_status_order(l.became) DESC, l.event_id DESC
    ),
         e AS (DELETE FROM @extschema@.wab_bridge_events v
               WHERE v.at < now() - older_than
                 AND NOT EXISTS (SELECT FROM kept k WHERE k.event_id = v.event_id) RETURNING 1),
         -- The newest observation stays: wab_status tells its age.
         o AS (DELETE FROM @extschema@.wab_observations WHERE observed_at < now() - older_than
                 AND observed_at < (SELECT max(l.observed_at) FROM @extschema@.wab_observations l) RETURNING 1),
         s AS (DELETE FROM @extschema@.wab_summaries WHERE logged_at < now() - older_than RETURNING 1),
         r AS (DELETE FROM @extschema@.wab_runs WHERE started_at < now() - older_than RETURNING 1),
         d AS (DELETE FROM @extschema@.wab_drift_episodes WHERE ended_at < now() - older_than RETURNING 1),
         q AS (DELETE FROM @extschema@.wab_queue WHERE finished_at < now() - older_than RETURNING 1),
         z AS (DELETE FROM @extschema@.wab_snoozes WHERE until < now() - older_than RETURNING 1),
         k AS (DELETE FROM @extschema@.wab_acknowledgements WHERE acknowledged_at < now() - older_than RETURNING 1),
         a AS (DELETE FROM @extschema@.wab_alerts WHERE ended_sent_at < now() - older_than RETURNING 1),
         n AS (DELETE FROM @extschema@.wab_nudges WHERE nudged_at < now() - older_than RETURNING 1),
         c AS (DELETE FROM @extschema@.wab_pairing_codes WHERE requested_at < now() - older_than RETURNING 1),
         l AS (DELETE FROM @extschema@.wab_calls WHERE called_at < now() - older_than RETURNING 1),
         -- A usable link stays. One that is dead goes with the events that tell why it is.
         p AS (DELETE FROM @extschema@.wab_pairing_links g
               WHERE g.made_at < now() - older_than
                 AND (g.revoked_at IS NOT NULL OR g.valid_until <= now()
                      OR @extschema@._wab_state_of_link(g.customer_ref, g.bridge_id, g.made_at, g.valid_until, g.revoked_at)
                         <> 'usable') RETURNING 1)
    SELECT (SELECT count(*) FROM e) + (SELECT count(*) FROM o) + (SELECT count(*) FROM s)
         + (SELECT count(*) FROM r) + (SELECT count(*) FROM d) + (SELECT count(*) FROM q)
         + (SELECT count(*) FROM z) + (SELECT count(*) FROM k) + (SELECT count(*) FROM a)
         + (SELECT count(*) FROM n) + (SELECT count(*) FROM c) + (SELECT count(*) FROM l) + (SELECT count(*) FROM p)
    INTO deleted;
    RETURN deleted;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_prune_history IS
    'Deletes the history that is older than this: events, observations, summaries, runs, calls, ended drift episodes, '
    'finished queue entries, ended snoozes, acknowledgements, sent alerts, nudges, the record of pairing codes and '
    'pairing links that no longer work. Returns how many rows. Drift that lasts, waiting entries, the newest '
    'observation and the last status of each live bridge are kept.';
