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
