-- Tests the views of costs and health with an example that can be computed by hand.
CREATE EXTENSION pg_wabridges;
SET timezone = 'America/New_York';
SELECT * FROM wab_costs;
SELECT * FROM wab_fleet_health_daily;
SELECT * FROM wab_fleet_health;
-- Bridge 1 existed in January and half of February; 2 from the middle of January to the end of February; 3 on two days of
-- February and three of March. January has 31 days, February 28.
INSERT INTO wab_bridge_events (at, bridge_id, event, was, became, since) VALUES
    ('2026-01-01 00:00Z', 1, 'appeared', NULL, 'paired', '2026-01-01 00:00Z'),
    ('2026-01-02 06:00Z', 1, 'status', 'paired', 'disconnected', NULL),
    ('2026-01-02 12:00Z', 1, 'status', 'disconnected', 'paired', NULL),
    ('2026-01-16 12:00Z', 2, 'appeared', NULL, 'unknown', '2026-01-16 12:00Z'),
    ('2026-01-17 00:00Z', 2, 'status', 'unknown', 'disconnected', NULL),
    ('2026-01-18 12:00Z', 2, 'status', 'disconnected', 'disconnected', NULL),
    ('2026-01-18 18:00Z', 2, 'status', 'disconnected', 'paired', NULL),
    ('2026-02-15 00:00Z', 1, 'disappeared', 'paired', NULL, '2026-01-01 00:00Z'),
    ('2026-02-27 00:00Z', 3, 'appeared', NULL, 'paired', '2026-02-27 00:00Z'),
    ('2026-03-01 00:00Z', 2, 'disappeared', 'paired', NULL, '2026-01-16 12:00Z'),
    ('2026-03-04 00:00Z', 3, 'disappeared', 'paired', NULL, '2026-02-27 00:00Z');
-- The fleet was listed every half hour until March 6, but for six hours on January 18 and a whole day in February.
INSERT INTO wab_observations (observed_at, source, listing_sha256, bridges, appeared, changed, disappeared, malformed)
SELECT o, 'sql', 'x', 1, 0, 0, 0, 0 FROM generate_series('2026-01-01 00:00Z'::timestamptz, '2026-03-06 00:00Z', '30 minutes') o
WHERE NOT (o > '2026-01-18 00:00Z' AND o < '2026-01-18 06:00Z') AND NOT (o >= '2026-02-14 00:00Z' AND o <= '2026-02-15 00:00Z');
-- Bridge 2 was churned from January 20 to February 10 and then orphaned; 1 was orphaned on its last day and recorded as gone later.
INSERT INTO wab_drift_episodes (kind, subject, bridge_id, customer_ref, wasted, began_at, ended_at) VALUES
    ('churned', '2', 2, 'b', true, '2026-01-20 00:00Z', '2026-02-10 00:00Z'),
    ('orphaned', '2', 2, 'b', true, '2026-02-05 00:00Z', '2026-02-12 00:00Z'),
    ('orphaned', '1', 1, 'a', true, '2026-02-14 00:00Z', '2026-02-20 00:00Z'),
    ('status_drift', '3', 3, 'c', false, '2026-02-27 00:00Z', '2026-03-04 00:00Z'),
    ('missing', 'd', NULL, 'd', false, '2026-01-01 00:00Z', NULL);
-- January: 3.00 + 1.50. February: 1.50 + 3.00 + 3 * 2/28 = 4.714. March: 3 * 3/31 = 0.290.
-- Wasted: January 3 * 12/31 = 1.161; February 3 * (11 + 1)/28 = 1.286.
SELECT * FROM wab_costs ORDER BY month;
UPDATE wab_policy SET price_per_bridge = 3.10;
SELECT month, cost, waste FROM wab_costs ORDER BY month;
-- A bridge that disappeared and appeared again is counted once.
INSERT INTO wab_bridges (bridge_id, status, created_at, first_seen_at, status_since) VALUES (3, 'disconnected', '2026-02-27 00:00Z', '2026-03-05 00:00Z', '2026-03-05 00:00Z');
INSERT INTO wab_bridge_events (at, bridge_id, event, was, became, since) VALUES ('2026-03-05 00:00Z', 3, 'appeared', NULL, 'disconnected', '2026-02-27 00:00Z');
SELECT * FROM wab_costs WHERE month < '2026-05-01' ORDER BY month;
-- On January 2 the only bridge was paired for 18 of 24 hours. On January 18 the fleet was observed for 18 hours: bridge 1 was paired for 18 of
-- them and bridge 2 for 6: 24 of 36. On February 14 and after March 6 nothing was observed, and no share is claimed.
SELECT * FROM wab_fleet_health_daily WHERE day IN ('2026-01-01', '2026-01-02', '2026-01-17', '2026-01-18', '2026-02-14', '2026-03-04', '2026-03-05', '2026-03-06', '2026-03-07') ORDER BY day;
-- A wider gap is accepted.
UPDATE wab_policy SET max_gap = '6 hours';
SELECT day, bridges, paired_share, coverage FROM wab_fleet_health_daily WHERE day IN ('2026-01-18', '2026-02-14') ORDER BY day;
UPDATE wab_policy SET max_gap = NULL;
SELECT since AT TIME ZONE 'UTC' AS since, bridges, paired, seen FROM _wab_fleet_levels ORDER BY 1;
SELECT bridge_id, status, since AT TIME ZONE 'UTC' AS since, until AT TIME ZONE 'UTC' AS until FROM wab_status_history ORDER BY 1, 3;
SELECT bridges, paired, paired_share, paired_share_30d, coverage_1d, coverage_30d, reconnections_30d, longest_disconnected > '200 days' AS longest, longest_disconnected_bridge_id FROM wab_fleet_health;
-- Pruning does not change the remaining history.
SELECT wab_prune_history(now() - '2026-01-18 15:00Z') AS pruned;
SELECT since AT TIME ZONE 'UTC' AS since, bridges, paired, seen FROM _wab_fleet_levels ORDER BY 1 LIMIT 3;
SELECT * FROM wab_fleet_health_daily ORDER BY day LIMIT 2;
SELECT * FROM wab_costs WHERE month < '2026-05-01' ORDER BY month;
SELECT kind, subject FROM wab_drift_episodes ORDER BY 1, 2;
-- The last status of a live bridge is never pruned, so that it does not vanish; a bridge that is gone may.
SELECT wab_prune_history('0') > 0 AS pruned;
-- The newest observation stays, so that its age is known.
SELECT wab_prune_history('0') >= 0 AS pruned;
SELECT count(*) AS observations, (SELECT observation_age IS NOT NULL FROM wab_status) AS has_age FROM wab_observations;
-- A negative age would delete the future too.
SELECT wab_prune_history('-1 day');
SELECT wab_prune_history(NULL);
SELECT wab_prune_history('300000 years');
SELECT bridge_id, status, since AT TIME ZONE 'UTC' AS since, until FROM wab_status_history;
SELECT bridge_id, event, was, became FROM wab_bridge_events;
SELECT count(*) AS days FROM wab_fleet_health_daily WHERE coverage > 0;
-- A time that is not finite counts as unknown.
UPDATE wab_bridges SET created_at = '-infinity';
DELETE FROM wab_observations;
SELECT count(*) < 100 AS finite FROM wab_costs;
SELECT bridges FROM wab_observe('{7001}', '{infinite}', '{running}', '{connected}', ARRAY['-infinity'::timestamptz], force => true);
SELECT created_at FROM wab_bridges WHERE bridge_id = 7001;
