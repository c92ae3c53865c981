-- 0.1.0, as it was released.

-- The tables. No drift here (views.sql), no logic (functions.sql). `@extschema@` is the schema chosen at install time.

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

COMMENT ON TABLE @extschema@.wab_bridges IS 'The fleet as last observed: one row per live bridge. Written by wab_refresh(), wab_provision() and wab apply.';
COMMENT ON COLUMN @extschema@.wab_bridges.bridge_id IS 'The provider''s id of the bridge.';
COMMENT ON COLUMN @extschema@.wab_bridges.customer_ref IS 'The tenant''s id as text, as put on the bridge when it was provisioned; null when the bridge carries none.';
COMMENT ON COLUMN @extschema@.wab_bridges.state IS 'The container''s lifecycle in the provider''s words, for instance running.';
COMMENT ON COLUMN @extschema@.wab_bridges.status IS 'The WhatsApp session: paired, awaiting_scan, disconnected, or unknown while it was never learnt.';
COMMENT ON COLUMN @extschema@.wab_bridges.raw_status IS 'The provider''s own text for the status.';
COMMENT ON COLUMN @extschema@.wab_bridges.created_at IS 'When the provider created the bridge, as the provider says.';
COMMENT ON COLUMN @extschema@.wab_bridges.webhook_url IS 'The webhook_url that we set last; null when we never set one. The provider does not return it.';
COMMENT ON COLUMN @extschema@.wab_bridges.duplicated IS 'True when another live bridge carries the same customer_ref.';
COMMENT ON COLUMN @extschema@.wab_bridges.first_seen_at IS 'When this bridge was first observed or provisioned by us.';
COMMENT ON COLUMN @extschema@.wab_bridges.status_since IS 'Since when the status has been what it is, as far as it was observed.';
COMMENT ON COLUMN @extschema@.wab_bridges.status_observed_at IS 'When the status was last learnt from the session itself, or changed in a listing.';
COMMENT ON COLUMN @extschema@.wab_bridges.status_asked_at IS 'When the session was last asked for its status, answered or not.';

CREATE TABLE @extschema@.wab_bridge_events (
    at           timestamptz NOT NULL,
    bridge_id    bigint NOT NULL,
    customer_ref text,
    event        text NOT NULL CHECK (event IN ('appeared', 'disappeared', 'status', 'state', 'customer_ref')),
    was          text,
    became       text
);
CREATE INDEX wab_bridge_events_bridge ON @extschema@.wab_bridge_events (bridge_id, at);
CREATE INDEX wab_bridge_events_at ON @extschema@.wab_bridge_events USING brin (at);

COMMENT ON TABLE @extschema@.wab_bridge_events IS 'Append-only history of the fleet: one row per change that was observed.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.at IS 'When the change was observed.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.bridge_id IS 'The bridge that changed.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.customer_ref IS 'Its customer_ref at that time.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.event IS 'appeared, disappeared, status, state or customer_ref.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.was IS 'The value before; null for appeared.';
COMMENT ON COLUMN @extschema@.wab_bridge_events.became IS 'The value after; null for disappeared.';

CREATE TABLE @extschema@.wab_observations (
    observed_at timestamptz PRIMARY KEY,
    source      text NOT NULL,
    digest      text NOT NULL,
    bridges     integer NOT NULL,
    appeared    integer NOT NULL,
    changed     integer NOT NULL,
    disappeared integer NOT NULL,
    malformed   integer NOT NULL
);

COMMENT ON TABLE @extschema@.wab_observations IS 'One row per stored listing of the fleet, changed or not: the proof of how fresh wab_bridges is.';
COMMENT ON COLUMN @extschema@.wab_observations.observed_at IS 'When the listing was asked for.';
COMMENT ON COLUMN @extschema@.wab_observations.source IS 'Who stored it: wab_refresh, wab_reconcile, wab, or sql.';
COMMENT ON COLUMN @extschema@.wab_observations.digest IS 'SHA-256 (hex) over the listing: equal digests, equal listings.';
COMMENT ON COLUMN @extschema@.wab_observations.bridges IS 'Bridges listed.';
COMMENT ON COLUMN @extschema@.wab_observations.appeared IS 'Bridges that the observation before did not have.';
COMMENT ON COLUMN @extschema@.wab_observations.changed IS 'Bridges whose customer_ref, state or status differs from the observation before.';
COMMENT ON COLUMN @extschema@.wab_observations.disappeared IS 'Bridges that were no longer listed.';
COMMENT ON COLUMN @extschema@.wab_observations.malformed IS 'Listed rows that could not be read. While there are any, no absence is believed.';

CREATE TABLE @extschema@.wab_policy (
    only_row            boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    price_per_bridge    numeric(10,2) NOT NULL DEFAULT 3.00 CHECK (price_per_bridge >= 0),
    disconnected_after  interval NOT NULL DEFAULT '15 minutes',
    awaiting_scan_after interval NOT NULL DEFAULT '24 hours',
    max_shrink          numeric(4,3) NOT NULL DEFAULT 0.200 CHECK (max_shrink BETWEEN 0 AND 1)
);

INSERT INTO @extschema@.wab_policy DEFAULT VALUES;

COMMENT ON TABLE @extschema@.wab_policy IS 'One row of settings that the views and wab_observe() read. UPDATE it; an INSERT replaces it.';
COMMENT ON COLUMN @extschema@.wab_policy.only_row IS 'Always true: there is one policy.';
COMMENT ON COLUMN @extschema@.wab_policy.price_per_bridge IS 'US dollars per bridge and month.';
COMMENT ON COLUMN @extschema@.wab_policy.disconnected_after IS 'A bridge disconnected for longer than this is drift of kind disconnected.';
COMMENT ON COLUMN @extschema@.wab_policy.awaiting_scan_after IS 'A bridge unpaired for longer than this is drift of kind awaiting_scan.';
COMMENT ON COLUMN @extschema@.wab_policy.max_shrink IS 'Share of the known bridges that may vanish from one listing to the next before it is refused (one bridge always may).';

CREATE TABLE @extschema@.wab_declared (
    customer_ref text PRIMARY KEY CHECK (customer_ref <> ''),
    kind         text NOT NULL CHECK (kind IN ('extra', 'keep')),
    reason       text NOT NULL,
    until        date CHECK (until IS NULL OR kind = 'keep'),
    webhook_url  text CHECK (webhook_url IS NULL OR kind = 'extra')
);

COMMENT ON TABLE @extschema@.wab_declared IS 'Exceptions declared by hand or by fleet.yaml: extra wanted bridges with no tenant row, and orphans to keep.';
COMMENT ON COLUMN @extschema@.wab_declared.customer_ref IS 'The bridge''s customer_ref.';
COMMENT ON COLUMN @extschema@.wab_declared.kind IS 'extra: wanted though no tenant row asks for it. keep: not drift though nobody owns it.';
COMMENT ON COLUMN @extschema@.wab_declared.reason IS 'Why, for the next reader.';
COMMENT ON COLUMN @extschema@.wab_declared.until IS 'Last day on which a keep holds; null for no end. Afterwards the bridge is drift again.';
COMMENT ON COLUMN @extschema@.wab_declared.webhook_url IS 'The webhook_url wanted for an extra bridge.';

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

