-- Records the results of provider calls. Nothing here calls the provider.

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
    customer_ref text, bridge_id bigint, state text, raw_status text DEFAULT NULL, webhook_url text DEFAULT NULL,
    asked_at timestamptz DEFAULT statement_timestamp())
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
        -- What was heard of a known bridge since the provider was asked is newer.
        PERFORM @extschema@._wab_observe_statuses(ARRAY[bridge_id], ARRAY[raw_status],
            CASE WHEN was.customer_ref = customer_ref THEN asked_at ELSE clock_timestamp() END);
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
    'the tenant row, and finishes the tenant''s entry in wab_queue. asked_at: when the provider was asked, or earlier. '
    'Returns null, or why the row does not hold them afterwards: the bridge is recorded all the same, because it is paid '
    'for.';

CREATE FUNCTION @extschema@._wab_record_session(
    customer_ref text, raw_status text, asked_at timestamptz DEFAULT clock_timestamp())
RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
    id  bigint;
    now text;
BEGIN
    SELECT b.bridge_id INTO id FROM @extschema@.wab_bridges b WHERE b.customer_ref = customer_ref AND NOT b.duplicated;
    IF raw_status IS NOT NULL AND id IS NOT NULL
       AND @extschema@._wab_observe_statuses(ARRAY[id], ARRAY[raw_status], asked_at) > 0 THEN
        PERFORM @extschema@._wab_note_drift_of(ARRAY[customer_ref]);
    END IF;
    SELECT b.status INTO now FROM @extschema@.wab_bridges b WHERE b.bridge_id = id AND b.raw_status = raw_status;
    RETURN coalesce(now, @extschema@.wab_normalize_status(raw_status));
END
$$;
COMMENT ON FUNCTION @extschema@._wab_record_session IS
    'Records the status that a tenant''s session reported (null: it reported none) when it was asked, and returns the '
    'bridge''s status. An event that came since is newer.';

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
        EXCEPTION WHEN OTHERS THEN
            IF NOT @extschema@._wab_is_about_data(SQLSTATE) THEN
                RAISE;
            END IF;
            reason := @extschema@._wab_shown_message(SQLSTATE, SQLERRM);
        END;
    END IF;
    RETURN reason;
END
$$;
COMMENT ON FUNCTION @extschema@._wab_record_delete IS
    'Records that the provider deleted a bridge, and clears the row of a tenant that is not wanted and held it. Returns '
    'null, or why the row still holds it. Does not call the provider.';
