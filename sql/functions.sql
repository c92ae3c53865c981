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
    malformed integer DEFAULT 0, force boolean DEFAULT false, digest text DEFAULT NULL)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer, skipped boolean)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    listed  integer := cardinality(bridge_ids);
    known   integer;
    deleted bigint[];
    held    integer;
    moved   integer;
    allowed integer;
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
    -- What was deleted after the list was asked for may still be in it.
    SELECT coalesce(array_agg(e.bridge_id), '{}') INTO deleted
    FROM @extschema@.wab_bridge_events e WHERE e.event = 'disappeared' AND e.at >= listed_at;
    IF listed = 0 AND NOT force THEN
        SELECT count(*) INTO known FROM @extschema@.wab_bridges b WHERE b.first_seen_at <= listed_at;
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the provider listed no bridge at all, which is not believed',
            DETAIL = format('%s bridges were known before.', known),
            HINT = format('If the account really is empty: SELECT * FROM wab_refresh(force => true), or wab %s.',
                          CASE known WHEN 0 THEN '--first-run' ELSE '--accept-shrink' END);
    END IF;

    WITH difference AS MATERIALIZED (
        SELECT l.bridge_id AS listed_id, b.bridge_id AS known_id, l.customer_ref, l.state, l.raw_status, l.created_at,
               b.customer_ref AS was_customer_ref, b.state AS was_state, b.raw_status AS was_raw_status, b.status AS was_status,
               b.created_at AS was_created_at, b.first_seen_at, coalesce(b.status_observed_at < listed_at, true) AS newer
        FROM (SELECT u.* FROM unnest(bridge_ids, customer_refs, states, raw_statuses, created_ats)
                           AS u(bridge_id, customer_ref, state, raw_status, created_at)
              WHERE u.bridge_id <> ALL (deleted)) l
        FULL JOIN @extschema@.wab_bridges b ON b.bridge_id = l.bridge_id
        WHERE b.bridge_id IS NULL
           OR l.bridge_id IS NULL
           OR (b.bridge_id IS NOT NULL AND (
                  l.customer_ref IS DISTINCT FROM b.customer_ref
               OR l.state IS DISTINCT FROM b.state
               OR l.created_at IS DISTINCT FROM b.created_at
               OR (l.raw_status IS NOT NULL AND l.raw_status IS DISTINCT FROM b.raw_status)))
    ), judged AS MATERIALIZED (
        SELECT d.*, coalesce(d.was_created_at, d.first_seen_at, d.created_at, listed_at) AS lived_since, s.status,
               d.known_id IS NULL AS is_new, d.known_id = d.listed_id AS is_known,
               d.listed_id IS NULL AND malformed = 0 AND d.first_seen_at <= listed_at AS is_gone,
               -- Another owner's status and webhook_url are not this one's.
               d.customer_ref IS DISTINCT FROM d.was_customer_ref AS owner_moved,
               d.raw_status IS NOT NULL AND d.raw_status IS DISTINCT FROM d.was_raw_status AS raw_status_differs,
               d.raw_status IS NOT NULL AND d.raw_status IS DISTINCT FROM d.was_raw_status AND d.newer AS raw_status_moved,
               d.raw_status IS NOT NULL AND s.status IS DISTINCT FROM d.was_status AND d.newer AS status_moved
        FROM difference d CROSS JOIN LATERAL (SELECT @extschema@.wab_normalize_status(d.raw_status) AS status) s
    ), diff AS MATERIALIZED (
        SELECT j.* FROM judged j
        WHERE j.is_new OR j.is_gone OR (j.is_known AND (
            j.owner_moved OR j.raw_status_moved OR j.state IS DISTINCT FROM j.was_state OR j.created_at IS DISTINCT FROM j.was_created_at))
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
            ('state', d.is_known AND d.state IS DISTINCT FROM d.was_state, d.was_state, d.state),
            ('customer_ref', d.is_known AND d.owner_moved, d.was_customer_ref, d.customer_ref)
        ) AS e(event, happened, was, became)
        WHERE e.happened
    )
    SELECT (SELECT count(*) FROM diff d WHERE d.is_new), (SELECT count(*) FROM diff d WHERE d.is_known),
           (SELECT count(*) FROM diff d WHERE d.is_known AND d.owner_moved),
           (SELECT count(*) FROM diff d WHERE d.is_gone),
           -- What differs and stays: an absence that proves nothing, a status that is older than the known one.
           (SELECT count(*) FROM judged j WHERE (j.listed_id IS NULL AND NOT j.is_gone)
                                             OR (j.is_known AND j.raw_status_differs AND NOT j.newer AND NOT j.owner_moved))
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
        PERFORM @extschema@.wab_mark_duplicates();
    END IF;
    INSERT INTO @extschema@.wab_observations
        (observed_at, source, digest, bridges, appeared, changed, disappeared, malformed, statuses, mirrored)
    VALUES (listed_at, source,
            coalesce(digest, encode(sha256(convert_to(ROW(bridge_ids, customer_refs, states, raw_statuses, created_ats)::text, 'UTF8')), 'hex')),
            listed, appeared, changed, disappeared, malformed, listed - cardinality(array_positions(raw_statuses, NULL)),
            -- A snapshot older than the lock may not show what another wrote.
            held = 0 AND malformed = 0 AND deleted = '{}' AND current_setting('transaction_isolation') = 'read committed');
    RETURN QUERY SELECT listed_at, listed, appeared, changed, disappeared, false;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_observe IS 'Stores a complete listing of the fleet, given as arrays; writes only what changed. Refuses an empty or sharply shrunken listing (55000) unless forced. skipped: a newer observation is there already. digest: the listing''s own, for wab_observe_again().';

