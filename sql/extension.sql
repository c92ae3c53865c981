-- Creates the SQL objects that only the extension has: overloads and procedures around the compiled functions, the
-- EXECUTE privileges, and the list of tables whose rows pg_dump includes.

-- STABLE and without SET, so that the planner inlines it; columns that the query does not use are then not computed.
-- The body is parsed at creation (BEGIN ATOMIC), so the caller's search_path does not affect it.
CREATE FUNCTION @extschema@.wab_list_instances()
RETURNS TABLE (bridge_id bigint, customer_ref text, state text, status text, raw_status text, created_at timestamptz,
               raw jsonb)
LANGUAGE sql STABLE PARALLEL RESTRICTED COST 1000000 ROWS 1000
BEGIN ATOMIC
    SELECT r.bridge_id, r.customer_ref, r.state,
           coalesce((SELECT @extschema@._wab_status_map())
                    ->> @extschema@._wab_status_word(r.raw_status), 'unknown'),
           r.raw_status, r.created_at, @extschema@._wab_row_json(r.raw)
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
CREATE FUNCTION @extschema@.wab_qr_text(tenant_id anynonarray) RETURNS text
LANGUAGE sql VOLATILE COST 1000000 SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_qr_text($1::text); $$;
CREATE FUNCTION @extschema@.wab_pair(tenant_id anynonarray, phone text) RETURNS text
LANGUAGE sql VOLATILE COST 1000000 SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.wab_pair($1::text, $2); $$;
CREATE FUNCTION @extschema@.wab_logout(tenant_id anynonarray)
RETURNS TABLE (tenant_id text, status text, raw_status text)
LANGUAGE sql VOLATILE COST 1000000 ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ SELECT l.tenant_id, l.status, l.raw_status FROM @extschema@.wab_logout($1::text) l; $$;

COMMENT ON FUNCTION @extschema@.wab_session_status(anynonarray) IS
    'wab_session_status() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_qr(anynonarray) IS
    'wab_qr() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_qr_text(anynonarray) IS
    'wab_qr_text() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_pair(anynonarray, text) IS
    'wab_pair() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_logout(anynonarray) IS
    'wab_logout() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_provision(anynonarray, text) IS
    'wab_provision() for tenant ids of another type, such as integer or uuid.';
COMMENT ON FUNCTION @extschema@.wab_list_instances() IS
    'Asks the provider for the whole fleet, one row per bridge. Stores nothing. The caller also needs EXECUTE on '
    '_wab_list_rows().';

-- The procedures that sql/cron.sql schedules. They commit, so they must be called outside of a transaction block and
-- cannot have a SET clause; every name is qualified instead. A failure is stored in wab_jobs and then raised. OTHERS
-- includes neither a cancel, such as one by statement_timeout, nor a failed assertion.
CREATE PROCEDURE @extschema@.wab_run_job(job text, command text)
LANGUAGE plpgsql AS $$
DECLARE
    state   text;
    message text;
    details text;
BEGIN
    IF coalesce(pg_catalog.btrim(job), '') OPERATOR(pg_catalog.=) ''
       OR coalesce(pg_catalog.btrim(command), '') OPERATOR(pg_catalog.=) '' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_run_job(): job and command may be neither null nor empty',
            HINT = 'CALL wab_run_job(''refresh'', ''SELECT wab_refresh()'');';
    END IF;
    BEGIN
        EXECUTE command;
    EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL;
        PERFORM @extschema@._wab_note_job(job, state, message, details);
        COMMIT;
        PERFORM @extschema@._wab_raise_without_values(state, message, details);
        RAISE;
    END;
    PERFORM @extschema@._wab_note_job(job);
    COMMIT;
END
$$;
COMMENT ON PROCEDURE @extschema@.wab_run_job(text, text) IS
    'Runs an SQL command as a scheduled job, with the caller''s rights. Stores the result in wab_jobs under this '
    'name, and raises the command''s error if there was one.';

