-- Creates the tables of the fleet, its policy and its binding, with a COMMENT for each column. `@extschema@` stands
-- for the schema chosen at install time.

-- During installation PostgreSQL looks up unqualified names in pg_catalog only, so that no object of another schema is
-- used by mistake.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Statements that are made with format() name the schema.
DO $$
BEGIN
    IF strpos('@extschema@', '%') > 0 THEN
        RAISE EXCEPTION USING ERRCODE = '42602', MESSAGE = 'a schema with a % in its name cannot hold the wab_ objects',
            HINT = 'Install them in a schema with another name.';
    END IF;
END
$$;

-- The provider sends UTF-8. Another encoding cannot hold all of its texts, and SQL_ASCII does not check the tenants' ids.
DO $$
BEGIN
    IF getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION USING ERRCODE = '0A000',
            MESSAGE = format('this database has the encoding %s, and the wab_ objects need UTF8', getdatabaseencoding()),
            HINT = 'Move the tenants to a database with that encoding: CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE '
                   'template0; then pg_dump and psql.';
    END IF;
END
$$;

CREATE TABLE @extschema@.wab_bridges (
    bridge_id          bigint PRIMARY KEY CHECK (bridge_id > 0),
    customer_ref       text,
    state              text,
    status             text NOT NULL DEFAULT 'unknown'
                       CHECK (status IN ('paired', 'awaiting_scan', 'disconnected', 'unknown')),
    raw_status         text,
    created_at         timestamptz,
    webhook_url        text,
    duplicated         boolean NOT NULL DEFAULT false,
    first_seen_at      timestamptz NOT NULL,
    status_since       timestamptz,
    status_observed_at timestamptz,
    status_asked_at    timestamptz,
    status_listed      boolean NOT NULL DEFAULT false,
    unpaired_since     timestamptz,
    state_since        timestamptz
);
-- A hash index takes customer_refs of any length; a btree refuses more than about 2,700 bytes.
CREATE INDEX wab_bridges_customer_ref ON @extschema@.wab_bridges USING hash (customer_ref);
CREATE INDEX wab_bridges_duplicated ON @extschema@.wab_bridges (bridge_id) WHERE duplicated;

COMMENT ON TABLE @extschema@.wab_bridges IS
    'The fleet as last observed: one row per live bridge. Written by wab_refresh(), wab_provision() and wab apply.';
COMMENT ON COLUMN @extschema@.wab_bridges.bridge_id IS 'The provider''s id of the bridge.';
COMMENT ON COLUMN @extschema@.wab_bridges.customer_ref IS
    'The tenant''s id as text, as put on the bridge when it was provisioned; null when the bridge carries none.';
COMMENT ON COLUMN @extschema@.wab_bridges.state IS
    'The state of the container as the provider reports it, for instance running.';
COMMENT ON COLUMN @extschema@.wab_bridges.state_since IS
    'When the present state was first observed; null if that is not known.';
COMMENT ON COLUMN @extschema@.wab_bridges.status IS
    'The status of the WhatsApp session: paired, awaiting_scan, disconnected; or unknown, until it is first observed and '
    'for a raw_status that wab_status_words does not map.';
COMMENT ON COLUMN @extschema@.wab_bridges.raw_status IS 'The provider''s own text for the status.';
COMMENT ON COLUMN @extschema@.wab_bridges.created_at IS
    'When the provider created the bridge, by the provider''s clock.';
COMMENT ON COLUMN @extschema@.wab_bridges.webhook_url IS
    'The webhook_url last set by wab_provision() or wab apply, or confirmed with wab_webhook_set(); null if none was. The '
    'provider does not return it.';
COMMENT ON COLUMN @extschema@.wab_bridges.duplicated IS 'True when another live bridge carries the same customer_ref.';
COMMENT ON COLUMN @extschema@.wab_bridges.first_seen_at IS
    'When this bridge was first observed, or provisioned from this database.';
COMMENT ON COLUMN @extschema@.wab_bridges.status_since IS
    'When the present status began, as far as it was observed.';
