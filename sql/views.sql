-- THE definition of drift: each kind is one entry of _wab_kinds.
--
-- The views read your tenants table, so wab_bind_tenants() creates them, not the install script: this file is the body
-- of _wab_create_views(). PostgreSQL treats them like any view in dump, restore and DROP TABLE.

-- One row per tenant or bridge: the tenant row beside the live bridge. `serves` is true for the one bridge that serves
-- a customer_ref, and false for its duplicates.
CREATE OR REPLACE VIEW @extschema@._wab_rows AS
SELECT
    t.tenant_id, customer_ref,
    t.wanted IS TRUE OR (d.kind = 'extra') IS TRUE AS wanted,
    (d.kind = 'keep' AND (d.until IS NULL OR d.until >= (now() AT TIME ZONE 'UTC')::date)) IS TRUE AS kept,
    b.bridge_id, t.bridge_id AS stored_bridge_id,
    b.state, b.status, b.raw_status, t.bridge_status AS stored_status, b.status_since, b.created_at,
    -- Who may write the fleet sees the URLs; who only reads it sees whether they differ.
    CASE WHEN (SELECT has_table_privilege('@extschema@.wab_bridges', 'UPDATE')) THEN coalesce(t.webhook_url, d.webhook_url)
         ELSE @extschema@._wab_hidden_url(coalesce(t.webhook_url, d.webhook_url)) END AS webhook_url,
    CASE WHEN (SELECT has_table_privilege('@extschema@.wab_bridges', 'UPDATE')) THEN b.webhook_url
         ELSE @extschema@._wab_hidden_url(b.webhook_url) END AS last_webhook_url,
    d.reason AS declared_reason, d.until AS kept_until,
    b.bridge_id IS NOT NULL
        AND (NOT b.duplicated OR @extschema@._wab_serves(b.bridge_id, b.customer_ref, t.bridge_id)) AS serves,
    -- It was paired, or may have been, and is not. One that was disconnected when it was first seen may have been.
    (b.status = 'disconnected' OR (b.status = 'awaiting_scan' AND (b.unpaired_since > b.first_seen_at OR (
        b.unpaired_since = b.first_seen_at
        AND @extschema@._wab_appeared_disconnected(b.bridge_id, b.first_seen_at))))) IS TRUE AS lost_phone,
    b.first_seen_at, b.unpaired_since, b.state_since, t.disconnected_after, t.awaiting_scan_after, t.expected_phone,
    t.customer_ref AS tenant_ref
FROM @extschema@.wab_tenants t
FULL JOIN @extschema@.wab_bridges b USING (customer_ref)
FULL JOIN @extschema@.wab_declared d USING (customer_ref)
WHERE (t.customer_ref IS NOT NULL OR b.bridge_id IS NOT NULL OR d.kind = 'extra')
    -- Of two tenant rows with one id, such as a deleted one and a new one, the wanted one needs the bridge.
    AND (t.wanted OR t.customer_ref IS NULL OR b.bridge_id IS NULL
         OR NOT @extschema@._wab_has_wanted_twin(customer_ref)) IS TRUE;

-- The kinds of drift. An entry is null if there is no such drift, and otherwise (kind, severity, stored, observed,
-- since, wasted, detail). To add a kind, add an entry and name it in `differences`. The first condition of an entry is
-- cheap and does not hold for a healthy bridge; `serves` is the last, because it costs a look-up for a duplicated one.
CREATE OR REPLACE VIEW @extschema@._wab_kinds AS
SELECT r.*, k.*,
    ARRAY[k.missing, k.outside, k.unbound, k.status_drift, k.stale_binding, k.orphaned, k.churned, k.duplicate,
          k.disconnected, k.awaiting_scan, k.flapping, k.unmapped, k.stopped, k.webhook,
          k.phone_changed, k.phone_shared, k.phone_unexpected, k.silent] AS differences