-- Takes three transactions for an entry: it claims the entry; it tries the tenant row; it calls the provider and records the
-- answer. No lock is held during the call. If the answer cannot be recorded, the next attempt finds the bridge in the provider's list.
CREATE PROCEDURE @extschema@.wab_work_queue(max_calls integer DEFAULT 9)
LANGUAGE plpgsql AS $$
DECLARE
    entry   record;
    made    record;
    refusal text;
    state   text;
    message text;
    details text;
    hints   text;
    context text;
    at_column text; at_constraint text; at_type text; at_table text; at_schema text;
    failed  boolean;
    called  timestamptz;
BEGIN
    IF max_calls IS NULL OR max_calls OPERATOR(pg_catalog.<) 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wab_work_queue(): a number of calls may be neither null nor negative',
            DETAIL = pg_catalog.format('max_calls is %s', coalesce(max_calls::pg_catalog.text, 'null')),
            HINT = 'Pass 0 or more, or leave it out for the default.';
    END IF;
    FOR nth IN 1 .. max_calls LOOP
        BEGIN
            SELECT c.queue_id, c.customer_ref, c.webhook_url, c.stored_bridge_id, c.state, c.error INTO entry
            FROM @extschema@._wab_claim_queued() c;
        EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL;
            PERFORM @extschema@._wab_note_job('work_queue', state, message, details);
            COMMIT;
            PERFORM @extschema@._wab_raise_without_values(state, message, details);
            RAISE;
        END;
        COMMIT;
        EXIT WHEN entry.queue_id IS NULL;
        IF entry.error IS NOT NULL THEN
            SELECT entry.state, 'the row of this tenant could not be read',
                   pg_catalog.format('tenant_id: %s; %s', entry.customer_ref, entry.error),
                   'SELECT * FROM wab_tenants shows the error. The entry waits, and is tried again.'
            INTO state, message, details, hints;
            context := NULL;
            CONTINUE;
        END IF;
        failed := false;
        -- In a transaction of its own: whoever holds the tenant row may wait for the lock of the queue.
        BEGIN
            refusal := @extschema@._wab_row_refusal(entry.customer_ref);
        EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL;
            PERFORM @extschema@._wab_release_queued(
                entry.queue_id, @extschema@._wab_shown_error(state, message, details));
            PERFORM @extschema@._wab_note_job('work_queue', state, message, details);
            COMMIT;
            PERFORM @extschema@._wab_raise_without_values(state, message, details);
            RAISE;
        END;
        COMMIT;
        called := pg_catalog.clock_timestamp();
        BEGIN
            IF refusal IS NULL THEN
                SELECT p.bridge_id, p.state, p.raw_status, p.webhook_url INTO made
                FROM @extschema@._wab_call_provision(entry.customer_ref, entry.webhook_url, entry.stored_bridge_id) p;
                refusal := @extschema@._wab_record_provision(entry.customer_ref, made.bridge_id, made.state,
                                                             made.raw_status, made.webhook_url, called);
                PERFORM @extschema@._wab_record_call('provision', entry.customer_ref, made.bridge_id, called,
                    CASE WHEN refusal IS NULL THEN 'provisioned' ELSE 'unlinked' END);
            END IF;
        EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL,
                hints = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT, at_column = COLUMN_NAME,
                at_constraint = CONSTRAINT_NAME, at_type = PG_DATATYPE_NAME, at_table = TABLE_NAME,
                at_schema = SCHEMA_NAME;
            failed := true;
            message := @extschema@._wab_shown_message(state, message);
            details := @extschema@._wab_shown_detail(state, details);
            -- The context of such an error quotes the value too.
            context := CASE WHEN pg_catalog.left(state, 2) OPERATOR(pg_catalog.<>) '22' THEN context END;
        END;
        IF refusal IS NOT NULL THEN
            SELECT '55000', 'the row of this tenant could not be written',
                   pg_catalog.format('tenant_id: %s; %s', entry.customer_ref, refusal),
                   'Change the constraint, the trigger, the rule, the policy or the lock that the detail names. The entry '
                   'waits, and is tried again.'
            INTO state, message, details, hints;
            context := NULL;
        END IF;
        IF failed THEN
            PERFORM @extschema@._wab_record_call('provision', entry.customer_ref, NULL, called,
                pg_catalog.concat('failed: ', state));
        END IF;
        IF failed OR refusal IS NOT NULL THEN
            PERFORM @extschema@._wab_release_queued(
                entry.queue_id, @extschema@._wab_shown_error(state, message, details));
        END IF;
        COMMIT;
        -- Classes of errors that the next entry would meet too: connection (08), API key (28), rate limit (53),
        -- configuration (55), cancel (57).
        EXIT WHEN failed
            AND pg_catalog.left(state, 2) OPERATOR(pg_catalog.=) ANY ('{08,28,53,55,57}'::pg_catalog.text[]);
    END LOOP;
    PERFORM @extschema@._wab_note_job('work_queue', state, message, details);
    COMMIT;
    IF state IS NOT NULL THEN
        -- RAISE cannot set the context of an error that is no longer handled.
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, HINT = hints,
            DETAIL = pg_catalog.ltrim(pg_catalog.concat_ws(
                E'\n', details, CASE WHEN context IS NOT NULL THEN pg_catalog.concat('Context: ', context) END), E'\n'),
            COLUMN = coalesce(at_column, ''), CONSTRAINT = coalesce(at_constraint, ''),
            DATATYPE = coalesce(at_type, ''), TABLE = coalesce(at_table, ''), SCHEMA = coalesce(at_schema, '');
    END IF;
