-- Sets the EXECUTE privileges in installations without the extension. The rules are those of extension.sql, applied to
-- the functions that were not there before functions_before.sql.

DO $$
DECLARE
    ours pg_catalog.regprocedure;
BEGIN
    FOR ours IN SELECT p.oid FROM pg_catalog.pg_proc p
                WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace('@extschema@')
                  AND p.proname OPERATOR(pg_catalog.~) '^_?wab_'
                  AND p.oid OPERATOR(pg_catalog.<>) ALL
                      (pg_catalog.current_setting('wab_plain.functions_before')::pg_catalog.oid[])
                  AND p.proname OPERATOR(pg_catalog.<>) ALL
                      ('{wab_normalize_status,_wab_status_word,_wab_row_json,wab_url_encode,_wab_percent_encode,
                         wab_help,_wab_is_about_data,_wab_is_installed,_wab_lock_id,_wab_status_order,_wab_serves,_wab_carried,_wab_drift_since,_wab_cutoff,_wab_cutoffs,_wab_customer_refs,
                         _wab_status_map,_wab_unmapped,_wab_flapping,_wab_appeared_disconnected,_wab_has_wanted_twin,_wab_hidden_url,_wab_job_is_late,
                         _wab_status_of,_wab_unpaired_since,_wab_nudge_note,_wab_snooze_note,_wab_may_remember,
                         _wab_observe_phones,_wab_phone,_wab_phone_drift,_wab_phone_hint,_wab_phone_partners,
                         _wab_phone_sign,_wab_record_phone,_wab_silent_since,_wab_unexpected_phone,wab_version}'::pg_catalog.name[])
    LOOP
        EXECUTE pg_catalog.format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', ours);
    END LOOP;
END
$$;
