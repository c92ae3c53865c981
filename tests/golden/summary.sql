-- Tests the summary, which needs the tenants.
CREATE EXTENSION pg_wabridges;
SELECT * FROM wab_summary();
SELECT wab_log_summary();
CREATE TABLE tenants (id text PRIMARY KEY, wanted boolean NOT NULL DEFAULT true, bridge_id bigint, bridge_status text);
INSERT INTO tenants VALUES ('a', true, 1, 'paired'), ('b', false, 2, 'paired'), ('c', true, NULL, NULL);
SELECT * FROM wab_bind_tenants('tenants', wanted => 'wanted');
INSERT INTO wab_bridges (bridge_id, customer_ref, status, first_seen_at)
VALUES (1, 'a', 'paired', now()), (2, 'b', 'disconnected', now()), (3, 'gone', 'awaiting_scan', now()), (4, NULL, 'unknown', now());
SELECT observed_at IS NULL AS unobserved, bridges, paired, awaiting_scan, disconnected, unknown FROM wab_summary();
SELECT orphaned, churned, missing, monthly_cost, monthly_waste FROM wab_summary();
SELECT (wab_log_summary()).bridges;
SELECT bridges, paired, monthly_cost, monthly_waste FROM wab_summaries;
-- Each one stays.
SELECT (wab_log_summary()).bridges;
SELECT count(*) FROM wab_summaries;
