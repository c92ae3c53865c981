-- Tests which bridge carried which customer_ref when.
CREATE EXTENSION pg_wabridges;
SET timezone = 'UTC';
INSERT INTO wab_bridges (bridge_id, customer_ref, created_at, first_seen_at) VALUES
    (1, 'a', '2026-01-01', '2026-01-02'), (2, NULL, NULL, '2026-01-02'), (3, 'c', '2026-01-01', '2026-01-09'),
    (4, 'd', '-infinity', '2026-01-02');
INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since) VALUES
    -- Bridge 2 was moved from b to e, and then lost its customer_ref.
    ('2026-01-03', 2, 'e', 'customer_ref', 'b', 'e', NULL),
    ('2026-01-05', 2, 'e', 'customer_ref', 'e', NULL, NULL),
    -- Bridge 3 was not listed for a day, and came back with another customer_ref.
    ('2026-01-04', 3, 'f', 'customer_ref', 'g', 'f', NULL),
    ('2026-01-08', 3, 'f', 'disappeared', 'paired', NULL, '2026-01-02'),
    ('2026-01-09', 3, 'c', 'appeared', NULL, 'paired', '2026-01-01'),
    -- Bridge 5 is gone; bridge 6 is another one that used its id before it.
    ('2026-01-06', 5, 'h', 'disappeared', 'paired', NULL, '2026-01-02'),
    ('2026-01-03', 6, 'i', 'disappeared', 'paired', NULL, '2026-01-02'),
    ('2026-01-07', 6, 'j', 'disappeared', 'paired', NULL, '2026-01-04'),
    -- Its beginning is not before its end.
    ('2026-01-03', 7, 'k', 'disappeared', 'paired', NULL, '2026-01-03');
SELECT bridge_id, customer_ref, since, nullif(until, now()) AS until FROM _wab_tenures ORDER BY bridge_id, since;
-- A bridge that the provider says was created later than now is known since it was first seen, and costs since then.
UPDATE wab_bridges SET created_at = now() + interval '1 year' WHERE bridge_id = 3;
SELECT bridge_id, customer_ref, since = first_seen_at AS since_first_seen FROM _wab_tenures JOIN wab_bridges b USING (bridge_id, customer_ref)
WHERE b.created_at > now() AND until = now();
