//! Tests that `wab` and the SQL functions work through PgBouncer, and leave nothing on its server connections.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::pooler::{Pooler, Program};
use e2e::wait;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};

use crate::world;

/// Server connections of the pool. An apply uses two.
const POOL: u32 = 3;

/// Everything that a session can leave behind, also a parameter that it set to the value that it had. PgBouncer itself sets the
/// five parameters that it tracks.
const LEFT: &str = "SELECT (SELECT string_agg(name || ' = ' || setting, ', ' ORDER BY name) FROM pg_settings
         WHERE source = 'session' AND name NOT IN
             ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')),
        (SELECT string_agg(locktype || ' ' || mode, ', ') FROM pg_locks
         WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
        (SELECT string_agg(name, ', ') FROM pg_prepared_statements),
        (SELECT string_agg(name, ', ') FROM pg_cursors WHERE is_holdable),
        (SELECT string_agg(relname, ', ') FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
        (SELECT string_agg(channel, ', ') FROM pg_listening_channels() AS channel)";

/// What is left on each server connection. So many open transactions hold them all at once.
async fn left_behind(pooler: &Pooler) -> Result<Vec<String>> {
    let options: PgConnectOptions = pooler.url(DATABASE).parse()?;
    let options = options.extra_float_digits(None).disable_statement_logging();
    let (mut connections, mut left) = (Vec::new(), Vec::new());
    for _ in 0..POOL {
        let mut connection = options.connect().await?;
        sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
        let row = sqlx::raw_sql(LEFT).fetch_one(&mut connection).await?;
        for column in 0..row.len() {
            left.extend(row.try_get::<Option<String>, _>(column)?);
        }
        connections.push(connection);
    }
    for connection in connections {
        connection.close().await?;
    }
    Ok(left)
}

/// Each program in both modes.
fn kinds() -> Result<Vec<(Program, &'static str)>> {
    let programs = Program::all()?;
    Ok(programs
        .iter()
        .flat_map(|program| ["transaction", "session"].map(|mode| (program.clone(), mode)))
        .collect())
}

/// A fleet with drift of every kind, and a pooler in front of it.
async fn pooled(program: &Program, pool_mode: &str) -> Result<(Fleet, Pooler)> {
    let fleet = world::healthy(&[]).await?;
    world::break_everything(&fleet).await?;
    fleet.fleet_yaml(
        "tenants: { table: public.tenants, wanted: status = 'active' }
bridges: { webhook_url: 'https://app.example.net/{tenant_id}' }
policy: { disconnected_after: 0s }\n",
    )?;
    let pooler = Pooler::run(program, &fleet.cluster, pool_mode, POOL)?;
    Ok((fleet, pooler))
}

#[tokio::test]
async fn the_test_of_leftovers_sees_each_of_them() -> Result<()> {
    let (_fleet, pooler) = pooled(&Program::debian(), "transaction").await?;
    pooler.sql(
        DATABASE,
        "SET jit = off; SELECT pg_advisory_lock(1); PREPARE p AS SELECT 1; CREATE TEMP TABLE t (); LISTEN l;
         DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    )?;
    let left = left_behind(&pooler).await?;
    assert_eq!(left, ["jit = off", "advisory ExclusiveLock", "p", "c", "t", "l"]);
    Ok(())
}

#[tokio::test]
async fn verbs_leave_nothing_on_the_server_connections() -> Result<()> {
    for (program, pool_mode) in kinds()? {
        let (fleet, pooler) = pooled(&program, pool_mode).await?;
        let url = pooler.url(DATABASE);
        let runs: [(&[&str], i32); 16] = [
            (&["plan"], 0),
            (&["plan", "--detailed-exitcode", "--poll-status", "3"], 2),
            (&["drift"], 2),
            (&["drift", "--stored"], 2),
            (&["status"], 0),
            (&["export"], 0),
            (&["doctor"], 0),
            (&["plan", "--out", "plan.json"], 0),
            (&["apply", "plan.json"], 0),
            (&["apply", "-y"], 0),
            (&["apply", "-y", "--poll-status", "3"], 0),
            (&["plan", "--detailed-exitcode"], 0),
            (&["pair", "cust_06", "--phone", "+15550001111"], 0),
            (&["qr", "cust_06", "--out", "qr.png"], 0),
            (&["logout", "cust_01", "-y"], 0),
            (&["init", "--sql-only"], if fleet.install == Install::SqlOnly { 0 } else { 5 }),
        ];
        for (args, code) in runs {
            let said = fleet.wab_on(&url, args)?;
            assert_eq!(said.code, code, "{pool_mode} {args:?}: {}{}", said.stdout, said.stderr);
            if args == ["doctor"] {
                assert!(said.stdout.contains("; through a pooler"), "{pool_mode}: {}", said.stdout);
                assert!(!fleet.wab(args)?.stdout.contains("through a pooler"), "a direct connection");
            }
            let left = left_behind(&pooler).await?;
            assert!(left.is_empty(), "{pool_mode}: {args:?} left {left:?}");
        }
        assert_eq!(pooler.sql(DATABASE, "SELECT count(*) FROM tenants WHERE bridge_id > 0")?, "22");
    }
    Ok(())
}

#[tokio::test]
async fn in_sql_every_function_leaves_nothing_on_the_server_connections() -> Result<()> {
    for (program, pool_mode) in kinds()? {
        let (_fleet, pooler) = pooled(&program, pool_mode).await?;
        for statement in [
            "SELECT count(*) FROM wab_list_instances()",
            "SELECT * FROM wab_get_instance(1)",
            "SELECT * FROM wab_refresh(force => true)",
            "SELECT count(*) FROM wab_reconcile()",
            "SELECT * FROM wab_poll_status()",
            "SELECT * FROM wab_provision('cust_22')",
            "SELECT wab_enqueue_provision('cust_21')",
            "CALL wab_work_queue()",
            "CALL wab_run_job('refresh', 'SELECT * FROM wab_refresh()')",
            "SELECT * FROM wab_session_status('cust_01')",
            "SELECT wab_pair('cust_06', '+15550001111')",
            "SELECT length(wab_qr('cust_06')), length(wab_qr_text('cust_06'))",
            "SELECT * FROM wab_logout('cust_01')",
            "SELECT * FROM wab_delete_instance(3, 'cust_03')",
            "SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''')",
            "SELECT wab_log_summary(), wab_prune_history()",
            "SELECT count(*) FROM wab_drift",
            "SELECT * FROM wab_status",
            "SELECT * FROM wab_costs",
        ] {
            pooler.sql(DATABASE, statement).with_context(|| pool_mode.to_owned())?;
            let left = left_behind(&pooler).await?;
            assert!(left.is_empty(), "{pool_mode}: {statement} left {left:?}");
        }
        // A call that fails, and a call that is cancelled.
        for failing in [
            "SELECT * FROM wab_provision('no such tenant')",
            "BEGIN; SET LOCAL statement_timeout = 1; SELECT * FROM wab_refresh(), pg_sleep(1)",
        ] {
            ensure!(pooler.psql(DATABASE, failing)?.code != 0, "{failing}");
            let left = left_behind(&pooler).await?;
            assert!(left.is_empty(), "{pool_mode}: {failing} left {left:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn of_eight_applies_through_a_pooler_one_runs() -> Result<()> {
    let fleet = world::healthy(&["--limit-provision", "0"]).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 5) n")?;
    let pooler = Pooler::start(&fleet.cluster, "transaction", 10)?;
    let slow = json!({"method": "POST", "path": "/api/instances", "kind": "delay", "ms": 3000, "times": 1});
    fleet.sandbox.fault(slow).await?;
    let mut runs = Vec::new();
    for _ in 0..8 {
        let mut command = fleet.wab_command(&["apply", "-y"])?;
        command.env("DATABASE_URL", pooler.url(DATABASE));
        runs.push(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    }
    let mut codes = Vec::new();
    for run in runs {
        let output = run.wait_with_output()?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() == Some(10) {
            assert!(stderr.contains("SELECT pg_terminate_backend("), "{stderr}");
        }
        codes.push(output.status.code());
    }
    codes.sort();
    assert_eq!(codes, [vec![Some(0)], vec![Some(10); 7]].concat());
    assert_eq!(fleet.sandbox.calls("POST").await?, 5, "each missing bridge needs one POST");
    assert_eq!(fleet.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")?, "0");
    Ok(())
}

#[tokio::test]
async fn a_full_pool_ends_an_apply_soon_and_frees_the_lock() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    let pooler = Pooler::start(&fleet.cluster, "transaction", 1)?;
    let url = pooler.url(DATABASE) + "&connect_timeout=2";
    let said = fleet.wab_on(&url, &["plan"])?;
    assert_eq!(said.code, 0, "a plan needs one server connection: {}", said.stderr);
    let start = Instant::now();
    let said = fleet.wab_on(&url, &["apply", "-y"])?;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(said.code, 1, "{}", said.stderr);
    for part in ["no answer within 2 s", "wab apply needs two", "default_pool_size"] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    assert_eq!(fleet.sql(HELD)?, "");
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}", said.stderr);
    // PgBouncer 1.18 refuses this startup parameter with SQLSTATE 08P01.
    let said = fleet.wab_on(&(url + "&options=-c%20work_mem%3D8MB"), &["status"])?;
    assert!(
        said.stderr.contains("08P01") && said.stderr.contains("ignore_startup_parameters"),
        "{}",
        said.stderr
    );
    Ok(())
}

/// Whether a session holds the lock of `wab apply`, and what this session holds beside it.
const HELD: &str =
    "SELECT a.state, a.backend_xid, a.backend_xmin FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                    WHERE l.locktype = 'advisory'";

#[tokio::test]
async fn the_lock_ends_at_once_with_its_process_and_within_a_minute_with_its_network() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    let pooler = Pooler::start(&fleet.cluster, "transaction", 10)?;
    let slow = json!({"method": "POST", "path": "/api/instances", "kind": "delay", "ms": 4000});
    for (name, url) in [("direct", fleet.cluster.url(DATABASE)), ("pooled", pooler.url(DATABASE))] {
        fleet.sql(&format!("INSERT INTO tenants (id) SELECT '{name}_' || n FROM generate_series(1, 4) n"))?;
        // SIGSTOP: the process sends nothing more, as if its network were cut.
        for (signal, within) in [("-KILL", 2), ("-STOP", 60)] {
            fleet.sandbox.fault(slow.clone()).await?;
            let mut command = fleet.wab_command(&["apply", "-y"])?;
            command
                .env("DATABASE_URL", &url)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            let run = command.spawn()?;
            wait::until("the apply calls the provider", || async {
                Ok((fleet.sandbox.calls("POST").await? > 0).then_some(()))
            })
            .await?;
            assert_eq!(fleet.sql(HELD)?, "idle in transaction||", "it must hold neither an xid nor an xmin");
            let pid = run.id().to_string();
            e2e::process::must(std::process::Command::new("kill").args([signal, &pid]))?;
            let start = Instant::now();
            wait::until_within(Duration::from_secs(within), "the lock is free", || async {
                Ok(fleet.sql(HELD)?.is_empty().then_some(()))
            })
            .await
            .with_context(|| format!("{signal} {url}"))?;
            println!("{signal}: the lock was free after {:?}", start.elapsed());
            fleet.sandbox.heal().await?;
            if signal == "-STOP" {
                // The run that comes back must not go on without the lock.
                e2e::process::must(std::process::Command::new("kill").args(["-CONT", &pid]))?;
                let output = run.wait_with_output()?;
                let report = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(report.contains("the lock of wab apply was lost"), "{report}");
                assert_eq!(output.status.code(), Some(4), "{report}");
                assert_eq!(fleet.sandbox.calls("POST").await?, 1, "no call without the lock");
            }
            fleet.sandbox.clear_ledger().await?;
        }
        let said = fleet.wab(&["apply", "-y"])?;
        assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
        assert!(world::kinds(&fleet)?.is_empty(), "{:?}", world::kinds(&fleet)?);
        fleet.sandbox.clear_ledger().await?;
    }
    assert_eq!(fleet.sandbox.bridges().await?.len(), 28, "each tenant has one bridge");
    Ok(())
}
