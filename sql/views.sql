-- THE definition of drift: each kind once, in wab_fleet_kinds. No writes here (functions.sql).
--
-- The views stand over your tenants table, so they are created by wab_bind_tenants() and not by the install script. They are
-- ordinary views and no members of the extension: dump, restore and DROP TABLE treat them as they treat any view.

CREATE FUNCTION @extschema@.wab_create_views() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $views$
DECLARE
    kind text;
    said record;
BEGIN

-- One row per tenant or bridge, in one pass: hash joins over three tables. In each condition what is cheap and seldom true comes
-- first: PostgreSQL evaluates them in this order, for every row. `own` tells the bridge that serves a customer_ref
-- from its duplicates. The one-row settings come as sub-selects: they are evaluated once and join nothing.
CREATE OR REPLACE VIEW @extschema@.wab_fleet_kinds AS
SELECT
    k.tenant_id, k.customer_ref, k.wanted, k.kept,
    k.bridge_id, k.stored_bridge_id,
    k.state, k.status, k.raw_status, k.stored_status, k.status_since, k.created_at,
    k.webhook_url, k.last_webhook_url, k.declared_reason, k.kept_until,
    k.is_missing, k.is_unbound, k.is_status_drift, k.is_orphaned, k.is_churned, k.is_duplicate,
    k.is_disconnected, k.is_awaiting_scan, k.is_state, k.is_webhook,
    k.is_well,
    array_remove(ARRAY[
        CASE WHEN k.is_missing THEN 'missing' END,
        CASE WHEN k.is_unbound THEN 'unbound' END,
        CASE WHEN k.is_status_drift THEN 'status_drift' END,
        CASE WHEN k.is_orphaned THEN 'orphaned' END,
        CASE WHEN k.is_churned THEN 'churned' END,
        CASE WHEN k.is_duplicate THEN 'duplicate' END,
        CASE WHEN k.is_disconnected THEN 'disconnected' END,
        CASE WHEN k.is_awaiting_scan THEN 'awaiting_scan' END,
        CASE WHEN k.is_state THEN 'state' END,
        CASE WHEN k.is_webhook THEN 'webhook' END
    ], NULL) AS drift
FROM (
    SELECT
        f.*,
        NOT f.live AND f.wanted AS is_missing,
        f.own AND f.is_tenant AND f.bridge_id IS DISTINCT FROM f.stored_bridge_id AS is_unbound,
        f.own AND f.is_tenant AND f.status <> 'unknown' AND f.status IS DISTINCT FROM f.stored_status AS is_status_drift,
        f.live AND NOT f.is_tenant AND NOT f.wanted AND NOT f.kept AS is_orphaned,
        f.own AND f.is_tenant AND NOT f.wanted AND NOT f.kept AS is_churned,
        f.live AND NOT f.own AND (f.is_tenant OR f.wanted OR f.kept) AS is_duplicate,
        f.status = 'disconnected' AND f.own AND f.wanted
            AND f.status_since < now() - (SELECT p.disconnected_after FROM @extschema@.wab_policy p) AS is_disconnected,
        f.status = 'awaiting_scan' AND f.own AND f.wanted
            AND f.status_since < now() - (SELECT p.awaiting_scan_after FROM @extschema@.wab_policy p) AS is_awaiting_scan,
        f.live AND f.state <> 'running' AS is_state,
        f.own AND f.last_webhook_url <> f.webhook_url AS is_webhook,
        -- What most rows are like: none of the above can be true then, and need not be asked. The bridge that the row holds serves it.
        CASE WHEN NOT f.live THEN NOT f.wanted
        ELSE f.bridge_id = f.stored_bridge_id AND f.wanted AND f.state = 'running'
            AND (f.last_webhook_url IS NULL OR f.last_webhook_url = f.webhook_url)
            AND CASE f.status
                WHEN 'paired' THEN f.stored_status = 'paired'
                WHEN 'awaiting_scan' THEN f.stored_status = 'awaiting_scan'
                    AND f.status_since >= now() - (SELECT p.awaiting_scan_after FROM @extschema@.wab_policy p)
                WHEN 'disconnected' THEN f.stored_status = 'disconnected'
                    AND f.status_since >= now() - (SELECT p.disconnected_after FROM @extschema@.wab_policy p)
                WHEN 'unknown' THEN true END
        END AS is_well
    FROM (
        SELECT
            t.tenant_id,
            coalesce(t.customer_ref, b.customer_ref, d.customer_ref) AS customer_ref,
            t.customer_ref IS NOT NULL AS is_tenant,
            b.bridge_id IS NOT NULL AS live,
            coalesce(t.wanted, false) OR coalesce(d.kind = 'extra', false) AS wanted,
            coalesce(d.kind = 'keep' AND (d.until IS NULL OR d.until >= current_date), false) AS kept,
            b.bridge_id IS NOT NULL
                AND (NOT b.duplicated OR @extschema@.wab_serves(b.bridge_id, b.customer_ref, t.bridge_id)) AS own,
            b.bridge_id, t.bridge_id AS stored_bridge_id,
            b.state, b.status, b.raw_status, t.bridge_status AS stored_status, b.status_since, b.created_at,
            coalesce(t.webhook_url, d.webhook_url) AS webhook_url, b.webhook_url AS last_webhook_url,
            d.kind AS declared, d.reason AS declared_reason, d.until AS kept_until
        FROM @extschema@.wab_tenants t
        FULL JOIN @extschema@.wab_bridges b ON b.customer_ref = t.customer_ref
        FULL JOIN @extschema@.wab_declared d ON d.customer_ref = coalesce(t.customer_ref, b.customer_ref)
    ) f
    WHERE f.is_tenant OR f.live OR f.declared = 'extra'
) k;