FROM @extschema@._wab_rows r CROSS JOIN @extschema@._wab_cutoffs() c CROSS JOIN LATERAL (SELECT

    CASE WHEN r.bridge_id IS NULL AND r.wanted AND (r.customer_ref COLLATE "C" ~ c.customer_refs) IS FALSE
    THEN NULL
    WHEN r.bridge_id IS NULL AND r.wanted AND r.stored_bridge_id IS NULL
    THEN ROW('missing', 'critical', NULL, NULL, NULL, false,
        CASE WHEN r.customer_ref IN ('', '.', '..') OR octet_length(r.customer_ref) > 10000
                  THEN 'wanted, but no bridge can carry this tenant''s id: it is empty, "." or "..", or longer than '
                       '10000 bytes, which no URL can hold; give the tenant another id'
             WHEN EXISTS (SELECT FROM @extschema@.wab_queue q
                          WHERE q.customer_ref = r.customer_ref AND q.finished_at IS NULL)
                  THEN 'wanted, and waits for its bridge in wab_queue'
             WHEN r.tenant_id IS NULL THEN 'declared extra: ' || r.declared_reason
             ELSE 'wanted, and has no bridge' END
    )::@extschema@._wab_difference
    -- The held bridge is gone, or live under another customer_ref (observed): then the tenant was probably renamed.
    WHEN r.bridge_id IS NULL AND r.wanted
    THEN ROW('missing', 'critical', r.stored_bridge_id::text, @extschema@._wab_carried(r.stored_bridge_id), NULL, false,
        coalesce('wanted, but bridge ' || r.stored_bridge_id || ', which its row holds, is live under the customer_ref '
                 || @extschema@._wab_carried(r.stored_bridge_id) || ': was the tenant renamed?',
                 'wanted, and bridge ' || r.stored_bridge_id || ' is no longer listed')
    )::@extschema@._wab_difference END AS missing,

    -- No bridge outside of customer_refs is stored.
    CASE WHEN r.bridge_id IS NULL AND (r.wanted OR r.stored_bridge_id IS NOT NULL)
              AND (r.customer_ref COLLATE "C" ~ c.customer_refs) IS FALSE
    THEN ROW('outside', 'critical', r.stored_bridge_id::text, NULL, NULL, false,
        CASE WHEN r.tenant_id IS NULL THEN 'declared extra: ' || r.declared_reason || '; but'
             WHEN r.wanted THEN 'wanted, but' ELSE 'not wanted, and its row holds bridge ' || r.stored_bridge_id || '; but' END
        || ' its id does not match customer_refs, so its bridge would belong to another database'
    )::@extschema@._wab_difference END AS outside,

    CASE WHEN r.bridge_id IS DISTINCT FROM r.stored_bridge_id AND r.tenant_id IS NOT NULL AND r.serves
    THEN ROW('unbound', 'info', r.stored_bridge_id::text, r.bridge_id::text, NULL, false,
        CASE WHEN r.stored_bridge_id IS NOT NULL THEN 'the tenant row holds another bridge_id'
             ELSE 'the tenant row holds no bridge_id'
                  || CASE WHEN r.status = 'paired' THEN '; bridge ' || r.bridge_id || ' is paired already'
                          || coalesce(', and was created ' || to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'
                                                            ' "UTC"'), '')
                          || ': the tenant takes over its session' ELSE '' END END
    )::@extschema@._wab_difference END AS unbound,

    CASE WHEN r.status IS DISTINCT FROM r.stored_status AND r.tenant_id IS NOT NULL
              AND (r.status <> 'unknown' OR r.raw_status IS NOT NULL) AND r.serves
    THEN ROW('status_drift', 'info', r.stored_status, r.status, NULL, false,
        'the tenant row holds another status'
    )::@extschema@._wab_difference END AS status_drift,

    -- A listing with a row that cannot be read may hide the bridge.
    CASE WHEN r.bridge_id IS NULL AND r.tenant_id IS NOT NULL AND NOT r.wanted
              AND (r.stored_bridge_id IS NOT NULL OR r.stored_status IN ('paired', 'awaiting_scan', 'disconnected'))
              AND c.listing_is_whole AND (r.customer_ref COLLATE "C" ~ c.customer_refs) IS NOT FALSE
    THEN ROW('stale_binding', 'info', coalesce(r.stored_bridge_id::text, r.stored_status), NULL, NULL, false,
        CASE WHEN r.stored_bridge_id IS NULL THEN 'not wanted, and its row still holds the status ' || r.stored_status
             ELSE 'not wanted, and its row still holds bridge ' || r.stored_bridge_id
                  || coalesce(', which is live under the customer_ref ' || @extschema@._wab_carried(r.stored_bridge_id),
                              ', which is gone') END
    )::@extschema@._wab_difference END AS stale_binding,

    CASE WHEN r.tenant_id IS NULL AND r.bridge_id IS NOT NULL AND NOT r.wanted AND NOT r.kept
    THEN ROW('orphaned', 'warning', NULL, r.bridge_id::text, NULL, true,
        CASE WHEN r.customer_ref IS NULL THEN 'the bridge has no customer_ref'
             ELSE 'no tenant owns it' || coalesce('; kept until ' || r.kept_until || ', which has passed', '') END
    )::@extschema@._wab_difference END AS orphaned,

    CASE WHEN NOT r.wanted AND r.tenant_id IS NOT NULL AND NOT r.kept AND r.serves
    THEN ROW('churned', 'warning', NULL, r.bridge_id::text, NULL, true,
        'the tenant is no longer wanted' || coalesce('; kept until ' || r.kept_until || ', which has passed', '')
    )::@extschema@._wab_difference END AS churned,

    CASE WHEN r.bridge_id IS NOT NULL AND (r.tenant_id IS NOT NULL OR r.wanted OR r.kept) AND NOT r.serves
    THEN ROW('duplicate', 'warning', NULL, r.bridge_id::text, NULL, true,
        'another live bridge serves this customer_ref'
    )::@extschema@._wab_difference END AS duplicate,

    -- A bridge that was paired is disconnected until it is paired again, also while its session shows a QR code.
    CASE WHEN r.lost_phone AND r.wanted
              AND coalesce(r.unpaired_since, r.status_since)
                  < CASE WHEN r.disconnected_after IS NULL THEN c.disconnected
                         ELSE @extschema@._wab_cutoff(r.disconnected_after) END AND r.serves
    THEN ROW('disconnected', 'critical', NULL, r.raw_status, coalesce(r.unpaired_since, r.status_since), false,
        CASE r.status WHEN 'disconnected' THEN 'disconnected: pair it again' ELSE 'no longer paired: pair it again' END
    )::@extschema@._wab_difference END AS disconnected,

    CASE WHEN r.status = 'awaiting_scan' AND NOT r.lost_phone AND r.wanted
              AND coalesce(r.unpaired_since, r.status_since)
                  < CASE WHEN r.awaiting_scan_after IS NULL THEN c.awaiting_scan
                         ELSE @extschema@._wab_cutoff(r.awaiting_scan_after) END AND r.serves
    THEN ROW('awaiting_scan', 'warning', NULL, r.raw_status, coalesce(r.unpaired_since, r.status_since), false,
        'the QR code was not scanned: '
        || coalesce(@extschema@._wab_nudge_note(r.customer_ref, coalesce(r.unpaired_since, r.status_since)),
                    'remind the tenant')
    )::@extschema@._wab_difference END AS awaiting_scan,

    CASE WHEN r.status_since > c.flapping AND r.status_since > r.first_seen_at AND r.wanted
              AND @extschema@._wab_flapping(r.bridge_id, c.flapping, c.flapping_changes) IS NOT NULL AND r.serves
    THEN ROW('flapping', 'critical', NULL, r.raw_status, NULL, false,
        format('the status changed %s times within %s', @extschema@._wab_flapping(r.bridge_id, c.flapping, c.flapping_changes),
               (SELECT p.flapping_window FROM @extschema@.wab_policy p))
    )::@extschema@._wab_difference END AS flapping,

    CASE WHEN r.status = 'unknown' AND r.raw_status IS NOT NULL
              AND (r.status_since >= c.unmapped_status) IS NOT TRUE
              AND (SELECT @extschema@._wab_unmapped())
                  ? @extschema@._wab_status_word(r.raw_status)
    THEN ROW('unmapped_status', 'warning', NULL, r.raw_status, r.status_since, false,
        format('no status is known for the word %L (bridges with it: %s): INSERT INTO wab_status_words VALUES (%L, ''...'')',
               left(r.raw_status, 60), (SELECT @extschema@._wab_unmapped())
                   ->> @extschema@._wab_status_word(r.raw_status), left(r.raw_status, 60))
    )::@extschema@._wab_difference END AS unmapped,

    CASE WHEN r.state <> 'running' AND lower(r.state) <> 'running' AND r.bridge_id IS NOT NULL
              AND (r.state_since >= c.state) IS NOT TRUE
    THEN ROW('state', 'critical', NULL, r.state, r.state_since, false,
        'the container is not running'
    )::@extschema@._wab_difference END AS stopped,

    CASE WHEN r.last_webhook_url <> r.webhook_url AND r.serves
    THEN ROW('webhook', 'warning', r.webhook_url, r.last_webhook_url, NULL, false,
        'set the webhook_url by hand in the dashboard, then confirm it: SELECT wab_webhook_set(''...'')'
    )::@extschema@._wab_difference END AS webhook,

    -- A bridge that shares its customer_ref is not asked, so that no phone of it is known.
    CASE WHEN c.phones IS NOT NULL AND r.status = 'paired' AND r.wanted AND c.phones ? r.bridge_id::text
              AND @extschema@._wab_phone_sign(c.phones, r.bridge_id, 'changed_at') IS NOT NULL
    THEN ROW('phone_changed', 'warning', @extschema@._wab_phone_sign(c.phones, r.bridge_id, 'previous'),
        @extschema@._wab_phone_sign(c.phones, r.bridge_id, 'phone'),
        @extschema@._wab_phone_sign(c.phones, r.bridge_id, 'changed_at')::timestamptz, false,
        'another phone is paired than before: ask the tenant, then SELECT wab_accept_phone(...)'
    )::@extschema@._wab_difference END AS phone_changed,

    CASE WHEN c.phones IS NOT NULL AND r.status = 'paired' AND c.phones ? r.bridge_id::text
              AND @extschema@._wab_phone_sign(c.phones, r.bridge_id, 'shared_with') IS NOT NULL
    THEN ROW('phone_shared', 'warning', NULL, @extschema@._wab_phone_sign(c.phones, r.bridge_id, 'phone'), NULL, false,
        'the same phone as ' || @extschema@._wab_phone_sign(c.phones, r.bridge_id, 'shared_with')
            || ': one of them will be thrown out, so log one out'
    )::@extschema@._wab_difference END AS phone_shared,

    CASE WHEN r.expected_phone IS NOT NULL AND r.status = 'paired' AND r.wanted
              AND @extschema@._wab_unexpected_phone(r.bridge_id, r.expected_phone) IS NOT NULL
    THEN ROW('phone_unexpected', 'warning', @extschema@._wab_phone_hint(r.expected_phone),
        @extschema@._wab_unexpected_phone(r.bridge_id, r.expected_phone), NULL, false,
        'paired with another phone than the tenant row holds'
    )::@extschema@._wab_difference END AS phone_unexpected,

    CASE WHEN c.silent IS NOT NULL AND r.status = 'paired' AND r.wanted AND r.status_since < c.silent
              AND @extschema@._wab_silent_since(r.bridge_id, r.status_since, c.silent) IS NOT NULL
    THEN ROW('silent', 'warning', NULL, NULL,
        @extschema@._wab_silent_since(r.bridge_id, r.status_since, c.silent), false,
        'paired, but without a message for too long: send one to see whether the session is alive'
    )::@extschema@._wab_difference END AS silent
) k;

