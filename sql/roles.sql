-- Creates five roles. Run it as the owner of the wab_ objects, again after wab_bind_tenants(), and after each upgrade.
-- wab_reader sees the fleet and its drift, but not who is paired. wab_operator also sees who is paired, refreshes,
-- provisions, deletes and reconciles.
-- wab_support is for people who answer customers: it sees the fleet and who is paired, pairs, makes and revokes pairing
-- links, and records nudges and snoozes. It provisions, deletes and logs out nothing, and does not see what the whole fleet costs.
-- wab_receiver may only hand webhook events over; it is for wab serve --hooks-listen, and does not read your tenants table.
-- wab_enqueuer may only enqueue tenants; it is for the application that signs them up. On your tenants table it grants
-- SELECT to wab_reader and wab_support, and UPDATE of the two bound columns to wab_operator; the application has SELECT itself.

DO $$
DECLARE
    -- The extension's schema, or a visible one, or the only one that has the objects.
    ours regnamespace := (
        SELECT CASE WHEN pg_catalog.bool_or(e.oid IS NOT NULL OR pg_catalog.pg_table_is_visible(c.oid))
                         OR pg_catalog.count(*) OPERATOR(pg_catalog.=) 1
                    THEN (pg_catalog.array_agg(c.relnamespace
                          ORDER BY e.oid, pg_catalog.pg_table_is_visible(c.oid) DESC))[1] END
        FROM pg_catalog.pg_class c
        LEFT JOIN pg_catalog.pg_extension e ON e.extname OPERATOR(pg_catalog.=) 'pg_wabridges'
                                           AND e.extnamespace OPERATOR(pg_catalog.=) c.relnamespace
        WHERE c.relname OPERATOR(pg_catalog.=) 'wab_tenant_binding' AND c.relkind OPERATOR(pg_catalog.=) 'r');
    -- What shows money, and keys.
    hidden constant text[] := '{wab_costs,wab_fleet_summary,wab_summaries,_wab_phone_key}';
    -- What wab_support writes, with its functions below.
    contacts constant text[] := '{wab_nudges,wab_pairing_codes,wab_pairing_links,wab_calls,wab_snoozes,wab_acknowledgements}';
    path text := pg_catalog.current_setting('search_path');
    name text;
    b    record;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF ours IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = 'this database has no wab_ objects, or has them in several schemas',
            HINT = 'Run it in the database of the fleet; if several schemas have them, name one: SET search_path.';
    END IF;
    FOREACH name IN ARRAY ARRAY['wab_reader', 'wab_operator', 'wab_support', 'wab_receiver', 'wab_enqueuer'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', ours, name);
    END LOOP;
    GRANT wab_reader TO wab_operator;
    FOR b IN SELECT format('%s.%I', ours, c.relname) AS relation, c.relkind = 'r' OR c.relhastriggers AS is_written FROM pg_class c
             WHERE c.relnamespace = ours AND c.relname ~ '^_?wab_' AND c.relkind IN ('r', 'v') LOOP
        EXECUTE format('GRANT SELECT ON %s TO %s', b.relation,
                       CASE WHEN b.relation ~ '[.](wab_phones|_wab_phone_key|wab_pairing_links)$' THEN 'wab_operator' ELSE 'wab_reader' END);
        -- Through a view over your tenants table, whoever may write the view writes the table, on PostgreSQL 14 with its owner's rights.
        EXECUTE format(CASE WHEN b.is_written THEN 'GRANT INSERT, UPDATE, DELETE ON %s TO wab_operator'
                            ELSE 'REVOKE INSERT, UPDATE, DELETE ON %s FROM wab_operator' END, b.relation);
    END LOOP;
    -- What wab_links and wab_tenant_history() read of the pairing links.
    FOR name IN SELECT format('(%s) ON %s', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), a.attrelid::regclass)
                FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                WHERE c.relnamespace = ours AND c.relname = 'wab_pairing_links' AND a.attname <> 'token_sha256'
                GROUP BY a.attrelid LOOP
        EXECUTE format('GRANT SELECT %s TO wab_reader', name);
    END LOOP;
    FOR name IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = ours AND p.proname ~ '^_?wab_' LOOP
        EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO wab_operator', name);
    END LOOP;
    FOR name IN SELECT p.oid::regprocedure FROM pg_proc p
                WHERE p.pronamespace = ours
                  AND p.proname IN ('wab_summary', '_wab_require_binding', '_wab_require_all_rows', '_wab_warn_of_hidden_rows',
                                    '_wab_last_observation', '_wab_binding_path', '_wab_binding', '_wab_customer_ref_of', '_wab_bound_column',
                                    '_wab_present_text', '_wab_shown_expressions', '_wab_poll_candidates',
                                    '_wab_is_ours', '_wab_require_ours', 'wab_tenant_uptime', '_wab_listing_gaps', '_wab_stopwatches',
                                    '_wab_told_spans', 'wab_tenant_costs', 'wab_tenant_history',
                                    '_wab_serving_bridge', '_wab_state_of_link') LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO wab_reader', name);
    END LOOP;
    FOR name IN SELECT format('%s.%I', ours, c.relname) FROM pg_class c
                WHERE c.relnamespace = ours AND c.relname ~ '^_?wab_' AND c.relkind IN ('r', 'v')
                  AND c.relname <> ALL (hidden) LOOP
        EXECUTE format('GRANT SELECT ON %s TO wab_support', name);
    END LOOP;
    FOR name IN SELECT format('%s.%I', ours, c.relname) FROM pg_class c
                WHERE c.relnamespace = ours AND c.relname = ANY (contacts) AND c.relkind = 'r' LOOP
        EXECUTE format('REVOKE UPDATE ON %s FROM wab_support', name);
        EXECUTE format('GRANT INSERT ON %s TO wab_support', name);
    END LOOP;
    EXECUTE format('GRANT UPDATE (until) ON %s.wab_snoozes TO wab_support', ours);
    EXECUTE format('GRANT UPDATE (revoked_at, revoked_by) ON %s.wab_pairing_links TO wab_support', ours);
    -- Internal functions that are not volatile only read, with the rights of the caller.
    FOR name IN SELECT p.oid::regprocedure FROM pg_proc p
                WHERE p.pronamespace = ours
                  AND ((p.proname ~ '^_wab_' AND p.provolatile <> 'v')
                       OR p.proname IN ('wab_session_status', 'wab_qr', 'wab_qr_text', 'wab_pair', 'wab_nudged',
                                        'wab_snooze', 'wab_unsnooze', 'wab_acknowledge', 'wab_tenant_uptime',
                                        'wab_tenant_history', '_wab_require_all_rows', '_wab_present_text',
                                        '_wab_record_call', '_wab_note_code', '_wab_claim_code', 'wab_pairing_link',
                                        '_wab_make_links', 'wab_revoke_pairing_links', '_wab_revoke_links')) LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO wab_support', name);
    END LOOP;
    FOR name IN SELECT p.oid::regprocedure FROM pg_proc p
                WHERE p.pronamespace = ours
                  AND p.proname IN ('_wab_ingest_events', '_wab_ingest_newest', '_wab_ingest', 'wab_ingest_event', '_wab_event_time', '_wab_insert_status',
                                    '_wab_unpaired_by_history', '_wab_status_began', '_wab_last_observation', '_wab_note_activity',
                                    '_wab_note_drift_of', '_wab_phone_hash', '_wab_mark_shared', '_wab_forget_phones',
                                    '_wab_forget_activity', 'wab_normalize_status') LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO wab_receiver', name);
    END LOOP;
    FOR name IN SELECT format('%s.%I', ours, c.relname) FROM pg_class c
                WHERE c.relnamespace = ours
                  AND c.relname IN ('wab_bridges', 'wab_bridge_events', 'wab_activity', 'wab_phones', '_wab_phone_key') LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE%s ON %s TO wab_receiver',
                       CASE WHEN name !~ '[.]wab_bridge' THEN ', DELETE' END, name);
    END LOOP;
    EXECUTE format('GRANT SELECT ON %1$s.wab_observations, %1$s.wab_policy, %1$s._wab_policy, %1$s.wab_drift_episodes TO wab_receiver', ours);
    EXECUTE format('GRANT UPDATE (mirrored) ON %s.wab_observations TO wab_receiver', ours);
    FOR name IN SELECT p.oid::regprocedure FROM pg_proc p
                WHERE p.pronamespace = ours AND p.proname IN ('wab_enqueue_provision', '_wab_enqueue_wanted', '_wab_lock_id',
                                                             '_wab_bound_column', '_wab_binding_path') LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO wab_enqueuer', name);
    END LOOP;
    EXECUTE format('GRANT SELECT, INSERT ON %s.wab_queue TO wab_enqueuer', ours);
    EXECUTE format('GRANT SELECT ON %s.wab_tenant_binding TO wab_enqueuer', ours);
    EXECUTE format('SELECT t.* FROM %s._wab_binding() t', ours) INTO b;
    IF b.tenants IS NULL THEN
        RAISE NOTICE USING MESSAGE = 'no tenants table is bound, so nothing was granted on it',
            HINT = 'Bind it, for instance as a member of wab_operator that owns it, and run this script again.';
    ELSE
        EXECUTE format('GRANT SELECT ON %s.wab_tenants TO wab_enqueuer', ours);
        EXECUTE format('GRANT SELECT ON %s TO wab_reader, wab_support', b.tenants);
        EXECUTE format('GRANT UPDATE (%I, %I) ON %s TO wab_operator', b.bridge_id, b.bridge_status, b.tenants);
    END IF;
    PERFORM set_config('search_path', path, true);
END
$$;