CREATE OR REPLACE VIEW @extschema@.wab_fleet AS
SELECT
    k.tenant_id, k.customer_ref, k.wanted, k.kept,
    k.bridge_id, k.stored_bridge_id,
    k.state, k.status, k.raw_status, k.stored_status, k.status_since, k.created_at,
    k.webhook_url, k.last_webhook_url, k.declared_reason, k.kept_until, k.drift
FROM @extschema@.wab_fleet_kinds k;

-- One row per difference: a bridge or tenant with two kinds of drift has two rows. PostgreSQL takes half of the rows not to be
-- well, for it knows nothing of coalesce(); otherwise it would expect none of them to be.
CREATE OR REPLACE VIEW @extschema@.wab_drift AS
SELECT
    d.kind,
    CASE WHEN d.kind IN ('missing', 'disconnected', 'state') THEN 'critical'
         WHEN d.kind IN ('unbound', 'status_drift') THEN 'info'
         ELSE 'warning' END AS severity,
    d.tenant_id, d.bridge_id, d.customer_ref,
    CASE d.kind
         WHEN 'missing' THEN d.stored_bridge_id::text
         WHEN 'unbound' THEN d.stored_bridge_id::text
         WHEN 'status_drift' THEN d.stored_status
         WHEN 'webhook' THEN d.webhook_url END AS stored,
    CASE d.kind
         WHEN 'status_drift' THEN d.status
         WHEN 'disconnected' THEN d.raw_status
         WHEN 'awaiting_scan' THEN d.raw_status
         WHEN 'state' THEN d.state
         WHEN 'webhook' THEN d.last_webhook_url
         ELSE d.bridge_id::text END AS observed,
    CASE WHEN d.kind IN ('disconnected', 'awaiting_scan') THEN d.status_since
         ELSE (SELECT min(e.began_at) FROM @extschema@.wab_drift_episodes e
               WHERE e.ended_at IS NULL AND e.kind = d.kind AND e.subject = coalesce(d.bridge_id::text, d.customer_ref)) END AS since,
    CASE d.kind
         WHEN 'missing' THEN CASE
              WHEN EXISTS (SELECT FROM @extschema@.wab_queue q WHERE q.customer_ref = d.customer_ref AND q.finished_at IS NULL)
                   THEN 'wanted, and waits for its bridge in wab_queue'
              WHEN d.tenant_id IS NULL THEN 'declared extra: ' || d.declared_reason
              WHEN d.stored_bridge_id IS NULL THEN 'wanted, and has no bridge'
              ELSE 'wanted, and bridge ' || d.stored_bridge_id || ' is no longer listed' END
         WHEN 'unbound' THEN CASE
              WHEN d.stored_bridge_id IS NULL THEN 'the tenant row holds no bridge_id'
              ELSE 'the tenant row holds another bridge_id' END
         WHEN 'status_drift' THEN 'the tenant row holds another status'
         WHEN 'orphaned' THEN CASE
              WHEN d.customer_ref IS NULL THEN 'the bridge has no customer_ref'
              WHEN d.kept_until IS NOT NULL THEN 'no tenant owns it; kept until ' || d.kept_until || ', which has passed'
              ELSE 'no tenant owns it' END
         WHEN 'churned' THEN CASE
              WHEN d.kept_until IS NOT NULL THEN 'the tenant is no longer wanted; kept until ' || d.kept_until || ', which has passed'
              ELSE 'the tenant is no longer wanted' END
         WHEN 'duplicate' THEN 'another live bridge serves this customer_ref'
         WHEN 'disconnected' THEN 'disconnected: pair it again'
         WHEN 'awaiting_scan' THEN 'the QR code was not scanned: remind the tenant'
         WHEN 'state' THEN 'the container is not running'
         WHEN 'webhook' THEN 'set the webhook_url by hand in the dashboard' END AS detail,
    CASE WHEN d.kind IN ('orphaned', 'churned', 'duplicate')
         THEN (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) ELSE 0.00 END::numeric(10,2) AS monthly_cost,
    d.webhook_url