CREATE OR REPLACE VIEW @extschema@.wab_fleet AS
SELECT d.tenant_id, d.customer_ref, d.wanted, d.kept, d.bridge_id, d.stored_bridge_id,
    d.state, d.status, d.raw_status, d.stored_status, d.status_since, d.created_at,
    d.webhook_url, d.last_webhook_url, d.declared_reason, d.kept_until,
    CASE WHEN num_nonnulls(VARIADIC d.differences) = 0 THEN '{}'
         ELSE ARRAY(SELECT k.kind FROM unnest(d.differences) k WHERE k.kind IS NOT NULL) END AS drift
FROM @extschema@._wab_kinds d;

-- One row per difference: a bridge or tenant with two kinds of drift has two rows.
CREATE OR REPLACE VIEW @extschema@.wab_drift AS
SELECT (k.difference).kind, (k.difference).severity, k.tenant_id, k.bridge_id, k.customer_ref,
    (k.difference).stored, (k.difference).observed,
    CASE WHEN (k.difference).since IS NOT NULL THEN (k.difference).since
         ELSE @extschema@._wab_drift_since((k.difference).kind, coalesce(k.bridge_id::text, k.customer_ref)) END AS since,
    (k.difference).detail,
    CASE WHEN (k.difference).wasted THEN (SELECT p.price_per_bridge FROM @extschema@.wab_policy p)
         ELSE 0.00 END::numeric(10,2) AS monthly_cost,
    k.webhook_url, (k.difference).wasted