COMMENT ON TABLE @extschema@.wab_tenant_binding IS 'How your tenants table is read: what wab_bind_tenants() was told. Change it only through wab_bind_tenants().';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.only_row IS 'Always true: there is one binding.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.tenants IS 'Your tenants table.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.tenant_id IS 'Its column that identifies a tenant; as text it is the customer_ref.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.bridge_id IS 'Its column that holds the tenant''s bridge_id.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.bridge_status IS 'Its column that holds the status last written.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.wanted IS 'SQL predicate over a tenant row: should this tenant have a bridge?';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.webhook_url IS 'SQL expression over a tenant row: the webhook_url its bridge should have; null for none.';
COMMENT ON COLUMN @extschema@.wab_tenant_binding.resolved_in IS 'The search_path in which the two expressions were resolved.';
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

COMMENT ON TABLE @extschema@.wab_runs IS 'One row per wab apply. A row without finished_at, while nobody holds the lock, is a run that was interrupted.';
COMMENT ON COLUMN @extschema@.wab_runs.run_id IS 'The run''s own id.';
COMMENT ON COLUMN @extschema@.wab_runs.started_at IS 'When it began.';
COMMENT ON COLUMN @extschema@.wab_runs.finished_at IS 'When it ended by its own account; null while it runs or when it was killed.';
COMMENT ON COLUMN @extschema@.wab_runs.who IS 'user@host that ran it.';
COMMENT ON COLUMN @extschema@.wab_runs.tool IS 'Tool and version.';
COMMENT ON COLUMN @extschema@.wab_runs.git_sha IS 'The commit that CI ran it from; null outside of CI.';
COMMENT ON COLUMN @extschema@.wab_runs.ci_url IS 'The CI job that ran it; null outside of CI.';
COMMENT ON COLUMN @extschema@.wab_runs.plan_sha256 IS 'The SHA-256 that wab plan showed for this plan.';
COMMENT ON COLUMN @extschema@.wab_runs.steps IS 'Steps that the plan had.';
COMMENT ON COLUMN @extschema@.wab_runs.outcome IS 'done: every step; partly: some failed, run again; stopped: ended early, run again.';

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

COMMENT ON TABLE @extschema@.wab_operations IS 'One row per step of a run, written before and after each call to the provider.';
COMMENT ON COLUMN @extschema@.wab_operations.run_id IS 'The run it belongs to.';
COMMENT ON COLUMN @extschema@.wab_operations.step IS 'Its number in the plan, from 1.';
COMMENT ON COLUMN @extschema@.wab_operations.kind IS 'provision, bind, set_status or delete.';
COMMENT ON COLUMN @extschema@.wab_operations.customer_ref IS 'The bridge''s customer_ref; null where one statement covers many rows.';
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

COMMENT ON TABLE @extschema@.wab_summaries IS 'What wab_log_summary() logged: the columns of wab_summary(), with the time.';
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
COMMENT ON COLUMN @extschema@.wab_summaries.monthly_waste IS 'US dollars per month for orphaned, churned and duplicate bridges.';

-- Everything relational that is not a view: storing what was observed, writing tenant rows, summaries. No HTTP here.

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
COMMENT ON FUNCTION @extschema@.wab_normalize_status IS 'The provider''s text for a session as one of paired, awaiting_scan, disconnected; anything else, null too, is unknown.';