COMMENT ON COLUMN @extschema@.wab_bridges.status_observed_at IS
    'When the session or a webhook event last reported the status, or a listing changed it. While status_listed, the '
    'newest listing confirms it too.';
COMMENT ON COLUMN @extschema@.wab_bridges.status_asked_at IS
    'When the session was last asked for its status, whether it answered or not.';
COMMENT ON COLUMN @extschema@.wab_bridges.status_listed IS
    'Whether the newest listing carried the status of this bridge. If it did, wab_poll_status() does not ask for it.';
COMMENT ON COLUMN @extschema@.wab_bridges.unpaired_since IS
    'Since when the bridge waits to be paired: when it was created, or when it stopped being paired. Null while it is '
    'paired, and if it is not known. While it is set, a bridge that the provider reports as disconnected is '
    'awaiting_scan.';

CREATE TABLE @extschema@.wab_bridge_events (
    at           timestamptz NOT NULL,
    bridge_id    bigint NOT NULL,
    customer_ref text,
    event        text NOT NULL CHECK (event IN ('appeared', 'disappeared', 'status', 'state', 'customer_ref', 'webhook')),
    was          text,
    became       text,
    since        timestamptz,
    event_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reported     text
);
CREATE INDEX wab_bridge_events_bridge ON @extschema@.wab_bridge_events (bridge_id, at);
CREATE INDEX wab_bridge_events_at ON @extschema@.wab_bridge_events USING brin (at);

COMMENT ON TABLE @extschema@.wab_bridge_events IS
    'History of the fleet: one row per change that was observed, or that a change of wab_status_words made. '
    'wab_status_history shows it as spans.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.at IS 'When the change was observed.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.bridge_id IS 'The bridge that changed.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.customer_ref IS 'Its customer_ref at that time.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.event IS
    'appeared, disappeared, status, state, customer_ref, or webhook: somebody confirmed a webhook_url with '
    'wab_webhook_set().';
COMMENT ON COLUMN @extschema@.wab_bridge_events.was IS 'The value before; null for appeared.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.became IS
    'The value after; null for disappeared. A status event that a webhook repeats has was = became. For webhook, the host '
    'and a fingerprint of the URL.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.since IS
    'For appeared and disappeared: when the bridge was created, or first observed if that is not known. For a status that '
    'changed because wab_status_words did: since when the provider has said the word; then at is the time of that change, '
    'at which nothing was observed. Otherwise null.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.event_id IS 'The row''s own id.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.reported IS
    'The status that the provider reported, where became differs from it: disconnected, for a bridge that waits to be '
    'paired. For a new bridge that appeared without a status: awaiting_scan. For webhook, the role that confirmed it. '
    'Otherwise null.';

CREATE TABLE @extschema@.wab_observations (
    observed_at   timestamptz PRIMARY KEY,
    source        text NOT NULL,
    listing_sha256 text NOT NULL,
    bridges       integer NOT NULL,
    appeared      integer NOT NULL,
    changed       integer NOT NULL,
    disappeared   integer NOT NULL,
    malformed     integer NOT NULL,
    statuses      integer NOT NULL DEFAULT 0,
    mirrored      boolean NOT NULL DEFAULT false,
    outside       integer NOT NULL DEFAULT 0
);

COMMENT ON TABLE @extschema@.wab_observations IS
    'One row per stored listing of the fleet, also if nothing changed. The newest row shows how old wab_bridges is.';
COMMENT ON COLUMN @extschema@.wab_observations.observed_at IS 'When the provider was asked for the listing.';
COMMENT ON COLUMN @extschema@.wab_observations.source IS
    'The caller that stored the listing: wab_refresh, wab_reconcile, wab, or sql.';
COMMENT ON COLUMN @extschema@.wab_observations.listing_sha256 IS
    'SHA-256 of the listing in hex, computed by the caller. Listings of one caller with equal values are equal.';
COMMENT ON COLUMN @extschema@.wab_observations.bridges IS 'Bridges listed.';
COMMENT ON COLUMN @extschema@.wab_observations.appeared IS 'Bridges that the observation before did not have.';
COMMENT ON COLUMN @extschema@.wab_observations.changed IS
    'Bridges whose customer_ref, state or status differs from the observation before.';
