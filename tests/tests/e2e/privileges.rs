//! Tests the privileges of roles on every object. It finds the objects in the catalogs, so that new ones are included.

use anyhow::Result;
use e2e::fleet::{DATABASE, Fleet};
use e2e::sandbox::{KEY, Sandbox};
use serde_json::json;

use crate::world;

/// The functions that PUBLIC may execute: pure functions and those that the views call.
const PUBLIC: &str = "_wab_appeared_disconnected _wab_carried _wab_customer_refs _wab_cutoff _wab_cutoffs _wab_drift_since _wab_flapping _wab_has_wanted_twin _wab_hidden_url _wab_is_about_data _wab_is_installed _wab_job_is_late _wab_lock_id _wab_may_remember _wab_nudge_note _wab_observe_phones _wab_percent_encode _wab_phone _wab_phone_drift _wab_phone_hint _wab_phone_partners _wab_phone_sign _wab_record_phone _wab_row_json _wab_serves _wab_silent_since _wab_snooze_note _wab_status_map \
    _wab_status_of _wab_status_order _wab_status_word _wab_unexpected_phone _wab_unmapped _wab_unpaired_since wab_help wab_normalize_status wab_url_encode wab_url_encode wab_version";

const RELATIONS: &str = "SELECT c.oid::regclass FROM pg_class c WHERE c.relname ~ '^_?wab_' AND c.relkind IN ('r', 'v', 'm', 'S', 'p', 'f')";
const FUNCTIONS: &str = "SELECT p.oid::regprocedure FROM pg_proc p WHERE p.proname ~ '^_?wab_'";

/// The names that this query returns, one per line.
fn names(fleet: &Fleet, query: &str) -> Result<Vec<String>> {
    let names: Vec<_> = fleet.sql(query)?.lines().map(str::to_owned).collect();
    anyhow::ensure!(names.len() > 5, "the query must find more objects: {names:?}");
    Ok(names)
}

/// A call of this function with nulls; PostgreSQL refuses it before the function sees an argument.
fn call_of(fleet: &Fleet, function: &str) -> Result<String> {
    fleet.sql(&format!(
        "SELECT format(CASE f.prokind WHEN 'p' THEN 'CALL %s(%s)' ELSE 'SELECT * FROM %s(%s)' END, f.oid::regproc,
                       (SELECT string_agg(format('NULL::%s', CASE t.oid WHEN 'anynonarray'::regtype THEN 'integer' ELSE t.oid::regtype::text END), ', ' ORDER BY n)
                        FROM unnest(f.proargtypes) WITH ORDINALITY AS a(type, n) JOIN pg_type t ON t.oid = a.type))
         FROM pg_proc f WHERE f.oid = '{function}'::regprocedure AND f.prorettype <> 'trigger'::regtype"
    ))
}

#[tokio::test]
async fn an_ordinary_role_can_read_and_call_nothing() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("CREATE ROLE nosy LOGIN; GRANT SELECT ON tenants TO nosy")?;
    for relation in names(&fleet, RELATIONS)? {
        let held = fleet.sql(&format!(
            "SELECT string_agg(p, ' ') FROM unnest('{{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}}'::text[]) p
             WHERE (SELECT relkind FROM pg_class WHERE oid = '{relation}'::regclass) <> 'S'
               AND (has_table_privilege('nosy', '{relation}', p)
                    OR (p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege('nosy', '{relation}', p)))"
        ))?;
        // The views and wab_normalize_status() read the words with the caller's rights.
        if relation.ends_with("wab_status_words") {
            assert_eq!(held, "SELECT", "{relation}");
            continue;
        }
        assert_eq!(held, "", "{relation}");
        let (code, message) = fleet.sql_error(&format!("SET ROLE nosy; SELECT * FROM {relation}"))?;
        assert_eq!(code, "42501", "{relation}: {message}");
    }
    let mut open = Vec::new();
    for function in names(&fleet, FUNCTIONS)? {
        let executable =
            fleet.sql(&format!("SELECT has_function_privilege('nosy', '{function}', 'EXECUTE')"))?;
        if executable == "t" {
            open.push(function.split('(').next().unwrap_or_default().to_owned());
            continue;
        }
        let call = call_of(&fleet, &function)?;
        if !call.is_empty() {
            let (code, message) = fleet.sql_error(&format!("SET ROLE nosy; {call}"))?;
            assert_eq!(code, "42501", "{call}: {message}");
        }
    }
    open.sort();
    assert_eq!(open.join(" "), PUBLIC);
    Ok(())
}