CREATE FUNCTION @extschema@.wab_url_encode(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF value ~ '^[A-Za-z0-9._~-]*$' THEN
        RETURN value;
    END IF;
    RETURN (SELECT string_agg(
                CASE WHEN c.ch ~ '[A-Za-z0-9._~-]' THEN c.ch
                     ELSE regexp_replace(upper(encode(convert_to(c.ch, 'UTF8'), 'hex')), '(..)', '%\1', 'g') END,
                '' ORDER BY c.nth)
            FROM string_to_table(value, NULL) WITH ORDINALITY AS c(ch, nth));
END
$$;
COMMENT ON FUNCTION @extschema@.wab_url_encode IS 'The text percent-encoded (RFC 3986 unreserved characters stay), for a webhook_url expression.';

CREATE FUNCTION @extschema@.wab_lock_id(purpose text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE purpose WHEN 'refresh' THEN 7761620001 WHEN 'observe' THEN 7761620002 WHEN 'apply' THEN 7761620003 END;
COMMENT ON FUNCTION @extschema@.wab_lock_id IS 'Key of an advisory lock: refresh (held while wab_refresh() calls the provider), observe (held while wab_bridges is written), apply (held by a wab apply).';

-- Merges a complete listing, given as arrays of equal length. Only rows that differ are written; one row of wab_observations
-- always is. A bridge first seen after the list was asked for is newer than the list, so its absence proves nothing.
CREATE FUNCTION @extschema@.wab_observe(
    bridge_ids bigint[], customer_refs text[], states text[], raw_statuses text[], created_ats timestamptz[],
    listed_at timestamptz DEFAULT clock_timestamp(), source text DEFAULT 'sql',
    malformed integer DEFAULT 0, force boolean DEFAULT false)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer, skipped boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    listed  integer := cardinality(bridge_ids);
    known   integer;
    deleted bigint[];
    last    @extschema@.wab_observations;
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
    IF listed_at > clock_timestamp() THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_observe(): listed_at is in the future',
            DETAIL = format('listed_at: %s', listed_at), HINT = 'Take the time from this database, before asking for the list.';
    END IF;
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    SELECT o.* INTO last FROM @extschema@.wab_last_observation() o;
    IF last.observed_at >= listed_at THEN
        RETURN QUERY SELECT last.observed_at, last.bridges, 0, 0, 0, true;
        RETURN;
    END IF;
    SELECT count(*) INTO known FROM @extschema@.wab_bridges b WHERE b.first_seen_at <= listed_at;
    -- What was deleted after the list was asked for may still be in it.
    SELECT coalesce(array_agg(e.bridge_id), '{}') INTO deleted
    FROM @extschema@.wab_bridge_events e WHERE e.event = 'disappeared' AND e.at >= listed_at;
    IF listed = 0 AND NOT force THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the provider listed no bridge at all, which is not believed',
            DETAIL = format('%s bridges were known before.', known),
            HINT = format('If the account really is empty: SELECT * FROM wab_refresh(force => true), or wab %s.',
                          CASE known WHEN 0 THEN '--first-run' ELSE '--accept-shrink' END);
    END IF;

    WITH listing AS MATERIALIZED (
        SELECT l.bridge_id, l.customer_ref, l.state, l.raw_status, l.created_at,
               @extschema@.wab_normalize_status(l.raw_status) AS status
        FROM unnest(bridge_ids, customer_refs, states, raw_statuses, created_ats)
             AS l(bridge_id, customer_ref, state, raw_status, created_at)
        WHERE l.bridge_id <> ALL (deleted)
    ), diff AS MATERIALIZED (
        SELECT l.bridge_id AS listed_id, b.bridge_id AS known_id,
               l.customer_ref, l.state, l.raw_status, l.status, l.created_at,
               b.customer_ref AS was_customer_ref, b.state AS was_state, b.status AS was_status,
               -- Another owner's status and webhook_url are not this one's.
               l.customer_ref IS DISTINCT FROM b.customer_ref AS owner_moved,
               l.raw_status IS NOT NULL AND l.raw_status IS DISTINCT FROM b.raw_status AND n.newer AS raw_status_moved,
               l.raw_status IS NOT NULL AND l.status IS DISTINCT FROM b.status AND n.newer AS status_moved
        FROM listing l FULL JOIN @extschema@.wab_bridges b ON b.bridge_id = l.bridge_id
        CROSS JOIN LATERAL (SELECT coalesce(b.status_observed_at < listed_at, true) AS newer) n
        WHERE b.bridge_id IS NULL
           OR (l.bridge_id IS NULL AND malformed = 0 AND b.first_seen_at <= listed_at)
           OR (l.bridge_id IS NOT NULL AND (
                  l.customer_ref IS DISTINCT FROM b.customer_ref
               OR l.state IS DISTINCT FROM b.state
               OR l.created_at IS DISTINCT FROM b.created_at
               OR (l.raw_status IS NOT NULL AND l.raw_status IS DISTINCT FROM b.raw_status AND n.newer)))
    ), added AS (
        INSERT INTO @extschema@.wab_bridges
            (bridge_id, customer_ref, state, status, raw_status, created_at, first_seen_at, status_since, status_observed_at)
        SELECT d.listed_id, d.customer_ref, d.state, d.status, d.raw_status, d.created_at, listed_at,
               CASE WHEN d.raw_status IS NOT NULL THEN listed_at END, CASE WHEN d.raw_status IS NOT NULL THEN listed_at END
        FROM diff d WHERE d.known_id IS NULL
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
        FROM diff d WHERE d.known_id = b.bridge_id AND d.listed_id IS NOT NULL
    ), gone AS (
        DELETE FROM @extschema@.wab_bridges b USING diff d WHERE d.known_id = b.bridge_id AND d.listed_id IS NULL
    ), events AS (
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
        SELECT listed_at, coalesce(d.listed_id, d.known_id), coalesce(d.customer_ref, d.was_customer_ref), e.event, e.was, e.became
        FROM diff d, LATERAL (VALUES
            ('appeared', d.known_id IS NULL, NULL, d.status),
            ('disappeared', d.listed_id IS NULL, d.was_status, NULL),
            ('status', d.known_id = d.listed_id AND (d.status_moved OR d.owner_moved) AND d.status <> d.was_status, d.was_status, d.status),
            ('state', d.known_id = d.listed_id AND d.state IS DISTINCT FROM d.was_state, d.was_state, d.state),
            ('customer_ref', d.known_id = d.listed_id AND d.customer_ref IS DISTINCT FROM d.was_customer_ref,
                             d.was_customer_ref, d.customer_ref)
        ) AS e(event, happened, was, became)
        WHERE e.happened
    )
    SELECT count(*) FILTER (WHERE d.known_id IS NULL), count(*) FILTER (WHERE d.known_id = d.listed_id),
           count(*) FILTER (WHERE d.listed_id IS NULL)
    INTO appeared, changed, disappeared FROM diff d;

    -- Raising here undoes the merge above: the count comes from the merge's own pass.
    IF disappeared > greatest(1, floor(known * (SELECT p.max_shrink FROM @extschema@.wab_policy p))) AND NOT force THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = 'the list of bridges shrank too much to be believed',
            DETAIL = format('%s bridges were listed; %s of the %s known ones are not among them; wab_policy.max_shrink allows %s.',
                            listed, disappeared, known,
                            greatest(1, floor(known * (SELECT p.max_shrink FROM @extschema@.wab_policy p)))),
            HINT = 'If they really are gone: SELECT * FROM wab_refresh(force => true), or wab --accept-shrink.';
    END IF;
    IF appeared + changed + disappeared > 0 THEN
        PERFORM @extschema@.wab_mark_duplicates();
    END IF;
    INSERT INTO @extschema@.wab_observations (observed_at, source, digest, bridges, appeared, changed, disappeared, malformed)
    VALUES (listed_at, source,
            encode(sha256(convert_to(ROW(bridge_ids, customer_refs, states, raw_statuses, created_ats)::text, 'UTF8')), 'hex'),
            listed, appeared, changed, disappeared, malformed);
    RETURN QUERY SELECT listed_at, listed, appeared, changed, disappeared, false;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_observe IS 'Stores a complete listing of the fleet, given as arrays; writes only what changed. Refuses an empty or sharply shrunken listing (55000) unless forced. skipped: a newer observation is there already.';

CREATE FUNCTION @extschema@.wab_last_observation(max_age interval DEFAULT NULL) RETURNS SETOF @extschema@.wab_observations
LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT o.* FROM (SELECT l.* FROM @extschema@.wab_observations l
                     WHERE l.observed_at <= clock_timestamp() ORDER BY l.observed_at DESC LIMIT 1) o
    WHERE max_age IS NULL OR o.observed_at > clock_timestamp() - max_age;
$$;
COMMENT ON FUNCTION @extschema@.wab_last_observation IS 'The newest observation, unless it is older than max_age. One dated in the future, from a clock that was set back, does not count.';

CREATE FUNCTION @extschema@.wab_mark_duplicates() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    WITH twice AS (
        SELECT b.customer_ref FROM @extschema@.wab_bridges b
        WHERE b.customer_ref IS NOT NULL GROUP BY b.customer_ref HAVING count(*) > 1
    )
    UPDATE @extschema@.wab_bridges b SET duplicated = NOT b.duplicated
    WHERE b.duplicated <> (b.customer_ref IS NOT NULL AND b.customer_ref IN (SELECT t.customer_ref FROM twice t));
$$;
COMMENT ON FUNCTION @extschema@.wab_mark_duplicates IS 'Brings wab_bridges.duplicated up to date.';

-- Called by the views for duplicated bridges only, and kept out of line so that EXPLAIN of a view stays readable.
CREATE FUNCTION @extschema@.wab_serves(bridge_id bigint, customer_ref text, stored_bridge_id bigint) RETURNS boolean
LANGUAGE sql STABLE COST 1000 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT wab_serves.bridge_id = coalesce(
        min(b.bridge_id) FILTER (WHERE b.bridge_id = stored_bridge_id), min(b.bridge_id))
    FROM @extschema@.wab_bridges b WHERE b.customer_ref = wab_serves.customer_ref;
$$;
COMMENT ON FUNCTION @extschema@.wab_serves IS 'Of several live bridges with one customer_ref: is this the one that serves it? The one that the tenant row holds, else the oldest.';

-- Statuses asked of the sessions themselves; a null is a session that did not answer.
CREATE FUNCTION @extschema@.wab_observe_statuses(
    bridge_ids bigint[], raw_statuses text[], asked_at timestamptz DEFAULT clock_timestamp())
RETURNS integer
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
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
COMMENT ON FUNCTION @extschema@.wab_observe_statuses IS 'Stores statuses asked of the sessions themselves (null: no answer); returns how many changed. An older answer never overwrites a newer one.';

CREATE FUNCTION @extschema@.wab_poll_candidates(
    max_calls integer, bridge_ids bigint[] DEFAULT NULL, customer_refs text[] DEFAULT NULL)
RETURNS TABLE (bridge_id bigint, customer_ref text)
LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.bridge_id, c.customer_ref
    FROM (SELECT l.bridge_id, l.customer_ref
          FROM unnest(wab_poll_candidates.bridge_ids, wab_poll_candidates.customer_refs) AS l(bridge_id, customer_ref)
          UNION ALL
          SELECT o.bridge_id, o.customer_ref FROM @extschema@.wab_bridges o WHERE wab_poll_candidates.bridge_ids IS NULL) c
    LEFT JOIN @extschema@.wab_bridges b ON b.bridge_id = c.bridge_id
    WHERE c.customer_ref IS NOT NULL AND b.duplicated IS NOT TRUE
      AND coalesce(b.status_asked_at < clock_timestamp() - interval '1 minute', true)
    ORDER BY b.status_asked_at IS NULL DESC, b.status = 'disconnected' DESC, b.status_asked_at, c.bridge_id
    LIMIT max_calls;
$$;
COMMENT ON FUNCTION @extschema@.wab_poll_candidates IS 'Which of these bridges (all observed ones by default) to ask for their status: never asked first, then disconnected, then stalest. Not those asked within a minute, nor duplicates: their session cannot be told apart.';

-- Before the provider is asked: only what the tenants table or wab_declared wants is ever provisioned.
CREATE FUNCTION @extschema@.wab_wanted_webhook_url(customer_ref text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    is_wanted boolean;
    webhook   text;
BEGIN
    PERFORM @extschema@.wab_require_binding();
    SELECT t.wanted, t.webhook_url INTO is_wanted, webhook FROM @extschema@.wab_tenants t WHERE t.customer_ref = wab_wanted_webhook_url.customer_ref;
    IF is_wanted IS NOT TRUE AND NOT EXISTS (SELECT FROM @extschema@.wab_declared d
                                             WHERE d.customer_ref = customer_ref AND d.kind = 'extra') THEN
        IF is_wanted IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'no such tenant', DETAIL = format('tenant_id: %s', left(customer_ref, 200)),
                HINT = 'A bridge is provisioned for a row of the bound tenants table, or for an extra declared in wab_declared.';
        END IF;
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'this tenant is not wanted',
            DETAIL = format('tenant_id: %s; a tenant is wanted when: %s', left(customer_ref, 200),
                            (SELECT b.wanted FROM @extschema@.wab_tenant_binding b)),
            HINT = 'Its bridge would be reported as churned at once. Change the tenant row first.';
    END IF;
    RETURN coalesce(webhook, (SELECT d.webhook_url FROM @extschema@.wab_declared d WHERE d.customer_ref = customer_ref));
END
$$;
COMMENT ON FUNCTION @extschema@.wab_wanted_webhook_url IS 'The webhook_url wanted for this customer_ref. Raises 22023 for an unknown tenant, 55000 for one that is not wanted.';

CREATE FUNCTION @extschema@.wab_stored_bridge_id(customer_ref text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT t.bridge_id FROM @extschema@.wab_tenants t WHERE t.customer_ref = wab_stored_bridge_id.customer_ref);
END
$$;
COMMENT ON FUNCTION @extschema@.wab_stored_bridge_id IS 'The bridge_id that this tenant''s row holds.';

-- A call cannot be taken back, so whoever could not record it is refused before it.
CREATE FUNCTION @extschema@.wab_require_recording() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    lacking text;
BEGIN
    SELECT string_agg(n.needed, '; ') INTO lacking FROM (
        SELECT format('GRANT EXECUTE ON FUNCTION %s', f) AS needed
        FROM unnest('{wab_record_provision,wab_record_delete,wab_observe_statuses,wab_mark_duplicates}'::name[]) AS w(name)
        JOIN pg_proc p ON p.proname = w.name AND p.pronamespace = to_regnamespace('@extschema@')
        CROSS JOIN LATERAL (SELECT p.oid::regprocedure AS f) r
        WHERE NOT has_function_privilege(p.oid, 'EXECUTE')
        UNION ALL
        SELECT format('GRANT %s ON %s', g.privilege, g.target)
        FROM (VALUES ('@extschema@.wab_bridges'::regclass, 'SELECT'), ('@extschema@.wab_bridges', 'INSERT'),
                     ('@extschema@.wab_bridges', 'UPDATE'), ('@extschema@.wab_bridges', 'DELETE'),
                     ('@extschema@.wab_bridge_events', 'INSERT')) AS g(target, privilege)
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
COMMENT ON FUNCTION @extschema@.wab_require_recording IS 'Raises 42501, before any call, when the caller lacks a privilege to record its outcome.';

-- After the provider said yes. One home for what wab_provision() and wab apply write.
CREATE FUNCTION @extschema@.wab_record_provision(
    customer_ref text, bridge_id bigint, state text, raw_status text DEFAULT NULL, webhook_url text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    at  timestamptz := clock_timestamp();
    was @extschema@.wab_bridges;
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    SELECT b.* INTO was FROM @extschema@.wab_bridges b WHERE b.bridge_id = wab_record_provision.bridge_id;
    IF was.bridge_id IS NULL THEN
        INSERT INTO @extschema@.wab_bridges (bridge_id, customer_ref, state, webhook_url, first_seen_at)
        VALUES (bridge_id, customer_ref, state, webhook_url, at);
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, became)
        VALUES (at, bridge_id, customer_ref, 'appeared', 'unknown');
    ELSIF was.customer_ref IS DISTINCT FROM customer_ref THEN
        -- Another owner's status and webhook_url are not this one's.
        UPDATE @extschema@.wab_bridges b
        SET customer_ref = wab_record_provision.customer_ref, state = coalesce(wab_record_provision.state, b.state),
            webhook_url = wab_record_provision.webhook_url, status = 'unknown', raw_status = NULL,
            status_since = NULL, status_observed_at = NULL, status_asked_at = NULL
        WHERE b.bridge_id = wab_record_provision.bridge_id;
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
        VALUES (at, bridge_id, customer_ref, 'customer_ref', was.customer_ref, customer_ref);
    ELSE
        UPDATE @extschema@.wab_bridges b
        SET state = coalesce(wab_record_provision.state, b.state),
            webhook_url = coalesce(wab_record_provision.webhook_url, b.webhook_url)
        WHERE b.bridge_id = wab_record_provision.bridge_id
          AND (b.state, b.webhook_url) IS DISTINCT FROM
              (coalesce(wab_record_provision.state, b.state), coalesce(wab_record_provision.webhook_url, b.webhook_url));
    END IF;
    IF was.bridge_id IS NULL OR was.customer_ref IS DISTINCT FROM customer_ref THEN
        PERFORM @extschema@.wab_mark_duplicates();
    END IF;
    IF raw_status IS NOT NULL THEN
        PERFORM @extschema@.wab_observe_statuses(ARRAY[bridge_id], ARRAY[raw_status], clock_timestamp());
    END IF;
    UPDATE @extschema@.wab_tenants t
    SET bridge_id = b.bridge_id, bridge_status = CASE b.status WHEN 'unknown' THEN t.bridge_status ELSE b.status END
    FROM @extschema@.wab_bridges b
    WHERE b.bridge_id = wab_record_provision.bridge_id AND t.customer_ref = wab_record_provision.customer_ref
      AND (t.bridge_id IS DISTINCT FROM b.bridge_id OR (b.status <> 'unknown' AND t.bridge_status IS DISTINCT FROM b.status));
END
$$;
COMMENT ON FUNCTION @extschema@.wab_record_provision IS 'Records a bridge that the provider just created or returned, and writes its bridge_id and, if known, its status on the tenant row.';

CREATE FUNCTION @extschema@.wab_record_delete(bridge_id bigint, customer_ref text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    was text;
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    DELETE FROM @extschema@.wab_bridges b WHERE b.bridge_id = wab_record_delete.bridge_id RETURNING b.status INTO was;
    IF FOUND THEN
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was)
        VALUES (clock_timestamp(), bridge_id, customer_ref, 'disappeared', was);
        PERFORM @extschema@.wab_mark_duplicates();
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_record_delete IS 'Records that the provider deleted a bridge. Deletes nothing at the provider.';

CREATE FUNCTION @extschema@.wab_bind_bridges(customer_refs text[], bridge_ids bigint[]) RETURNS integer
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
COMMENT ON FUNCTION @extschema@.wab_bind_bridges IS 'Writes bridge ids on tenant rows, in one statement; returns how many rows changed.';

CREATE FUNCTION @extschema@.wab_write_statuses(customer_refs text[] DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    written integer;
BEGIN
    UPDATE @extschema@.wab_tenants t SET bridge_status = s.status
    FROM @extschema@.wab_status_drift s
    WHERE t.customer_ref = s.customer_ref
      AND (wab_write_statuses.customer_refs IS NULL OR s.customer_ref = ANY (wab_write_statuses.customer_refs));
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_write_statuses IS 'Writes the observed status on the tenant rows that drifted (all, or those given); returns how many. A status that is unknown is never written.';

CREATE FUNCTION @extschema@.wab_summary()
RETURNS TABLE (observed_at timestamptz, bridges bigint, paired bigint, awaiting_scan bigint, disconnected bigint, unknown bigint,
               orphaned bigint, churned bigint, missing bigint, monthly_cost numeric, monthly_waste numeric)
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM @extschema@.wab_require_binding();
    RETURN QUERY SELECT s.observed_at, s.bridges, s.paired, s.awaiting_scan, s.disconnected, s.unknown,
                        s.orphaned, s.churned, s.missing, s.monthly_cost, s.monthly_waste
                 FROM @extschema@.wab_fleet_summary s;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_summary IS 'One row: bridges by status, orphaned, churned and missing ones, and dollars per month, as of the last observation.';

CREATE FUNCTION @extschema@.wab_log_summary() RETURNS @extschema@.wab_summaries
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    logged @extschema@.wab_summaries;
BEGIN
    INSERT INTO @extschema@.wab_summaries
        (observed_at, bridges, paired, awaiting_scan, disconnected, unknown, orphaned, churned, missing, monthly_cost, monthly_waste)
    SELECT s.* FROM @extschema@.wab_summary() s
    RETURNING * INTO logged;
    RAISE LOG 'wab: % bridges: % paired, % awaiting scan, % disconnected, % unknown; % orphaned, % churned, % tenants missing one; $% a month, $% of it wasted',
        logged.bridges, logged.paired, logged.awaiting_scan, logged.disconnected, logged.unknown,
        logged.orphaned, logged.churned, logged.missing, logged.monthly_cost, logged.monthly_waste;
    RETURN logged;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_log_summary IS 'Logs wab_summary() to wab_summaries and to the server log, and returns it. Made for pg_cron.';

CREATE FUNCTION @extschema@.wab_prune_history(older_than interval DEFAULT '400 days') RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    WITH e AS (DELETE FROM @extschema@.wab_bridge_events WHERE at < now() - older_than RETURNING 1),
         o AS (DELETE FROM @extschema@.wab_observations WHERE observed_at < now() - older_than RETURNING 1),
         s AS (DELETE FROM @extschema@.wab_summaries WHERE logged_at < now() - older_than RETURNING 1),
         r AS (DELETE FROM @extschema@.wab_runs WHERE started_at < now() - older_than RETURNING 1)
    SELECT (SELECT count(*) FROM e) + (SELECT count(*) FROM o) + (SELECT count(*) FROM s) + (SELECT count(*) FROM r);
$$;
COMMENT ON FUNCTION @extschema@.wab_prune_history IS 'Deletes events, observations, summaries and runs older than this; returns how many rows.';

CREATE FUNCTION @extschema@.wab_policy_replace() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM @extschema@.wab_policy;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_policy_replace IS 'There is one policy: a new one takes the place of the old, when a dump is restored too.';
CREATE TRIGGER wab_policy_replace BEFORE INSERT ON @extschema@.wab_policy
    FOR EACH ROW EXECUTE FUNCTION @extschema@.wab_policy_replace();

-- THE definition of drift: each kind once, in wab_fleet. No writes here (functions.sql).
--
-- The views stand over your tenants table, so they are created by wab_bind_tenants() and not by the install script. They are
-- ordinary views and no members of the extension: dump, restore and DROP TABLE treat them as they treat any view.

CREATE FUNCTION @extschema@.wab_create_views() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $views$
DECLARE
    said record;
BEGIN

-- One row per tenant or bridge, in one pass: hash joins over three tables. `own` tells the bridge that serves a customer_ref
-- from its duplicates. The one-row settings come as sub-selects: they are evaluated once and join nothing.
CREATE OR REPLACE VIEW @extschema@.wab_fleet AS
SELECT
    f.tenant_id, f.customer_ref, f.wanted, f.kept,
    f.bridge_id, f.stored_bridge_id,
    f.state, f.status, f.raw_status, f.stored_status, f.status_since, f.created_at,
    f.webhook_url, f.last_webhook_url, f.declared_reason, f.kept_until,
    array_remove(ARRAY[
        CASE WHEN f.wanted AND f.bridge_id IS NULL
             THEN 'missing' END,
        CASE WHEN f.own AND f.is_tenant AND f.bridge_id IS DISTINCT FROM f.stored_bridge_id
             THEN 'unbound' END,
        CASE WHEN f.own AND f.is_tenant AND f.status <> 'unknown' AND f.status IS DISTINCT FROM f.stored_status
             THEN 'status_drift' END,
        CASE WHEN f.live AND NOT f.is_tenant AND NOT f.wanted AND NOT f.kept
             THEN 'orphaned' END,
        CASE WHEN f.own AND f.is_tenant AND NOT f.wanted AND NOT f.kept
             THEN 'churned' END,
        CASE WHEN f.live AND NOT f.own AND (f.is_tenant OR f.wanted OR f.kept)
             THEN 'duplicate' END,
        CASE WHEN f.own AND f.wanted AND f.status = 'disconnected'
                  AND f.status_since < now() - (SELECT p.disconnected_after FROM @extschema@.wab_policy p)
             THEN 'disconnected' END,
        CASE WHEN f.own AND f.wanted AND f.status = 'awaiting_scan'
                  AND f.status_since < now() - (SELECT p.awaiting_scan_after FROM @extschema@.wab_policy p)
             THEN 'awaiting_scan' END,
        CASE WHEN f.live AND f.state <> 'running'
             THEN 'state' END,
        CASE WHEN f.own AND f.last_webhook_url <> f.webhook_url
             THEN 'webhook' END
    ], NULL) AS drift
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
WHERE f.is_tenant OR f.live OR f.declared = 'extra';

-- One row per difference: a bridge or tenant with two kinds of drift has two rows.
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
    CASE WHEN d.kind IN ('status_drift', 'disconnected', 'awaiting_scan') THEN d.status_since
         WHEN d.kind IN ('orphaned', 'churned', 'duplicate') THEN d.created_at END AS since,
    CASE d.kind
         WHEN 'missing' THEN CASE
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
FROM (SELECT unnest(f.drift) AS kind, f.* FROM @extschema@.wab_fleet f WHERE f.drift <> '{}') d;

CREATE OR REPLACE VIEW @extschema@.wab_orphaned_bridges AS
SELECT f.bridge_id, f.customer_ref, f.state, f.status, f.created_at, f.kept_until,
       (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS monthly_cost
FROM @extschema@.wab_fleet f WHERE f.drift @> ARRAY['orphaned'];

CREATE OR REPLACE VIEW @extschema@.wab_missing_bridges AS
SELECT f.tenant_id, f.customer_ref, f.stored_bridge_id, f.webhook_url
FROM @extschema@.wab_fleet f WHERE f.drift @> ARRAY['missing'];

CREATE OR REPLACE VIEW @extschema@.wab_status_drift AS
SELECT f.tenant_id, f.bridge_id, f.customer_ref, f.stored_status, f.status, f.raw_status, f.status_since
FROM @extschema@.wab_fleet f WHERE f.drift @> ARRAY['status_drift'];

CREATE OR REPLACE VIEW @extschema@.wab_churned_bridges AS
SELECT f.tenant_id, f.bridge_id, f.customer_ref, f.state, f.status, f.created_at,
       (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS monthly_cost
FROM @extschema@.wab_fleet f WHERE f.drift @> ARRAY['churned'];

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
        count(*) FILTER (WHERE f.drift @> ARRAY['orphaned']) AS orphaned,
        count(*) FILTER (WHERE f.drift @> ARRAY['churned']) AS churned,
        count(*) FILTER (WHERE f.drift @> ARRAY['missing']) AS missing,
        count(*) FILTER (WHERE f.drift @> ARRAY['duplicate']) AS duplicate,
        count(*) FILTER (WHERE f.drift @> ARRAY['unbound']) AS unbound,
        count(*) FILTER (WHERE f.drift @> ARRAY['status_drift']) AS status_drift,
        (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS price
    FROM @extschema@.wab_fleet f
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

COMMENT ON VIEW @extschema@.wab_drift IS 'One row per difference between the tenants table and the observed fleet.';
COMMENT ON COLUMN @extschema@.wab_drift.kind IS 'missing, unbound, status_drift, orphaned, churned, duplicate, disconnected, awaiting_scan, state or webhook.';
COMMENT ON COLUMN @extschema@.wab_drift.severity IS 'critical: a customer is without service. warning: money or attention is lost. info: repaired by wab apply or wab_reconcile().';
COMMENT ON COLUMN @extschema@.wab_drift.tenant_id IS 'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_drift.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_drift.customer_ref IS 'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_drift.stored IS 'What your side says.';
COMMENT ON COLUMN @extschema@.wab_drift.observed IS 'What the provider says.';
COMMENT ON COLUMN @extschema@.wab_drift.since IS 'Since when: of the status, or for bridges nobody needs, their creation. Null where it was not observed.';
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

-- A column that is the same in several views is described once, above or on wab_summaries.
FOR said IN
    SELECT DISTINCT ON (v.oid, a.attnum) v.relname, a.attname, d.description
    FROM pg_class v JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0
    JOIN unnest(ARRAY['wab_fleet', 'wab_drift', 'wab_summaries']) WITH ORDINALITY AS home(name, nth)
      ON v.relname <> 'wab_fleet_summary' OR home.name = 'wab_summaries'
    JOIN pg_attribute h ON h.attrelid = format('%s.%I', v.relnamespace::regnamespace, home.name)::regclass AND h.attname = a.attname
    JOIN pg_description d ON d.objoid = h.attrelid AND d.objsubid = h.attnum AND d.classoid = 'pg_class'::regclass
    WHERE v.oid IN ('@extschema@.wab_tenants'::regclass, '@extschema@.wab_orphaned_bridges'::regclass,
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

-- How your tenants table becomes the view wab_tenants. Checks everything first; the drift views over it are in views.sql.

CREATE FUNCTION @extschema@.wab_require_binding() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF to_regclass('@extschema@.wab_tenants') IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'no tenants table is bound yet',
            HINT = 'SELECT * FROM wab_bind_tenants(''public.tenants'', wanted => ''status = ''''active'''''');';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_require_binding IS 'Raises 55000 with the way on when wab_bind_tenants() was never called.';

-- A cursor takes exactly one query, so an expression that ends the query and starts another is refused before it runs.
CREATE FUNCTION @extschema@.wab_check_expression(tenants regclass, what text, expression text, type regtype, resolved_in text)
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
    OPEN probe FOR EXECUTE format(E'SELECT FROM %s WHERE COALESCE((\n%s\n), NULL::%s) IS NULL LIMIT 0', tenants, expression, type);
    CLOSE probe;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE;
WHEN syntax_error_or_access_rule_violation OR data_exception OR feature_not_supported OR invalid_cursor_definition THEN
    GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
    RAISE EXCEPTION USING ERRCODE = state,
        MESSAGE = format('%s is not a valid SQL expression over %s', what, tenants),
        DETAIL = format('%s: %s', expression, reason),
        HINT = format('It must give one %s for a row of %s, for instance: %s', type, tenants,
            CASE type WHEN 'boolean'::regtype THEN 'status = ''active''' ELSE '''https://app.example.com/hooks/'' || id' END);
END
$$;
COMMENT ON FUNCTION @extschema@.wab_check_expression IS 'Raises a clear error unless the text is one SQL expression of the type over a row of the table.';

CREATE FUNCTION @extschema@.wab_check_column(tenants regclass, what text, column_name text, add_type text, types regtype[])
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
                        ELSE format('Name another column (%s => ''…''), or have it added: add_columns => true.', what) END;
    ELSIF types IS NOT NULL AND found_type <> ALL (types) THEN
        RAISE EXCEPTION USING ERRCODE = '42804',
            MESSAGE = format('column %I of %s cannot serve as %s: its type is %s', column_name, tenants, what, found_type),
            HINT = format('Use a column of type %s.', array_to_string(types, ' or '));
    ELSIF types IS NOT NULL AND found_type = 'varchar'::regtype AND width BETWEEN 0 AND 12 THEN
        RAISE EXCEPTION USING ERRCODE = '42804',
            MESSAGE = format('column %I of %s is too narrow to serve as %s: varchar(%s)', column_name, tenants, what, width),
            HINT = 'The longest status, awaiting_scan, has 13 characters: use text.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_check_column IS 'Raises a clear error unless the column is there and of one of the types; adds it when a type to add is given.';

CREATE FUNCTION @extschema@.wab_check_tenant_ids(tenants regclass, tenant_id text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    twice text;
BEGIN
    EXECUTE format('SELECT string_agg(quote_literal(d.id), '', '') FROM
                    (SELECT %1$I::text AS id FROM %2$s WHERE %1$I IS NOT NULL GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 3) d',
                   tenant_id, tenants) INTO twice;
    IF twice IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '23505', MESSAGE = format('column %I of %s does not identify a tenant', tenant_id, tenants),
            DETAIL = format('More than one row has: %s.', twice), HINT = 'Make the ids unique, best by a unique constraint.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_check_tenant_ids IS 'Raises 23505 when two tenant rows have the same id.';

CREATE FUNCTION @extschema@.wab_create_tenants_view(binding @extschema@.wab_tenant_binding) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    replaced oid := to_regclass('@extschema@.wab_tenants');
BEGIN
    -- A view can be replaced but its columns cannot change type. Without CASCADE: what depends on it is yours to move first.
    IF EXISTS (SELECT FROM pg_attribute v JOIN pg_attribute c
                   ON c.attrelid = binding.tenants
                  AND c.attname = CASE v.attname WHEN 'tenant_id' THEN binding.tenant_id
                                                 WHEN 'bridge_id' THEN binding.bridge_id
                                                 WHEN 'bridge_status' THEN binding.bridge_status END
               WHERE v.attrelid = replaced AND (v.atttypid, v.atttypmod, v.attcollation)
                                            <> (c.atttypid, c.atttypmod, c.attcollation)) THEN
        DROP VIEW @extschema@.wab_fleet_summary, @extschema@.wab_churned_bridges, @extschema@.wab_status_drift,
                  @extschema@.wab_missing_bridges, @extschema@.wab_orphaned_bridges, @extschema@.wab_drift,
                  @extschema@.wab_fleet, @extschema@.wab_tenants;
    END IF;
    PERFORM set_config('search_path', 'pg_catalog, ' || binding.resolved_in, true);
    EXECUTE format(E'CREATE OR REPLACE VIEW @extschema@.wab_tenants AS
        SELECT %1$I AS tenant_id, %1$I::pg_catalog.text AS customer_ref, %2$I AS bridge_id, %3$I AS bridge_status,
               COALESCE((\n%4$s\n), false) AS wanted, (\n%5$s\n)::pg_catalog.text AS webhook_url
        FROM %6$s WHERE %1$I IS NOT NULL',
        binding.tenant_id, binding.bridge_id, binding.bridge_status, binding.wanted, coalesce(binding.webhook_url, 'NULL'),
        binding.tenants);
    IF pg_relation_is_updatable(to_regclass('@extschema@.wab_tenants'), false) & 4 = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '42809', MESSAGE = format('rows of %s could not be updated through wab_tenants', binding.tenants),
            DETAIL = format('wanted: %s; webhook_url: %s', binding.wanted, binding.webhook_url),
            HINT = 'Bind a table, and use expressions over a single row: no aggregate, window or set-returning function.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_create_tenants_view IS 'Creates or replaces the auto-updatable view wab_tenants as the binding says.';

CREATE FUNCTION @extschema@.wab_bind_tenants(
    tenants regclass DEFAULT NULL, tenant_id text DEFAULT 'id', bridge_id text DEFAULT 'bridge_id',
    bridge_status text DEFAULT 'bridge_status', wanted text DEFAULT 'true', webhook_url text DEFAULT NULL,
    add_columns boolean DEFAULT false, resolved_in text DEFAULT current_setting('search_path'))
RETURNS TABLE (bound regclass, tenant_rows bigint, wanted_rows bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    binding @extschema@.wab_tenant_binding;
    view    text;
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
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'wab_bind_tenants(): only tenants and webhook_url may be null';
    ELSE
        binding := ROW(true, tenants, tenant_id, bridge_id, bridge_status, wanted, webhook_url,
                       coalesce(nullif(resolved_in, ''), 'pg_catalog'), clock_timestamp(), session_user);
    END IF;
    PERFORM @extschema@.wab_check_column(binding.tenants, 'tenant_id', binding.tenant_id, NULL, NULL);
    PERFORM @extschema@.wab_check_column(binding.tenants, 'bridge_id', binding.bridge_id,
        CASE WHEN add_columns THEN 'bigint' END, '{bigint}');
    PERFORM @extschema@.wab_check_column(binding.tenants, 'bridge_status', binding.bridge_status,
        CASE WHEN add_columns THEN 'text' END, '{text,varchar}');
    PERFORM @extschema@.wab_check_expression(binding.tenants, 'wanted', binding.wanted, 'boolean', binding.resolved_in);
    IF binding.webhook_url IS NOT NULL THEN
        PERFORM @extschema@.wab_check_expression(binding.tenants, 'webhook_url', binding.webhook_url, 'text', binding.resolved_in);
    END IF;
    PERFORM @extschema@.wab_check_tenant_ids(binding.tenants, binding.tenant_id);

    PERFORM @extschema@.wab_create_tenants_view(binding);
    PERFORM @extschema@.wab_create_views();
    IF current_setting('server_version_num')::integer >= 150000 THEN
        FOREACH view IN ARRAY ARRAY['wab_tenants', 'wab_fleet', 'wab_drift', 'wab_orphaned_bridges', 'wab_missing_bridges',
                                    'wab_status_drift', 'wab_churned_bridges', 'wab_fleet_summary'] LOOP
            EXECUTE format('ALTER VIEW @extschema@.%I SET (security_invoker = true)', view);
        END LOOP;
    END IF;
    DELETE FROM @extschema@.wab_tenant_binding;
    INSERT INTO @extschema@.wab_tenant_binding SELECT binding.*;
    RETURN QUERY SELECT binding.tenants, count(*), count(*) FILTER (WHERE t.wanted) FROM @extschema@.wab_tenants t;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_bind_tenants IS 'Binds your tenants table: checks it and creates wab_tenants and the drift views. Without arguments: re-creates the views as bound before, for instance after an upgrade.';

-- pg_wabridges::functions::wab_delete_instance
CREATE  FUNCTION "wab_delete_instance"(
	"bridge_id" bigint, /* Option < i64 > */
	"customer_ref" TEXT /* Option < String > */
) RETURNS TABLE (
	"bridge_id" bigint,  /* i64 */
	"customer_ref" TEXT,  /* String */
	"outcome" TEXT  /* & '_ str */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'wab_delete_instance_wrapper';

-- pg_wabridges::functions::wab_get_instance
CREATE  FUNCTION "wab_get_instance"(
	"bridge_id" bigint /* Option < i64 > */
) RETURNS TABLE (
	"bridge_id" bigint,  /* i64 */
	"customer_ref" TEXT,  /* Option < String > */
	"state" TEXT,  /* Option < String > */
	"created_at" timestamp with time zone,  /* Option < TimestampWithTimeZone > */
	"health" TEXT,  /* Option < String > */
	"started_at" timestamp with time zone,  /* Option < TimestampWithTimeZone > */
	"fail_count" bigint,  /* Option < i64 > */
	"raw" jsonb  /* Option < RawJson > */
)
VOLATILE PARALLEL RESTRICTED
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'wab_get_instance_wrapper';

-- pg_wabridges::functions::wab_list_instances
CREATE  FUNCTION "wab_list_instances"() RETURNS TABLE (
	"bridge_id" bigint,  /* i64 */
	"customer_ref" TEXT,  /* Option < String > */
	"state" TEXT,  /* Option < String > */
	"status" TEXT,  /* String */
	"raw_status" TEXT,  /* Option < String > */
	"created_at" timestamp with time zone,  /* Option < TimestampWithTimeZone > */
	"raw" jsonb  /* Option < RawJson > */
)
STRICT VOLATILE PARALLEL RESTRICTED
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'wab_list_instances_wrapper';

-- pg_wabridges::functions::wab_poll_status
CREATE  FUNCTION "wab_poll_status"(
	"max_calls" INT DEFAULT 100 /* Option < i32 > */
) RETURNS TABLE (
	"polled" INT,  /* i32 */
	"changed" INT,  /* i32 */
	"failed" INT,  /* i32 */
	"remaining" bigint  /* i64 */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'wab_poll_status_wrapper';

-- pg_wabridges::functions::wab_provision
CREATE  FUNCTION "wab_provision"(
	"tenant_id" TEXT, /* Option < String > */
	"webhook_url" TEXT DEFAULT NULL /* Option < String > */
) RETURNS TABLE (
	"tenant_id" TEXT,  /* String */
	"bridge_id" bigint,  /* i64 */
	"state" TEXT,  /* Option < String > */
	"outcome" TEXT  /* & '_ str */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'wab_provision_wrapper';

-- pg_wabridges::functions::wab_reconcile
CREATE  FUNCTION "wab_reconcile"(
	"max_status_calls" INT DEFAULT 100 /* Option < i32 > */
) RETURNS TABLE (
	"kind" TEXT,  /* Option < String > */
	"tenant_id" TEXT,  /* Option < String > */
	"bridge_id" bigint,  /* Option < i64 > */
	"customer_ref" TEXT,  /* Option < String > */
	"stored" TEXT,  /* Option < String > */
	"observed" TEXT,  /* Option < String > */
	"detail" TEXT  /* Option < String > */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'wab_reconcile_wrapper';

-- pg_wabridges::functions::wab_refresh
CREATE  FUNCTION "wab_refresh"(
	"max_age" interval DEFAULT '0', /* Option < Interval > */
	"force" bool DEFAULT false /* Option < bool > */
) RETURNS TABLE (
	"observed_at" timestamp with time zone,  /* Option < TimestampWithTimeZone > */
	"bridges" INT,  /* Option < i32 > */
	"appeared" INT,  /* i32 */
	"changed" INT,  /* i32 */
	"disappeared" INT,  /* i32 */
	"skipped" bool  /* bool */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'wab_refresh_wrapper';

-- pg_wabridges::functions::wab_version
CREATE  FUNCTION "wab_version"() RETURNS TEXT /* & '_ str */
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'wab_version_wrapper';

-- What only the extension needs: which rows a dump takes along, who may call what, the overloads of Rust functions.

CREATE FUNCTION @extschema@.wab_provision(tenant_id anynonarray, webhook_url text DEFAULT NULL)
RETURNS TABLE (tenant_id text, bridge_id bigint, state text, outcome text)
LANGUAGE sql VOLATILE COST 1000000 ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.tenant_id, p.bridge_id, p.state, p.outcome FROM @extschema@.wab_provision($1::text, $2) p;
$$;

COMMENT ON FUNCTION @extschema@.wab_provision(anynonarray, text) IS 'wab_provision() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_provision(text, text) IS 'Provisions a wanted tenant''s bridge, or finds the one it has, and writes bridge_id and status on the tenant row. A ROLLBACK does not undo the provider''s part: the next refresh shows the bridge as unbound and a second call returns it.';
COMMENT ON FUNCTION @extschema@.wab_version() IS 'The version of the compiled library; pg_extension.extversion is that of the SQL.';
COMMENT ON FUNCTION @extschema@.wab_list_instances() IS 'Asks the provider for the whole fleet, one row per bridge. Stores nothing.';
COMMENT ON FUNCTION @extschema@.wab_get_instance(bigint) IS 'Asks the provider about one bridge, its container''s manager included. Stores nothing.';
COMMENT ON FUNCTION @extschema@.wab_delete_instance(bigint, text) IS 'Deletes a bridge at the provider, for good, if the live bridge carries exactly this customer_ref. A ROLLBACK does not undo it.';
COMMENT ON FUNCTION @extschema@.wab_refresh(interval, boolean) IS 'Asks the provider for the whole fleet and stores it. Skipped when the last observation is younger than max_age or another refresh is under way. force believes an empty or shrunken list.';
COMMENT ON FUNCTION @extschema@.wab_poll_status(integer) IS 'Asks up to max_calls bridges for their status: never asked first, then disconnected, then stalest.';
COMMENT ON FUNCTION @extschema@.wab_reconcile(integer) IS 'Refreshes, asks for the statuses that the list did not bring, writes bridge_status on the tenant rows, returns the drift. Never provisions, never deletes.';

ALTER FUNCTION @extschema@.wab_list_instances() COST 1000000 ROWS 1000;
ALTER FUNCTION @extschema@.wab_get_instance(bigint) COST 1000000 ROWS 1;
ALTER FUNCTION @extschema@.wab_provision(text, text) COST 1000000 ROWS 1;
ALTER FUNCTION @extschema@.wab_delete_instance(bigint, text) COST 1000000 ROWS 1;
ALTER FUNCTION @extschema@.wab_refresh(interval, boolean) COST 1000000 ROWS 1;
ALTER FUNCTION @extschema@.wab_poll_status(integer) COST 1000000 ROWS 1;
ALTER FUNCTION @extschema@.wab_reconcile(integer) COST 1000000 ROWS 100;

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
          AND p.proname OPERATOR(pg_catalog.<>) ALL ('{wab_normalize_status,wab_url_encode,wab_lock_id,wab_serves,wab_version}'::pg_catalog.name[])
    LOOP
        EXECUTE pg_catalog.format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', member);
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
