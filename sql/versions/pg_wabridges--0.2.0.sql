\echo Use "CREATE EXTENSION pg_wabridges" to load this file. \quit

-- sql/schema.sql
-- The tables. No drift here (views.sql), no logic (functions.sql). `@extschema@` is the schema chosen at install time.

-- While it installs, PostgreSQL's own operators and functions are found and nobody else's.
SET LOCAL search_path = pg_catalog, pg_temp;

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
    status_asked_at    timestamptz
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
    'The container''s lifecycle in the provider''s words, for instance running.';
COMMENT ON COLUMN @extschema@.wab_bridges.status IS
    'The WhatsApp session: paired, awaiting_scan, disconnected, or unknown while it was never learnt.';
COMMENT ON COLUMN @extschema@.wab_bridges.raw_status IS 'The provider''s own text for the status.';
COMMENT ON COLUMN @extschema@.wab_bridges.created_at IS 'When the provider created the bridge, as the provider says.';
COMMENT ON COLUMN @extschema@.wab_bridges.webhook_url IS
    'The webhook_url that we set last; null when we never set one. The provider does not return it.';
COMMENT ON COLUMN @extschema@.wab_bridges.duplicated IS 'True when another live bridge carries the same customer_ref.';
COMMENT ON COLUMN @extschema@.wab_bridges.first_seen_at IS 'When this bridge was first observed or provisioned by us.';
COMMENT ON COLUMN @extschema@.wab_bridges.status_since IS
    'Since when the status has been what it is, as far as it was observed.';
COMMENT ON COLUMN @extschema@.wab_bridges.status_observed_at IS
    'When the status was last learnt from the session itself, or changed in a listing.';
COMMENT ON COLUMN @extschema@.wab_bridges.status_asked_at IS
    'When the session was last asked for its status, answered or not.';

CREATE TABLE @extschema@.wab_bridge_events (
    at           timestamptz NOT NULL,
    bridge_id    bigint NOT NULL,
    customer_ref text,
    event        text NOT NULL CHECK (event IN ('appeared', 'disappeared', 'status', 'state', 'customer_ref')),
    was          text,
    became       text,
    since        timestamptz
);
CREATE INDEX wab_bridge_events_bridge ON @extschema@.wab_bridge_events (bridge_id, at);
CREATE INDEX wab_bridge_events_at ON @extschema@.wab_bridge_events USING brin (at);

COMMENT ON TABLE @extschema@.wab_bridge_events IS
    'History of the fleet: one row per change that was observed. wab_status_history shows it as spans.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.at IS 'When the change was observed.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.bridge_id IS 'The bridge that changed.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.customer_ref IS 'Its customer_ref at that time.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.event IS 'appeared, disappeared, status, state or customer_ref.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.was IS 'The value before; null for appeared.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.became IS
    'The value after; null for disappeared. A status event that a webhook repeats has was = became.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.since IS
    'For appeared and disappeared: since when the bridge has lived, by its created_at or by when it was first seen. '
    'Otherwise null.';

CREATE TABLE @extschema@.wab_observations (
    observed_at   timestamptz PRIMARY KEY,
    source        text NOT NULL,
    digest        text NOT NULL,
    bridges       integer NOT NULL,
    appeared      integer NOT NULL,
    changed       integer NOT NULL,
    disappeared   integer NOT NULL,
    malformed     integer NOT NULL,
    statuses      integer NOT NULL DEFAULT 0,
    mirrored      boolean NOT NULL DEFAULT false
);

COMMENT ON TABLE @extschema@.wab_observations IS
    'One row per stored listing of the fleet, changed or not: the proof of how fresh wab_bridges is.';
COMMENT ON COLUMN @extschema@.wab_observations.observed_at IS 'When the listing was asked for.';
COMMENT ON COLUMN @extschema@.wab_observations.source IS 'Who stored it: wab_refresh, wab_reconcile, wab, or sql.';
COMMENT ON COLUMN @extschema@.wab_observations.digest IS
    'SHA-256 (hex) over the listing, by who stored it: equal digests, equal listings.';
COMMENT ON COLUMN @extschema@.wab_observations.bridges IS 'Bridges listed.';
COMMENT ON COLUMN @extschema@.wab_observations.appeared IS 'Bridges that the observation before did not have.';
COMMENT ON COLUMN @extschema@.wab_observations.changed IS
    'Bridges whose customer_ref, state or status differs from the observation before.';
COMMENT ON COLUMN @extschema@.wab_observations.disappeared IS 'Bridges that were no longer listed.';
COMMENT ON COLUMN @extschema@.wab_observations.malformed IS
    'Listed rows that could not be read. While there are any, no absence is believed.';
COMMENT ON COLUMN @extschema@.wab_observations.statuses IS 'Listed bridges that came with a status.';
COMMENT ON COLUMN @extschema@.wab_observations.mirrored IS
    'Of the newest one: true while wab_bridges says what this listing said, so that storing an equal listing again '
    'would change nothing.';

CREATE TABLE @extschema@.wab_policy (
    only_row            boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    price_per_bridge    numeric(10,2) NOT NULL DEFAULT 3.00 CHECK (price_per_bridge >= 0),
    disconnected_after  interval NOT NULL DEFAULT '15 minutes',
    awaiting_scan_after interval NOT NULL DEFAULT '24 hours',
    max_shrink          numeric(4,3) NOT NULL DEFAULT 0.200 CHECK (max_shrink BETWEEN 0 AND 1)
);

INSERT INTO @extschema@.wab_policy DEFAULT VALUES;

COMMENT ON TABLE @extschema@.wab_policy IS
    'One row of settings that the views and wab_observe() read. UPDATE it; an INSERT replaces it.';
COMMENT ON COLUMN @extschema@.wab_policy.only_row IS 'Always true: there is one policy.';
COMMENT ON COLUMN @extschema@.wab_policy.price_per_bridge IS 'US dollars per bridge and month.';
COMMENT ON COLUMN @extschema@.wab_policy.disconnected_after IS
    'A bridge disconnected for longer than this is drift of kind disconnected.';
COMMENT ON COLUMN @extschema@.wab_policy.awaiting_scan_after IS
    'A bridge unpaired for longer than this is drift of kind awaiting_scan.';
COMMENT ON COLUMN @extschema@.wab_policy.max_shrink IS
    'Share of the known bridges that may vanish from one listing to the next before it is refused (one bridge always '
    'may).';

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
    'extra: wanted though no tenant row asks for it. keep: not drift though nobody owns it.';
COMMENT ON COLUMN @extschema@.wab_declared.reason IS 'Why, for the next reader.';
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

COMMENT ON TYPE @extschema@._wab_difference IS 'One difference: an entry of _wab_differences, a row of wab_drift.';

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
    bound_by       name NOT NULL
);

COMMENT ON TABLE @extschema@.wab_tenant_binding IS
    'How your tenants table is read: what wab_bind_tenants() was told. Change it only through wab_bind_tenants().';
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
    'The search_path in which the two expressions were resolved.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.bound_at IS 'When it was bound.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.bound_by IS 'The role that bound it.';

CREATE TABLE @extschema@.wab_runs (
    run_id      uuid PRIMARY KEY,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    who         text NOT NULL,
    tool        text NOT NULL,
    git_sha     text,
    ci_url      text,
    plan_sha256 text,
    steps       integer NOT NULL,
    outcome     text CHECK (outcome IN ('done', 'partly', 'stopped'))
);

COMMENT ON TABLE @extschema@.wab_runs IS
    'One row per wab apply. A row without finished_at, while nobody holds the lock, is a run that was interrupted.';
COMMENT ON COLUMN @extschema@.wab_runs.run_id IS 'The run''s own id.';
COMMENT ON COLUMN @extschema@.wab_runs.started_at IS 'When it began.';
COMMENT ON COLUMN @extschema@.wab_runs.finished_at IS
    'When it ended by its own account; null while it runs or when it was killed.';
COMMENT ON COLUMN @extschema@.wab_runs.who IS 'user@host that ran it.';
COMMENT ON COLUMN @extschema@.wab_runs.tool IS 'Tool and version.';
COMMENT ON COLUMN @extschema@.wab_runs.git_sha IS 'The commit that CI ran it from; null outside of CI.';
COMMENT ON COLUMN @extschema@.wab_runs.ci_url IS 'The CI job that ran it; null outside of CI.';
COMMENT ON COLUMN @extschema@.wab_runs.plan_sha256 IS 'The SHA-256 that wab plan showed for this plan.';
COMMENT ON COLUMN @extschema@.wab_runs.steps IS 'Steps that the plan had.';
COMMENT ON COLUMN @extschema@.wab_runs.outcome IS
    'done: every step; partly: some failed, run again; stopped: ended early, run again.';

CREATE TABLE @extschema@.wab_operations (
    run_id       uuid NOT NULL REFERENCES @extschema@.wab_runs ON DELETE CASCADE,
    step         integer NOT NULL,
    kind         text NOT NULL,
    customer_ref text,
    bridge_id    bigint,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    outcome      text CHECK (outcome IN ('done', 'failed', 'unknown')),
    detail       text,
    PRIMARY KEY (run_id, step)
);

COMMENT ON TABLE @extschema@.wab_operations IS
    'One row per step of a run, written before and after each call to the provider.';
COMMENT ON COLUMN @extschema@.wab_operations.run_id IS 'The run it belongs to.';
COMMENT ON COLUMN @extschema@.wab_operations.step IS 'Its number in the plan, from 1.';
COMMENT ON COLUMN @extschema@.wab_operations.kind IS 'provision, bind, set_status or delete.';
COMMENT ON COLUMN @extschema@.wab_operations.customer_ref IS
    'The bridge''s customer_ref; null where one statement covers many rows.';
COMMENT ON COLUMN @extschema@.wab_operations.bridge_id IS 'The bridge, once known.';
COMMENT ON COLUMN @extschema@.wab_operations.started_at IS 'Written before the call.';
COMMENT ON COLUMN @extschema@.wab_operations.finished_at IS 'Written after the call; null: it never came back to say.';
COMMENT ON COLUMN @extschema@.wab_operations.outcome IS 'done, failed, or unknown (sent, and no answer came).';
COMMENT ON COLUMN @extschema@.wab_operations.detail IS 'The error, or what was done.';

CREATE TABLE @extschema@.wab_summaries (
    logged_at      timestamptz PRIMARY KEY DEFAULT clock_timestamp(),
    observed_at    timestamptz,
    bridges        bigint NOT NULL,
    paired         bigint NOT NULL,
    awaiting_scan  bigint NOT NULL,
    disconnected   bigint NOT NULL,
    unknown        bigint NOT NULL,
    orphaned       bigint NOT NULL,
    churned        bigint NOT NULL,
    missing        bigint NOT NULL,
    monthly_cost   numeric(12,2) NOT NULL,
    monthly_waste  numeric(12,2) NOT NULL
);

COMMENT ON TABLE @extschema@.wab_summaries IS
    'What wab_log_summary() logged: the columns of wab_summary(), with the time.';
COMMENT ON COLUMN @extschema@.wab_summaries.logged_at IS 'When it was logged.';
COMMENT ON COLUMN @extschema@.wab_summaries.observed_at IS 'The observation it speaks of.';
COMMENT ON COLUMN @extschema@.wab_summaries.bridges IS 'Live bridges.';
COMMENT ON COLUMN @extschema@.wab_summaries.paired IS 'Of these, paired.';
COMMENT ON COLUMN @extschema@.wab_summaries.awaiting_scan IS 'Of these, waiting for the QR code to be scanned.';
COMMENT ON COLUMN @extschema@.wab_summaries.disconnected IS 'Of these, disconnected.';
COMMENT ON COLUMN @extschema@.wab_summaries.unknown IS 'Of these, with a status that was never learnt.';
COMMENT ON COLUMN @extschema@.wab_summaries.orphaned IS 'Live bridges that no tenant owns.';
COMMENT ON COLUMN @extschema@.wab_summaries.churned IS 'Live bridges of tenants that are no longer wanted.';
COMMENT ON COLUMN @extschema@.wab_summaries.missing IS 'Wanted tenants with no live bridge.';
COMMENT ON COLUMN @extschema@.wab_summaries.monthly_cost IS 'US dollars per month for all live bridges.';
COMMENT ON COLUMN @extschema@.wab_summaries.monthly_waste IS
    'US dollars per month for orphaned, churned and duplicate bridges.';

CREATE TABLE @extschema@.wab_drift_episodes (
    kind         text NOT NULL,
    subject      text NOT NULL,
    bridge_id    bigint,
    customer_ref text,
    wasted       boolean NOT NULL,
    began_at     timestamptz NOT NULL,
    ended_at     timestamptz CHECK (ended_at >= began_at)
);
CREATE INDEX wab_drift_episodes_open ON @extschema@.wab_drift_episodes USING hash (subject) WHERE ended_at IS NULL;
CREATE INDEX wab_drift_episodes_lasting ON @extschema@.wab_drift_episodes (began_at) WHERE ended_at IS NULL;
CREATE INDEX wab_drift_episodes_ended ON @extschema@.wab_drift_episodes (ended_at) WHERE ended_at IS NOT NULL;

COMMENT ON TABLE @extschema@.wab_drift_episodes IS
    'How long each drift lasted: one row from when wab_refresh() or wab first saw it until it was gone. Written by '
    '_wab_record_drift().';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.kind IS 'The kind of drift, as in wab_drift.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.subject IS
    'What drifted: the bridge_id as text, or the customer_ref where there is no bridge.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.bridge_id IS 'The live bridge; null when there was none.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.customer_ref IS 'The customer_ref when it began.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.wasted IS
    'Whether its bridge was paid for though nobody needed it: wab_costs counts these.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.began_at IS 'When it was first seen.';
COMMENT ON COLUMN @extschema@.wab_drift_episodes.ended_at IS 'When it was no longer seen; null: it still lasts.';

