-- Tests that wab_tenant_costs() splits a month by tenant and adds up to wab_costs to the cent.
CREATE EXTENSION pg_wabridges;
SET timezone = 'America/New_York';
SELECT * FROM wab_tenant_costs();
-- Three bridges for a third of April each, one of them without a customer_ref; and one that moved from a to b at noon of
-- April 16, and was churned on its last ten days. April has 30 days: 1.00 + 1.00 + 1.00 + 3.00.
INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since) VALUES
    ('2026-04-11 00:00Z', 1, 'x', 'disappeared', 'paired', NULL, '2026-04-01 00:00Z'),
    ('2026-04-21 00:00Z', 2, 'y', 'disappeared', 'paired', NULL, '2026-04-11 00:00Z'),
    ('2026-05-01 00:00Z', 3, NULL, 'disappeared', 'paired', NULL, '2026-04-21 00:00Z'),
    ('2026-04-16 12:00Z', 4, 'b', 'customer_ref', 'a', 'b', NULL),
    ('2026-05-01 00:00Z', 4, 'b', 'disappeared', 'paired', NULL, '2026-04-01 00:00Z');
INSERT INTO wab_drift_episodes (kind, subject, bridge_id, customer_ref, wasted, began_at, ended_at) VALUES
    ('churned', '4', 4, 'b', true, '2026-04-21 00:00Z', '2026-05-02 00:00Z');
INSERT INTO wab_observations (observed_at, source, listing_sha256, bridges, appeared, changed, disappeared, malformed) VALUES
    ('2026-04-01 00:00Z', 'sql', 'x', 1, 0, 0, 0, 0);
SELECT * FROM wab_tenant_costs('2026-04-01');
SELECT * FROM wab_costs WHERE month = '2026-04-01';
-- Any day of the month will do.
SELECT count(*) FROM wab_tenant_costs('2026-04-30');
SELECT * FROM wab_tenant_costs('2026-05-01');
SELECT * FROM wab_tenant_costs(NULL);
SELECT * FROM wab_tenant_costs('infinity');
SELECT * FROM wab_tenant_costs('5874897-12-31');
-- Three equal tenants share one dollar: the cent that is left goes to one of them.
TRUNCATE wab_bridge_events, wab_drift_episodes;
UPDATE wab_policy SET price_per_bridge = 1.00;
INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, since) VALUES
    ('2026-04-11 00:00Z', 1, 'x', 'disappeared', 'paired', '2026-04-01 00:00Z'),
    ('2026-04-11 00:00Z', 2, 'y', 'disappeared', 'paired', '2026-04-01 00:00Z'),
    ('2026-04-11 00:00Z', 3, 'z', 'disappeared', 'paired', '2026-04-01 00:00Z');
SELECT customer_ref, cost FROM wab_tenant_costs('2026-04-01');
-- Random fleets add up, with every price: 15 months of up to 60 bridges, some of them moved or wasted.
CREATE TABLE split AS SELECT 0 AS seed, t.* FROM wab_tenant_costs('2026-04-01') t WITH NO DATA;
CREATE TABLE fleet AS SELECT 0 AS seed, c.* FROM wab_costs c WITH NO DATA;
CREATE TABLE exact AS SELECT 0 AS seed, p.customer_ref, sum(p.seconds) / 86400 AS days, sum(p.seconds) AS cost FROM _wab_paid_times p GROUP BY 2 WITH NO DATA;
DO $$
BEGIN
    FOR seed IN 1..15 LOOP
        PERFORM setseed(seed / 100.0);
        TRUNCATE wab_bridge_events, wab_drift_episodes;
        UPDATE wab_policy SET price_per_bridge = round((random() * 10)::numeric, 2);
        INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since)
        SELECT x.at, b.n, CASE WHEN random() < 0.1 THEN NULL ELSE 't' || (random() * 20)::integer END, x.event, 'paired', NULL, x.since
        FROM (SELECT n, '2026-04-01 00:00Z'::timestamptz + random() * interval '20 days' AS born FROM generate_series(1, 1 + (random() * 60)::integer) n) b
        CROSS JOIN LATERAL (VALUES (b.born + random() * interval '5 days', 'customer_ref', NULL::timestamptz),
            (b.born + (5 + random() * 10) * interval '1 day', 'disappeared', b.born)) x(at, event, since)
        WHERE x.event = 'disappeared' OR b.n % 3 = 0;
        UPDATE wab_bridge_events SET was = 't' || bridge_id % 7, became = customer_ref WHERE event = 'customer_ref';
        INSERT INTO wab_drift_episodes (kind, subject, bridge_id, wasted, began_at, ended_at)
        SELECT 'churned', n, n, true, s.since, s.since + random() * interval '9 days'
        FROM generate_series(1, 60) n CROSS JOIN LATERAL (SELECT '2026-04-01 00:00Z'::timestamptz + random() * interval '30 days' AS since) s
        WHERE n % 2 = 0;
        INSERT INTO split SELECT seed, t.* FROM wab_tenant_costs('2026-04-01') t;
        INSERT INTO fleet SELECT seed, c.* FROM wab_costs c WHERE c.month = '2026-04-01';
        INSERT INTO exact SELECT seed, p.customer_ref, sum(p.seconds) / 86400, sum(p.seconds) * w.price_per_bridge / max(p.month_seconds)
        FROM _wab_paid_times p CROSS JOIN wab_policy w WHERE p.month = '2026-04-01' AND NOT p.wasted GROUP BY p.customer_ref, w.price_per_bridge;
    END LOOP;
END
$$;
SELECT f.seed FROM fleet f
WHERE (f.bridge_days, f.cost, f.wasted_days, f.waste) <>
      (SELECT sum(s.bridge_days), sum(s.cost), sum(s.wasted_days), sum(s.waste) FROM split s WHERE s.seed = f.seed);
SELECT * FROM split s WHERE s.waste > s.cost OR s.waste < 0 OR s.wasted_days > s.bridge_days;
SELECT * FROM split s JOIN exact e ON e.seed = s.seed AND e.customer_ref IS NOT DISTINCT FROM s.customer_ref
WHERE abs(e.cost - s.cost) >= 0.02 OR abs(e.days - s.bridge_days) >= 0.02;
SELECT count(*) = (SELECT count(*) FROM exact) AS all_there, count(*) > 200 AS many, sum(waste) > 0 AS wasted FROM split;