FROM (SELECT unnest(k.drift) AS kind, k.* FROM @extschema@.wab_fleet_kinds k WHERE NOT coalesce(k.is_well, false)) d;

CREATE OR REPLACE VIEW @extschema@.wab_orphaned_bridges AS
SELECT f.bridge_id, f.customer_ref, f.state, f.status, f.created_at, f.kept_until,
       (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS monthly_cost
FROM @extschema@.wab_fleet_kinds f WHERE f.is_orphaned;

CREATE OR REPLACE VIEW @extschema@.wab_missing_bridges AS
SELECT f.tenant_id, f.customer_ref, f.stored_bridge_id, f.webhook_url
FROM @extschema@.wab_fleet_kinds f WHERE f.is_missing;

CREATE OR REPLACE VIEW @extschema@.wab_status_drift AS
SELECT f.tenant_id, f.bridge_id, f.customer_ref, f.stored_status, f.status, f.raw_status, f.status_since
FROM @extschema@.wab_fleet_kinds f WHERE f.is_status_drift;

CREATE OR REPLACE VIEW @extschema@.wab_churned_bridges AS
SELECT f.tenant_id, f.bridge_id, f.customer_ref, f.state, f.status, f.created_at,
       (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS monthly_cost
FROM @extschema@.wab_fleet_kinds f WHERE f.is_churned;

CREATE OR REPLACE VIEW @extschema@.wab_fleet_summary AS
SELECT
    (SELECT max(o.observed_at) FROM @extschema@.wab_observations o) AS observed_at,
    c.bridges, c.paired, c.awaiting_scan, c.disconnected, c.unknown, c.orphaned, c.churned, c.missing,
    (c.bridges * c.price)::numeric(12,2) AS monthly_cost,
    ((c.orphaned + c.churned + c.duplicate) * c.price)::numeric(12,2) AS monthly_waste,
    c.duplicate, c.unbound, c.status_drift
FROM (
    SELECT
        count(f.bridge_id) AS bridges,
        count(*) FILTER (WHERE f.status = 'paired') AS paired,
        count(*) FILTER (WHERE f.status = 'awaiting_scan') AS awaiting_scan,
        count(*) FILTER (WHERE f.status = 'disconnected') AS disconnected,
        count(*) FILTER (WHERE f.status = 'unknown') AS unknown,
        count(*) FILTER (WHERE f.is_orphaned) AS orphaned,
        count(*) FILTER (WHERE f.is_churned) AS churned,
        count(*) FILTER (WHERE f.is_missing) AS missing,
        count(*) FILTER (WHERE f.is_duplicate) AS duplicate,
        count(*) FILTER (WHERE f.is_unbound) AS unbound,
        count(*) FILTER (WHERE f.is_status_drift) AS status_drift,
        (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS price
    FROM @extschema@.wab_fleet_kinds f
) c;

COMMENT ON VIEW @extschema@.wab_fleet IS 'The whole picture: one row per tenant or bridge, with the kinds of drift it has.';
COMMENT ON COLUMN @extschema@.wab_fleet.tenant_id IS 'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_fleet.customer_ref IS 'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_fleet.wanted IS 'Should there be a bridge: the tenant is wanted, or an extra is declared.';
COMMENT ON COLUMN @extschema@.wab_fleet.kept IS 'Declared to be kept though nobody owns it, and the date has not passed.';
COMMENT ON COLUMN @extschema@.wab_fleet.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_fleet.stored_bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.state IS 'The container''s state.';
COMMENT ON COLUMN @extschema@.wab_fleet.status IS 'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_fleet.raw_status IS 'The same in the provider''s words.';
COMMENT ON COLUMN @extschema@.wab_fleet.stored_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.status_since IS 'Since when the status has been what it is, as far as it was observed.';
COMMENT ON COLUMN @extschema@.wab_fleet.created_at IS 'When the provider created the bridge.';
COMMENT ON COLUMN @extschema@.wab_fleet.webhook_url IS 'The webhook_url that is wanted.';
COMMENT ON COLUMN @extschema@.wab_fleet.last_webhook_url IS 'The webhook_url that we set last; null when we never did.';
COMMENT ON COLUMN @extschema@.wab_fleet.declared_reason IS 'Why it is declared in wab_declared.';
COMMENT ON COLUMN @extschema@.wab_fleet.kept_until IS 'The last day on which the keep holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.drift IS 'Kinds of drift that this row has; empty when all is well.';
COMMENT ON COLUMN @extschema@.wab_fleet_kinds.is_well IS 'True where a few questions tell that there is no drift. Otherwise there may be: see drift.';
COMMENT ON VIEW @extschema@.wab_fleet_kinds IS 'wab_fleet with a column for each kind of drift: what the other views are made of. Null is no.';

COMMENT ON VIEW @extschema@.wab_drift IS 'One row per difference between the tenants table and the observed fleet.';
COMMENT ON COLUMN @extschema@.wab_drift.kind IS 'missing, unbound, status_drift, orphaned, churned, duplicate, disconnected, awaiting_scan, state or webhook.';
COMMENT ON COLUMN @extschema@.wab_drift.severity IS 'critical: a customer is without service. warning: money or attention is lost. info: repaired by wab apply or wab_reconcile().';
COMMENT ON COLUMN @extschema@.wab_drift.tenant_id IS 'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_drift.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_drift.customer_ref IS 'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_drift.stored IS 'What your side says.';
COMMENT ON COLUMN @extschema@.wab_drift.observed IS 'What the provider says.';
COMMENT ON COLUMN @extschema@.wab_drift.since IS 'Since when, as far as it was observed: the status, or for other kinds since a refresh or wab first saw this drift. Null before that.';
COMMENT ON COLUMN @extschema@.wab_drift.detail IS 'The difference in words.';
COMMENT ON COLUMN @extschema@.wab_drift.monthly_cost IS 'US dollars per month that are paid for a bridge nobody needs; 0 for other kinds.';
COMMENT ON COLUMN @extschema@.wab_drift.webhook_url IS 'The webhook_url that is wanted for this tenant.';

COMMENT ON VIEW @extschema@.wab_orphaned_bridges IS 'Live bridges that no tenant owns and nobody declared: paid for in vain.';
COMMENT ON VIEW @extschema@.wab_missing_bridges IS 'Wanted tenants and declared extras with no live bridge.';
COMMENT ON VIEW @extschema@.wab_status_drift IS 'Tenant rows whose stored status differs from the observed one.';
COMMENT ON VIEW @extschema@.wab_churned_bridges IS 'Live bridges of tenants that are no longer wanted: still being paid for.';
COMMENT ON VIEW @extschema@.wab_fleet_summary IS 'One row: bridges by status, drift by kind, US dollars per month.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.duplicate IS 'Live bridges beside the one that serves their customer_ref.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.unbound IS 'Tenants whose row does not hold their live bridge''s id.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.status_drift IS 'Tenants whose row holds another status than was observed.';
COMMENT ON VIEW @extschema@.wab_tenants IS 'Your tenants table as this extension reads it. Updates of bridge_id and bridge_status go to the table.';
COMMENT ON COLUMN @extschema@.wab_tenants.customer_ref IS 'The tenant''s id as text: what its bridge carries.';
COMMENT ON COLUMN @extschema@.wab_tenants.bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_tenants.bridge_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_tenants.wanted IS 'Should this tenant have a bridge, as the binding says.';

FOREACH kind IN ARRAY ARRAY['missing', 'unbound', 'status_drift', 'orphaned', 'churned', 'duplicate', 'disconnected',
                            'awaiting_scan', 'state', 'webhook'] LOOP
    EXECUTE format('COMMENT ON COLUMN @extschema@.wab_fleet_kinds.%I IS %L', 'is_' || kind, format('Whether it has drift of kind %s.', kind));
END LOOP;

-- A column that is the same in several views is described once, above or on wab_summaries.
FOR said IN
    SELECT DISTINCT ON (v.oid, a.attnum) v.relname, a.attname, d.description
    FROM pg_class v JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0
    JOIN unnest(ARRAY['wab_fleet', 'wab_drift', 'wab_summaries']) WITH ORDINALITY AS home(name, nth)
      ON v.relname <> 'wab_fleet_summary' OR home.name = 'wab_summaries'
    JOIN pg_attribute h ON h.attrelid = format('%s.%I', v.relnamespace::regnamespace, home.name)::regclass AND h.attname = a.attname
    JOIN pg_description d ON d.objoid = h.attrelid AND d.objsubid = h.attnum AND d.classoid = 'pg_class'::regclass
    WHERE v.oid IN ('@extschema@.wab_tenants'::regclass, '@extschema@.wab_fleet_kinds'::regclass, '@extschema@.wab_orphaned_bridges'::regclass,
                    '@extschema@.wab_missing_bridges'::regclass, '@extschema@.wab_status_drift'::regclass,
                    '@extschema@.wab_churned_bridges'::regclass, '@extschema@.wab_fleet_summary'::regclass)
      AND col_description(v.oid, a.attnum) IS NULL
    ORDER BY v.oid, a.attnum, home.nth
LOOP
    EXECUTE format('COMMENT ON COLUMN @extschema@.%I.%I IS %L', said.relname, said.attname, said.description);
END LOOP;

END
$views$;
COMMENT ON FUNCTION @extschema@.wab_create_views IS 'Creates the drift views over wab_tenants. Called by wab_bind_tenants().';
