-- Creates the functions that record provider calls and log summaries. They never call the provider.

CREATE FUNCTION @extschema@._wab_percent_encode(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT string_agg(CASE WHEN (c.ch COLLATE "C") ~ '[A-Za-z0-9._~-]' THEN c.ch
                               ELSE regexp_replace(upper(encode(convert_to(c.ch, 'UTF8'), 'hex')),
                                                   '(..)', '%\1', 'g') END,
                          '' ORDER BY c.nth)
        FROM string_to_table(value, NULL) WITH ORDINALITY AS c(ch, nth));
COMMENT ON FUNCTION @extschema@._wab_percent_encode IS
    'wab_url_encode() for a text with characters that must be encoded.';

-- The extension has it compiled (provider.sql). Not STRICT, and without SET or sub-select, so that the planner inlines
-- it: for most ids a query then runs one regular expression and no function call. Searching for one forbidden character takes half the time of matching all allowed
-- ones. COLLATE "C" is needed for ids with a nondeterministic collation, on which regular expressions fail.
CREATE FUNCTION @extschema@.wab_url_encode(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (value COLLATE "C") !~ '[^A-Za-z0-9._~-]' THEN value ELSE @extschema@._wab_percent_encode(value) END;
COMMENT ON FUNCTION @extschema@.wab_url_encode(text) IS
    'Percent-encodes a tenant_id for a webhook_url expression. By RFC 3986, letters, digits and . _ ~ - stay as they are.';

-- Texts take the function above. The text of some types depends on settings of the session, so this one is not IMMUTABLE. Without SET the planner
-- inlines it.
CREATE FUNCTION @extschema@.wab_url_encode(value anynonarray) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT @extschema@.wab_url_encode(value::pg_catalog.text) $$;
COMMENT ON FUNCTION @extschema@.wab_url_encode(anynonarray) IS
    'Percent-encodes a tenant_id that is no text for a webhook_url expression.';

-- Without SET the planner inlines it.
CREATE FUNCTION @extschema@._wab_status_order(status text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE status WHEN 'unknown' THEN 0 WHEN 'paired' THEN 1 WHEN 'awaiting_scan' THEN 2 WHEN 'disconnected' THEN 3 END;
COMMENT ON FUNCTION @extschema@._wab_status_order IS
    'The place of a status among those with the same time: the one that most needs a person counts as the latest. A '
    'bridge that was removed (null) comes after all.';

CREATE FUNCTION @extschema@._wab_lock_id(purpose text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE purpose WHEN 'refresh' THEN 7761620001 WHEN 'observe' THEN 7761620002 WHEN 'apply' THEN 7761620003 WHEN 'alerts' THEN 7761620004 END;
COMMENT ON FUNCTION @extschema@._wab_lock_id IS
    'The key of an advisory lock: refresh (held while wab_refresh() calls the provider), observe (held while '
    'wab_bridges is written), apply (held by wab apply), alerts (held while alerts are sent).';

-- The views call it for duplicated bridges only. It is a function, not a sub-select, so that EXPLAIN of a view stays
-- readable. PostgreSQL expects ten calls for each row, so the cost is low: a high one would make it JIT-compile the query.
CREATE FUNCTION @extschema@._wab_serves(bridge_id bigint, customer_ref text, stored_bridge_id bigint) RETURNS boolean
LANGUAGE sql STABLE COST 1 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT _wab_serves.bridge_id = coalesce(
        min(b.bridge_id) FILTER (WHERE b.bridge_id = stored_bridge_id), min(b.bridge_id))
    FROM @extschema@.wab_bridges b WHERE b.customer_ref = _wab_serves.customer_ref;
$$;
COMMENT ON FUNCTION @extschema@._wab_serves IS
    'Whether this bridge serves the customer_ref that several live bridges carry: it is the bridge that the tenant row '
    'holds, or else the one with the lowest bridge_id.';

-- The views call it for few rows: a sub-select in a view is planned twice in each query. PostgreSQL expects a call for
-- each row, so the cost is low: a high one would make it JIT-compile the query.
CREATE FUNCTION @extschema@._wab_carried(bridge_id bigint) RETURNS text
LANGUAGE plpgsql STABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT coalesce(b.customer_ref, '(none)') FROM @extschema@.wab_bridges b
            WHERE b.bridge_id = _wab_carried.bridge_id);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_carried IS
    'The customer_ref that this live bridge carries, or (none); null if there is no such bridge.';

-- As a sub-select in wab_drift, PostgreSQL would add its cost for each row that it expects, and compile (JIT) the query.
CREATE FUNCTION @extschema@._wab_drift_since(kind text, subject text) RETURNS timestamptz
LANGUAGE plpgsql STABLE COST 1 PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT min(e.began_at) FROM @extschema@.wab_drift_episodes e
            WHERE e.ended_at IS NULL AND e.subject = _wab_drift_since.subject AND e.kind = _wab_drift_since.kind);
END
$$;
COMMENT ON FUNCTION @extschema@._wab_drift_since IS
    'When the present drift of this kind began, of this bridge_id as text or this customer_ref; null if it was not recorded.';

-- Called before the provider: only a customer_ref that the tenants table or wab_declared wants is ever provisioned.
CREATE FUNCTION @extschema@._wab_wanted_webhook_url(customer_ref text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    is_wanted boolean;
    webhook   text;
BEGIN
    PERFORM @extschema@._wab_require_binding();
    PERFORM @extschema@._wab_require_ours(customer_ref);
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    SELECT t.wanted, t.webhook_url INTO is_wanted, webhook FROM @extschema@.wab_tenants t
        WHERE t.customer_ref OPERATOR(pg_catalog.=) _wab_wanted_webhook_url.customer_ref;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
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
            HINT = 'Change the tenant row first. A bridge of a tenant that is not wanted is reported as churned.';
    END IF;
    RETURN coalesce(webhook, (SELECT d.webhook_url FROM @extschema@.wab_declared d
        WHERE d.customer_ref = customer_ref));
END
$$;
COMMENT ON FUNCTION @extschema@._wab_wanted_webhook_url IS
    'The webhook_url wanted for this customer_ref. Raises 22023 for an unknown tenant and for one of another database, and '
    '55000 for an unwanted one.';

CREATE FUNCTION @extschema@._wab_stored_bridge_id(customer_ref text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    held    bigint;
    carried text;
BEGIN
    SELECT t.bridge_id INTO held FROM @extschema@._wab_stored_rows(ARRAY[customer_ref]) t;
    SELECT coalesce(b.customer_ref, '(none)') INTO carried FROM @extschema@.wab_bridges b
    WHERE b.bridge_id = held AND b.customer_ref IS DISTINCT FROM _wab_stored_bridge_id.customer_ref
      AND NOT EXISTS (SELECT FROM @extschema@.wab_bridges o
                      WHERE o.customer_ref = _wab_stored_bridge_id.customer_ref);
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = 'the row of this tenant holds a bridge that is live under another customer_ref',
            DETAIL = format('tenant_id: %s; bridge %s carries the customer_ref %s. Was the tenant renamed?',
                            left(customer_ref, 200), held, left(carried, 200)),
            HINT = 'Nothing was provisioned. To keep the bridge, give the tenant its old id back. To pay for another one, '
                   'set the row''s bridge_id to null first.';
    END IF;
    RETURN held;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_stored_bridge_id IS
    'The bridge_id that this tenant''s row holds. Raises 55000 if that bridge is live under another customer_ref, and none '
    'is under this one: called before a bridge is provisioned.';

-- A provider call cannot be undone, so a role that could not record its result is refused before the call.
CREATE FUNCTION @extschema@._wab_require_recording() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    lacking text;
BEGIN
    PERFORM @extschema@._wab_require_all_rows();
    SELECT string_agg(n.needed, '; ') INTO lacking FROM (
        SELECT format('GRANT EXECUTE ON FUNCTION %s', f) AS needed
        FROM unnest('{_wab_record_provision,_wab_record_delete,_wab_observe_statuses,_wab_mark_duplicates_of,
                      _wab_write_rows,_wab_record_call}'::name[])
             AS w(name)
        JOIN pg_proc p ON p.proname = w.name AND p.pronamespace = to_regnamespace('@extschema@')
        CROSS JOIN LATERAL (SELECT p.oid::regprocedure AS f) r
        WHERE NOT has_function_privilege(p.oid, 'EXECUTE')
        UNION ALL
        SELECT format('GRANT %s ON %s', g.privilege, g.target)
        FROM (VALUES ('@extschema@.wab_bridges'::regclass, 'SELECT'), ('@extschema@.wab_bridges', 'INSERT'),
                     ('@extschema@.wab_bridges', 'UPDATE'), ('@extschema@.wab_bridges', 'DELETE'),
                     ('@extschema@.wab_bridge_events', 'INSERT'), ('@extschema@.wab_calls', 'INSERT'),
                     ('@extschema@.wab_observations', 'SELECT'), ('@extschema@.wab_observations', 'UPDATE'),
                     ('@extschema@.wab_queue', 'SELECT'), ('@extschema@.wab_queue', 'UPDATE')) AS g(target, privilege)
        WHERE NOT has_table_privilege(g.target, g.privilege)
        UNION ALL
        SELECT format('GRANT %s (%I) ON %s', g.privilege, a.attname, a.attrelid::regclass)
        FROM @extschema@._wab_binding() b
        CROSS JOIN LATERAL (VALUES (b.tenant_id, 'SELECT'), (b.bridge_id, 'SELECT'), (b.bridge_status, 'SELECT'),
                                   (b.bridge_id, 'UPDATE'), (b.bridge_status, 'UPDATE')) AS g(column_name, privilege)
        JOIN pg_attribute a ON a.attrelid = b.tenants AND a.attname = g.column_name
        WHERE NOT has_column_privilege(a.attrelid, a.attnum, g.privilege)) n;
    IF lacking IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'permission denied to record the result of a provider call',
            DETAIL = format('%s lacks: %s', current_user, lacking), HINT = 'Nothing was sent to the provider.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_require_recording IS
    'Raises 42501, before any provider call, if the caller lacks a privilege that recording its result needs, or '
    'row-level security hides rows from it.';

-- Called after the provider answered, by wab_provision(), wab_work_queue() and wab apply alike.
CREATE FUNCTION @extschema@._wab_record_provision(
    customer_ref text, bridge_id bigint, state text, raw_status text DEFAULT NULL, webhook_url text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    at             timestamptz := clock_timestamp();
    was            @extschema@.wab_bridges;
    unpaired_since timestamptz;
    status         text;
    reason         text;
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    SELECT b.* INTO was FROM @extschema@.wab_bridges b WHERE b.bridge_id = _wab_record_provision.bridge_id;
    IF was.bridge_id IS NULL THEN
        -- A new bridge was never paired. One that is disconnected may be older than the first observation.
        IF @extschema@.wab_normalize_status(raw_status) <> 'disconnected'
           OR EXISTS (SELECT FROM @extschema@.wab_observations) THEN
            unpaired_since := at;
        END IF;
        INSERT INTO @extschema@.wab_bridges (bridge_id, customer_ref, state, webhook_url, first_seen_at, unpaired_since)
        VALUES (bridge_id, customer_ref, state, webhook_url, at, unpaired_since);
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, became, since, reported)
        VALUES (at, bridge_id, customer_ref, 'appeared', 'unknown', at,
                CASE WHEN unpaired_since IS NOT NULL THEN 'awaiting_scan' END);
    ELSIF was.customer_ref IS DISTINCT FROM customer_ref THEN
        -- The stored status and webhook_url belong to the customer_ref that the bridge carried before.
        UPDATE @extschema@.wab_bridges b
        SET customer_ref = _wab_record_provision.customer_ref, state = coalesce(_wab_record_provision.state, b.state),
            webhook_url = _wab_record_provision.webhook_url, status = 'unknown', raw_status = NULL,
            status_since = NULL, status_observed_at = NULL, status_asked_at = NULL, status_listed = false
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
    UPDATE @extschema@.wab_bridges b SET state_since = at
    WHERE b.bridge_id = _wab_record_provision.bridge_id AND b.state IS DISTINCT FROM was.state;
    IF was.bridge_id IS NULL OR was.customer_ref IS DISTINCT FROM customer_ref THEN
        PERFORM @extschema@._wab_mark_duplicates_of(ARRAY[was.customer_ref, customer_ref], bridge_id);
    END IF;
    IF raw_status IS NOT NULL THEN
        PERFORM @extschema@._wab_observe_statuses(ARRAY[bridge_id], ARRAY[raw_status], clock_timestamp());
    END IF;
    -- An extra of wab_declared has no tenant row.
    IF EXISTS (SELECT FROM @extschema@._wab_stored_rows(ARRAY[customer_ref]) t) THEN
        -- A status that was never observed is not written.
        SELECT CASE WHEN b.status <> 'unknown' OR b.raw_status IS NOT NULL THEN b.status END INTO status
        FROM @extschema@.wab_bridges b WHERE b.bridge_id = _wab_record_provision.bridge_id;
        SELECT w.reason INTO reason FROM @extschema@._wab_write_rows(
            ARRAY[customer_ref], ARRAY[bridge_id], CASE WHEN status IS NOT NULL THEN ARRAY[status] END) w;
    END IF;
    IF reason IS NULL THEN
        UPDATE @extschema@.wab_queue q SET finished_at = at, outcome = 'provisioned', claimed_until = NULL
        WHERE q.customer_ref = _wab_record_provision.customer_ref AND q.finished_at IS NULL;
    END IF;
    PERFORM @extschema@._wab_note_drift_of(ARRAY[was.customer_ref, customer_ref]);
    RETURN reason;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_record_provision IS
    'Records a bridge that the provider just created or returned, writes its bridge_id and its status, if known, on '
    'the tenant row, and finishes the tenant''s entry in wab_queue. Returns null, or why the row does not hold them '
    'afterwards: the bridge is recorded all the same, because it is paid for.';

CREATE FUNCTION @extschema@._wab_record_session(customer_ref text, raw_status text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    id  bigint;
    now text;
BEGIN
    SELECT b.bridge_id INTO id FROM @extschema@.wab_bridges b WHERE b.customer_ref = customer_ref AND NOT b.duplicated;
    IF raw_status IS NOT NULL AND id IS NOT NULL
       AND @extschema@._wab_observe_statuses(ARRAY[id], ARRAY[raw_status], clock_timestamp()) > 0 THEN
        PERFORM @extschema@._wab_note_drift_of(ARRAY[customer_ref]);
    END IF;
    SELECT b.status INTO now FROM @extschema@.wab_bridges b WHERE b.bridge_id = id AND b.raw_status = raw_status;
    RETURN coalesce(now, @extschema@.wab_normalize_status(raw_status));
END
$$;
COMMENT ON FUNCTION @extschema@._wab_record_session IS
    'Records the status that a tenant''s session just reported (null: it reported none), and returns the bridge''s '
    'status.';

CREATE FUNCTION @extschema@._wab_record_delete(bridge_id bigint, customer_ref text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    was    @extschema@.wab_bridges;
    reason text;
BEGIN
    PERFORM pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'));
    DELETE FROM @extschema@.wab_bridges b WHERE b.bridge_id = _wab_record_delete.bridge_id RETURNING b.* INTO was;
    IF FOUND THEN
        INSERT INTO @extschema@.wab_bridge_events (at, bridge_id, customer_ref, event, was, since)
        VALUES (clock_timestamp(), bridge_id, customer_ref, 'disappeared', was.status,
                coalesce(was.created_at, was.first_seen_at));
        PERFORM @extschema@._wab_mark_duplicates_of(ARRAY[was.customer_ref], bridge_id);
        PERFORM @extschema@._wab_note_drift_of(ARRAY[was.customer_ref], ARRAY[bridge_id]);
    END IF;
    IF to_regclass('@extschema@._wab_kinds') IS NOT NULL THEN
        BEGIN
            SELECT u.reason INTO reason FROM @extschema@._wab_unlink_bridges(ARRAY[customer_ref]) u;
        -- The bridge is gone, so its deletion is recorded even if the tenant row cannot be read or written.
        EXCEPTION WHEN data_exception OR syntax_error_or_access_rule_violation THEN
            reason := @extschema@._wab_shown_message(SQLSTATE, SQLERRM);
        END;
    END IF;
    RETURN reason;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_record_delete IS
    'Records that the provider deleted a bridge, and clears the row of a tenant that is not wanted and held it. Returns '
    'null, or why the row still holds it. Does not call the provider.';

CREATE FUNCTION @extschema@.wab_summary()
RETURNS TABLE (observed_at timestamptz, bridges bigint, paired bigint, awaiting_scan bigint, disconnected bigint,
    unknown bigint, orphaned bigint, churned bigint, missing bigint, monthly_cost numeric, monthly_waste numeric)
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM @extschema@._wab_require_binding();
    PERFORM set_config('search_path', @extschema@._wab_binding_path(), true);
    RETURN QUERY SELECT s.observed_at, s.bridges, s.paired, s.awaiting_scan, s.disconnected, s.unknown,
                        s.orphaned, s.churned, s.missing, s.monthly_cost, s.monthly_waste
                 FROM @extschema@.wab_fleet_summary s;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_summary IS
    'One row: bridges by status and by drift, and US dollars per month, as of the last observation.';

CREATE FUNCTION @extschema@.wab_log_summary() RETURNS @extschema@.wab_summaries
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
    logged @extschema@.wab_summaries;
BEGIN
    PERFORM @extschema@._wab_require_all_rows();
    INSERT INTO @extschema@.wab_summaries
        (observed_at, bridges, paired, awaiting_scan, disconnected, unknown, orphaned, churned, missing, monthly_cost,
            monthly_waste)
    SELECT s.* FROM @extschema@.wab_summary() s
    RETURNING * INTO logged;
    RAISE LOG USING MESSAGE = format(
        'wab: %s bridges: %s paired, %s awaiting scan, %s disconnected, %s unknown; %s orphaned, %s churned, '
        '%s tenants missing one; $%s a month, $%s of it wasted',
        logged.bridges, logged.paired, logged.awaiting_scan, logged.disconnected, logged.unknown,
        logged.orphaned, logged.churned, logged.missing, logged.monthly_cost, logged.monthly_waste);
    RETURN logged;
END
$$;
COMMENT ON FUNCTION @extschema@.wab_log_summary IS
    'Writes wab_summary() to wab_summaries and to the server log, and returns it. Meant to be scheduled with pg_cron.';