#[tokio::test]
async fn the_reader_can_read_every_view_and_cannot_call_the_provider() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let recipe =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/roles.sql"))?;
    // The recipe must ignore objects of other users on the search_path, and it may run twice.
    fleet.sql("CREATE FUNCTION public.format(text, regnamespace, name) RETURNS text LANGUAGE sql AS $$ SELECT 'nonsense' $$")?;
    for path in ["pg_catalog, public", "public, pg_catalog", "public"] {
        fleet.sql(&format!("SET search_path = {path}; {recipe}"))?;
    }
    for relation in names(&fleet, RELATIONS)? {
        let is_sequence =
            fleet.sql(&format!("SELECT relkind FROM pg_class WHERE oid = '{relation}'::regclass"))? == "S";
        if ["wab_phones", "_wab_phone_key", "wab_pairing_links"].contains(&relation.as_str()) {
            let (code, message) =
                fleet.sql_error(&format!("SET ROLE wab_reader; SELECT * FROM {relation}"))?;
            assert_eq!(code, "42501", "{message}");
            fleet.sql(&format!("SET ROLE wab_operator; SELECT * FROM {relation}"))?;
        } else if !is_sequence {
            fleet.sql(&format!("SET ROLE wab_reader; SELECT * FROM {relation}"))?;
            let (code, message) = fleet.sql_error(&format!("SET ROLE wab_reader; DELETE FROM {relation}"))?;
            assert!(["42501", "55000"].contains(&code.as_str()), "{relation}: {message}");
        }
    }
    let calls = "SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
                 WHERE p.proname ~ '^_?wab_' AND p.provolatile = 'v' AND (l.lanname = 'c' OR p.procost >= 100000)";
    for function in names(&fleet, calls)? {
        for (role, may) in [("wab_reader", "f"), ("wab_operator", "t")] {
            let held = format!("SELECT has_function_privilege('{role}', '{function}', 'EXECUTE')");
            assert_eq!(fleet.sql(&held)?, may, "{role}: {function}");
        }
    }
    Ok(())
}

