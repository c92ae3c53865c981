-- Tests the views with every kind of drift, and with rows that are no drift.
CREATE EXTENSION pg_wabridges;
CREATE TABLE tenants (id text PRIMARY KEY, status text DEFAULT 'active', bridge_id bigint, bridge_status text, hook text);
INSERT INTO tenants (id, status, bridge_id, bridge_status) VALUES
  ('well', 'active', 1, 'paired'), ('missing', 'active', NULL, NULL), ('lost', 'active', 99, 'paired'), ('unbound', 'active', NULL, 'paired'),
  ('drifted', 'active', 3, 'paired'), ('churned', 'left', 4, 'paired'), ('twice', 'active', 6, 'paired'), ('down', 'active', 7, 'disconnected'),
  ('unscanned', 'active', 8, 'awaiting_scan'), ('stopped', 'active', 9, 'paired'), ('hooked', 'active', 10, 'paired'), ('left', 'left', NULL, NULL),
  ('kept', 'left', 13, 'paired'), ('silent', 'active', 14, 'paired'),
  ('gone', 'left', 98, 'paired'), ('faded', 'left', NULL, 'paired'), ('none', 'left', NULL, 'unknown'), ('renamed', 'active', 11, 'paired'), ('past', 'left', 11, NULL);
UPDATE tenants SET hook = 'https://new.example.com/' WHERE id = 'hooked';
SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''', webhook_url => 'hook');
SELECT bridges, appeared FROM wab_observe(
  '{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}',
  '{well,unbound,drifted,churned,twice,twice,down,unscanned,stopped,hooked,nobody,demo,kept,silent,NULL}',
  '{running,running,running,running,running,running,running,running,exited,running,running,running,running,running,running}',
  '{connected,connected,closed,connected,connected,connected,closed,qr,connected,connected,connected,connected,connected,NULL,connected}',
  array_fill('2026-01-01'::timestamptz, '{15}'));
UPDATE wab_bridges SET webhook_url = 'https://old.example.com/' WHERE bridge_id = 10;
INSERT INTO wab_declared VALUES ('demo', 'keep', 'sales demo', 'infinity', NULL), ('kept', 'keep', 'winding down', NULL, NULL), ('ops', 'extra', 'our own alerts', NULL, 'https://example.com/ops');
-- No bridge has been disconnected or unscanned for long enough yet.
SELECT kind, severity, tenant_id, bridge_id, customer_ref, stored, observed, since IS NOT NULL AS since,
       regexp_replace(detail, '[0-9-]+ [0-9:]+ UTC', '…') AS detail, monthly_cost
FROM wab_drift ORDER BY kind, bridge_id, customer_ref;
SELECT kind, tenant_id, bridge_id, since = date_trunc('second', since) AS whole, regexp_replace(detail, '[0-9-]+\s[0-9:]+\sUTC', '…') AS detail
FROM wab_drift_short WHERE kind IN ('missing', 'orphaned') ORDER BY kind, bridge_id, tenant_id, detail;
UPDATE wab_policy SET disconnected_after = '1 hour', awaiting_scan_after = '1 day';
UPDATE wab_bridges SET status_since = now() - interval '2 days', state_since = now() - interval '2 days';
SELECT bool_and(s.since = date_trunc('second', d.since)) AS whole, bool_or(s.since <> d.since) AS cut
FROM wab_drift_short s JOIN wab_drift d USING (kind, bridge_id);
SELECT kind, tenant_id, observed, detail FROM wab_drift WHERE kind IN ('disconnected', 'awaiting_scan', 'state') ORDER BY 1, 2;
-- A listing with a row that cannot be read may hide a bridge.
UPDATE wab_observations SET malformed = 1;
SELECT count(*) FROM wab_drift WHERE kind = 'stale_binding';
UPDATE wab_observations SET malformed = 0;
SELECT customer_ref, drift FROM wab_fleet WHERE drift <> '{}' ORDER BY customer_ref, bridge_id;
SELECT bridge_id, customer_ref, monthly_cost FROM wab_orphaned_bridges ORDER BY 1;
SELECT tenant_id, customer_ref, stored_bridge_id, webhook_url FROM wab_missing_bridges ORDER BY customer_ref;
SELECT tenant_id, stored_status, status FROM wab_status_drift;
SELECT tenant_id, bridge_id, monthly_cost FROM wab_churned_bridges;
SELECT bridges, paired, awaiting_scan, disconnected, unknown, orphaned, churned, missing, monthly_cost, monthly_waste, duplicate, unbound, status_drift FROM wab_fleet_summary;
-- The bridge of an expired keep is drift again, with the reason; a tenant row with the second of two bridges keeps it.
UPDATE wab_declared SET until = '2026-01-31' WHERE kind = 'keep';
SELECT kind, customer_ref, detail FROM wab_drift WHERE customer_ref IN ('demo', 'kept') ORDER BY 2;
-- The last day of a keep is a day in UTC, in every session.
UPDATE wab_declared SET until = (now() AT TIME ZONE 'UTC')::date WHERE customer_ref = 'kept';
UPDATE wab_declared SET until = (now() AT TIME ZONE 'UTC')::date - 1 WHERE customer_ref = 'demo';
SET TimeZone = 'Pacific/Kiritimati';
SELECT customer_ref, kept FROM wab_fleet WHERE customer_ref IN ('demo', 'kept') ORDER BY 1;
SET TimeZone = 'Pacific/Pago_Pago';
SELECT customer_ref, kept FROM wab_fleet WHERE customer_ref IN ('demo', 'kept') ORDER BY 1;
RESET TimeZone;
UPDATE wab_declared SET until = '2026-01-31' WHERE kind = 'keep';
UPDATE tenants SET bridge_id = 5 WHERE id = 'twice';
SELECT bridge_id, drift FROM wab_fleet WHERE customer_ref = 'twice' ORDER BY 1;
-- Rows in all combinations of these values, and in all pairs of state, hook and since: wab_fleet shows no drift where, and
-- only where, no kind holds.
SET jit = off;
TRUNCATE tenants, wab_bridges, wab_declared;
CREATE TABLE likes AS
SELECT row_number() OVER () AS n, l.* FROM (
    SELECT * FROM unnest('{active,left,none}'::text[]) AS tenant, unnest('{own,other,second,none}'::text[]) AS stored,
                  unnest('{paired,disconnected,awaiting_scan,unknown,NULL}'::text[]) AS stored_status,
                  unnest('{paired,disconnected,awaiting_scan,unknown,unmapped,none}'::text[]) AS status, unnest('{running,exited,NULL}'::text[]) WITH ORDINALITY AS s(state, s),
                  unnest('{same,other,NULL}'::text[]) WITH ORDINALITY AS h(hook, h), unnest('{extra,keep,past,none}'::text[]) AS declared, unnest('{1,2}'::integer[]) AS bridges,
                  unnest('{2 days,0,NULL}'::interval[]) WITH ORDINALITY AS i(since, i)) l
WHERE (s + h + i) % 3 = 0;
INSERT INTO tenants
SELECT n, tenant, CASE stored WHEN 'own' THEN n WHEN 'other' THEN -n WHEN 'second' THEN n + 1000000 END, stored_status FROM likes WHERE tenant <> 'none';
UPDATE tenants SET hook = 'same' WHERE id::integer % 7 <> 0;
INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, raw_status, webhook_url, first_seen_at, status_since, state_since)
SELECT n + (b - 1) * 1000000, n, state, CASE status WHEN 'unmapped' THEN 'unknown' ELSE status END, CASE WHEN status <> 'unknown' THEN upper(status) END, hook, now(), now() - since, now() - since FROM likes, generate_series(1, bridges) b WHERE status <> 'none';
INSERT INTO wab_declared
SELECT n, CASE declared WHEN 'extra' THEN 'extra' ELSE 'keep' END, 'why not', CASE declared WHEN 'past' THEN '2026-01-31'::date END,
       CASE WHEN declared = 'extra' AND n % 3 = 0 THEN 'same' END
FROM likes WHERE declared <> 'none';
INSERT INTO wab_queue (customer_ref) SELECT n FROM likes WHERE n % 5 = 0;
SELECT _wab_mark_duplicates();
SELECT count(*) AS rows, count(*) FILTER (WHERE num_nonnulls(VARIADIC differences) = 0) AS without_drift,
       (SELECT count(*) FROM wab_fleet WHERE drift = '{}') AS shown_without_drift
FROM _wab_kinds;
-- A checksum over every column of every row of drift.
SELECT kind, severity, count(*), sum(monthly_cost) AS cost,
       md5(string_agg(concat_ws('|', customer_ref, bridge_id, tenant_id, stored, observed, since IS NULL, regexp_replace(detail, '[0-9-]+ [0-9:]+ UTC', '…'), webhook_url), E'\n'
                      ORDER BY customer_ref::integer, bridge_id)) AS words
FROM wab_drift GROUP BY 1, 2 ORDER BY 1;
-- The other views agree with wab_drift.
SELECT count(*) AS differing FROM wab_fleet f
FULL JOIN (SELECT bridge_id, customer_ref, array_agg(kind ORDER BY kind) AS kinds FROM wab_drift GROUP BY 1, 2) d
  ON d.customer_ref = f.customer_ref AND coalesce(d.bridge_id, 0) = coalesce(f.bridge_id, 0)
WHERE ARRAY(SELECT k FROM unnest(f.drift) k ORDER BY k) IS DISTINCT FROM coalesce(d.kinds, '{}');
SELECT (SELECT count(*) FROM wab_orphaned_bridges) AS orphaned, (SELECT count(*) FROM wab_missing_bridges) AS missing,
       (SELECT count(*) FROM wab_status_drift) AS status_drift, (SELECT count(*) FROM wab_churned_bridges) AS churned;
SELECT bridges, paired, orphaned, churned, missing, duplicate, unbound, status_drift, monthly_cost, monthly_waste FROM wab_fleet_summary;
SELECT s.monthly_waste - sum(d.monthly_cost) AS waste_forgotten, bool_and(d.wasted = (d.monthly_cost > 0)) AS wasted_is_paid_for
FROM wab_fleet_summary s, wab_drift d GROUP BY s.monthly_waste;
-- Each column of a kind must be in the array of kinds.
SELECT a.attname AS forgotten FROM pg_attribute a
WHERE a.attrelid = '_wab_kinds'::regclass AND a.atttypid = '_wab_difference'::regtype
  AND pg_get_viewdef(a.attrelid) !~ ('ARRAY\[[^]]*k\.' || a.attname || '[],]');