COMMENT ON COLUMN @extschema@.wab_observations.disappeared IS 'Bridges that were no longer listed.';
COMMENT ON COLUMN @extschema@.wab_observations.malformed IS
    'Listed rows that could not be read. If there is one, no bridge is recorded as disappeared.';
COMMENT ON COLUMN @extschema@.wab_observations.statuses IS 'Listed bridges for which the listing carried a status.';
COMMENT ON COLUMN @extschema@.wab_observations.outside IS
    'Listed bridges outside of wab_tenant_binding.customer_refs. No other column counts them.';
COMMENT ON COLUMN @extschema@.wab_observations.mirrored IS
    'For the newest row: true while wab_bridges holds exactly this listing, so that storing an equal listing would '
    'change nothing.';

-- Null stands for the default, which the view wab_policy defines. The table is empty at first: a row that the install
-- script wrote would collide with the restored one in a data-only restore, and with the copied one in logical replication.
CREATE TABLE @extschema@._wab_policy (
    only_row            boolean PRIMARY KEY CHECK (only_row),
    price_per_bridge    numeric(10,2) CHECK (price_per_bridge >= 0 AND price_per_bridge < 'NaN'),
    disconnected_after  interval CHECK (disconnected_after >= interval '0'),
    awaiting_scan_after interval CHECK (awaiting_scan_after >= interval '0'),
    max_shrink          numeric(4,3) CHECK (max_shrink BETWEEN 0 AND 1),
    unmapped_after      interval CHECK (unmapped_after >= interval '0'),
    state_after         interval CHECK (state_after >= interval '0'),
    max_gap             interval CHECK (max_gap > interval '0'),
    flapping_changes    integer CHECK (flapping_changes > 0),
    flapping_window     interval CHECK (flapping_window > interval '0'),
    mass_share          numeric(4,3) CHECK (mass_share BETWEEN 0 AND 1),
    mass_bridges        integer CHECK (mass_bridges > 1),
    mass_window         interval CHECK (mass_window > interval '0'),
    unobserved_after    interval CHECK (unobserved_after > interval '0'),
    silent_after        interval CHECK (silent_after >= interval '0'),
    phone_changed_for   interval CHECK (phone_changed_for >= interval '0'),
    phones              text CHECK (phones IN ('clear', 'hash')),
    -- wab serve has the page at /p, a proxy perhaps further below. The token of a link follows, after #.
    pairing_url         text CHECK (octet_length(pairing_url) <= 500 AND (pairing_url COLLATE "C") ~
        '^(https://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])|http://(localhost|127[.]0[.]0[.]1|\[::1\]))(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/p$'),
    -- The pages link to each other from the root.
    board_url           text CHECK (octet_length(board_url) <= 500 AND (board_url COLLATE "C") ~
        '^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?$')
);

COMMENT ON TABLE @extschema@._wab_policy IS
    'The settings that differ from their defaults: at most one row. Read and change them through the view wab_policy.';
COMMENT ON COLUMN @extschema@._wab_policy.only_row IS 'Always true: there is one policy.';
COMMENT ON COLUMN @extschema@._wab_policy.price_per_bridge IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.disconnected_after IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.awaiting_scan_after IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.max_shrink IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.unmapped_after IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.state_after IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.max_gap IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.flapping_changes IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.flapping_window IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.mass_share IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.mass_bridges IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.mass_window IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.unobserved_after IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.silent_after IS 'As in wab_policy.';
COMMENT ON COLUMN @extschema@._wab_policy.phone_changed_for IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.phones IS 'As in wab_policy; null for the default.';
COMMENT ON COLUMN @extschema@._wab_policy.pairing_url IS 'As in wab_policy.';
COMMENT ON COLUMN @extschema@._wab_policy.board_url IS 'As in wab_policy.';

CREATE TABLE @extschema@._wab_status_words (
    word   text PRIMARY KEY CHECK (word = translate(lower(word COLLATE "C"), '_ -', '')),
    status text NOT NULL CHECK (status IN ('paired', 'awaiting_scan', 'disconnected', 'unknown'))
);