CREATE TABLE @extschema@.wab_queue (
    queue_id      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_ref  text NOT NULL CHECK (customer_ref <> ''),
    enqueued_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    enqueued_by   name NOT NULL DEFAULT session_user,
    attempts      integer NOT NULL DEFAULT 0,
    claimed_until timestamptz,
    last_error    text,
    finished_at   timestamptz,
    outcome       text CHECK (outcome IN ('provisioned', 'refused')),
    CHECK ((finished_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX wab_queue_pending ON @extschema@.wab_queue USING hash (customer_ref) WHERE finished_at IS NULL;

COMMENT ON TABLE @extschema@.wab_queue IS
    'Tenants waiting for their bridge, as enqueued by wab_enqueue_provision() in the transaction that created them. '
    'Worked off by CALL wab_work_queue() or wab apply.';
COMMENT ON COLUMN @extschema@.wab_queue.queue_id IS 'The entry''s own id.';
COMMENT ON COLUMN @extschema@.wab_queue.customer_ref IS 'The tenant''s id as text.';
COMMENT ON COLUMN @extschema@.wab_queue.enqueued_at IS 'When it was enqueued.';
COMMENT ON COLUMN @extschema@.wab_queue.enqueued_by IS 'The role that enqueued it.';
COMMENT ON COLUMN @extschema@.wab_queue.attempts IS 'How often a worker took it up.';
COMMENT ON COLUMN @extschema@.wab_queue.claimed_until IS
    'No worker takes it up before: one is at it, or it failed and waits for its next attempt.';
COMMENT ON COLUMN @extschema@.wab_queue.last_error IS 'Why the last attempt failed.';
COMMENT ON COLUMN @extschema@.wab_queue.finished_at IS 'When it was done with; null: still waiting.';
COMMENT ON COLUMN @extschema@.wab_queue.outcome IS
    'provisioned: the tenant has its bridge. refused: the tenant is unknown or not wanted, see last_error.';

CREATE TABLE @extschema@.wab_jobs (
    job            text PRIMARY KEY,
    succeeded_at   timestamptz,
    failed_at      timestamptz,
    failures       integer NOT NULL DEFAULT 0,
    sqlstate       text,
    error          text
);

COMMENT ON TABLE @extschema@.wab_jobs IS
    'How the scheduled jobs do: one row per job of sql/cron.sql, written by wab_run_job() and wab_work_queue().';
COMMENT ON COLUMN @extschema@.wab_jobs.job IS 'Its name, for instance refresh, poll_status or work_queue.';
COMMENT ON COLUMN @extschema@.wab_jobs.succeeded_at IS 'When it last succeeded.';
COMMENT ON COLUMN @extschema@.wab_jobs.failed_at IS 'When it last failed.';
COMMENT ON COLUMN @extschema@.wab_jobs.failures IS 'How often in a row it failed; 0 when it succeeded last.';
COMMENT ON COLUMN @extschema@.wab_jobs.sqlstate IS 'The SQLSTATE of its last failure.';
COMMENT ON COLUMN @extschema@.wab_jobs.error IS 'What its last failure said.';

-- sql/functions.sql
-- Everything relational that is no view and no observation (observe.sql): recording calls, writing tenant rows,
-- summaries. No HTTP here.

CREATE FUNCTION @extschema@.wab_normalize_status(raw text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1
RETURN CASE lower(raw)
    WHEN 'connected' THEN 'paired'
    WHEN 'paired' THEN 'paired'
    WHEN 'qr' THEN 'awaiting_scan'
    WHEN 'unpaired' THEN 'awaiting_scan'
    WHEN 'pairing' THEN 'awaiting_scan'
    WHEN 'awaiting_scan' THEN 'awaiting_scan'
    WHEN 'disconnected' THEN 'disconnected'
    WHEN 'logged_out' THEN 'disconnected'
    WHEN 'closed' THEN 'disconnected'
    ELSE 'unknown'
END;
COMMENT ON FUNCTION @extschema@.wab_normalize_status IS
    'The provider''s text for a session as one of paired, awaiting_scan, disconnected; anything else, null too, is '
    'unknown.';

CREATE FUNCTION @extschema@._wab_percent_encode(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT string_agg(CASE WHEN c.ch ~ '[A-Za-z0-9._~-]' THEN c.ch
                               ELSE regexp_replace(upper(encode(convert_to(c.ch, 'UTF8'), 'hex')),
                                                   '(..)', '%\1', 'g') END,
                          '' ORDER BY c.nth)
        FROM string_to_table(value, NULL) WITH ORDINALITY AS c(ch, nth));
COMMENT ON FUNCTION @extschema@._wab_percent_encode IS
    'wab_url_encode() for a text that needs it.';

-- Not STRICT, without SET and without a sub-select, so that a query takes it in: most ids cost a look at their
-- characters and no call.
CREATE FUNCTION @extschema@.wab_url_encode(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value ~ '^[A-Za-z0-9._~-]*$' THEN value ELSE @extschema@._wab_percent_encode(value) END;
COMMENT ON FUNCTION @extschema@.wab_url_encode IS
    'Percent-encodes a text for a webhook_url expression. RFC 3986: letters, digits and . _ ~ - stay.';

CREATE FUNCTION @extschema@._wab_lock_id(purpose text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE purpose WHEN 'refresh' THEN 7761620001 WHEN 'observe' THEN 7761620002 WHEN 'apply' THEN 7761620003 END;
COMMENT ON FUNCTION @extschema@._wab_lock_id IS
    'Key of an advisory lock: refresh (held while wab_refresh() calls the provider), observe (held while wab_bridges '
    'is written), apply (held by a wab apply).';

-- Called by the views for duplicated bridges only, and kept out of line so that EXPLAIN of a view stays readable.
CREATE FUNCTION @extschema@._wab_serves(bridge_id bigint, customer_ref text, stored_bridge_id bigint) RETURNS boolean
LANGUAGE sql STABLE COST 10 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT _wab_serves.bridge_id = coalesce(
        min(b.bridge_id) FILTER (WHERE b.bridge_id = stored_bridge_id), min(b.bridge_id))
    FROM @extschema@.wab_bridges b WHERE b.customer_ref = _wab_serves.customer_ref;
$$;
COMMENT ON FUNCTION @extschema@._wab_serves IS
    'Of several live bridges with one customer_ref: is this the one that serves it? The one that the tenant row '
    'holds, else the oldest.';

CREATE FUNCTION @extschema@._wab_poll_candidates(
    max_calls integer, bridge_ids bigint[] DEFAULT NULL, customer_refs text[] DEFAULT NULL)
RETURNS TABLE (bridge_id bigint, customer_ref text)
LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.bridge_id, c.customer_ref
    FROM (SELECT l.bridge_id, l.customer_ref
          FROM unnest(_wab_poll_candidates.bridge_ids, _wab_poll_candidates.customer_refs) AS l(bridge_id, customer_ref)
          UNION ALL
          SELECT o.bridge_id, o.customer_ref FROM @extschema@.wab_bridges o
              WHERE _wab_poll_candidates.bridge_ids IS NULL) c
    LEFT JOIN @extschema@.wab_bridges b ON b.bridge_id = c.bridge_id
    WHERE c.customer_ref IS NOT NULL AND b.duplicated IS NOT TRUE
      AND coalesce(b.status_asked_at < clock_timestamp() - interval '1 minute', true)
    ORDER BY b.status_asked_at IS NULL DESC, b.status = 'disconnected' DESC, b.status_asked_at, c.bridge_id
    LIMIT max_calls;
$$;
COMMENT ON FUNCTION @extschema@._wab_poll_candidates IS
    'Which of these bridges (all observed ones by default) to ask for their status: never asked first, then '
    'disconnected, then stalest. Not those asked within a minute, nor duplicates: their session cannot be told apart.';

-- Before the provider is asked: only what the tenants table or wab_declared wants is ever provisioned.
CREATE FUNCTION @extschema@._wab_wanted_webhook_url(customer_ref text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    is_wanted boolean;
    webhook   text;
BEGIN
    PERFORM @extschema@._wab_require_binding();
    SELECT t.wanted, t.webhook_url INTO is_wanted, webhook FROM @extschema@.wab_tenants t
        WHERE t.customer_ref = _wab_wanted_webhook_url.customer_ref;
    IF is_wanted IS NOT TRUE AND NOT EXISTS (SELECT FROM @extschema@.wab_declared d
                                             WHERE d.customer_ref = customer_ref AND d.kind = 'extra') THEN
        IF is_wanted IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'no such tenant',
                DETAIL = format('tenant_id: %s', left(customer_ref, 200)),
                HINT = 'A bridge is provisioned for a row of the bound tenants table, '
                       'or for an extra declared in wab_declared.';
        END IF;
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'this tenant is not wanted',
            DETAIL = format('tenant_id: %s; a tenant is wanted when: %s', left(customer_ref, 200),
                            (SELECT b.wanted FROM @extschema@.wab_tenant_binding b)),
            HINT = 'Its bridge would be reported as churned at once. Change the tenant row first.';
    END IF;
    RETURN coalesce(webhook, (SELECT d.webhook_url FROM @extschema@.wab_declared d
        WHERE d.customer_ref = customer_ref));
END
$$;
COMMENT ON FUNCTION @extschema@._wab_wanted_webhook_url IS
    'The webhook_url wanted for this customer_ref. Raises 22023 for an unknown tenant, 55000 for one that is not '
    'wanted.';

CREATE FUNCTION @extschema@._wab_stored_bridge_id(customer_ref text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT t.bridge_id FROM @extschema@.wab_tenants t WHERE t.customer_ref = _wab_stored_bridge_id.customer_ref);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_stored_bridge_id IS 'The bridge_id that this tenant''s row holds.';

-- A call cannot be taken back, so whoever could not record it is refused before it.
CREATE FUNCTION @extschema@._wab_require_recording() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    lacking text;
BEGIN
    SELECT string_agg(n.needed, '; ') INTO lacking FROM (
        SELECT format('GRANT EXECUTE ON FUNCTION %s', f) AS needed
        FROM unnest('{_wab_record_provision,_wab_record_delete,_wab_observe_statuses,_wab_mark_duplicates}'::name[])
             AS w(name)
        JOIN pg_proc p ON p.proname = w.name AND p.pronamespace = to_regnamespace('@extschema@')
        CROSS JOIN LATERAL (SELECT p.oid::regprocedure AS f) r
        WHERE NOT has_function_privilege(p.oid, 'EXECUTE')
        UNION ALL
        SELECT format('GRANT %s ON %s', g.privilege, g.target)
        FROM (VALUES ('@extschema@.wab_bridges'::regclass, 'SELECT'), ('@extschema@.wab_bridges', 'INSERT'),
                     ('@extschema@.wab_bridges', 'UPDATE'), ('@extschema@.wab_bridges', 'DELETE'),
                     ('@extschema@.wab_bridge_events', 'INSERT'),
                     ('@extschema@.wab_observations', 'SELECT'), ('@extschema@.wab_observations', 'UPDATE'),
                     ('@extschema@.wab_queue', 'SELECT'), ('@extschema@.wab_queue', 'UPDATE')) AS g(target, privilege)
        WHERE NOT has_table_privilege(g.target, g.privilege)
        UNION ALL
        SELECT format('GRANT UPDATE (%I) ON %s', a.attname, a.attrelid::regclass)
        FROM @extschema@.wab_tenant_binding b
        JOIN pg_attribute a
          ON (a.attrelid = to_regclass('@extschema@.wab_tenants') AND a.attname IN ('bridge_id', 'bridge_status'))
          -- Before 15 a view reaches its table with its owner's rights.
          OR (a.attrelid = b.tenants AND a.attname IN (b.bridge_id, b.bridge_status)
              AND current_setting('server_version_num')::integer >= 150000)
        WHERE NOT has_column_privilege(a.attrelid, a.attnum, 'UPDATE')) n;
    IF lacking IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'permission denied to record what the provider would do',
            DETAIL = format('%s lacks: %s', current_user, lacking), HINT = 'Nothing was sent to the provider.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_recording IS
    'Raises 42501, before any call, when the caller lacks a privilege to record its outcome.';

-- After the provider said yes. One home for what wab_provision() and wab apply write.
CREATE FUNCTION @extschema@._wab_record_provision(
    customer_ref text, bridge_id bigint, state text, raw_status text DEFAULT NULL, webhook_url text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    at  timestamptz := clock_timestamp();
    was @extschema@.wab_bridges;
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    SELECT b.* INTO was FROM @extschema@.wab_bridges b WHERE b.bridge_id = _wab_record_provision.bridge_id;
    IF was.bridge_id IS NULL THEN
        INSERT INTO @extschema@.wab_bridges (bridge_id, customer_ref, state, webhook_url, first_seen_at)
        VALUES (bridge_id, customer_ref, state, webhook_url, at);
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, became, since)
        VALUES (at, bridge_id, customer_ref, 'appeared', 'unknown', at);
    ELSIF was.customer_ref IS DISTINCT FROM customer_ref THEN
        -- Another owner's status and webhook_url are not this one's.
        UPDATE @extschema@.wab_bridges b
        SET customer_ref = _wab_record_provision.customer_ref, state = coalesce(_wab_record_provision.state, b.state),
            webhook_url = _wab_record_provision.webhook_url, status = 'unknown', raw_status = NULL,
            status_since = NULL, status_observed_at = NULL, status_asked_at = NULL
        WHERE b.bridge_id = _wab_record_provision.bridge_id;
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
        VALUES (at, bridge_id, customer_ref, 'customer_ref', was.customer_ref, customer_ref);
        IF was.status <> 'unknown' THEN
            INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
            VALUES (at, bridge_id, customer_ref, 'status', was.status, 'unknown');
        END IF;
    ELSE
        UPDATE @extschema@.wab_bridges b
        SET state = coalesce(_wab_record_provision.state, b.state),
            webhook_url = coalesce(_wab_record_provision.webhook_url, b.webhook_url)
        WHERE b.bridge_id = _wab_record_provision.bridge_id
          AND (b.state, b.webhook_url) IS DISTINCT FROM
              (coalesce(_wab_record_provision.state, b.state),
               coalesce(_wab_record_provision.webhook_url, b.webhook_url));
    END IF;
    IF was.bridge_id IS NULL OR was.customer_ref IS DISTINCT FROM customer_ref THEN
        PERFORM @extschema@._wab_mark_duplicates();
    END IF;
    IF raw_status IS NOT NULL THEN
        PERFORM @extschema@._wab_observe_statuses(ARRAY[bridge_id], ARRAY[raw_status], clock_timestamp());
    END IF;
    UPDATE @extschema@.wab_tenants t
    SET bridge_id = b.bridge_id, bridge_status = CASE b.status WHEN 'unknown' THEN t.bridge_status ELSE b.status END
    FROM @extschema@.wab_bridges b
    WHERE b.bridge_id = _wab_record_provision.bridge_id AND t.customer_ref = _wab_record_provision.customer_ref
      AND (t.bridge_id IS DISTINCT FROM b.bridge_id
           OR (b.status <> 'unknown' AND t.bridge_status IS DISTINCT FROM b.status));
    UPDATE @extschema@.wab_queue q SET finished_at = at, outcome = 'provisioned', claimed_until = NULL
    WHERE q.customer_ref = _wab_record_provision.customer_ref AND q.finished_at IS NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_record_provision IS
    'Records a bridge that the provider just created or returned, writes its bridge_id and, if known, its status on '
    'the tenant row, and takes the tenant off wab_queue.';

CREATE FUNCTION @extschema@._wab_record_session(customer_ref text, raw_status text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF raw_status IS NOT NULL THEN
        PERFORM @extschema@._wab_observe_statuses(ARRAY[b.bridge_id], ARRAY[_wab_record_session.raw_status],
            clock_timestamp())
        FROM @extschema@.wab_bridges b WHERE b.customer_ref = _wab_record_session.customer_ref AND NOT b.duplicated;
    END IF;
    RETURN @extschema@.wab_normalize_status(raw_status);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_record_session IS
    'Records what a tenant''s session was just asked for (null: it did not say), and returns it in our words.';

CREATE FUNCTION @extschema@._wab_record_delete(bridge_id bigint, customer_ref text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    was @extschema@.wab_bridges;
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    DELETE FROM @extschema@.wab_bridges b WHERE b.bridge_id = _wab_record_delete.bridge_id RETURNING b.* INTO was;
    IF FOUND THEN
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, since)
        VALUES (clock_timestamp(), bridge_id, customer_ref, 'disappeared', was.status,
                coalesce(was.created_at, was.first_seen_at));
        PERFORM @extschema@._wab_mark_duplicates();
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_record_delete IS
    'Records that the provider deleted a bridge. Deletes nothing at the provider.';

CREATE FUNCTION @extschema@._wab_bind_bridges(customer_refs text[], bridge_ids bigint[]) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    written integer;
BEGIN
    UPDATE @extschema@.wab_tenants t SET bridge_id = u.bridge_id
    FROM unnest(customer_refs, bridge_ids) AS u(customer_ref, bridge_id)
    WHERE t.customer_ref = u.customer_ref AND t.bridge_id IS DISTINCT FROM u.bridge_id;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_bind_bridges IS
    'Writes bridge ids on tenant rows, in one statement; returns how many rows changed.';

CREATE FUNCTION @extschema@._wab_write_statuses(customer_refs text[] DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    written integer;
BEGIN
    UPDATE @extschema@.wab_tenants t SET bridge_status = s.status
    FROM @extschema@.wab_status_drift s
    WHERE t.customer_ref = s.customer_ref
      AND (_wab_write_statuses.customer_refs IS NULL OR s.customer_ref = ANY (_wab_write_statuses.customer_refs));
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_write_statuses IS
    'Writes the observed status on the tenant rows that drifted (all, or those given); returns how many. A status '
    'that is unknown is never written.';

CREATE FUNCTION @extschema@._wab_write_statuses_of(bridge_ids bigint[]) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    written integer;
BEGIN
    UPDATE @extschema@.wab_tenants t SET bridge_status = s.status
    FROM @extschema@.wab_status_drift s
    WHERE t.customer_ref = s.customer_ref AND s.bridge_id = ANY (_wab_write_statuses_of.bridge_ids);
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_write_statuses_of IS '_wab_write_statuses() for the tenants of these bridges.';

CREATE FUNCTION @extschema@.wab_summary()
RETURNS TABLE (observed_at timestamptz, bridges bigint, paired bigint, awaiting_scan bigint, disconnected bigint,
    unknown bigint, orphaned bigint, churned bigint, missing bigint, monthly_cost numeric, monthly_waste numeric)
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM @extschema@._wab_require_binding();
    RETURN QUERY SELECT s.observed_at, s.bridges, s.paired, s.awaiting_scan, s.disconnected, s.unknown,
                        s.orphaned, s.churned, s.missing, s.monthly_cost, s.monthly_waste
                 FROM @extschema@.wab_fleet_summary s;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_summary IS
    'One row: bridges by status and drift, dollars per month. As of the last observation.';

CREATE FUNCTION @extschema@.wab_log_summary() RETURNS @extschema@.wab_summaries
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    logged @extschema@.wab_summaries;
BEGIN
    INSERT INTO @extschema@.wab_summaries
        (observed_at, bridges, paired, awaiting_scan, disconnected, unknown, orphaned, churned, missing, monthly_cost,
            monthly_waste)
    SELECT s.* FROM @extschema@.wab_summary() s
    RETURNING * INTO logged;
    RAISE LOG 'wab: % bridges: % paired, % awaiting scan, % disconnected, % unknown; % orphaned, % churned, % tenants missing one; $% a month, $% of it wasted',
        logged.bridges, logged.paired, logged.awaiting_scan, logged.disconnected, logged.unknown,
        logged.orphaned, logged.churned, logged.missing, logged.monthly_cost, logged.monthly_waste;
    RETURN logged;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_log_summary IS
    'Logs wab_summary() to wab_summaries and to the server log, and returns it. Made for pg_cron.';

CREATE FUNCTION @extschema@._wab_policy_replace() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM @extschema@.wab_policy;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_policy_replace IS
    'There is one policy: a new one takes the place of the old, when a dump is restored too.';
CREATE TRIGGER _wab_policy_replace BEFORE INSERT ON @extschema@.wab_policy
    FOR EACH ROW EXECUTE FUNCTION @extschema@._wab_policy_replace();

-- sql/observe.sql
-- Stores what the provider said: listings of the whole fleet, and statuses of single sessions. It writes only what differs.

-- A complete listing, given as arrays of equal length.
CREATE FUNCTION @extschema@.wab_observe(
    bridge_ids bigint[], customer_refs text[], states text[], raw_statuses text[], created_ats timestamptz[],
    listed_at timestamptz DEFAULT clock_timestamp(), source text DEFAULT 'sql',
    malformed integer DEFAULT 0, force boolean DEFAULT false, digest text DEFAULT NULL)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer, skipped boolean)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    listed integer := cardinality(bridge_ids);
BEGIN
    IF bridge_ids IS NULL OR customer_refs IS NULL OR states IS NULL OR raw_statuses IS NULL OR created_ats IS NULL
       OR listed_at IS NULL OR source IS NULL OR malformed IS NULL OR force IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_observe() takes no null argument',
            HINT = 'An unknown state, status or time is a null element of its array.';
    END IF;
    IF (cardinality(customer_refs), cardinality(states), cardinality(raw_statuses), cardinality(created_ats))
       <> (listed, listed, listed, listed) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_observe() takes five arrays of equal length';
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    RETURN QUERY SELECT s.* FROM @extschema@._wab_store_listing(
        bridge_ids, customer_refs, states, raw_statuses, created_ats,
        ARRAY(SELECT b.bridge_id FROM @extschema@.wab_bridges b
              WHERE NOT EXISTS (SELECT FROM unnest(bridge_ids) AS l(bridge_id) WHERE l.bridge_id = b.bridge_id)),
        listed, listed - cardinality(array_positions(raw_statuses, NULL)),
        coalesce(digest, encode(sha256(convert_to(ROW(bridge_ids, customer_refs, states, raw_statuses, created_ats)::text, 'UTF8')), 'hex')),
        listed_at, source, malformed, force) s;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_observe IS 'Stores a complete listing of the fleet, given as arrays; writes only what changed. Refuses an empty or sharply shrunken listing (55000) unless forced. skipped: a newer observation is there already. digest: the listing''s own, for _wab_observe_again().';

-- THE definition of what a listing changes. A caller that has compared the listing with wab_bridges need not hand over all of it:
-- the listed bridges that may differ, and those known ones that were not listed (absent), are enough. `listed` and `statuses` say
-- how many bridges the whole listing has, and how many of them with a status. One row of wab_observations is always written.
CREATE FUNCTION @extschema@._wab_store_listing(
    bridge_ids bigint[], customer_refs text[], states text[], raw_statuses text[], created_ats timestamptz[],
    absent bigint[], listed integer, statuses integer, digest text,
    listed_at timestamptz, source text, malformed integer, force boolean)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer, skipped boolean)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    given   bigint[] := bridge_ids || absent;
    known   integer;
    deleted bigint[];
    held    integer;
    moved   integer;
    allowed integer;
    last    @extschema@.wab_observations;
BEGIN
    IF listed_at > clock_timestamp() THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_observe(): listed_at is in the future',
            DETAIL = format('listed_at: %s', listed_at), HINT = 'Take the time from this database, before asking for the list.';
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    SELECT o.* INTO last FROM @extschema@._wab_last_observation() o;
    IF last.observed_at >= listed_at THEN
        RETURN QUERY SELECT last.observed_at, last.bridges, 0, 0, 0, true;
        RETURN;
    END IF;
    -- A bridge that was deleted after the list was asked for may still be in it.
    SELECT coalesce(array_agg(e.bridge_id), '{}') INTO deleted
    FROM @extschema@.wab_bridge_events e WHERE e.event = 'disappeared' AND e.at >= listed_at;
    IF listed = 0 AND NOT force THEN
        SELECT count(*) INTO known FROM @extschema@.wab_bridges b WHERE b.first_seen_at <= listed_at;
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the provider listed no bridge at all, which is not believed',
            DETAIL = format('%s bridges were known before.', known),
            HINT = format('If the account really is empty: SELECT * FROM wab_refresh(force => true), or wab %s.',
                          CASE known WHEN 0 THEN '--first-run' ELSE '--accept-shrink' END);
    END IF;

    WITH compared AS MATERIALIZED (
        SELECT l.bridge_id AS listed_id, b.bridge_id AS known_id, l.customer_ref, l.state, l.raw_status, s.status, l.created_at,
               b.customer_ref AS was_customer_ref, b.state AS was_state, b.status AS was_status,
               coalesce(b.created_at, b.first_seen_at, l.created_at, listed_at) AS lived_since,
               b.bridge_id IS NULL AS is_new,
               l.bridge_id = b.bridge_id AS is_known,
               -- A bridge first seen after the list was asked for is newer than the list, so its absence proves nothing.
               l.bridge_id IS NULL AND malformed = 0 AND b.first_seen_at <= listed_at AS is_gone,
               l.state IS DISTINCT FROM b.state AS state_moved,
               l.created_at IS DISTINCT FROM b.created_at AS created_at_moved,
               -- Status and webhook_url of the owner before are not those of this one.
               l.customer_ref IS DISTINCT FROM b.customer_ref AS owner_moved,
               -- A listing that brings no status never overwrites one, nor does one that is older than the known status.
               r.differs AND n.newer AS raw_status_moved,
               l.raw_status IS NOT NULL AND s.status IS DISTINCT FROM b.status AND n.newer AS status_moved,
               r.differs AND NOT n.newer AS is_older
        FROM (SELECT u.* FROM unnest(bridge_ids, customer_refs, states, raw_statuses, created_ats)
                           AS u(bridge_id, customer_ref, state, raw_status, created_at)
              WHERE u.bridge_id <> ALL (deleted)) l
        FULL JOIN (SELECT k.* FROM @extschema@.wab_bridges k WHERE k.bridge_id = ANY (given)) b ON b.bridge_id = l.bridge_id
        CROSS JOIN LATERAL (SELECT @extschema@.wab_normalize_status(l.raw_status) AS status) s
        CROSS JOIN LATERAL (SELECT l.raw_status IS NOT NULL AND l.raw_status IS DISTINCT FROM b.raw_status AS differs) r
        CROSS JOIN LATERAL (SELECT coalesce(b.status_observed_at < listed_at, true) AS newer) n
    ), diff AS MATERIALIZED (
        SELECT c.* FROM compared c
        WHERE c.is_new OR c.is_gone
           OR (c.is_known AND (c.owner_moved OR c.raw_status_moved OR c.state_moved OR c.created_at_moved))
    ), added AS (
        INSERT INTO @extschema@.wab_bridges
            (bridge_id, customer_ref, state, status, raw_status, created_at, first_seen_at, status_since, status_observed_at)
        SELECT d.listed_id, d.customer_ref, d.state, d.status, d.raw_status, d.created_at, listed_at,
               CASE WHEN d.raw_status IS NOT NULL THEN listed_at END, CASE WHEN d.raw_status IS NOT NULL THEN listed_at END
        FROM diff d WHERE d.is_new
    ), updated AS (
        UPDATE @extschema@.wab_bridges b
        SET customer_ref = d.customer_ref, state = d.state, created_at = d.created_at,
            status = CASE WHEN d.status_moved OR d.owner_moved THEN d.status ELSE b.status END,
            raw_status = CASE WHEN d.raw_status_moved OR d.owner_moved THEN d.raw_status ELSE b.raw_status END,
            status_since = CASE WHEN d.status_moved OR d.owner_moved THEN listed_at ELSE b.status_since END,
            status_observed_at = CASE WHEN d.owner_moved AND d.raw_status IS NULL THEN NULL
                                      WHEN d.raw_status_moved OR d.owner_moved THEN listed_at ELSE b.status_observed_at END,
            status_asked_at = CASE WHEN d.owner_moved THEN NULL ELSE b.status_asked_at END,
            webhook_url = CASE WHEN d.owner_moved THEN NULL ELSE b.webhook_url END
        FROM diff d WHERE d.known_id = b.bridge_id AND d.is_known
    ), gone AS (
        DELETE FROM @extschema@.wab_bridges b USING diff d WHERE d.known_id = b.bridge_id AND d.is_gone
    ), events AS (
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since)
        SELECT listed_at, coalesce(d.listed_id, d.known_id), coalesce(d.customer_ref, d.was_customer_ref), e.event, e.was, e.became,
               CASE WHEN d.is_known THEN NULL ELSE d.lived_since END
        FROM diff d, LATERAL (VALUES
            ('appeared', d.is_new, NULL, d.status),
            ('disappeared', d.is_gone, d.was_status, NULL),
            ('status', d.is_known AND (d.status_moved OR d.owner_moved) AND d.status <> d.was_status, d.was_status, d.status),
            ('state', d.is_known AND d.state_moved, d.was_state, d.state),
            ('customer_ref', d.is_known AND d.owner_moved, d.was_customer_ref, d.customer_ref)
        ) AS e(event, happened, was, became)
        WHERE e.happened
    )
    SELECT (SELECT count(*) FROM diff d WHERE d.is_new), (SELECT count(*) FROM diff d WHERE d.is_known),
           (SELECT count(*) FROM diff d WHERE d.is_known AND d.owner_moved),
           (SELECT count(*) FROM diff d WHERE d.is_gone),
           -- What differs and stays: an absence that proves nothing, a status that is older than the known one.
           (SELECT count(*) FROM compared c WHERE (c.listed_id IS NULL AND NOT c.is_gone)
                                               OR (c.is_known AND c.is_older AND NOT c.owner_moved))
    INTO appeared, changed, moved, disappeared, held;

    -- Raising here undoes the merge above: the count comes from the merge's own pass.
    IF disappeared > 1 AND NOT force THEN
        SELECT count(*) - appeared + disappeared INTO known FROM @extschema@.wab_bridges b
        WHERE b.first_seen_at <= listed_at;
        SELECT greatest(1, floor(known * p.max_shrink)) INTO allowed FROM @extschema@.wab_policy p;
        IF disappeared > allowed THEN
            RAISE EXCEPTION USING ERRCODE = '55000',
                MESSAGE = 'the list of bridges shrank too much to be believed',
                DETAIL = format('%s bridges were listed; %s of the %s known ones are not among them; wab_policy.max_shrink allows %s.',
                                listed, disappeared, known, allowed),
                HINT = 'If they really are gone: SELECT * FROM wab_refresh(force => true), or wab --accept-shrink.';
        END IF;
    END IF;
    IF appeared + moved + disappeared > 0 THEN
        PERFORM @extschema@._wab_mark_duplicates();
    END IF;
    INSERT INTO @extschema@.wab_observations
        (observed_at, source, digest, bridges, appeared, changed, disappeared, malformed, statuses, mirrored)
    VALUES (listed_at, source, digest, listed, appeared, changed, disappeared, malformed, statuses,
            -- See unchanged.sql. A snapshot older than the lock may not show what another wrote.
            held = 0 AND malformed = 0 AND deleted = '{}' AND current_setting('transaction_isolation') = 'read committed');
    RETURN QUERY SELECT listed_at, listed, appeared, changed, disappeared, false;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_store_listing IS 'What wab_observe(), wab_refresh() and wab store of a listing: the listed bridges that may differ from wab_bridges (arrays), the known ones that were not listed (absent), and how many were listed in all, and with a status.';

CREATE FUNCTION @extschema@._wab_last_observation(max_age interval DEFAULT NULL) RETURNS SETOF @extschema@.wab_observations
LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT o.* FROM (SELECT l.* FROM @extschema@.wab_observations l
                     WHERE l.observed_at <= clock_timestamp() ORDER BY l.observed_at DESC LIMIT 1) o
    WHERE max_age IS NULL OR o.observed_at > clock_timestamp() - max_age;
$$;
COMMENT ON FUNCTION @extschema@._wab_last_observation IS 'The newest observation, unless it is older than max_age. One dated in the future, from a clock that was set back, does not count.';

CREATE FUNCTION @extschema@._wab_mark_duplicates() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    WITH twice AS (
        SELECT b.customer_ref FROM @extschema@.wab_bridges b
        WHERE b.customer_ref IS NOT NULL GROUP BY b.customer_ref HAVING count(*) > 1
    )
    UPDATE @extschema@.wab_bridges b SET duplicated = NOT b.duplicated
    WHERE b.duplicated <> (b.customer_ref IS NOT NULL AND b.customer_ref IN (SELECT t.customer_ref FROM twice t));
$$;
COMMENT ON FUNCTION @extschema@._wab_mark_duplicates IS 'Brings wab_bridges.duplicated up to date.';

-- Statuses asked of the sessions themselves; a null is a session that did not answer.
CREATE FUNCTION @extschema@._wab_observe_statuses(
    bridge_ids bigint[], raw_statuses text[], asked_at timestamptz DEFAULT clock_timestamp())
RETURNS integer
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    WITH diff AS MATERIALIZED (
        SELECT b.bridge_id, b.customer_ref, b.status AS was,
               coalesce(n.learnt, false) AS learnt, s.raw_status, @extschema@.wab_normalize_status(s.raw_status) AS status
        FROM unnest(bridge_ids, raw_statuses) AS s(bridge_id, raw_status)
        JOIN @extschema@.wab_bridges b ON b.bridge_id = s.bridge_id
        CROSS JOIN LATERAL (SELECT s.raw_status IS NOT NULL AND coalesce(b.status_observed_at < asked_at, true) AS learnt) n
        WHERE coalesce(b.status_asked_at < asked_at, true)
    ), updated AS (
        UPDATE @extschema@.wab_bridges b
        SET status_asked_at = asked_at,
            status = CASE WHEN d.learnt THEN d.status ELSE b.status END,
            raw_status = CASE WHEN d.learnt THEN d.raw_status ELSE b.raw_status END,
            status_observed_at = CASE WHEN d.learnt THEN asked_at ELSE b.status_observed_at END,
            status_since = CASE WHEN d.learnt AND (d.status <> d.was OR b.status_since IS NULL) THEN asked_at ELSE b.status_since END
        FROM diff d WHERE b.bridge_id = d.bridge_id
    ), events AS (
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
        SELECT asked_at, d.bridge_id, d.customer_ref, 'status', d.was, d.status FROM diff d WHERE d.learnt AND d.status <> d.was
    )
    SELECT count(*)::integer FROM diff d WHERE d.learnt AND d.status <> d.was;
$$;
COMMENT ON FUNCTION @extschema@._wab_observe_statuses IS 'Stores statuses asked of the sessions themselves (null: no answer); returns how many changed. An older answer never overwrites a newer one.';

-- sql/unchanged.sql
-- A trick for speed: a listing that equals the newest one is stored as one row, without comparing a bridge.
--
-- Most refreshes find the fleet as it was. wab_observations.mirrored of the newest row says that wab_bridges holds exactly what that
-- listing said; _wab_store_listing() sets it, and the triggers below clear it whenever anything else writes to wab_bridges. While it
-- is set, a listing of the same digest changes nothing, and wab plan may evaluate what is stored while the provider still answers.
-- Without this file every listing is compared with wab_bridges, which comes to the same.

CREATE FUNCTION @extschema@._wab_observe_again(digest text, listed_at timestamptz, source text)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer, skipped boolean)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    RETURN QUERY
    INSERT INTO @extschema@.wab_observations AS o
        (observed_at, source, digest, bridges, appeared, changed, disappeared, malformed, statuses, mirrored)
    SELECT _wab_observe_again.listed_at, _wab_observe_again.source, l.digest, l.bridges, 0, 0, 0, 0, l.statuses, true
    FROM @extschema@._wab_last_observation() l
    WHERE l.mirrored AND l.digest = _wab_observe_again.digest AND l.bridges > 0
      AND l.observed_at < _wab_observe_again.listed_at AND _wab_observe_again.listed_at <= clock_timestamp()
      AND current_setting('transaction_isolation') = 'read committed'
    RETURNING o.observed_at, o.bridges, o.appeared, o.changed, o.disappeared, false;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_observe_again IS 'Stores that the listing of this digest was observed once more, in one row, if it is what wab_bridges holds. No row: hand the listing to wab_observe().';

-- Whoever writes wab_bridges: the newest listing no longer tells what is in it. The lock comes first, as everywhere.
CREATE FUNCTION @extschema@._wab_unmirror() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    UPDATE @extschema@.wab_observations o SET mirrored = false
    WHERE o.mirrored AND o.observed_at = (SELECT max(l.observed_at) FROM @extschema@.wab_observations l)
      -- A listing without statuses has nothing to say against other ones.
      AND (TG_NARGS = 0 OR o.statuses > 0);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_unmirror IS 'Notes that wab_bridges may no longer hold what the newest listing said.';
CREATE TRIGGER _wab_unmirror BEFORE INSERT OR DELETE OR TRUNCATE OR UPDATE OF bridge_id, customer_ref, state, created_at
    ON @extschema@.wab_bridges FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._wab_unmirror();
CREATE TRIGGER _wab_unmirror_status BEFORE UPDATE OF raw_status
    ON @extschema@.wab_bridges FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._wab_unmirror('status');


-- sql/views.sql
CREATE FUNCTION @extschema@._wab_create_views() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $_wab_create_views$
-- THE definition of drift: each kind is one entry of _wab_differences. It writes nothing (functions.sql).
--
-- The views stand over your tenants table, so wab_bind_tenants() creates them and not the install script: this file is
-- the body of _wab_create_views(). They are ordinary views: dump, restore and DROP TABLE treat them as they treat any
-- view.

-- One row per tenant or bridge: your side beside the provider's. `serves` tells the bridge of a customer_ref from its
-- duplicates.
CREATE OR REPLACE VIEW @extschema@._wab_rows AS
SELECT
    t.tenant_id, customer_ref,
    t.wanted IS TRUE OR (d.kind = 'extra') IS TRUE AS wanted,
    (d.kind = 'keep' AND (d.until IS NULL OR d.until >= current_date)) IS TRUE AS kept,
    b.bridge_id, t.bridge_id AS stored_bridge_id,
    b.state, b.status, b.raw_status, t.bridge_status AS stored_status, b.status_since, b.created_at,
    coalesce(t.webhook_url, d.webhook_url) AS webhook_url, b.webhook_url AS last_webhook_url,
    d.reason AS declared_reason, d.until AS kept_until,
    b.bridge_id IS NOT NULL
        AND (NOT b.duplicated OR @extschema@._wab_serves(b.bridge_id, b.customer_ref, t.bridge_id)) AS serves
FROM @extschema@.wab_tenants t
FULL JOIN @extschema@.wab_bridges b USING (customer_ref)
FULL JOIN @extschema@.wab_declared d USING (customer_ref)
WHERE t.customer_ref IS NOT NULL OR b.bridge_id IS NOT NULL OR d.kind = 'extra';

-- The kinds of drift. An entry is null where there is no such drift, and otherwise
-- (kind, severity, stored, observed, since, wasted, detail). `differences` has those that are not null. A new kind is
-- an entry in its list; one that a view counts or lists by itself is a column, named there.
-- `serves` comes last in a condition: for a duplicated bridge it is a look-up.
CREATE OR REPLACE VIEW @extschema@._wab_differences AS
SELECT r.*, k.*,
    array_remove(ARRAY[k.missing, k.unbound, k.status_drift, k.orphaned, k.churned, k.duplicate,
                       k.disconnected, k.awaiting_scan, k.stopped, k.webhook], NULL) AS differences,

    -- For speed alone: of a row that is 'well', as most are, nothing below can hold, and views need not ask for its
    -- differences.
    CASE WHEN r.bridge_id IS NULL AND NOT r.wanted THEN 'well'
         WHEN r.bridge_id = r.stored_bridge_id AND r.wanted AND r.state = 'running'
              AND (r.last_webhook_url IS NULL OR r.last_webhook_url = r.webhook_url)
              AND (r.status = 'unknown' OR r.status = 'paired' AND r.stored_status = 'paired')
         THEN 'well' ELSE 'look' END AS glance

FROM @extschema@._wab_rows r CROSS JOIN LATERAL (SELECT

    CASE WHEN r.wanted AND r.bridge_id IS NULL
    THEN ROW('missing', 'critical', r.stored_bridge_id::text, NULL, NULL, false,
        CASE WHEN EXISTS (SELECT FROM @extschema@.wab_queue q
                          WHERE q.customer_ref = r.customer_ref AND q.finished_at IS NULL)
                  THEN 'wanted, and waits for its bridge in wab_queue'
             WHEN r.tenant_id IS NULL THEN 'declared extra: ' || r.declared_reason
             WHEN r.stored_bridge_id IS NULL THEN 'wanted, and has no bridge'
             ELSE 'wanted, and bridge ' || r.stored_bridge_id || ' is no longer listed' END
    )::@extschema@._wab_difference END AS missing,

    CASE WHEN r.tenant_id IS NOT NULL AND r.bridge_id IS DISTINCT FROM r.stored_bridge_id AND r.serves
    THEN ROW('unbound', 'info', r.stored_bridge_id::text, r.bridge_id::text, NULL, false,
        CASE WHEN r.stored_bridge_id IS NULL THEN 'the tenant row holds no bridge_id'
             ELSE 'the tenant row holds another bridge_id' END
    )::@extschema@._wab_difference END AS unbound,

    CASE WHEN r.tenant_id IS NOT NULL AND r.status <> 'unknown' AND r.status IS DISTINCT FROM r.stored_status
              AND r.serves
    THEN ROW('status_drift', 'info', r.stored_status, r.status, NULL, false,
        'the tenant row holds another status'
    )::@extschema@._wab_difference END AS status_drift,

    CASE WHEN r.bridge_id IS NOT NULL AND r.tenant_id IS NULL AND NOT r.wanted AND NOT r.kept
    THEN ROW('orphaned', 'warning', NULL, r.bridge_id::text, NULL, true,
        CASE WHEN r.customer_ref IS NULL THEN 'the bridge has no customer_ref'
             ELSE 'no tenant owns it' || coalesce('; kept until ' || r.kept_until || ', which has passed', '') END
    )::@extschema@._wab_difference END AS orphaned,

    CASE WHEN r.tenant_id IS NOT NULL AND NOT r.wanted AND NOT r.kept AND r.serves
    THEN ROW('churned', 'warning', NULL, r.bridge_id::text, NULL, true,
        'the tenant is no longer wanted' || coalesce('; kept until ' || r.kept_until || ', which has passed', '')
    )::@extschema@._wab_difference END AS churned,

    CASE WHEN r.bridge_id IS NOT NULL AND (r.tenant_id IS NOT NULL OR r.wanted OR r.kept) AND NOT r.serves
    THEN ROW('duplicate', 'warning', NULL, r.bridge_id::text, NULL, true,
        'another live bridge serves this customer_ref'
    )::@extschema@._wab_difference END AS duplicate,

    CASE WHEN r.status = 'disconnected' AND r.wanted
              AND r.status_since < now() - (SELECT p.disconnected_after FROM @extschema@.wab_policy p) AND r.serves
    THEN ROW('disconnected', 'critical', NULL, r.raw_status, r.status_since, false,
        'disconnected: pair it again'
    )::@extschema@._wab_difference END AS disconnected,

    CASE WHEN r.status = 'awaiting_scan' AND r.wanted
              AND r.status_since < now() - (SELECT p.awaiting_scan_after FROM @extschema@.wab_policy p) AND r.serves
    THEN ROW('awaiting_scan', 'warning', NULL, r.raw_status, r.status_since, false,
        'the QR code was not scanned: remind the tenant'
    )::@extschema@._wab_difference END AS awaiting_scan,

    CASE WHEN r.bridge_id IS NOT NULL AND r.state <> 'running'
    THEN ROW('state', 'critical', NULL, r.state, NULL, false,
        'the container is not running'
    )::@extschema@._wab_difference END AS stopped,

    CASE WHEN r.last_webhook_url <> r.webhook_url AND r.serves
    THEN ROW('webhook', 'warning', r.webhook_url, r.last_webhook_url, NULL, false,
        'set the webhook_url by hand in the dashboard'
    )::@extschema@._wab_difference END AS webhook
) k;

CREATE OR REPLACE VIEW @extschema@.wab_fleet AS
SELECT d.tenant_id, d.customer_ref, d.wanted, d.kept, d.bridge_id, d.stored_bridge_id,
    d.state, d.status, d.raw_status, d.stored_status, d.status_since, d.created_at,
    d.webhook_url, d.last_webhook_url, d.declared_reason, d.kept_until,
    CASE WHEN d.glance = 'well' THEN '{}' ELSE ARRAY(SELECT k.kind FROM unnest(d.differences) k) END AS drift
FROM @extschema@._wab_differences d;

-- One row per difference: a bridge or tenant with two kinds of drift has two rows.
CREATE OR REPLACE VIEW @extschema@.wab_drift AS
SELECT (k.difference).kind, (k.difference).severity, k.tenant_id, k.bridge_id, k.customer_ref,
    (k.difference).stored, (k.difference).observed,
    CASE WHEN (k.difference).since IS NOT NULL THEN (k.difference).since
         ELSE (SELECT min(e.began_at) FROM @extschema@.wab_drift_episodes e
               WHERE e.ended_at IS NULL AND e.kind = (k.difference).kind
                 AND e.subject = coalesce(k.bridge_id::text, k.customer_ref)) END AS since,
    (k.difference).detail,
    CASE WHEN (k.difference).wasted THEN (SELECT p.price_per_bridge FROM @extschema@.wab_policy p)
         ELSE 0.00 END::numeric(10,2) AS monthly_cost,
    k.webhook_url, (k.difference).wasted
FROM (SELECT d.tenant_id, d.bridge_id, d.customer_ref, d.webhook_url, unnest(d.differences) AS difference
      FROM @extschema@._wab_differences d WHERE d.glance = 'look') k;

CREATE OR REPLACE VIEW @extschema@.wab_orphaned_bridges AS
SELECT d.bridge_id, d.customer_ref, d.state, d.status, d.created_at, d.kept_until,
    (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS monthly_cost
FROM @extschema@._wab_differences d WHERE (d.orphaned).kind IS NOT NULL;

CREATE OR REPLACE VIEW @extschema@.wab_missing_bridges AS
SELECT d.tenant_id, d.customer_ref, d.stored_bridge_id, d.webhook_url
FROM @extschema@._wab_differences d WHERE (d.missing).kind IS NOT NULL;

CREATE OR REPLACE VIEW @extschema@.wab_status_drift AS
SELECT d.tenant_id, d.bridge_id, d.customer_ref, d.stored_status, d.status, d.raw_status, d.status_since
FROM @extschema@._wab_differences d WHERE (d.status_drift).kind IS NOT NULL;

CREATE OR REPLACE VIEW @extschema@.wab_churned_bridges AS
SELECT d.tenant_id, d.bridge_id, d.customer_ref, d.state, d.status, d.created_at,
    (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS monthly_cost
FROM @extschema@._wab_differences d WHERE (d.churned).kind IS NOT NULL;

CREATE OR REPLACE VIEW @extschema@.wab_fleet_summary AS
SELECT (SELECT max(o.observed_at) FROM @extschema@.wab_observations o) AS observed_at,
    c.bridges, c.paired, c.awaiting_scan, c.disconnected, c.unknown, c.orphaned, c.churned, c.missing,
    (c.bridges * p.price_per_bridge)::numeric(12,2) AS monthly_cost,
    (c.wasted * p.price_per_bridge)::numeric(12,2) AS monthly_waste,
    c.duplicate, c.unbound, c.status_drift
FROM @extschema@.wab_policy p CROSS JOIN (
    SELECT count(d.bridge_id) AS bridges,
        count(*) FILTER (WHERE d.status = 'paired') AS paired,
        count(*) FILTER (WHERE d.status = 'awaiting_scan') AS awaiting_scan,
        count(*) FILTER (WHERE d.status = 'disconnected') AS disconnected,
        count(*) FILTER (WHERE d.status = 'unknown') AS unknown,
        count(d.orphaned) AS orphaned, count(d.churned) AS churned, count(d.missing) AS missing,
        count(d.duplicate) AS duplicate, count(d.unbound) AS unbound, count(d.status_drift) AS status_drift,
        coalesce(sum((SELECT count(*) FROM unnest(d.differences) k WHERE k.wasted))
            FILTER (WHERE d.glance = 'look'), 0) AS wasted
    FROM @extschema@._wab_differences d
) c;
$_wab_create_views$;
COMMENT ON FUNCTION @extschema@._wab_create_views IS 'Creates the drift views over wab_tenants. Called by wab_bind_tenants().';

-- sql/view_comments.sql
CREATE FUNCTION @extschema@._wab_comment_views() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $_wab_comment_views$
-- What the views of views.sql and their columns are for. Like that file it is the body of a function that
-- wab_bind_tenants() calls.

COMMENT ON VIEW @extschema@.wab_tenants IS
    'Your tenants table as this extension reads it. Updates of bridge_id and bridge_status go to the table.';
COMMENT ON COLUMN @extschema@.wab_tenants.tenant_id IS 'The tenant row''s id, in its own type.';
COMMENT ON COLUMN @extschema@.wab_tenants.customer_ref IS 'The tenant''s id as text: what its bridge carries.';
COMMENT ON COLUMN @extschema@.wab_tenants.bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_tenants.bridge_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_tenants.wanted IS 'Should this tenant have a bridge, as the binding says.';
COMMENT ON COLUMN @extschema@.wab_tenants.webhook_url IS
    'The webhook_url that its bridge should have, as the binding says.';

COMMENT ON VIEW @extschema@.wab_fleet IS
    'The whole picture: one row per tenant or bridge, with the kinds of drift it has.';
COMMENT ON COLUMN @extschema@.wab_fleet.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_fleet.customer_ref IS 'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_fleet.wanted IS
    'Should there be a bridge: the tenant is wanted, or an extra is declared.';
COMMENT ON COLUMN @extschema@.wab_fleet.kept IS
    'Declared to be kept though nobody owns it, and the date has not passed.';
COMMENT ON COLUMN @extschema@.wab_fleet.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_fleet.stored_bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.state IS 'The container''s state.';
COMMENT ON COLUMN @extschema@.wab_fleet.status IS
    'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_fleet.raw_status IS 'The same in the provider''s words.';
COMMENT ON COLUMN @extschema@.wab_fleet.stored_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.status_since IS
    'Since when the status has been what it is, as far as it was observed.';
COMMENT ON COLUMN @extschema@.wab_fleet.created_at IS 'When the provider created the bridge.';
COMMENT ON COLUMN @extschema@.wab_fleet.webhook_url IS 'The webhook_url that is wanted.';
COMMENT ON COLUMN @extschema@.wab_fleet.last_webhook_url IS 'The webhook_url that we set last; null when we never did.';
COMMENT ON COLUMN @extschema@.wab_fleet.declared_reason IS 'Why it is declared in wab_declared.';
COMMENT ON COLUMN @extschema@.wab_fleet.kept_until IS 'The last day on which the keep holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.drift IS 'Kinds of drift that this row has; empty when all is well.';

COMMENT ON VIEW @extschema@.wab_drift IS 'One row per difference between the tenants table and the observed fleet.';
COMMENT ON COLUMN @extschema@.wab_drift.kind IS
    'missing, unbound, status_drift, orphaned, churned, duplicate, disconnected, awaiting_scan, state or webhook.';
COMMENT ON COLUMN @extschema@.wab_drift.severity IS
    'critical: a customer is without service. warning: money or attention is lost. info: repaired by wab apply or '
    'wab_reconcile().';
COMMENT ON COLUMN @extschema@.wab_drift.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_drift.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_drift.customer_ref IS 'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_drift.stored IS 'What your side says.';
COMMENT ON COLUMN @extschema@.wab_drift.observed IS 'What the provider says.';
COMMENT ON COLUMN @extschema@.wab_drift.since IS
    'Since when, as far as it was observed: the status, or for other kinds since a refresh or wab first saw this '
    'drift. Null before that.';
COMMENT ON COLUMN @extschema@.wab_drift.detail IS 'The difference in words.';
COMMENT ON COLUMN @extschema@.wab_drift.monthly_cost IS
    'US dollars per month that are paid for a bridge nobody needs; 0 for other kinds.';
COMMENT ON COLUMN @extschema@.wab_drift.webhook_url IS 'The webhook_url that is wanted for this tenant.';
COMMENT ON COLUMN @extschema@.wab_drift.wasted IS 'Whether the bridge is paid for though nobody needs it.';

COMMENT ON VIEW @extschema@.wab_orphaned_bridges IS
    'Live bridges that no tenant owns and nobody declared: paid for in vain.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.customer_ref IS
    'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.state IS 'The container''s state.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.status IS
    'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.created_at IS 'When the provider created the bridge.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.kept_until IS 'The last day on which the keep holds.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.monthly_cost IS
    'US dollars per month that are paid for a bridge nobody needs; 0 for other kinds.';

COMMENT ON VIEW @extschema@.wab_missing_bridges IS 'Wanted tenants and declared extras with no live bridge.';
COMMENT ON COLUMN @extschema@.wab_missing_bridges.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_missing_bridges.customer_ref IS
    'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_missing_bridges.stored_bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_missing_bridges.webhook_url IS 'The webhook_url that is wanted.';

COMMENT ON VIEW @extschema@.wab_status_drift IS 'Tenant rows whose stored status differs from the observed one.';
COMMENT ON COLUMN @extschema@.wab_status_drift.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_status_drift.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_status_drift.customer_ref IS 'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_status_drift.stored_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_status_drift.status IS
    'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_status_drift.raw_status IS 'The same in the provider''s words.';
COMMENT ON COLUMN @extschema@.wab_status_drift.status_since IS
    'Since when the status has been what it is, as far as it was observed.';

COMMENT ON VIEW @extschema@.wab_churned_bridges IS
    'Live bridges of tenants that are no longer wanted: still being paid for.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.customer_ref IS
    'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.state IS 'The container''s state.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.status IS
    'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.created_at IS 'When the provider created the bridge.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.monthly_cost IS
    'US dollars per month that are paid for a bridge nobody needs; 0 for other kinds.';

COMMENT ON VIEW @extschema@.wab_fleet_summary IS 'One row: bridges by status, drift by kind, US dollars per month.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.observed_at IS 'The observation it speaks of.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.bridges IS 'Live bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.paired IS 'Of these, paired.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.awaiting_scan IS 'Of these, waiting for the QR code to be scanned.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.disconnected IS 'Of these, disconnected.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.unknown IS 'Of these, with a status that was never learnt.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.orphaned IS 'Live bridges that no tenant owns.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.churned IS 'Live bridges of tenants that are no longer wanted.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.missing IS 'Wanted tenants with no live bridge.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.monthly_cost IS 'US dollars per month for all live bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.monthly_waste IS
    'US dollars per month for orphaned, churned and duplicate bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.duplicate IS
    'Live bridges beside the one that serves their customer_ref.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.unbound IS 'Tenants whose row does not hold their live bridge''s id.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.status_drift IS
    'Tenants whose row holds another status than was observed.';

COMMENT ON VIEW @extschema@._wab_rows IS
    'One row per tenant or bridge: your side beside the provider''s. What _wab_differences compares.';
COMMENT ON VIEW @extschema@._wab_differences IS
    '_wab_rows with a column per kind of drift, null where there is none: what the other views are made of.';
COMMENT ON COLUMN @extschema@._wab_differences.differences IS 'The columns of the kinds that are not null.';
COMMENT ON COLUMN @extschema@._wab_differences.glance IS
    'well: a few questions tell that differences is empty. look: it may not be.';
$_wab_comment_views$;
COMMENT ON FUNCTION @extschema@._wab_comment_views IS 'Says what the drift views are for. Called by wab_bind_tenants().';

-- sql/binding.sql
-- How your tenants table becomes the view wab_tenants. Checks everything first; the drift views over it are in
-- views.sql.

CREATE FUNCTION @extschema@._wab_require_binding() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF to_regclass('@extschema@.wab_tenants') IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'no tenants table is bound yet',
            HINT = 'SELECT * FROM wab_bind_tenants(''public.tenants'', wanted => ''status = ''''active'''''');';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_binding IS
    'Raises 55000 with the way on when wab_bind_tenants() was never called.';

-- A cursor takes exactly one query, so an expression that ends the query and starts another is refused before it runs.
CREATE FUNCTION @extschema@._wab_check_expression(tenants regclass, what text, expression text, type regtype,
    resolved_in text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    probe  refcursor;
    reason text;
    state  text;
BEGIN
    PERFORM set_config('search_path', 'pg_catalog, ' || resolved_in, true);
    -- In WHERE, because aggregates, windows and sets are refused there: a view with one could not be written through.
    OPEN probe FOR EXECUTE format(E'SELECT FROM %s WHERE COALESCE((\n%s\n), NULL::%s) IS NULL LIMIT 0',
                                  tenants, expression, type);
    CLOSE probe;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE;
WHEN syntax_error_or_access_rule_violation OR data_exception OR feature_not_supported OR invalid_cursor_definition THEN
    GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
    RAISE EXCEPTION USING ERRCODE = state,
        MESSAGE = format('%s is not a valid SQL expression over %s', what, tenants),
        DETAIL = format('%s: %s', expression, reason),
        HINT = format('It must give one %s for a row of %s, for instance: %s', type, tenants,
            CASE type WHEN 'boolean'::regtype THEN 'status = ''active'''
                      ELSE '''https://app.example.com/hooks/'' || id' END);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_expression IS
    'Raises a clear error unless the text is one SQL expression of the type over a row of the table.';

CREATE FUNCTION @extschema@._wab_check_column(tenants regclass, what text, column_name text, add_type text,
    types regtype[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_type regtype;
    width      integer;
BEGIN
    SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, a.atttypmod - 4 INTO found_type, width
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = tenants AND a.attname = column_name AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND AND add_type IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', tenants, column_name, add_type);
    ELSIF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42703',
            MESSAGE = format('%s has no column %I, named as %s', tenants, column_name, what),
            HINT = CASE WHEN what = 'tenant_id' THEN 'Name the column that identifies a tenant: tenant_id => ''…''.'
                        ELSE format('Name another column (%s => ''…''), or have it added: add_columns => true.',
                            what) END;
    ELSIF types IS NOT NULL AND found_type <> ALL (types) THEN
        RAISE EXCEPTION USING ERRCODE = '42804',
            MESSAGE = format('column %I of %s cannot serve as %s: its type is %s', column_name, tenants, what,
                found_type),
            HINT = format('Use a column of type %s.', array_to_string(types, ' or '));
    ELSIF types IS NOT NULL AND found_type = 'varchar'::regtype AND width BETWEEN 0 AND 12 THEN
        RAISE EXCEPTION USING ERRCODE = '42804',
            MESSAGE = format('column %I of %s is too narrow to serve as %s: varchar(%s)', column_name, tenants, what,
                width),
            HINT = 'The longest status, awaiting_scan, has 13 characters: use text.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_column IS
    'Raises a clear error unless the column is there and of one of the types; adds it when a type to add is given.';

CREATE FUNCTION @extschema@._wab_check_tenant_ids(tenants regclass, tenant_id text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    twice text;
BEGIN
    EXECUTE format('SELECT string_agg(quote_literal(d.id), '', '') FROM
                    (SELECT %1$I::text AS id FROM %2$s
                        WHERE %1$I IS NOT NULL GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 3) d',
                   tenant_id, tenants) INTO twice;
    IF twice IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '23505', 
            MESSAGE = format('column %I of %s does not identify a tenant', tenant_id, tenants),
            DETAIL = format('More than one row has: %s.', twice),
            HINT = 'Make the ids unique, best by a unique constraint.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_check_tenant_ids IS 'Raises 23505 when two tenant rows have the same id.';

CREATE FUNCTION @extschema@._wab_create_tenants_view(binding @extschema@.wab_tenant_binding) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    replaced oid := to_regclass('@extschema@.wab_tenants');
BEGIN
    -- A view can be replaced but its columns cannot change type. Without CASCADE: what depends on it is yours to move
    -- first.
    IF EXISTS (SELECT FROM pg_attribute v JOIN pg_attribute c
                   ON c.attrelid = binding.tenants
                  AND c.attname = CASE v.attname WHEN 'tenant_id' THEN binding.tenant_id
                                                 WHEN 'bridge_id' THEN binding.bridge_id
                                                 WHEN 'bridge_status' THEN binding.bridge_status END
               WHERE v.attrelid = replaced AND (v.atttypid, v.atttypmod, v.attcollation)
                                            <> (c.atttypid, c.atttypmod, c.attcollation)) THEN
        DROP VIEW @extschema@.wab_fleet_summary, @extschema@.wab_churned_bridges, @extschema@.wab_status_drift,
                  @extschema@.wab_missing_bridges, @extschema@.wab_orphaned_bridges, @extschema@.wab_drift,
                  @extschema@.wab_fleet, @extschema@._wab_differences, @extschema@._wab_rows, @extschema@.wab_tenants;
    END IF;
    PERFORM set_config('search_path', 'pg_catalog, ' || binding.resolved_in, true);
    EXECUTE format(E'CREATE OR REPLACE VIEW @extschema@.wab_tenants AS
        SELECT %1$I AS tenant_id, %1$I::pg_catalog.text AS customer_ref, %2$I AS bridge_id, %3$I AS bridge_status,
               COALESCE((\n%4$s\n), false) AS wanted, (\n%5$s\n)::pg_catalog.text AS webhook_url
        FROM %6$s WHERE %1$I IS NOT NULL',
        binding.tenant_id, binding.bridge_id, binding.bridge_status, binding.wanted,
        coalesce(binding.webhook_url, 'NULL'), binding.tenants);
    IF pg_relation_is_updatable(to_regclass('@extschema@.wab_tenants'), false) & 4 = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '42809',
            MESSAGE = format('rows of %s could not be updated through wab_tenants', binding.tenants),
            DETAIL = format('wanted: %s; webhook_url: %s', binding.wanted, binding.webhook_url),
            HINT = 'Bind a table, and use expressions over a single row: no aggregate, '
                   'window or set-returning function.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_create_tenants_view IS
    'Creates or replaces the auto-updatable view wab_tenants as the binding says.';

CREATE FUNCTION @extschema@.wab_bind_tenants(
    tenants regclass DEFAULT NULL, tenant_id text DEFAULT 'id', bridge_id text DEFAULT 'bridge_id',
    bridge_status text DEFAULT 'bridge_status', wanted text DEFAULT 'true', webhook_url text DEFAULT NULL,
    add_columns boolean DEFAULT false, resolved_in text DEFAULT current_setting('search_path'))
RETURNS TABLE (bound regclass, tenant_rows bigint, wanted_rows bigint)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    binding       @extschema@.wab_tenant_binding;
    views         constant name[] := '{wab_tenants,_wab_rows,_wab_differences,wab_fleet,wab_drift,
                                       wab_orphaned_bridges,wab_missing_bridges,
                                       wab_status_drift,wab_churned_bridges,wab_fleet_summary}';
    foreign_views text;
    view          name;
BEGIN
    IF tenants IS NULL THEN
        SELECT b.* INTO binding FROM @extschema@.wab_tenant_binding b;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'no tenants table was bound before',
                HINT = 'Name it: SELECT * FROM wab_bind_tenants(''public.tenants'');';
        ELSIF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = binding.tenants) THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the tenants table that was bound no longer exists',
                HINT = 'Name the one to bind now: SELECT * FROM wab_bind_tenants(''public.tenants'');';
        END IF;
    ELSIF tenant_id IS NULL OR bridge_id IS NULL OR bridge_status IS NULL OR wanted IS NULL OR add_columns IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004',
            MESSAGE = 'wab_bind_tenants(): only tenants and webhook_url may be null';
    ELSE
        binding := ROW(true, tenants, tenant_id, bridge_id, bridge_status, wanted, webhook_url,
                       coalesce(nullif(resolved_in, ''), 'pg_catalog'), clock_timestamp(), session_user);
    END IF;
    PERFORM @extschema@._wab_check_column(binding.tenants, 'tenant_id', binding.tenant_id, NULL, NULL);
    PERFORM @extschema@._wab_check_column(binding.tenants, 'bridge_id', binding.bridge_id,
        CASE WHEN add_columns THEN 'bigint' END, '{bigint}');
    PERFORM @extschema@._wab_check_column(binding.tenants, 'bridge_status', binding.bridge_status,
        CASE WHEN add_columns THEN 'text' END, '{text,varchar}');
    PERFORM @extschema@._wab_check_expression(binding.tenants, 'wanted', binding.wanted, 'boolean', binding.resolved_in);
    IF binding.webhook_url IS NOT NULL THEN
        PERFORM @extschema@._wab_check_expression(binding.tenants, 'webhook_url', binding.webhook_url, 'text',
            binding.resolved_in);
    END IF;
    PERFORM @extschema@._wab_check_tenant_ids(binding.tenants, binding.tenant_id);

    PERFORM @extschema@._wab_create_tenants_view(binding);
    PERFORM @extschema@._wab_create_views();
    PERFORM @extschema@._wab_comment_views();
    -- OR REPLACE keeps the owner: a view that lay in wait under one of these names would stay somebody else's to
    -- change.
    SELECT string_agg(format('%s belongs to %I', c.oid::regclass, o.rolname), '; ' ORDER BY c.relname)
    INTO foreign_views
    FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner
    WHERE c.relnamespace = '@extschema@'::regnamespace AND c.relname = ANY (views)
      AND o.rolname <> current_user AND NOT o.rolsuper
      AND o.oid NOT IN (SELECT t.relowner FROM pg_class t
                        WHERE t.oid IN ('@extschema@.wab_tenant_binding'::regclass, binding.tenants));
    IF foreign_views IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'a view under one of our names belongs to somebody else',
            DETAIL = foreign_views, HINT = 'Look at it, and drop it or change its owner.';
    END IF;
    IF current_setting('server_version_num')::integer >= 150000 THEN
        FOREACH view IN ARRAY views LOOP
            EXECUTE format('ALTER VIEW @extschema@.%I SET (security_invoker = true)', view);
        END LOOP;
    END IF;
    DELETE FROM @extschema@.wab_tenant_binding;
    INSERT INTO @extschema@.wab_tenant_binding SELECT binding.*;
    RETURN QUERY SELECT binding.tenants, count(*), count(*) FILTER (WHERE t.wanted) FROM @extschema@.wab_tenants t;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_bind_tenants IS
    'Binds your tenants table: checks it and creates wab_tenants and the drift views. Without arguments: re-creates '
    'the views as bound before, for instance after an upgrade.';

-- sql/events.sql
-- Webhook events as observations of one bridge's status. They may come late, twice and in any order: the history and
-- the status end as if they had come in order.

CREATE FUNCTION @extschema@._wab_event_time(event jsonb) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE jsonb_typeof(event -> 'timestamp')
        WHEN 'string' THEN (event ->> 'timestamp')::timestamptz
        -- Unix time in seconds, or in milliseconds if it is too large for that.
        WHEN 'number' THEN to_timestamp((event ->> 'timestamp')::double precision
                                        / CASE WHEN (event ->> 'timestamp')::numeric < 100000000000
                                               THEN 1 ELSE 1000 END) END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_event_time IS
    'The time that an event carries in its key timestamp (ISO 8601, or Unix time); null if it carries none that can '
    'be read.';

-- Puts a status into a bridge's history at its place in time. Each row of the history says what was before it, so the
-- row after the new one is put right as well.
CREATE FUNCTION @extschema@._wab_insert_status(bridge @extschema@.wab_bridges, at timestamptz, status text,
    known_at timestamptz)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    before text;
    after  record;
BEGIN
    -- Of two statuses of one moment, disconnected is taken to be the later one.
    SELECT e.became INTO before FROM @extschema@.wab_bridge_events e
    WHERE e.bridge_id = bridge.bridge_id AND (e.event = 'status' OR (e.event = 'appeared' AND e.became <> 'unknown'))
      AND (e.at, e.became = 'disconnected') < (at, status = 'disconnected')
    ORDER BY e.at DESC, e.became = 'disconnected' DESC LIMIT 1;
    SELECT e.at, e.event, e.became INTO after FROM @extschema@.wab_bridge_events e
    WHERE e.bridge_id = bridge.bridge_id AND (e.event = 'status' OR (e.event = 'appeared' AND e.became <> 'unknown'))
      AND (e.at, e.became = 'disconnected') > (at, status = 'disconnected')
    ORDER BY e.at, e.became = 'disconnected' LIMIT 1;
    INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
    VALUES (at, bridge.bridge_id, bridge.customer_ref, 'status', coalesce(before, 'unknown'), status);
    IF after.event = 'status' THEN
        UPDATE @extschema@.wab_bridge_events e SET was = status
        WHERE e.bridge_id = bridge.bridge_id AND e.event = 'status' AND e.at = after.at AND e.became = after.became;
    ELSIF after.event IS NULL AND at < known_at AND bridge.status <> 'unknown' AND bridge.status <> status THEN
        -- What was learnt afterwards, and was no change then, is one now.
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
        VALUES (known_at, bridge.bridge_id, bridge.customer_ref, 'status', status, bridge.status);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_insert_status IS
    'Inserts a status into the history of a bridge at its place in time; known_at is when its present status was last '
    'confirmed. Called by wab_ingest_event().';

-- When a bridge's present status began: the first row of the history's last run of it.
CREATE FUNCTION @extschema@._wab_status_began(bridge_id bigint, status text, known_since timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN run.was IS DISTINCT FROM _wab_status_began.status THEN run.at ELSE least(known_since, run.at) END
    FROM (SELECT e.at, e.was FROM @extschema@.wab_bridge_events e
          WHERE e.bridge_id = _wab_status_began.bridge_id AND e.event IN ('status', 'appeared')
            AND e.became = _wab_status_began.status
            AND (e.at, e.became = 'disconnected') > ALL (
                SELECT o.at, o.became = 'disconnected' FROM @extschema@.wab_bridge_events o
                WHERE o.bridge_id = _wab_status_began.bridge_id AND o.event IN ('status', 'appeared')
                  AND o.became NOT IN (_wab_status_began.status, 'unknown')
                ORDER BY o.at DESC, o.became = 'disconnected' DESC LIMIT 1)
          ORDER BY e.at LIMIT 1) run;
$$;
COMMENT ON FUNCTION @extschema@._wab_status_began IS
    'Since when a bridge has had its present status, by its history; known_since where the history does not reach '
    'back so far.';

CREATE FUNCTION @extschema@.wab_ingest_event(customer_ref text, event jsonb,
    occurred_at timestamptz DEFAULT NULL) RETURNS text
LANGUAGE plpgsql COST 1000 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    said     text := lower(event ->> 'event');
    status   text;
    at       timestamptz;
    bridge   @extschema@.wab_bridges;
    known_at timestamptz;
    began_at timestamptz;
BEGIN
    IF customer_ref IS NULL OR event IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_ingest_event(): customer_ref and event may not be null';
    ELSIF jsonb_typeof(event) <> 'object' OR said IS NULL OR jsonb_typeof(event -> 'event') <> 'string' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_ingest_event(): this is no event of the provider',
            DETAIL = format('event: %s', left(event::text, 200)),
            HINT = 'Hand over the webhook''s whole body: {"event": "connected", …}.';
    ELSIF event ->> 'customer_ref' <> customer_ref THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_ingest_event(): the event is another customer''s',
            DETAIL = format('customer_ref: %s; the event says: %s', left(customer_ref, 200),
                left(event ->> 'customer_ref', 200));
    END IF;
    IF said NOT IN ('connected', 'disconnected', 'logged_out') THEN
        RETURN 'ignored';
    END IF;
    status := @extschema@.wab_normalize_status(said);
    at := least(coalesce(occurred_at, @extschema@._wab_event_time(event), clock_timestamp()), clock_timestamp());

    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    SELECT b.* INTO bridge FROM @extschema@.wab_bridges b WHERE b.customer_ref = customer_ref LIMIT 1;
    IF bridge.bridge_id IS NULL OR bridge.duplicated THEN
        RETURN CASE WHEN bridge.duplicated THEN 'ambiguous' ELSE 'no_bridge' END;
    END IF;
    IF EXISTS (SELECT FROM @extschema@.wab_bridge_events e
               WHERE e.bridge_id = bridge.bridge_id AND e.event = 'status' AND e.at = at AND e.became = status) THEN
        RETURN 'duplicate';
    ELSIF at < bridge.first_seen_at THEN
        RETURN 'late';
    END IF;
    -- A list that brought every bridge's status confirmed this one's.
    SELECT greatest(bridge.status_observed_at, max(o.observed_at)) INTO known_at
    FROM @extschema@._wab_last_observation() o
    WHERE o.statuses = o.bridges AND o.bridges > 0 AND bridge.raw_status IS NOT NULL
        AND bridge.first_seen_at <= o.observed_at;
    PERFORM @extschema@._wab_insert_status(bridge, at, status, known_at);
    IF coalesce(at > known_at, true) OR (at = known_at AND status = 'disconnected') THEN
        UPDATE @extschema@.wab_bridges b SET status = status, raw_status = said, status_observed_at = at
        WHERE b.bridge_id = bridge.bridge_id RETURNING b.* INTO bridge;
    END IF;
    began_at := @extschema@._wab_status_began(bridge.bridge_id, bridge.status, bridge.status_since);
    IF bridge.status <> 'unknown' AND began_at IS DISTINCT FROM bridge.status_since THEN
        UPDATE @extschema@.wab_bridges b SET status_since = began_at WHERE b.bridge_id = bridge.bridge_id;
    END IF;
    RETURN CASE WHEN bridge.status_observed_at = at AND bridge.status = status THEN 'recorded' ELSE 'late' END;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_ingest_event IS
    'Takes a webhook event of the provider. connected and disconnected become the bridge''s status at the time it '
    'occurred (given, or in its timestamp, else now). Returns recorded, late (an older one than is known, so only the '
    'history takes it, back to when the bridge was first seen), duplicate, ignored (another kind of event), no_bridge '
    'or ambiguous (several bridges have this customer_ref). Tenant rows are written by wab_reconcile() or wab apply.';

-- sql/history.sql
-- What the history tells: spans of status, health over time, money. These views know no tenants table; all months and
-- days are UTC's.

CREATE VIEW @extschema@.wab_status_history AS
SELECT c.bridge_id, c.customer_ref, c.status, c.at AS since,
       lead(c.at) OVER (PARTITION BY c.bridge_id ORDER BY c.at, c.status = 'disconnected') AS until
FROM (
    SELECT e.bridge_id, e.customer_ref, e.at, e.became AS status
    FROM @extschema@.wab_bridge_events e
    WHERE e.event IN ('appeared', 'disappeared') OR (e.event = 'status' AND e.was <> e.became)
) c;

-- From change to change: how many bridges lived and how many were paired. Counted back from the present, so that it
-- holds for as far back as there is history, however much of it was pruned.
CREATE VIEW @extschema@._wab_fleet_levels AS
WITH change AS (
    SELECT e.at,
           sum(CASE e.event WHEN 'appeared' THEN 1 WHEN 'disappeared' THEN -1 ELSE 0 END) AS bridges,
           sum((e.became IS NOT DISTINCT FROM 'paired')::integer
               - (e.was IS NOT DISTINCT FROM 'paired')::integer) AS paired
    FROM @extschema@.wab_bridge_events e
    WHERE e.event IN ('appeared', 'disappeared', 'status')
    GROUP BY e.at
), present AS (
    SELECT count(*) AS bridges, count(*) FILTER (WHERE b.status = 'paired') AS paired FROM @extschema@.wab_bridges b
)
SELECT c.at AS since, lead(c.at, 1, now()) OVER (ORDER BY c.at) AS until,
       p.bridges - coalesce(sum(c.bridges) OVER later, 0) AS bridges,
       p.paired - coalesce(sum(c.paired) OVER later, 0) AS paired
FROM change c CROSS JOIN present p
WINDOW later AS (ORDER BY c.at DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);

CREATE VIEW @extschema@.wab_fleet_health_daily AS
WITH level AS (
    SELECT d.day, greatest(l.since, d.day) AS since, least(l.until, d.day + interval '24 hours') AS until, l.bridges,
        l.paired
    FROM @extschema@._wab_fleet_levels l
    CROSS JOIN LATERAL (
        SELECT s.day AT TIME ZONE 'UTC' AS day
        FROM generate_series(date_trunc('day', l.since AT TIME ZONE 'UTC'), l.until AT TIME ZONE 'UTC',
            interval '1 day') AS s(day)) d
), repaired AS (
    SELECT date_trunc('day', h.until, 'UTC') AS day, count(*) AS reconnections,
        avg(h.until - h.since) AS mean_time_disconnected
    FROM @extschema@.wab_status_history h WHERE h.status = 'disconnected' AND h.until IS NOT NULL GROUP BY 1
), share AS (
    SELECT l.day,
           sum(l.bridges * extract(epoch FROM l.until - l.since)) AS bridge_seconds,
           sum(l.paired * extract(epoch FROM l.until - l.since)) AS paired_seconds,
           sum(extract(epoch FROM l.until - l.since)) AS seconds
    FROM level l WHERE l.until > l.since GROUP BY l.day
)
SELECT (s.day AT TIME ZONE 'UTC')::date AS day,
       round(s.bridge_seconds / s.seconds, 1) AS bridges,
       round(s.paired_seconds / nullif(s.bridge_seconds, 0), 4) AS paired_share,
       coalesce(r.reconnections, 0) AS reconnections, r.mean_time_disconnected
FROM share s LEFT JOIN repaired r ON r.day = s.day;

CREATE VIEW @extschema@.wab_fleet_health AS
SELECT n.bridges, n.paired, round(n.paired::numeric / nullif(n.bridges, 0), 4) AS paired_share,
       s.paired_share_1d, s.paired_share_7d, s.paired_share_30d,
       r.reconnections_30d, r.mean_time_disconnected_30d,
       now() - d.status_since AS longest_disconnected, d.bridge_id AS longest_disconnected_bridge_id,
       d.customer_ref AS longest_disconnected_customer_ref
FROM (SELECT count(*) AS bridges, count(*) FILTER (WHERE b.status = 'paired') AS paired
      FROM @extschema@.wab_bridges b) n
CROSS JOIN (
    SELECT round(sum(l.paired * w.seconds) FILTER (WHERE w.days = 1)
                 / nullif(sum(l.bridges * w.seconds) FILTER (WHERE w.days = 1), 0), 4) AS paired_share_1d,
           round(sum(l.paired * w.seconds) FILTER (WHERE w.days = 7)
                 / nullif(sum(l.bridges * w.seconds) FILTER (WHERE w.days = 7), 0), 4) AS paired_share_7d,
           round(sum(l.paired * w.seconds) FILTER (WHERE w.days = 30)
                 / nullif(sum(l.bridges * w.seconds) FILTER (WHERE w.days = 30), 0), 4) AS paired_share_30d
    FROM @extschema@._wab_fleet_levels l
    CROSS JOIN LATERAL (
        SELECT p.days, 
               extract(epoch FROM l.until - greatest(l.since, now() - make_interval(hours => 24 * p.days))) AS seconds
        FROM (VALUES (1), (7), (30)) AS p(days)) w
    WHERE w.seconds > 0) s
CROSS JOIN (
    SELECT count(*) AS reconnections_30d, avg(h.until - h.since) AS mean_time_disconnected_30d
    FROM @extschema@.wab_status_history h
    WHERE h.status = 'disconnected' AND h.until > now() - interval '720 hours') r
LEFT JOIN LATERAL (
    SELECT b.bridge_id, b.customer_ref, b.status_since FROM @extschema@.wab_bridges b
    WHERE b.status = 'disconnected' AND b.status_since IS NOT NULL
    ORDER BY b.status_since, b.bridge_id LIMIT 1) d ON true;

-- A bridge's lives as ranges of time, and within them the times when nobody needed it; cut into months, and these into
-- dollars.
CREATE VIEW @extschema@.wab_costs AS
WITH life AS (
    SELECT l.bridge_id, range_agg(tstzrange(l.since, l.until)) AS lived
    FROM (SELECT b.bridge_id, coalesce(b.created_at, b.first_seen_at) AS since, now() AS until
          FROM @extschema@.wab_bridges b
          UNION ALL
          SELECT e.bridge_id, e.since, e.at FROM @extschema@.wab_bridge_events e WHERE e.event = 'disappeared') l
    WHERE l.since < l.until GROUP BY l.bridge_id
), vain AS (
    SELECT e.bridge_id, range_agg(tstzrange(e.began_at, coalesce(e.ended_at, now()))) AS wasted
    FROM @extschema@.wab_drift_episodes e
    WHERE e.wasted AND e.bridge_id IS NOT NULL GROUP BY e.bridge_id
), part AS (
    SELECT l.bridge_id, false AS wasted, unnest(l.lived) AS during FROM life l
    UNION ALL
    SELECT l.bridge_id, true, unnest(l.lived * v.wasted) FROM life l JOIN vain v ON v.bridge_id = l.bridge_id
), monthly AS (
    SELECT m.month, p.bridge_id, p.wasted,
           extract(epoch FROM least(upper(p.during), m.ends) - greatest(lower(p.during), m.begins)) AS seconds,
           extract(epoch FROM m.ends - m.begins) AS month_seconds
    FROM part p
    CROSS JOIN LATERAL (
        SELECT s.month::date AS month, s.month AT TIME ZONE 'UTC' AS begins,
            (s.month + interval '1 month') AT TIME ZONE 'UTC' AS ends
        FROM generate_series(date_trunc('month', greatest(lower(p.during),
            (SELECT min(e.at) FROM @extschema@.wab_bridge_events e))
                                                 AT TIME ZONE 'UTC'),
                             upper(p.during) AT TIME ZONE 'UTC', interval '1 month') AS s(month)) m
    WHERE m.begins < upper(p.during)
)
SELECT m.month,
       count(DISTINCT m.bridge_id) AS bridges,
       round(sum(m.seconds) FILTER (WHERE NOT m.wasted) / 86400, 2) AS bridge_days,
       round((SELECT p.price_per_bridge FROM @extschema@.wab_policy p)
             * sum(m.seconds / m.month_seconds) FILTER (WHERE NOT m.wasted), 2) AS cost,
       round(coalesce(sum(m.seconds) FILTER (WHERE m.wasted), 0) / 86400, 2) AS wasted_days,
       round((SELECT p.price_per_bridge FROM @extschema@.wab_policy p)
             * coalesce(sum(m.seconds / m.month_seconds) FILTER (WHERE m.wasted), 0), 2) AS waste
FROM monthly m GROUP BY m.month;

COMMENT ON VIEW @extschema@.wab_status_history IS 'Each bridge''s statuses as spans of time, from wab_bridge_events.';
COMMENT ON COLUMN @extschema@.wab_status_history.bridge_id IS 'The bridge.';
COMMENT ON COLUMN @extschema@.wab_status_history.customer_ref IS 'Its customer_ref when the span began.';
COMMENT ON COLUMN @extschema@.wab_status_history.status IS
    'paired, awaiting_scan, disconnected or unknown; null from when it disappeared.';
COMMENT ON COLUMN @extschema@.wab_status_history.since IS 'When the span began, as far as it was observed.';
COMMENT ON COLUMN @extschema@.wab_status_history.until IS 'When the next one began; null: it lasts.';

COMMENT ON VIEW @extschema@._wab_fleet_levels IS
    'Live and paired bridges over time: one row from each change to the next.';
COMMENT ON COLUMN @extschema@._wab_fleet_levels.since IS 'From when it was so.';
COMMENT ON COLUMN @extschema@._wab_fleet_levels.until IS 'Until when; for the last row now.';
COMMENT ON COLUMN @extschema@._wab_fleet_levels.bridges IS 'Live bridges.';
COMMENT ON COLUMN @extschema@._wab_fleet_levels.paired IS 'Of these, paired.';

COMMENT ON VIEW @extschema@.wab_fleet_health_daily IS
    'One row per day (UTC): how much of its bridges'' time the fleet was paired, and how long outages lasted.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.day IS 'The day, in UTC.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.bridges IS 'Live bridges, on average over the day.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.paired_share IS
    'Share of their time in which they were paired, from 0 to 1.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.reconnections IS 'Outages that ended on this day.';
COMMENT ON COLUMN @extschema@.wab_fleet_health_daily.mean_time_disconnected IS
    'How long these had lasted, on average; null when there were none.';

COMMENT ON VIEW @extschema@.wab_fleet_health IS
    'One row: how much of the fleet is paired now and over time, how long outages last, and the longest one now.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.bridges IS 'Live bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired IS 'Of these, paired.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired_share IS 'Their share now, from 0 to 1.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired_share_1d IS
    'Share of the bridges'' time in which they were paired, over the last 24 hours.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired_share_7d IS 'The same over the last 7 days.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.paired_share_30d IS 'The same over the last 30 days.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.reconnections_30d IS 'Outages that ended within the last 30 days.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.mean_time_disconnected_30d IS 'How long these had lasted, on average.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.longest_disconnected IS
    'How long the bridge that has been disconnected for longest has been so; null when none is.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.longest_disconnected_bridge_id IS 'That bridge.';
COMMENT ON COLUMN @extschema@.wab_fleet_health.longest_disconnected_customer_ref IS 'Its customer_ref.';

COMMENT ON VIEW @extschema@.wab_costs IS
    'US dollars per month (UTC), to the second. A bridge costs wab_policy.price_per_bridge for a whole month, and its '
    'share of it for a part. The first month of the history may be incomplete; the present one is counted up to now.';
COMMENT ON COLUMN @extschema@.wab_costs.month IS 'The first day of the month.';
COMMENT ON COLUMN @extschema@.wab_costs.bridges IS 'Bridges that lived in it, however shortly.';
COMMENT ON COLUMN @extschema@.wab_costs.bridge_days IS 'Days that they lived in it, all together.';
COMMENT ON COLUMN @extschema@.wab_costs.cost IS 'US dollars for that.';
COMMENT ON COLUMN @extschema@.wab_costs.wasted_days IS
    'Of these days, those of bridges that were orphaned, churned or duplicate, as far as it was seen.';
COMMENT ON COLUMN @extschema@.wab_costs.waste IS 'US dollars of the cost that went into these.';

-- Each reader with rights of its own; before 15 a view reads with those of its owner.
DO $$
DECLARE
    name text;
BEGIN
    IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 150000 THEN
        FOREACH name IN ARRAY 
            '{wab_status_history,_wab_fleet_levels,wab_fleet_health_daily,wab_fleet_health,wab_costs}'::text[]
        LOOP
            EXECUTE pg_catalog.format('ALTER VIEW @extschema@.%I SET (security_invoker = true)', name);
        END LOOP;
    END IF;
END
$$;

CREATE FUNCTION @extschema@.wab_prune_history(older_than interval DEFAULT '400 days') RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    WITH e AS (DELETE FROM @extschema@.wab_bridge_events WHERE at < now() - older_than RETURNING 1),
         o AS (DELETE FROM @extschema@.wab_observations WHERE observed_at < now() - older_than RETURNING 1),
         s AS (DELETE FROM @extschema@.wab_summaries WHERE logged_at < now() - older_than RETURNING 1),
         r AS (DELETE FROM @extschema@.wab_runs WHERE started_at < now() - older_than RETURNING 1),
         d AS (DELETE FROM @extschema@.wab_drift_episodes WHERE ended_at < now() - older_than RETURNING 1),
         q AS (DELETE FROM @extschema@.wab_queue WHERE finished_at < now() - older_than RETURNING 1)
    SELECT (SELECT count(*) FROM e) + (SELECT count(*) FROM o) + (SELECT count(*) FROM s)
         + (SELECT count(*) FROM r) + (SELECT count(*) FROM d) + (SELECT count(*) FROM q);
$$;
COMMENT ON FUNCTION @extschema@.wab_prune_history IS
    'Deletes events, observations, summaries, runs, ended drift and finished queue entries older than this; returns '
    'how many rows. What lasts is kept.';

-- sql/queue.sql
-- Provision on signup: an outbox. An entry is part of the transaction that creates the tenant; the provider is asked
-- only later, by wab apply or by CALL wab_work_queue().

CREATE FUNCTION @extschema@.wab_enqueue_provision(tenant_id text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(tenant_id, '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN tenant_id IS NULL THEN '22004' ELSE '22023' END,
            MESSAGE = 'wab_enqueue_provision(): tenant_id may be neither null nor empty';
    END IF;
    -- Two sessions that enqueue one tenant make one entry.
    PERFORM pg_advisory_xact_lock(7761620, hashtext(tenant_id));
    IF EXISTS (SELECT FROM @extschema@.wab_queue q WHERE q.customer_ref = tenant_id AND q.finished_at IS NULL) THEN
        RETURN false;
    END IF;
    INSERT INTO @extschema@.wab_queue (customer_ref) VALUES (tenant_id);
    RETURN true;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_enqueue_provision(text) IS
    'Enqueues a tenant for its bridge, in this transaction. Nothing is sent now, and nothing ever if it rolls back. '
    'False: it is waiting already.';

CREATE FUNCTION @extschema@.wab_enqueue_provision(tenant_id anynonarray) RETURNS boolean
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_enqueue_provision($1::text); $$;
COMMENT ON FUNCTION @extschema@.wab_enqueue_provision(anynonarray) IS
    'wab_enqueue_provision() for tenant ids of another type, such as integer or uuid.';

CREATE FUNCTION @extschema@._wab_enqueue_wanted() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    id text := to_jsonb(NEW) ->> TG_ARGV[0];
BEGIN
    IF EXISTS (SELECT FROM @extschema@.wab_tenants t
               WHERE t.customer_ref = id AND t.wanted AND t.bridge_id IS NULL) THEN
        PERFORM @extschema@.wab_enqueue_provision(id);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_enqueue_wanted IS
    'Trigger for the tenants table, see sql/signup.sql: enqueues a tenant that is wanted and has no bridge. Its '
    'argument is the column of the tenant''s id.';

CREATE FUNCTION @extschema@._wab_claim_queued(lease interval DEFAULT '5 minutes')
RETURNS TABLE (queue_id uuid, customer_ref text, webhook_url text, stored_bridge_id bigint)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    claimed @extschema@.wab_queue;
BEGIN
    PERFORM @extschema@._wab_require_recording();
    LOOP
        UPDATE @extschema@.wab_queue q SET claimed_until = clock_timestamp() + lease, attempts = q.attempts + 1
        WHERE q.queue_id = (SELECT n.queue_id FROM @extschema@.wab_queue n
                            WHERE n.finished_at IS NULL AND coalesce(n.claimed_until <= clock_timestamp(), true)
                            ORDER BY n.enqueued_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING q.* INTO claimed;
        EXIT WHEN claimed.queue_id IS NULL;
        BEGIN
            RETURN QUERY SELECT claimed.queue_id, claimed.customer_ref,
                @extschema@._wab_wanted_webhook_url(claimed.customer_ref),
                                @extschema@._wab_stored_bridge_id(claimed.customer_ref);
            EXIT;
        -- Unknown or not wanted: it will not get a bridge by waiting.
        EXCEPTION WHEN invalid_parameter_value OR object_not_in_prerequisite_state THEN
            IF to_regclass('@extschema@.wab_tenants') IS NULL THEN
                RAISE;
            END IF;
            UPDATE @extschema@.wab_queue q
            SET finished_at = clock_timestamp(), outcome = 'refused', last_error = SQLERRM, claimed_until = NULL
            WHERE q.queue_id = claimed.queue_id;
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_claim_queued IS
    'Takes up the oldest waiting entry of wab_queue that no other worker is at, for as long as the lease; no row when '
    'there is none. Entries of tenants that are unknown or not wanted are finished as refused.';

CREATE FUNCTION @extschema@._wab_release_queued(queue_id uuid, error text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE @extschema@.wab_queue q
    SET last_error = error,
        claimed_until = clock_timestamp() + least(interval '1 hour',
            interval '30 seconds' * power(2, least(q.attempts, 10)))
    WHERE q.queue_id = _wab_release_queued.queue_id AND q.finished_at IS NULL;
$$;
COMMENT ON FUNCTION @extschema@._wab_release_queued IS
    'Notes why an entry of wab_queue could not be worked off; its next attempt comes after a minute, then ever later, '
    'at most an hour.';

-- sql/episodes.sql
-- How long drift lasts: episodes begin and end here, and listeners are told.

-- For one pass over the whole fleet or for a few bridges by indexes, so it is planned each time. Without JIT: compiling takes longer
-- than the pass. With memory for the hash table, the only large one. A role that may not read the tenants gets a row of nulls.
CREATE FUNCTION @extschema@._wab_drift_rows(bridge_ids bigint[] DEFAULT NULL)
RETURNS TABLE (kind text, tenant_id text, bridge_id bigint, customer_ref text, stored text, observed text, detail text,
               wasted boolean)
LANGUAGE plpgsql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp SET jit = off SET hash_mem_multiplier = 64 SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT d.kind, d.tenant_id::text, d.bridge_id, d.customer_ref, d.stored, d.observed, d.detail, d.wasted
    FROM @extschema@.wab_drift d
    WHERE _wab_drift_rows.bridge_ids IS NULL OR d.bridge_id = ANY (_wab_drift_rows.bridge_ids);
EXCEPTION WHEN data_exception OR syntax_error_or_access_rule_violation THEN
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_drift_rows IS 'wab_drift, or the rows of it that concern these bridges. A row of nulls: it cannot be read, and SELECT * FROM wab_drift shows the error.';

CREATE FUNCTION @extschema@._wab_record_drift() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET hash_mem_multiplier = 64
AS $$
DECLARE
    kinds  text[];
    ids    bigint[];
    refs   text[];
    wasted boolean[];
    reason text;
BEGIN
    IF to_regclass('@extschema@.wab_drift') IS NULL THEN
        RETURN 0;
    END IF;
    BEGIN
        SELECT array_agg(d.kind), array_agg(d.bridge_id), array_agg(d.customer_ref), array_agg(d.wasted)
        INTO kinds, ids, refs, wasted
        FROM @extschema@.wab_drift d;
    -- An observation is worth keeping though the drift cannot be read, for instance by a role that may not see the tenants.
    EXCEPTION WHEN data_exception OR syntax_error_or_access_rule_violation THEN
        GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT;
        RAISE WARNING USING MESSAGE = 'the drift could not be recorded', DETAIL = reason,
            HINT = 'What was observed is stored. SELECT * FROM wab_drift shows the error.';
        RETURN 0;
    END;
    RETURN @extschema@._wab_note_drift(kinds, ids, refs, wasted);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_record_drift IS 'Notes in wab_drift_episodes which drift began and ended since the last time; returns how many. If any did, notifies channel wab_drift with JSON: at, and counts by kind of what began, ended, and is there now.';

CREATE FUNCTION @extschema@._wab_note_drift(
    kinds text[], bridge_ids bigint[], customer_refs text[], wasted boolean[]) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET hash_mem_multiplier = 64
AS $$
DECLARE
    at    timestamptz := clock_timestamp();
    began jsonb;
    ended jsonb;
    moved bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    WITH present AS MATERIALIZED (
        SELECT d.kind, coalesce(d.bridge_id::text, d.customer_ref) AS subject, d.bridge_id, d.customer_ref,
               d.is_wasted
        FROM unnest(kinds, bridge_ids, customer_refs, wasted) AS d(kind, bridge_id, customer_ref, is_wasted)
    ), lasting AS MATERIALIZED (
        SELECT e.kind, e.subject, e.ctid AS row FROM @extschema@.wab_drift_episodes e WHERE e.ended_at IS NULL
    ), moved AS MATERIALIZED (
        -- A full join is never a nested loop, however wrong the estimates are.
        SELECT p.kind, p.subject, p.bridge_id, p.customer_ref, p.is_wasted, l.row
        FROM present p FULL JOIN lasting l ON l.kind = p.kind AND l.subject = p.subject
        WHERE p.kind IS NULL OR l.kind IS NULL
    ), began AS (
        INSERT INTO @extschema@.wab_drift_episodes (kind, subject, bridge_id, customer_ref, wasted, began_at)
        SELECT m.kind, m.subject, m.bridge_id, m.customer_ref, m.is_wasted, at FROM moved m WHERE m.row IS NULL
        RETURNING kind
    ), ended AS (
        UPDATE @extschema@.wab_drift_episodes e SET ended_at = greatest(at, e.began_at)
        WHERE e.ctid = ANY (ARRAY(SELECT m.row FROM moved m WHERE m.row IS NOT NULL))
        RETURNING e.kind
    )
    SELECT (SELECT jsonb_object_agg(b.kind, b.n) FROM (SELECT kind, count(*) AS n FROM began GROUP BY kind) b),
           (SELECT jsonb_object_agg(e.kind, e.n) FROM (SELECT kind, count(*) AS n FROM ended GROUP BY kind) e),
           (SELECT count(*) FROM began) + (SELECT count(*) FROM ended)
    INTO began, ended, moved;
    IF moved > 0 THEN
        PERFORM pg_notify('wab_drift', jsonb_build_object(
            'at', at, 'began', coalesce(began, '{}'), 'ended', coalesce(ended, '{}'), 'drift', coalesce((
                SELECT jsonb_object_agg(o.kind, o.n) FROM (SELECT e.kind, count(*) AS n FROM @extschema@.wab_drift_episodes e
                                                           WHERE e.ended_at IS NULL GROUP BY e.kind) o), '{}'))::text);
    END IF;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_note_drift IS '_wab_record_drift() for a caller that has read all drift already, given as arrays.';

-- sql/provider.sql (extension)
-- The functions that are compiled: each declares a symbol of the library. pg_wabridges/src has their bodies.
--
-- None that calls the provider is STRICT, so that a null argument is an error and not a null result.

CREATE FUNCTION @extschema@.wab_version() RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wab_version_wrapper';
COMMENT ON FUNCTION @extschema@.wab_version() IS
    'The version of the compiled library; pg_extension.extversion is that of the SQL.';

CREATE FUNCTION @extschema@._wab_list_rows()
RETURNS TABLE (bridge_id bigint, customer_ref text, state text, raw_status text, created_at timestamptz, raw text)
LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1000000 ROWS 1000 AS 'MODULE_PATHNAME', 'wab_list_rows_wrapper';
COMMENT ON FUNCTION @extschema@._wab_list_rows() IS
    'What wab_list_instances() is made of: the list as the provider has it, the status in its own words, raw as text.';

CREATE FUNCTION @extschema@._wab_row_json(raw text) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wab_row_json_wrapper';
COMMENT ON FUNCTION @extschema@._wab_row_json(text) IS
    'The raw of _wab_list_rows() as jsonb; null where it is JSON but no jsonb, such as an escaped NUL.';

CREATE FUNCTION @extschema@.wab_get_instance(bridge_id bigint)
RETURNS TABLE (bridge_id bigint, customer_ref text, state text, created_at timestamptz, health text, started_at timestamptz,
               fail_count bigint, raw jsonb)
LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_get_instance_wrapper';
COMMENT ON FUNCTION @extschema@.wab_get_instance(bigint) IS
    'Asks the provider about one bridge, its container''s manager included. Stores nothing.';

CREATE FUNCTION @extschema@.wab_provision(tenant_id text, webhook_url text DEFAULT NULL)
RETURNS TABLE (tenant_id text, bridge_id bigint, state text, outcome text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_provision_wrapper';
COMMENT ON FUNCTION @extschema@.wab_provision(text, text) IS
    'Provisions a wanted tenant''s bridge, or finds the one it has, and writes bridge_id and status on the tenant row. '
    'A ROLLBACK does not undo the provider''s part: the next refresh shows the bridge as unbound and a second call returns it.';

CREATE FUNCTION @extschema@._wab_call_provision(customer_ref text, webhook_url text, stored_bridge_id bigint)
RETURNS TABLE (bridge_id bigint, state text, raw_status text, webhook_url text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_call_provision_wrapper';
COMMENT ON FUNCTION @extschema@._wab_call_provision(text, text, bigint) IS
    'The call of wab_provision() and nothing else: writes nothing. For wab_work_queue().';

CREATE FUNCTION @extschema@.wab_delete_instance(bridge_id bigint, customer_ref text)
RETURNS TABLE (bridge_id bigint, customer_ref text, outcome text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_delete_instance_wrapper';
COMMENT ON FUNCTION @extschema@.wab_delete_instance(bigint, text) IS
    'Deletes a bridge at the provider, for good, if the live bridge carries exactly this customer_ref. '
    'A ROLLBACK does not undo it.';

CREATE FUNCTION @extschema@.wab_refresh(max_age interval DEFAULT '0', force boolean DEFAULT false)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer, skipped boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_refresh_wrapper';
COMMENT ON FUNCTION @extschema@.wab_refresh(interval, boolean) IS
    'Asks the provider for the whole fleet and stores it. Skipped when the last observation is younger than max_age or '
    'another refresh is under way. force believes an empty or shrunken list.';

CREATE FUNCTION @extschema@.wab_poll_status(max_calls integer DEFAULT 100)
RETURNS TABLE (polled integer, changed integer, failed integer, remaining bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_poll_status_wrapper';
COMMENT ON FUNCTION @extschema@.wab_poll_status(integer) IS
    'Asks up to max_calls bridges for their status: never asked first, then disconnected, then stalest.';

CREATE FUNCTION @extschema@.wab_reconcile(max_status_calls integer DEFAULT 100)
RETURNS TABLE (kind text, tenant_id text, bridge_id bigint, customer_ref text, stored text, observed text, detail text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 100 AS 'MODULE_PATHNAME', 'wab_reconcile_wrapper';
COMMENT ON FUNCTION @extschema@.wab_reconcile(integer) IS
    'Refreshes, asks for the statuses that the list did not bring, writes bridge_status on the tenant rows, returns the '
    'drift. Never provisions, never deletes.';

CREATE FUNCTION @extschema@.wab_session_status(tenant_id text)
RETURNS TABLE (tenant_id text, status text, raw_status text, phone text, jid text, name text)
LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_session_status_wrapper';
COMMENT ON FUNCTION @extschema@.wab_session_status(text) IS
    'Asks a tenant''s WhatsApp session for its status, and, while it is paired, for phone, jid and name. Stores nothing.';

CREATE FUNCTION @extschema@.wab_qr(tenant_id text) RETURNS bytea
LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1000000 AS 'MODULE_PATHNAME', 'wab_qr_wrapper';
COMMENT ON FUNCTION @extschema@.wab_qr(text) IS
    'The QR code for a tenant to scan, as a PNG file. There is one only while the bridge is unpaired.';

CREATE FUNCTION @extschema@.wab_pair(tenant_id text, phone text) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'wab_pair_wrapper';
COMMENT ON FUNCTION @extschema@.wab_pair(text, text) IS
    'A code for the tenant to type on the phone of this number (digits with the country code) under Linked Devices. '
    'A ROLLBACK does not undo it.';

CREATE FUNCTION @extschema@.wab_logout(tenant_id text)
RETURNS TABLE (tenant_id text, status text, raw_status text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'wab_logout_wrapper';
COMMENT ON FUNCTION @extschema@.wab_logout(text) IS
    'Unpairs a tenant''s bridge and destroys its session, for good: it must be paired again. The bridge stays. '
    'A ROLLBACK does not undo it.';

-- sql/jobs.sql
-- How the scheduled jobs do, and one row for monitoring.

CREATE FUNCTION @extschema@._wab_note_job(job text, state text DEFAULT NULL, message text DEFAULT NULL) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO @extschema@.wab_jobs AS j (job, succeeded_at, failed_at, failures, sqlstate, error)
    VALUES (job, CASE WHEN state IS NULL THEN clock_timestamp() END, CASE WHEN state IS NOT NULL THEN clock_timestamp() END,
            (state IS NOT NULL)::integer, state, nullif(message, ''))
    ON CONFLICT (job) DO UPDATE
    SET succeeded_at = coalesce(excluded.succeeded_at, j.succeeded_at), failed_at = coalesce(excluded.failed_at, j.failed_at),
        failures = CASE WHEN excluded.failures = 0 THEN 0 ELSE j.failures + 1 END,
        sqlstate = coalesce(excluded.sqlstate, j.sqlstate), error = coalesce(excluded.error, j.error);
$$;
COMMENT ON FUNCTION @extschema@._wab_note_job IS 'Notes in wab_jobs how a run of a job ended: with an error, or well.';

-- With the rights of its owner on purpose: whoever monitors sees this one row, and no bridge, tenant or phone number.
CREATE VIEW @extschema@.wab_status AS
SELECT
    @extschema@.wab_version() AS version,
    o.observed_at,
    pg_catalog.now() OPERATOR(pg_catalog.-) o.observed_at AS observation_age,
    o.bridges,
    o.malformed,
    (SELECT pg_catalog.count(*) FROM @extschema@.wab_drift_episodes e WHERE e.ended_at IS NULL) AS drift,
    (SELECT pg_catalog.count(*) FROM @extschema@.wab_bridges b
     WHERE b.status_observed_at IS NULL AND b.customer_ref IS NOT NULL AND NOT b.duplicated) AS pending_polls,
    (SELECT pg_catalog.count(*) FROM @extschema@.wab_queue q WHERE q.finished_at IS NULL) AS pending_provisions,
    j.job AS failing_job, j.failures, j.failed_at AS last_error_at, j.sqlstate AS last_error_sqlstate, j.error AS last_error
FROM (SELECT 1) always
LEFT JOIN LATERAL (SELECT l.observed_at, l.bridges, l.malformed FROM @extschema@.wab_observations l
                   ORDER BY l.observed_at DESC LIMIT 1) o ON true
LEFT JOIN LATERAL (SELECT f.job, f.failures, f.failed_at, f.sqlstate, f.error FROM @extschema@.wab_jobs f
                   WHERE f.failures OPERATOR(pg_catalog.>) 0 ORDER BY f.failed_at DESC LIMIT 1) j ON true;

COMMENT ON VIEW @extschema@.wab_status IS 'One row for monitoring, which pg_monitor may read: how fresh the observation is, what waits, what fails. For the fleet itself see wab_fleet_summary.';
COMMENT ON COLUMN @extschema@.wab_status.version IS 'The version of the compiled library, or of the wab that installed the objects.';
COMMENT ON COLUMN @extschema@.wab_status.observed_at IS 'When the last good observation was made; null when there was none.';
COMMENT ON COLUMN @extschema@.wab_status.observation_age IS 'How long ago that was.';
COMMENT ON COLUMN @extschema@.wab_status.bridges IS 'Bridges that it listed.';
COMMENT ON COLUMN @extschema@.wab_status.malformed IS 'Listed rows that it could not read.';
COMMENT ON COLUMN @extschema@.wab_status.drift IS 'Differences that last, when they were last recorded.';
COMMENT ON COLUMN @extschema@.wab_status.pending_polls IS 'Bridges whose status was never learnt, though it could be asked for.';
COMMENT ON COLUMN @extschema@.wab_status.pending_provisions IS 'Tenants that wait in wab_queue.';
COMMENT ON COLUMN @extschema@.wab_status.failing_job IS 'The job that failed last, if its newest run failed; null when all is well.';
COMMENT ON COLUMN @extschema@.wab_status.failures IS 'How often in a row it failed.';
COMMENT ON COLUMN @extschema@.wab_status.last_error_at IS 'When it failed last.';
COMMENT ON COLUMN @extschema@.wab_status.last_error_sqlstate IS 'With which SQLSTATE.';
COMMENT ON COLUMN @extschema@.wab_status.last_error IS 'What the error said.';
GRANT SELECT ON @extschema@.wab_status TO pg_monitor;

-- sql/help.sql
-- wab_help(): what there is to call and to query. The purposes are the first sentences of the COMMENTs.

CREATE FUNCTION @extschema@.wab_help() RETURNS TABLE (topic text, name text, purpose text, example text)
LANGUAGE sql STABLE ROWS 40 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT h.topic, h.name,
           -- Narrow enough for a terminal of 100 columns.
           rtrim(regexp_replace(substring(d.said FROM '^.*?(?=[.;](?:\s|$))'), '(.{1,28})(?:\s+|$)', E'\\1\n', 'g'),
               E'\n'),
           h.example
    FROM (VALUES
        (1, 'setup', 'wab_bind_tenants', E'SELECT * FROM wab_bind_tenants(\n  ''public.tenants'');'),
        (2, 'setup', 'wab_tenants', 'SELECT * FROM wab_tenants;'),
        (3, 'setup', 'wab_url_encode', 'SELECT wab_url_encode(''a b'');'),
        (4, 'setup', 'wab_normalize_status', E'SELECT\n  wab_normalize_status(''qr'');'),
        (5, 'setup', 'wab_version', 'SELECT wab_version();'),
        (6, 'setup', 'wab_help', 'SELECT * FROM wab_help();'),
        (10, 'drift', 'wab_drift', 'SELECT * FROM wab_drift;'),
        (11, 'drift', 'wab_fleet', E'SELECT * FROM wab_fleet\nWHERE tenant_id = ''acme'';'),
        (12, 'drift', 'wab_fleet_summary', 'SELECT * FROM wab_fleet_summary;'),
        (13, 'drift', 'wab_missing_bridges', E'SELECT *\nFROM wab_missing_bridges;'),
        (14, 'drift', 'wab_orphaned_bridges', E'SELECT *\nFROM wab_orphaned_bridges;'),
        (15, 'drift', 'wab_churned_bridges', E'SELECT *\nFROM wab_churned_bridges;'),
        (16, 'drift', 'wab_status_drift', 'SELECT * FROM wab_status_drift;'),
        (20, 'observe', 'wab_refresh', 'SELECT * FROM wab_refresh();'),
        (21, 'observe', 'wab_reconcile', 'SELECT * FROM wab_reconcile();'),
        (22, 'observe', 'wab_poll_status', 'SELECT * FROM wab_poll_status();'),
        (23, 'observe', 'wab_ingest_event', E'SELECT wab_ingest_event(''acme'',\n  ''{"event": "connected"}'');'),
        (24, 'observe', 'wab_list_instances', E'SELECT *\nFROM wab_list_instances();'),
        (25, 'observe', 'wab_get_instance', E'SELECT *\nFROM wab_get_instance(7);'),
        (26, 'observe', 'wab_observe',
            E'SELECT * FROM wab_observe(\n  ''{7}'', ''{acme}'', ''{running}'',\n  ''{connected}'', ''{NULL}'');'),
        (30, 'bridges', 'wab_provision', E'SELECT *\nFROM wab_provision(''acme'');'),
        (31, 'bridges', 'wab_enqueue_provision', E'SELECT\n  wab_enqueue_provision(''acme'');'),
        (33, 'bridges', 'wab_work_queue', 'CALL wab_work_queue();'),
        (34, 'bridges', 'wab_delete_instance', E'SELECT * FROM\nwab_delete_instance(7, ''acme'');'),
        (40, 'session', 'wab_session_status', E'SELECT * FROM\n  wab_session_status(''acme'');'),
        (41, 'session', 'wab_qr', 'SELECT wab_qr(''acme'');'),
        (42, 'session', 'wab_pair', E'SELECT wab_pair(''acme'',\n  ''15550100'');'),
        (43, 'session', 'wab_logout', E'SELECT *\nFROM wab_logout(''acme'');'),
        (50, 'history', 'wab_status_history', E'SELECT *\nFROM wab_status_history;'),
        (51, 'history', 'wab_fleet_health', 'SELECT * FROM wab_fleet_health;'),
        (52, 'history', 'wab_fleet_health_daily', E'SELECT *\nFROM wab_fleet_health_daily;'),
        (53, 'history', 'wab_costs', 'SELECT * FROM wab_costs;'),
        (60, 'jobs', 'wab_status', 'SELECT * FROM wab_status;'),
        (61, 'jobs', 'wab_run_job', E'CALL wab_run_job(''summary'',\n  ''SELECT wab_log_summary()'');'),
        (62, 'jobs', 'wab_summary', 'SELECT * FROM wab_summary();'),
        (63, 'jobs', 'wab_log_summary', 'SELECT wab_log_summary();'),
        (64, 'jobs', 'wab_prune_history', 'SELECT wab_prune_history();')
    ) AS h(nth, topic, name, example)
    CROSS JOIN LATERAL (
        -- The views over the tenants table are there once one is bound; wab init --sql-only has no function that calls
        -- the provider.
        SELECT obj_description(c.oid, 'pg_class') AS said FROM pg_class c
        WHERE c.relnamespace = '@extschema@'::regnamespace AND c.relname = h.name AND c.relkind = 'v'
        UNION ALL
        (SELECT obj_description(p.oid, 'pg_proc') FROM pg_proc p
         WHERE p.pronamespace = '@extschema@'::regnamespace AND p.proname = h.name
         ORDER BY 'anynonarray'::regtype = ANY (p.proargtypes::oid[]) LIMIT 1)
    ) d
    ORDER BY h.nth;
$$;
COMMENT ON FUNCTION @extschema@.wab_help IS 'This list.';

-- sql/extension.sql (extension)
-- What only the extension needs and is not compiled: the calls in steps, overloads, who may call what, which rows a dump takes along.

-- Written so that a query takes it in whole (no SET, not volatile): the columns that it does not use cost nothing then. What it
-- names was found when it was created.
CREATE FUNCTION @extschema@.wab_list_instances()
RETURNS TABLE (bridge_id bigint, customer_ref text, state text, status text, raw_status text, created_at timestamptz, raw jsonb)
LANGUAGE sql STABLE PARALLEL RESTRICTED COST 1000000 ROWS 1000
BEGIN ATOMIC
    SELECT r.bridge_id, r.customer_ref, r.state, @extschema@.wab_normalize_status(r.raw_status), r.raw_status, r.created_at,
           @extschema@._wab_row_json(r.raw)
    FROM @extschema@._wab_list_rows() r;
END;

CREATE FUNCTION @extschema@.wab_provision(tenant_id anynonarray, webhook_url text DEFAULT NULL)
RETURNS TABLE (tenant_id text, bridge_id bigint, state text, outcome text)
LANGUAGE sql VOLATILE COST 1000000 ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.tenant_id, p.bridge_id, p.state, p.outcome FROM @extschema@.wab_provision($1::text, $2) p;
$$;

CREATE FUNCTION @extschema@.wab_session_status(tenant_id anynonarray)
RETURNS TABLE (tenant_id text, status text, raw_status text, phone text, jid text, name text)
LANGUAGE sql VOLATILE COST 1000000 ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.tenant_id, s.status, s.raw_status, s.phone, s.jid, s.name FROM @extschema@.wab_session_status($1::text) s;
$$;
CREATE FUNCTION @extschema@.wab_qr(tenant_id anynonarray) RETURNS bytea
LANGUAGE sql VOLATILE COST 1000000 SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_qr($1::text); $$;
CREATE FUNCTION @extschema@.wab_pair(tenant_id anynonarray, phone text) RETURNS text
LANGUAGE sql VOLATILE COST 1000000 SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_pair($1::text, $2); $$;
CREATE FUNCTION @extschema@.wab_logout(tenant_id anynonarray)
RETURNS TABLE (tenant_id text, status text, raw_status text)
LANGUAGE sql VOLATILE COST 1000000 ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ SELECT l.tenant_id, l.status, l.raw_status FROM @extschema@.wab_logout($1::text) l; $$;

COMMENT ON FUNCTION @extschema@.wab_session_status(anynonarray) IS 'wab_session_status() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_qr(anynonarray) IS 'wab_qr() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_pair(anynonarray, text) IS 'wab_pair() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_logout(anynonarray) IS 'wab_logout() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_provision(anynonarray, text) IS 'wab_provision() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_list_instances() IS 'Asks the provider for the whole fleet, one row per bridge. Stores nothing. Takes EXECUTE on _wab_list_rows() too.';

-- What sql/cron.sql schedules. These commit, so they are called outside of a transaction block, and have no SET of their own: every
-- name is qualified. A failure is noted in wab_jobs, and then raised as it was.
CREATE PROCEDURE @extschema@.wab_run_job(job text, command text)
LANGUAGE plpgsql AS $$
DECLARE
    state   text;
    message text;
    details text;
    hints   text;
BEGIN
    BEGIN
        EXECUTE command;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL, hints = PG_EXCEPTION_HINT;
    END;
    CALL @extschema@._wab_end_job(job, state, message, details, hints);
END
$$;
COMMENT ON PROCEDURE @extschema@.wab_run_job(text, text) IS 'Runs an SQL command as a scheduled job, with the caller''s rights: notes in wab_jobs under this name how it went, and raises its error if it had one.';

-- Claim, call, record: each in a transaction of its own, so that none that holds a lock or a row is open while the provider is asked.
CREATE PROCEDURE @extschema@.wab_work_queue(max_calls integer DEFAULT 9)
LANGUAGE plpgsql AS $$
DECLARE
    entry   record;
    made    record;
    state   text;
    message text;
    details text;
    hints   text;
    failed  boolean;
BEGIN
    FOR nth IN 1 .. max_calls LOOP
        SELECT c.queue_id, c.customer_ref, c.webhook_url, c.stored_bridge_id INTO entry FROM @extschema@._wab_claim_queued() c;
        COMMIT;
        EXIT WHEN entry.queue_id IS NULL;
        failed := false;
        BEGIN
            SELECT p.bridge_id, p.state, p.raw_status, p.webhook_url INTO made
            FROM @extschema@._wab_call_provision(entry.customer_ref, entry.webhook_url, entry.stored_bridge_id) p;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL, hints = PG_EXCEPTION_HINT;
            failed := true;
        END;
        IF failed THEN
            PERFORM @extschema@._wab_release_queued(entry.queue_id, pg_catalog.concat_ws(': ', message, details));
        ELSE
            PERFORM @extschema@._wab_record_provision(entry.customer_ref, made.bridge_id, made.state, made.raw_status, made.webhook_url);
        END IF;
        COMMIT;
        -- The key, the network or the limit: the next entry would fare no better.
        EXIT WHEN failed AND pg_catalog.left(state, 2) OPERATOR(pg_catalog.=) ANY ('{08,28,53,55}'::pg_catalog.text[]);
    END LOOP;
    CALL @extschema@._wab_end_job('work_queue', state, message, details, hints);
END
$$;
COMMENT ON PROCEDURE @extschema@.wab_work_queue(integer) IS 'Provisions bridges for tenants that wait in wab_queue, up to max_calls of them, oldest first. Several may run at once. Entries that fail are tried again later; then it ends with the last one''s error.';

CREATE PROCEDURE @extschema@._wab_end_job(job text, state text, message text, details text, hints text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM @extschema@._wab_note_job(job, state, pg_catalog.rtrim(pg_catalog.concat_ws(': ', message, details), ': '));
    COMMIT;
    IF message IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = details, HINT = hints;
    END IF;
END
$$;
COMMENT ON PROCEDURE @extschema@._wab_end_job(text, text, text, text, text) IS 'Notes in wab_jobs how a job went, and raises its error if it had one.';

-- For wab_status.
GRANT USAGE ON SCHEMA @extschema@ TO pg_monitor;

-- PUBLIC keeps what is pure or only reads what the caller may read: the functions that the views call.
DO $$
DECLARE
    member regprocedure;
BEGIN
    FOR member IN
        SELECT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
        JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) d.objid
        WHERE e.extname OPERATOR(pg_catalog.=) 'pg_wabridges' AND d.deptype OPERATOR(pg_catalog.=) 'e'
          AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
          AND p.proname OPERATOR(pg_catalog.<>) ALL ('{wab_normalize_status,_wab_row_json,wab_url_encode,_wab_percent_encode,wab_help,_wab_lock_id,_wab_serves,wab_version}'::pg_catalog.name[])
    LOOP
        EXECUTE pg_catalog.format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', member);
    END LOOP;
END
$$;

SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_bridges', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_bridge_events', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_observations', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_policy', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_declared', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_tenant_binding', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_runs', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_operations', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_summaries', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_drift_episodes', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_queue', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_jobs', '');