/// The support team logs in with a role of its own.
#[tokio::test]
async fn support_sees_and_pairs_but_neither_deletes_nor_logs_out_nor_sees_the_money() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let recipe =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/roles.sql"))?;
    fleet.sql(&recipe)?;
    fleet.sandbox.change(1, json!({"status": "qr"})).await?;
    fleet.observe().await?;
    fleet.sql("CREATE ROLE ann LOGIN IN ROLE wab_support; UPDATE wab_policy SET disconnected_after = '0'")?;
    let ann = |sql: &str| {
        let mut psql = fleet.cluster.program("psql", DATABASE);
        psql.env("PGUSER", "ann").args([
            "-XAtq",
            "-v",
            "VERBOSITY=verbose",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql,
        ]);
        e2e::process::run(&mut psql)
    };
    assert_eq!(
        ann("SELECT kind, customer_ref FROM wab_drift WHERE kind <> 'status_drift'")?.stdout,
        "disconnected|cust_01\n"
    );
    for relation in names(&fleet, RELATIONS)? {
        let kind = fleet.sql(&format!("SELECT relkind FROM pg_class WHERE oid = '{relation}'::regclass"))?;
        if kind == "S" {
            continue;
        }
        let said = ann(&format!("SELECT * FROM {relation}"))?;
        if ["wab_costs", "wab_fleet_summary", "wab_summaries", "_wab_phone_key"].contains(&relation.as_str())
        {
            assert!(said.code != 0 && said.stderr.contains("42501"), "{relation}: {}", said.stderr);
        } else {
            assert_eq!(said.code, 0, "{relation}: {}", said.stderr);
        }
        let deletes = fleet.sql(&format!("SELECT has_table_privilege('ann', '{relation}', 'DELETE')"))?;
        assert_eq!(deletes, "f", "{relation}");
    }
    let mut refused = vec![
        "UPDATE tenants SET bridge_id = 7 WHERE id = 'cust_01'",
        "UPDATE wab_bridges SET status = 'paired'",
        "UPDATE wab_calls SET outcome = 'mine'",
        "UPDATE wab_nudges SET channel = 'mine'",
        "UPDATE wab_snoozes SET snoozed_by = 'me'",
        "UPDATE wab_pairing_links SET valid_until = '2099-01-01'",
        "UPDATE wab_policy SET price_per_bridge = 0",
        "INSERT INTO wab_declared VALUES ('x', 'keep', 'mine')",
        "SELECT wab_summary()",
        "SELECT wab_bind_tenants()",
    ];
    if fleet.install == e2e::fleet::Install::Extension {
        let said = ann(
            "SELECT wab_pair('cust_01', '15550100'), octet_length(wab_qr('cust_01')) > 100, length(wab_qr_text('cust_01')) > 100",
        )?;
        assert!(said.code == 0 && said.stdout.trim().ends_with("|t|t"), "{}{}", said.stdout, said.stderr);
        assert_eq!(ann("SELECT status FROM wab_session_status('cust_01')")?.stdout, "awaiting_scan\n");
        refused.extend([
            "SELECT wab_logout('cust_02')",
            "SELECT wab_delete_instance(2, 'cust_02')",
            "SELECT wab_provision('cust_02')",
            "SELECT wab_refresh()",
            "SELECT wab_reconcile()",
            "SELECT wab_enqueue_provision('cust_02')",
        ]);
        fleet.sandbox.clear_ledger().await?;
    }
    for statement in refused {
        let said = ann(statement)?;
        assert!(
            said.code != 0 && said.stderr.contains("42501"),
            "{statement}: {}{}",
            said.stdout,
            said.stderr
        );
    }
    assert_eq!(fleet.sandbox.ledger().await?, [json!(null); 0]);
    let said = ann(
        "SELECT wab_nudged('cust_01', 'phone') IS NOT NULL, wab_snooze('cust_01', 'awaiting_scan', now() + interval '1 hour', 'on holiday') > 0",
    )?;
    assert_eq!(said.stdout, "t|t\n", "{}", said.stderr);
    assert_eq!(ann("SELECT wab_unsnooze(max(snooze_id)) FROM wab_snoozes")?.stdout, "t\n");
    // What it writes, once the functions exist.
    for table in [
        "wab_nudges",
        "wab_snoozes",
        "wab_acknowledgements",
        "wab_calls",
        "wab_pairing_codes",
        "wab_pairing_links",
    ] {
        let may = format!(
            "SELECT to_regclass('{table}') IS NULL OR has_table_privilege('ann', to_regclass('{table}'), 'INSERT')"
        );
        assert_eq!(fleet.sql(&may)?, "t", "{table}");
    }
    Ok(())
}