END
$$;
COMMENT ON PROCEDURE @extschema@.wab_work_queue(integer) IS
    'Provisions bridges for tenants that wait in wab_queue, up to max_calls of them, oldest first. Several workers '
    'may run at once. A failed entry is tried again later, and the procedure ends with the error of the last failed '
    'entry.';

-- Members of pg_monitor need USAGE to read wab_status.
GRANT USAGE ON SCHEMA @extschema@ TO pg_monitor;

-- PUBLIC keeps EXECUTE only on functions that read nothing, or only rows that the caller may read; the views call
-- these.
DO $$
DECLARE
    member regprocedure;
BEGIN
    FOR member IN
        SELECT d.objid FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
        JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) d.objid
        WHERE e.extname OPERATOR(pg_catalog.=) 'pg_wabridges' AND d.deptype OPERATOR(pg_catalog.=) 'e'
          AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
          AND p.proname OPERATOR(pg_catalog.<>) ALL
              ('{wab_normalize_status,_wab_status_word,_wab_row_json,wab_url_encode,_wab_percent_encode,
                 wab_help,_wab_is_about_data,_wab_is_installed,_wab_lock_id,_wab_status_order,_wab_serves,_wab_carried,_wab_drift_since,_wab_cutoff,_wab_cutoffs,_wab_customer_refs,
                 _wab_status_map,_wab_unmapped,_wab_flapping,_wab_appeared_disconnected,_wab_has_wanted_twin,_wab_hidden_url,_wab_job_is_late,
                 _wab_status_of,_wab_unpaired_since,_wab_nudge_note,_wab_snooze_note,_wab_may_remember,
                 _wab_observe_phones,_wab_phone,_wab_phone_drift,_wab_phone_hint,_wab_phone_partners,
                 _wab_phone_sign,_wab_record_phone,_wab_silent_since,_wab_unexpected_phone,wab_version}'::pg_catalog.name[])
    LOOP
        EXECUTE pg_catalog.format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', member);
    END LOOP;
END
$$;

SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_bridges', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_bridge_events', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_bridge_events_event_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_observations', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@._wab_policy', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@._wab_status_words', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_declared', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_tenant_binding', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@._wab_incident_policy', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_snoozes', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_snoozes_snooze_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_acknowledgements', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_alerts', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@._wab_alert_sender', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_runs', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_operations', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_summaries', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_drift_episodes', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_drift_episodes_episode_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_nudges', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_nudges_nudge_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_pairing_codes', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_pairing_codes_code_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_pairing_links', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_pairing_links_link_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_queue', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_calls', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_calls_call_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_jobs', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_phones', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@._wab_phone_key', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.wab_activity', '');