COMMENT ON TABLE @extschema@._wab_status_words IS
    'The status words that you mapped. Read and change them through the view wab_status_words.';
COMMENT ON COLUMN @extschema@._wab_status_words.word IS 'The word in lower case, without _, - and spaces.';
COMMENT ON COLUMN @extschema@._wab_status_words.status IS 'The status that it stands for.';

CREATE TABLE @extschema@.wab_declared (
    customer_ref text PRIMARY KEY CHECK (customer_ref <> ''),
    kind         text NOT NULL CHECK (kind IN ('extra', 'keep')),
    reason       text NOT NULL,
    until        date CHECK (until IS NULL OR kind = 'keep'),
    webhook_url  text CHECK (webhook_url IS NULL OR kind = 'extra')
);

COMMENT ON TABLE @extschema@.wab_declared IS
    'Exceptions declared by hand or by fleet.yaml: extra wanted bridges with no tenant row, and orphans to keep.';
COMMENT ON COLUMN @extschema@.wab_declared.customer_ref IS 'The bridge''s customer_ref.';
COMMENT ON COLUMN @extschema@.wab_declared.kind IS
    'extra: wanted although no tenant row asks for it. keep: not drift although no wanted tenant has it.';
COMMENT ON COLUMN @extschema@.wab_declared.reason IS 'Why the exception was declared.';
COMMENT ON COLUMN @extschema@.wab_declared.until IS
    'Last day on which a keep holds; null for no end. Afterwards the bridge is drift again.';
COMMENT ON COLUMN @extschema@.wab_declared.webhook_url IS 'The webhook_url wanted for an extra bridge.';

CREATE TYPE @extschema@._wab_difference AS (
    kind     text,
    severity text,
    stored   text,
    observed text,
    since    timestamptz,
    wasted   boolean,
    detail   text
);

COMMENT ON TYPE @extschema@._wab_difference IS 'One difference: an entry of _wab_kinds, a row of wab_drift.';

CREATE TABLE @extschema@.wab_tenant_binding (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    tenants        regclass NOT NULL,
    tenant_id      name NOT NULL,
    bridge_id      name NOT NULL,
    bridge_status  name NOT NULL,
    wanted         text NOT NULL,
    webhook_url    text,
    resolved_in    text NOT NULL,
    bound_at       timestamptz NOT NULL,
    bound_by       name NOT NULL,
    grants         jsonb NOT NULL DEFAULT '[]',
    views_source   text,
    customer_refs       text,
    disconnected_after  text,
    awaiting_scan_after text,
    phone               text
);

COMMENT ON TABLE @extschema@.wab_tenant_binding IS
    'How your tenants table is read: the arguments of wab_bind_tenants(). Change it only through wab_bind_tenants().';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.only_row IS 'Always true: there is one binding.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.tenants IS 'Your tenants table.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.tenant_id IS
    'Its column that identifies a tenant; as text it is the customer_ref.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.bridge_id IS 'Its column that holds the tenant''s bridge_id.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.bridge_status IS 'Its column that holds the status last written.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.wanted IS
    'SQL predicate over a tenant row: should this tenant have a bridge?';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.webhook_url IS
    'SQL expression over a tenant row: the webhook_url its bridge should have; null for none.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.resolved_in IS
    'The search_path in which the expressions were resolved.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.bound_at IS 'When it was bound.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.bound_by IS 'The role that bound it.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.grants IS
    'The grants on views that were dropped; the next wab_bind_tenants() makes them again.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.views_source IS
    'The md5 of the statements that created the drift views.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.customer_refs IS
    'Regular expression that matches the whole customer_ref of every bridge of this database; null for all bridges of '
    'the account.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.disconnected_after IS
    'SQL expression over a tenant row: this tenant''s own wab_policy.disconnected_after; null for none.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.awaiting_scan_after IS
    'SQL expression over a tenant row: this tenant''s own wab_policy.awaiting_scan_after; null for none.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.phone IS
    'SQL expression over a tenant row: the phone that its bridge should be paired with; null for none.';