#[tokio::test]
async fn only_the_operator_decides_where_the_key_is_sent() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.cluster.expect_in_log(&["cannot be changed now"]);
    let elsewhere = Sandbox::start(&["--list-status"])?;
    let url = elsewhere.url();
    fleet.sql("CREATE ROLE nosy LOGIN; CREATE ROLE boss SUPERUSER; GRANT CREATE ON DATABASE app TO nosy")?;
    // No user, not even a superuser, can change these settings in a session, whether the library is loaded or not.
    for name in
        fleet.sql("LOAD 'pg_wabridges'; SELECT name FROM pg_settings WHERE name LIKE 'wab.%'")?.lines()
    {
        for role in ["nosy", "boss"] {
            for statement in [
                format!("SET {name} = '1'"),
                format!("SELECT set_config('{name}', '1', false)"),
                format!("BEGIN; SET LOCAL {name} = '1'"),
            ] {
                let (code, message) =
                    fleet.sql_error(&format!("LOAD 'pg_wabridges'; SET ROLE {role}; {statement}"))?;
                assert_eq!(code, "55P02", "{role}: {statement}: {message}");
            }
        }
        let said = e2e::process::run(
            fleet
                .cluster
                .program("psql", DATABASE)
                .env("PGUSER", "nosy")
                .args(["-X", "-c", "LOAD 'pg_wabridges'"])
                .args(["-c", &format!("ALTER SYSTEM SET {name} = '1'")]),
        )?;
        assert!(said.stderr.contains("permission denied"), "{name}: {said:?}");
    }
    // The library must ignore every value that was set before it was loaded, whichever way it was set.
    fleet
        .sql(&format!("SET ROLE nosy; SET wab.api_url = '{url}'; RESET ROLE; SELECT * FROM wab_refresh()"))?;
    fleet.sql(&format!("SELECT set_config('wab.api_url', '{url}', false); SELECT * FROM wab_refresh()"))?;
    let from_client = format!("-c wab.api_url={url}");
    for statement in ["ALTER ROLE postgres SET", "ALTER DATABASE app SET", "PGOPTIONS"] {
        let options = if statement == "PGOPTIONS" { from_client.as_str() } else { "" };
        if options.is_empty() {
            fleet.cluster.psql("app", &format!("{statement} wab.api_url = '{url}'"))?;
        }
        let said =
            e2e::process::run(fleet.cluster.program("psql", DATABASE).env("PGOPTIONS", options).args([
                "-X",
                "-A",
                "-t",
                "-c",
                "LOAD 'pg_wabridges'",
                "-c",
                "SHOW wab.api_url",
            ]))?;
        assert_eq!(said.stdout.lines().nth(1), Some(fleet.sandbox.url()), "{statement}: {said:?}");
        fleet.sql("ALTER ROLE postgres RESET ALL; ALTER DATABASE app RESET ALL")?;
    }
    assert_eq!(elsewhere.ledger().await?.len(), 0, "the key was sent to another address");
    Ok(())
}

/// Faults that together cause every SQLSTATE of a failed call.
fn faults() -> Vec<serde_json::Value> {
    vec![
        json!({"kind": "status", "code": 401, "body": {"error": format!("no such key: {KEY}")}}),
        json!({"kind": "status", "code": 403, "body": format!("Bearer {KEY}")}),
        json!({"kind": "status", "code": 404, "body": format!("Bearer {KEY}")}),
        json!({"kind": "status", "code": 429, "retry_after": 3600}),
        json!({"kind": "status", "code": 500, "body": format!("Authorization: Bearer {KEY}")}),
        json!({"kind": "status", "code": 418, "body": {"error": KEY}}),
        json!({"kind": "reset"}),
        json!({"kind": "html"}),
        json!({"kind": "truncated"}),
        json!({"kind": "cut_json"}),
        json!({"kind": "garbage"}),
        json!({"kind": "huge", "bytes": 3_000_000}),
        json!({"kind": "hang"}),
        json!({"kind": "hang_after_headers"}),
        json!({"kind": "empty_list"}),
    ]
}