FROM (SELECT d.tenant_id, d.bridge_id, d.customer_ref, d.webhook_url,
             unnest(array_remove(d.differences, NULL)) AS difference
      FROM @extschema@._wab_kinds d WHERE num_nonnulls(VARIADIC d.differences) > 0) k;

-- wab_drift for people. Its detail is wrapped at 32 characters, so that the usual row fits into 100 columns, and begins
-- with the customer_ref if there is no tenant to name.
CREATE OR REPLACE VIEW @extschema@.wab_drift_short AS
SELECT d.kind, d.tenant_id, d.bridge_id, date_trunc('second', d.since) AS since,
    rtrim(regexp_replace(CASE WHEN d.tenant_id IS NULL AND d.customer_ref IS NOT NULL THEN d.customer_ref || ': '
                              ELSE '' END || d.detail, '(.{1,32})(?: +|$)', E'\\1\n', 'g'), E'\n') AS detail
FROM @extschema@.wab_drift d;

CREATE OR REPLACE VIEW @extschema@.wab_orphaned_bridges AS
SELECT d.bridge_id, d.customer_ref, d.state, d.status, d.created_at, d.kept_until,
    (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS monthly_cost
FROM @extschema@._wab_kinds d WHERE (d.orphaned).kind IS NOT NULL;

CREATE OR REPLACE VIEW @extschema@.wab_missing_bridges AS
SELECT d.tenant_id, d.customer_ref, d.stored_bridge_id, d.webhook_url
FROM @extschema@._wab_kinds d WHERE (d.missing).kind IS NOT NULL;

CREATE OR REPLACE VIEW @extschema@.wab_status_drift AS
SELECT d.tenant_id, d.bridge_id, d.customer_ref, d.stored_status, d.status, d.raw_status, d.status_since
FROM @extschema@._wab_kinds d WHERE (d.status_drift).kind IS NOT NULL;

CREATE OR REPLACE VIEW @extschema@.wab_churned_bridges AS
SELECT d.tenant_id, d.bridge_id, d.customer_ref, d.state, d.status, d.created_at,
    (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS monthly_cost
FROM @extschema@._wab_kinds d WHERE (d.churned).kind IS NOT NULL;

-- The bridges that a person gets paired: those that were paired are to be repaired, with a code from the moment one is
-- requested; the others are to be nudged. With the last nudge and the last code of each.
CREATE OR REPLACE VIEW @extschema@._wab_unpaired AS
SELECT u.*, row_number() OVER (PARTITION BY u.is_to_repair
                               ORDER BY u.snoozed IS NOT NULL, greatest(u.nudged_at, u.code_at) NULLS FIRST, u.since,
                                        u.bridge_id) AS nth
FROM (
    SELECT d.tenant_id, d.customer_ref, d.bridge_id, d.since, d.is_to_repair,
        n.nudged_at AS last_nudged_at, n.nudged_by AS last_nudged_by, n.channel AS last_nudged_channel,
        c.requested_at AS last_code_at, c.requested_by AS last_code_by, c.valid_until AS code_valid_until,
        CASE WHEN n.nudged_at >= d.since THEN n.nudged_at END AS nudged_at,
        CASE WHEN c.requested_at >= d.since THEN c.requested_at END AS code_at,
        @extschema@._wab_snooze_note(d.customer_ref, CASE WHEN d.is_to_repair THEN 'disconnected' ELSE 'awaiting_scan' END)
            AS snoozed
    FROM (SELECT k.tenant_id, k.customer_ref, k.bridge_id, k.lost_phone AS is_to_repair,
              (k.awaiting_scan).kind IS NOT NULL OR (k.disconnected).kind IS NOT NULL AS is_drift,
              coalesce(k.unpaired_since, k.status_since) AS since
          FROM @extschema@._wab_kinds k
          WHERE k.status IN ('disconnected', 'awaiting_scan') AND k.wanted AND k.serves) d
    LEFT JOIN @extschema@._wab_last_nudges n ON n.customer_ref = d.customer_ref
    LEFT JOIN @extschema@._wab_last_codes c ON c.customer_ref = d.customer_ref
    WHERE d.is_drift OR (c.requested_at >= d.since AND d.is_to_repair)
) u;

CREATE OR REPLACE VIEW @extschema@.wab_to_repair AS
SELECT u.nth, u.tenant_id, u.customer_ref, u.bridge_id, u.since, u.last_nudged_at, u.last_nudged_by, u.last_nudged_channel,
    u.last_code_at, u.last_code_by, u.code_valid_until,
    CASE WHEN u.snoozed IS NOT NULL THEN u.snoozed
         WHEN u.code_valid_until > clock_timestamp()
         THEN 'the tenant has a code until ' || to_char(u.code_valid_until AT TIME ZONE 'UTC', 'HH24:MI:SS "UTC"')
              || ': wait until it was typed'
         WHEN u.code_at IS NOT NULL
         THEN format('the last code was not used in time: reach the tenant, then SELECT wab_pair(%L, ''PHONE'')', u.customer_ref)
         WHEN u.nudged_at IS NOT NULL
         THEN format('nudged, and still not paired: SELECT wab_pair(%L, ''PHONE'')', u.customer_ref)
         ELSE format('send a code: SELECT wab_pair(%L, ''PHONE'')', u.customer_ref) END AS next_step
FROM @extschema@._wab_unpaired u WHERE u.is_to_repair ORDER BY u.nth;

CREATE OR REPLACE VIEW @extschema@.wab_to_nudge AS
SELECT u.nth, u.tenant_id, u.customer_ref, u.bridge_id, u.since, u.last_nudged_at, u.last_nudged_by, u.last_nudged_channel,
    u.last_code_at, u.last_code_by, u.code_valid_until,
    CASE WHEN u.snoozed IS NOT NULL THEN u.snoozed
         WHEN u.code_valid_until > clock_timestamp()
         THEN 'the tenant has a code until ' || to_char(u.code_valid_until AT TIME ZONE 'UTC', 'HH24:MI:SS "UTC"')
              || ': wait until it was typed'
         WHEN u.nudged_at >= (SELECT now() - least(p.awaiting_scan_after, interval '1000 years')
                              FROM @extschema@.wab_policy p)
         THEN 'nudged lately: wait for the tenant'
         WHEN u.nudged_at IS NOT NULL
         THEN format('nudged, and still not paired: try another channel, or ask whether the bridge is wanted; then SELECT '
                     'wab_nudged(%L, ''CHANNEL'')', u.customer_ref)
         ELSE format('remind the tenant, then SELECT wab_nudged(%L, ''CHANNEL'')', u.customer_ref) END AS next_step
FROM @extschema@._wab_unpaired u WHERE NOT u.is_to_repair ORDER BY u.nth;

-- It counts the columns of _wab_kinds: counting the rows of wab_drift takes twice as long. tests/golden/views.sql
-- checks monthly_waste against the sum of wab_drift.monthly_cost.
CREATE OR REPLACE VIEW @extschema@.wab_fleet_summary AS
SELECT (SELECT max(o.observed_at) FROM @extschema@.wab_observations o
        WHERE o.observed_at <= clock_timestamp()) AS observed_at,
    c.bridges, c.paired, c.awaiting_scan, c.disconnected, c.unknown, c.orphaned, c.churned, c.missing,
    (c.bridges * p.price_per_bridge)::numeric(12,2) AS monthly_cost,
    ((c.orphaned + c.churned + c.duplicate) * p.price_per_bridge)::numeric(12,2) AS monthly_waste,
    c.duplicate, c.unbound, c.status_drift
FROM @extschema@.wab_policy p CROSS JOIN (
    SELECT count(d.bridge_id) AS bridges,
        count(*) FILTER (WHERE d.status = 'paired') AS paired,
        count(*) FILTER (WHERE d.status = 'awaiting_scan') AS awaiting_scan,
        count(*) FILTER (WHERE d.status = 'disconnected') AS disconnected,
        count(*) FILTER (WHERE d.status = 'unknown') AS unknown,
        count(d.orphaned) AS orphaned, count(d.churned) AS churned, count(d.missing) AS missing,
        count(d.duplicate) AS duplicate, count(d.unbound) AS unbound, count(d.status_drift) AS status_drift
    FROM @extschema@._wab_kinds d
) c;
