-- Creates wab_help(), which lists the functions and views for users. Each purpose is the first sentence of the COMMENT.

CREATE FUNCTION @extschema@.wab_help() RETURNS TABLE (topic text, name text, purpose text, example text)
LANGUAGE sql STABLE ROWS 70 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT h.topic, h.name,
           -- Wrapped at 26 characters, so that the whole row fits into 100 columns.
           rtrim(regexp_replace(substring(d.description FROM '^.*?(?=[.;](?:\s|$))'),
                                '(.{1,26})(?:\s+|$)', E'\\1\n', 'g'), E'\n'),
           h.example
    FROM (VALUES
        (1, 'setup', 'wab_bind_tenants', E'SELECT * FROM wab_bind_tenants(\n  ''public.tenants'');'),
        (2, 'setup', 'wab_unbind_tenants', 'SELECT wab_unbind_tenants();'),
        (2, 'setup', 'wab_tenants', 'SELECT * FROM wab_tenants;'),
        (3, 'setup', 'wab_url_encode', 'SELECT wab_url_encode(''a b'');'),
        (4, 'setup', 'wab_normalize_status', E'SELECT\n  wab_normalize_status(''qr'');'),
        (5, 'setup', 'wab_status_words', E'INSERT INTO wab_status_words\nVALUES (''online'', ''paired'');'),
        (6, 'setup', 'wab_policy', E'UPDATE wab_policy\nSET disconnected_after = ''0'';'),
        (7, 'setup', 'wab_version', 'SELECT wab_version();'),
        (8, 'setup', 'wab_help', 'SELECT * FROM wab_help();'),
        (10, 'drift', 'wab_drift', 'SELECT * FROM wab_drift;'),
        (11, 'drift', 'wab_drift_short', 'SELECT * FROM wab_drift_short;'),
        (12, 'drift', 'wab_fleet', E'SELECT * FROM wab_fleet\nWHERE tenant_id = ''acme'';'),
        (13, 'drift', 'wab_fleet_summary', 'SELECT * FROM wab_fleet_summary;'),
        (14, 'drift', 'wab_missing_bridges', E'SELECT *\nFROM wab_missing_bridges;'),
        (15, 'drift', 'wab_orphaned_bridges', E'SELECT *\nFROM wab_orphaned_bridges;'),
        (16, 'drift', 'wab_churned_bridges', E'SELECT *\nFROM wab_churned_bridges;'),
        (17, 'drift', 'wab_status_drift', 'SELECT * FROM wab_status_drift;'),
        (18, 'drift', 'wab_unmapped_words', E'SELECT *\nFROM wab_unmapped_words;'),
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
        (32, 'bridges', 'wab_enqueue_missing', 'SELECT wab_enqueue_missing();'),
        (33, 'bridges', 'wab_work_queue', 'CALL wab_work_queue();'),
        (34, 'bridges', 'wab_delete_instance', E'SELECT * FROM\nwab_delete_instance(7, ''acme'');'),
        (40, 'session', 'wab_session_status', E'SELECT * FROM\n  wab_session_status(''acme'');'),
        (41, 'session', 'wab_qr', 'SELECT wab_qr(''acme'');'),
        (42, 'session', 'wab_qr_text', 'SELECT wab_qr_text(''acme'');'),
        (43, 'session', 'wab_pair', E'SELECT wab_pair(''acme'',\n  ''15550100'');'),
        (44, 'session', 'wab_logout', E'SELECT *\nFROM wab_logout(''acme'');'),
        (45, 'session', 'wab_pairing_link', E'SELECT link\nFROM wab_pairing_link(''acme'');'),
        (46, 'session', 'wab_revoke_pairing_links', E'SELECT\n  wab_revoke_pairing_links(\n    ''acme'');'),
        (47, 'session', 'wab_links', 'SELECT * FROM wab_links;'),
        (81, 'operate', 'wab_webhook_set', E'SELECT\n  wab_webhook_set(''acme'');'),
        (82, 'operate', 'wab_webhook_url', E'SELECT\n  wab_webhook_url(''acme'');'),
        (83, 'operate', 'wab_webhook_secret_ok', E'SELECT\n  wab_webhook_secret_ok($1, $2);'),
        (50, 'history', 'wab_status_history', E'SELECT *\nFROM wab_status_history;'),
        (51, 'history', 'wab_fleet_health', 'SELECT * FROM wab_fleet_health;'),
        (52, 'history', 'wab_fleet_health_daily', E'SELECT *\nFROM wab_fleet_health_daily;'),
        (53, 'history', 'wab_costs', 'SELECT * FROM wab_costs;'),
        (70, 'operate', 'wab_incidents', 'SELECT * FROM wab_incidents;'),
        (71, 'operate', 'wab_incident_bridges', E'SELECT *\nFROM wab_incident_bridges;'),
        (72, 'operate', 'wab_incident_history', E'SELECT *\nFROM wab_incident_history;'),
        (73, 'operate', 'wab_snooze', E'SELECT wab_snooze(''acme'',\n  ''disconnected'',\n  now() + ''2 hours'', ''why'');'),
        (74, 'operate', 'wab_unsnooze', 'SELECT wab_unsnooze(1);'),
        (75, 'operate', 'wab_acknowledge', E'SELECT wab_acknowledge(\n  ''disconnected-12'', ''note'');'),
        (76, 'operate', 'wab_incident_policy', E'UPDATE wab_incident_policy\nSET begins_after = ''1 hour''\nWHERE kind = ''orphaned'';'),
        (77, 'operate', 'wab_to_repair', E'SELECT tenant_id, next_step\nFROM wab_to_repair;'),
        (78, 'operate', 'wab_to_nudge', E'SELECT tenant_id, next_step\nFROM wab_to_nudge;'),
        (79, 'operate', 'wab_nudged', E'SELECT\n  wab_nudged(''acme'', ''email'');'),
        (84, 'operate', 'wab_accept_phone', 'SELECT wab_accept_phone(''acme'');'),
        (80, 'operate', 'wab_send_alerts', E'SELECT *\nFROM wab_send_alerts();'),
        (81, 'operate', 'wab_tenant_uptime', E'SELECT *\nFROM wab_tenant_uptime();'),
        (82, 'operate', 'wab_tenant_costs', E'SELECT *\nFROM wab_tenant_costs();'),
        (83, 'operate', 'wab_tenant_history', E'SELECT *\nFROM wab_tenant_history(''acme'');'),
        (90, 'jobs', 'wab_status', 'SELECT * FROM wab_status;'),
        (91, 'jobs', 'wab_run_job', E'CALL wab_run_job(''summary'',\n  ''SELECT wab_log_summary()'');'),
        (92, 'jobs', 'wab_summary', 'SELECT * FROM wab_summary();'),
        (93, 'jobs', 'wab_log_summary', 'SELECT wab_log_summary();'),
        (94, 'jobs', 'wab_prune_history', 'SELECT wab_prune_history();')
    ) AS h(nth, topic, name, example)
    CROSS JOIN LATERAL (
        -- Leaves out objects that do not exist: the drift views before a tenants table is bound, and the functions that
        -- call the provider after wab init --sql-only.
        SELECT obj_description(c.oid, 'pg_class') AS description FROM pg_class c
        WHERE c.relnamespace = '@extschema@'::regnamespace AND c.relname = h.name AND c.relkind = 'v'
        UNION ALL
        (SELECT obj_description(p.oid, 'pg_proc') FROM pg_proc p
         WHERE p.pronamespace = '@extschema@'::regnamespace AND p.proname = h.name
         ORDER BY 'anynonarray'::regtype = ANY (p.proargtypes::oid[]) LIMIT 1)
    ) d
    ORDER BY h.nth;
$$;
COMMENT ON FUNCTION @extschema@.wab_help IS 'Lists functions and views with an example each.';