CREATE FUNCTION @extschema@.wab_observe_again(digest text, listed_at timestamptz, source text)
RETURNS TABLE (observed_at timestamptz, bridges integer, appeared integer, changed integer, disappeared integer, skipped boolean)
LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    RETURN QUERY
    INSERT INTO @extschema@.wab_observations AS o
        (observed_at, source, digest, bridges, appeared, changed, disappeared, malformed, statuses, mirrored)
    SELECT wab_observe_again.listed_at, wab_observe_again.source, l.digest, l.bridges, 0, 0, 0, 0, l.statuses, true
    FROM @extschema@.wab_last_observation() l
    WHERE l.mirrored AND l.digest = wab_observe_again.digest AND l.bridges > 0
      AND l.observed_at < wab_observe_again.listed_at AND wab_observe_again.listed_at <= clock_timestamp()
      AND current_setting('transaction_isolation') = 'read committed'
    RETURNING o.observed_at, o.bridges, o.appeared, o.changed, o.disappeared, false;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_observe_again IS 'Stores that the listing of this digest was observed once more, in one row, if it is what wab_bridges holds. No row: hand the listing to wab_observe().';

-- Whoever writes wab_bridges: the newest listing no longer tells what is in it. The lock comes first, as everywhere.
CREATE FUNCTION @extschema@.wab_unmirror() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    UPDATE @extschema@.wab_observations o SET mirrored = false
    WHERE o.mirrored AND o.observed_at = (SELECT max(l.observed_at) FROM @extschema@.wab_observations l)
      -- A listing without statuses has nothing to say against other ones.
      AND (TG_NARGS = 0 OR o.statuses > 0);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_unmirror IS 'Notes that wab_bridges may no longer hold what the newest listing said.';
CREATE TRIGGER wab_unmirror BEFORE INSERT OR DELETE OR TRUNCATE OR UPDATE OF bridge_id, customer_ref, state, created_at
    ON @extschema@.wab_bridges FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.wab_unmirror();
CREATE TRIGGER wab_unmirror_status BEFORE UPDATE OF raw_status
    ON @extschema@.wab_bridges FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.wab_unmirror('status');

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
LANGUAGE sql STABLE COST 10 SET search_path = pg_catalog, pg_temp
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
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, became, since)
        VALUES (at, bridge_id, customer_ref, 'appeared', 'unknown', at);
    ELSIF was.customer_ref IS DISTINCT FROM customer_ref THEN
        -- Another owner's status and webhook_url are not this one's.
        UPDATE @extschema@.wab_bridges b
        SET customer_ref = wab_record_provision.customer_ref, state = coalesce(wab_record_provision.state, b.state),
            webhook_url = wab_record_provision.webhook_url, status = 'unknown', raw_status = NULL,
            status_since = NULL, status_observed_at = NULL, status_asked_at = NULL
        WHERE b.bridge_id = wab_record_provision.bridge_id;
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
        VALUES (at, bridge_id, customer_ref, 'customer_ref', was.customer_ref, customer_ref);
        IF was.status <> 'unknown' THEN
            INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
            VALUES (at, bridge_id, customer_ref, 'status', was.status, 'unknown');
        END IF;
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
    UPDATE @extschema@.wab_queue q SET finished_at = at, outcome = 'provisioned', claimed_until = NULL
    WHERE q.customer_ref = wab_record_provision.customer_ref AND q.finished_at IS NULL;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_record_provision IS 'Records a bridge that the provider just created or returned, writes its bridge_id and, if known, its status on the tenant row, and takes the tenant off wab_queue.';

CREATE FUNCTION @extschema@.wab_record_session(customer_ref text, raw_status text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF raw_status IS NOT NULL THEN
        PERFORM @extschema@.wab_observe_statuses(ARRAY[b.bridge_id], ARRAY[wab_record_session.raw_status], clock_timestamp())
        FROM @extschema@.wab_bridges b WHERE b.customer_ref = wab_record_session.customer_ref AND NOT b.duplicated;
    END IF;
    RETURN @extschema@.wab_normalize_status(raw_status);
END
$$;
COMMENT ON FUNCTION @extschema@.wab_record_session IS 'Records what a tenant''s session was just asked for (null: it did not say), and returns it in our words.';

CREATE FUNCTION @extschema@.wab_record_delete(bridge_id bigint, customer_ref text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    was @extschema@.wab_bridges;
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@.wab_lock_id('observe'));
    DELETE FROM @extschema@.wab_bridges b WHERE b.bridge_id = wab_record_delete.bridge_id RETURNING b.* INTO was;
    IF FOUND THEN
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, since)
        VALUES (clock_timestamp(), bridge_id, customer_ref, 'disappeared', was.status, coalesce(was.created_at, was.first_seen_at));
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
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
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