#[tokio::test]
async fn the_key_is_found_nowhere() -> Result<()> {
    let sandbox =
        Sandbox::start(&["--list-status", "--speed", "60", "--limit-other", "0", "--limit-floor", "0"])?;
    let fleet = Fleet::with(
        sandbox,
        &[
            ("shared_preload_libraries", "pg_stat_statements"),
            ("log_min_messages", "debug5"),
            ("log_statement", "all"),
            ("log_error_verbosity", "verbose"),
            ("client_min_messages", "debug5"),
            ("pg_stat_statements.track", "all"),
            ("pg_stat_statements.track_utility", "on"),
            ("wab.request_timeout", "400ms"),
            ("wab.max_response_size", "1MB"),
        ],
    )?;
    world::fill(&fleet).await?;
    fleet.sql("CREATE EXTENSION pg_stat_statements")?;
    let mut states = std::collections::BTreeSet::new();
    for fault in faults() {
        fleet.sandbox.fault(fault.clone()).await?;
        for call in [
            "wab_refresh()",
            "wab_reconcile()",
            "wab_provision('cust_01')",
            "wab_delete_instance(1, 'cust_01')",
        ] {
            let said = e2e::process::run(fleet.cluster.program("psql", DATABASE).args([
                "-X",
                "-v",
                "VERBOSITY=verbose",
                "-c",
                &format!("SELECT * FROM {call}"),
            ]))?;
            assert!(
                !said.stderr.contains(KEY) && !said.stdout.contains(KEY),
                "{fault}: {call}: {}",
                said.stderr
            );
            states.extend(
                said.stderr
                    .find("ERROR:  ")
                    .and_then(|at| said.stderr.get(at + 8..at + 13))
                    .map(str::to_owned),
            );
        }
        fleet.sandbox.heal().await?;
    }
    for state in ["08006", "28000", "53400", "54000", "58000"] {
        assert!(states.contains(state), "no fault gave {state}: {states:?}");
    }
    assert!(!states.contains("XX000"), "{states:?}");
    fleet.sql("SELECT * FROM wab_list_instances(); SELECT wab_log_summary()")?;
    for source in
        ["pg_settings", "pg_stat_statements", "pg_stat_activity", "pg_file_settings", "pg_db_role_setting"]
    {
        // The searching statements contain the key themselves, and the backend of the last one may still run.
        let found = fleet.sql(&format!(
            "LOAD 'pg_wabridges'; SELECT count(*) FROM {source} s
             WHERE s::text LIKE '%{}%' AND s::text NOT LIKE '%WHERE s::text LIKE%'",
            &KEY[8..]
        ))?;
        assert_eq!(found, "0", "{source}");
    }
    assert_ne!(fleet.sql("SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%wab_refresh%'")?, "0");
    let dump = e2e::process::must(&mut fleet.cluster.program("pg_dump", DATABASE))?;
    assert!(
        dump.contains("cust_01") && !dump.contains(KEY),
        "the dump must contain the data and not the key"
    );
    let searches = format!("LIKE '%{}%'", &KEY[8..]);
    let log = fleet.cluster.log()?;
    assert!(log.contains("DEBUG:"), "the log must be at level debug5");
    let lines: Vec<_> =
        log.lines().filter(|line| line.contains(&KEY[8..]) && !line.contains(&searches)).collect();
    assert!(lines.is_empty(), "{lines:?}");
    Ok(())
}

/// Also on PostgreSQL 14, where a view has the rights of its owner.
#[tokio::test]
async fn an_operator_writes_neither_tenants_through_the_views_nor_their_binding() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    // What an earlier version of the recipe granted.
    fleet.sql(
        "CREATE ROLE wab_operator; GRANT INSERT, UPDATE, DELETE ON wab_tenants, wab_drift TO wab_operator",
    )?;
    let recipe =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/roles.sql"))?;
    fleet.sql(&recipe)?;
    for statement in [
        "DELETE FROM wab_tenants",
        "UPDATE wab_tenants SET bridge_id = NULL",
        "UPDATE wab_tenant_binding SET wanted = 'true'",
        "DELETE FROM wab_tenant_binding",
    ] {
        let (code, message) = fleet.sql_error(&format!("SET ROLE wab_operator; {statement}"))?;
        assert_eq!(code, "42501", "{statement}: {message}");
    }
    fleet.sql("SET ROLE wab_operator; UPDATE wab_policy SET max_shrink = 0.4; INSERT INTO wab_status_words VALUES ('x', 'paired')")?;
    fleet.sql("SELECT * FROM wab_bind_tenants(wanted => 'true'); SELECT wab_unbind_tenants()")?;
    Ok(())
}
