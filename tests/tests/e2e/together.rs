//! Tests concurrent runs: of several applies one acts, and refreshes and an apply do not disturb each other.

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::Result;
use e2e::fleet::DATABASE;
use e2e::wait;
use serde_json::json;

use crate::world;

#[tokio::test]
async fn of_eight_applies_one_runs() -> Result<()> {
    let fleet = world::healthy(&["--limit-provision", "0"]).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 5) n")?;
    fleet.sandbox.clear_ledger().await?;
    // The first apply must last longer than the start of the seven others, so that none of them finds the lock free.
    let slow = json!({"method": "POST", "path": "/api/instances", "kind": "delay", "ms": 3000, "times": 1});
    fleet.sandbox.fault(slow).await?;
    let mut runs = Vec::new();
    for _ in 0..8 {
        let mut command = fleet.wab_command(&["apply", "-y"])?;
        runs.push(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    }
    let (mut codes, mut holders) = (Vec::new(), BTreeSet::new());
    for run in runs {
        let output = run.wait_with_output()?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code();
        if code == Some(10) {
            let first = stderr.lines().next().unwrap_or_default().to_owned();
            for named in ["server process ", "role postgres", "since "] {
                assert!(first.contains(named), "the message does not contain {named:?}: {stderr}");
            }
            holders.insert(first);
        }
        codes.push(code);
    }
    codes.sort();
    assert_eq!(codes, [vec![Some(0)], vec![Some(10); 7]].concat());
    assert_eq!(holders.len(), 1, "all must name the same running apply: {holders:?}");
    assert_eq!(fleet.sandbox.calls("POST").await?, 5, "each missing bridge needs one POST");
    assert!(world::kinds(&fleet)?.is_empty(), "the fleet must have no drift");
    Ok(())
}

#[tokio::test]
async fn a_reconcile_during_a_refresh_locks_no_tenant_row_before_it_may_record() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("UPDATE tenants SET bridge_status = 'unknown' WHERE id = 'cust_01'")?;
    let locked = |purpose: &str| format!("SELECT pg_advisory_xact_lock(_wab_lock_id('{purpose}'))");
    let begin = |sql: String| sqlx::raw_sql(sqlx::AssertSqlSafe(format!("BEGIN; {sql}")));
    let (mut refresh, mut recorder) = (fleet.connect().await?, fleet.connect().await?);
    begin(locked("refresh")).execute(&mut refresh).await?;
    // Like a call that is recorded: the observe lock first, then the tenant's row.
    begin(locked("observe")).execute(&mut recorder).await?;
    let mut reconcile = fleet.connect().await?;
    let reconciled = tokio::spawn(async move {
        sqlx::raw_sql("SELECT * FROM wab_reconcile()").execute(&mut reconcile).await.map(drop)
    });
    let waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    wait::until("the reconcile waits", || async { Ok((!fleet.sql(waits)?.is_empty()).then_some(())) })
        .await?;
    let write = "SET LOCAL lock_timeout = '1s'; UPDATE tenants SET bridge_id = bridge_id WHERE id = 'cust_01'; COMMIT";
    sqlx::raw_sql(write).execute(&mut recorder).await?;
    reconciled.await??;
    assert_eq!(fleet.sql("SELECT bridge_status FROM tenants WHERE id = 'cust_01'")?, "paired");
    Ok(())
}

#[tokio::test]
async fn a_tenant_row_that_an_application_has_locked_holds_nobody_up() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.cluster.expect_in_log(&["of the tenant rows could not be written"]);
    fleet
        .sql("UPDATE tenants SET bridge_status = 'unknown' WHERE id IN ('cust_01', 'cust_02', 'cust_03')")?;
    let mut application = fleet.connect().await?;
    sqlx::raw_sql("BEGIN; SELECT FROM tenants WHERE id = 'cust_01' FOR UPDATE")
        .execute(&mut application)
        .await?;
    for timeout in ["0", "50ms"] {
        let reconcile = format!(
            "SET lock_timeout = '{timeout}'; SET statement_timeout = '20s'; \
                                 SELECT string_agg(customer_ref, ' ') FROM wab_reconcile()"
        );
        let output = fleet.cluster.program("psql", DATABASE).args(["-XqAt", "-c", &reconcile]).output()?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{stderr}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "cust_01");
        assert!(
            stderr.contains("tenant cust_01: another transaction has locked the row of public.tenants"),
            "{stderr}"
        );
        assert!(stderr.contains("1 of the tenant rows could not be written"), "{stderr}");
        fleet.sql("UPDATE tenants SET bridge_status = 'unknown' WHERE id = 'cust_03'")?;
    }
    sqlx::raw_sql("COMMIT").execute(&mut application).await?;
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_reconcile()")?, "0");
    // While PostgreSQL builds an index (SHARE lock), wab_reconcile() can write no row. It still stores the observation.
    sqlx::raw_sql("BEGIN; LOCK tenants IN SHARE MODE").execute(&mut application).await?;
    fleet
        .sandbox
        .change(
            fleet.sql("SELECT bridge_id FROM tenants WHERE id = 'cust_02'")?.parse()?,
            json!({"status": "disconnected"}),
        )
        .await?;
    fleet.sql("SET statement_timeout = '20s'; SELECT FROM wab_reconcile()")?;
    assert_eq!(fleet.sql("SELECT status FROM wab_bridges WHERE customer_ref = 'cust_02'")?, "disconnected");
    sqlx::raw_sql("COMMIT").execute(&mut application).await?;
    fleet.sql("SELECT FROM wab_reconcile()")?;
    assert_eq!(fleet.sql("SELECT bridge_status FROM tenants WHERE id = 'cust_02'")?, "disconnected");
    Ok(())
}

#[tokio::test]
async fn an_application_that_changes_a_tenant_and_passes_an_event_on_is_no_victim_of_a_reconcile()
-> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.cluster.expect_in_log(&["of the tenant rows could not be written"]);
    fleet.sql("UPDATE tenants SET bridge_status = 'unknown' WHERE id = 'cust_01'")?;
    let (mut application, mut reconcile) = (fleet.connect().await?, fleet.connect().await?);
    sqlx::raw_sql("BEGIN; UPDATE tenants SET status = status WHERE id = 'cust_01'")
        .execute(&mut application)
        .await?;
    let reconciled = tokio::spawn(async move {
        sqlx::raw_sql("SELECT FROM wab_reconcile()").execute(&mut reconcile).await.map(drop)
    });
    let waits = "SELECT 1 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted";
    wait::until("the reconcile waits for the row", || async {
        Ok((!fleet.sql(waits)?.is_empty()).then_some(()))
    })
    .await?;
    let event = "SELECT wab_ingest_event('cust_01', '{\"event\": \"disconnected\"}'); COMMIT";
    sqlx::raw_sql(event).execute(&mut application).await?;
    reconciled.await??;
    Ok(())
}

#[tokio::test]
async fn refreshes_and_an_apply_do_not_disturb_each_other() -> Result<()> {
    let limits = ["--limit-provision", "0", "--limit-proxy", "0", "--limit-other", "0", "--limit-floor", "0"];
    let fleet = world::healthy(&limits).await?;
    fleet.fleet_yaml(&format!(
        "  limits: {{ provision: 1000/1s, proxy: 1000/1s, other: 1000/1s }}\n{}",
        world::YAML
    ))?;
    let slow = json!({"method": "POST", "path": "/api/instances", "kind": "delay", "ms": 25});
    fleet.sandbox.fault(slow).await?;
    for round in 0..3 {
        // The plan has steps of each kind that writes rows, also status writes, which wab_reconcile() does too.
        fleet.sql(&format!(
            "INSERT INTO tenants (id) SELECT 'new_{round}_' || n FROM generate_series(1, 30) n;
             UPDATE tenants SET bridge_id = NULL WHERE id IN ('cust_01', 'cust_02', 'cust_03');
             UPDATE tenants SET bridge_status = 'unknown' WHERE id IN ('cust_04', 'cust_05')"
        ))?;
        let mut command = fleet.wab_command(&["apply", "-y"])?;
        let mut run = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut refreshes = 0;
        while run.try_wait()?.is_none() {
            let sessions =
                ["SELECT * FROM wab_refresh()"; 3].into_iter().chain(["SELECT * FROM wab_reconcile()"]);
            let mut clients = Vec::new();
            for sql in sessions {
                let mut psql = fleet.cluster.program("psql", DATABASE);
                psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
                clients.push(psql.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?);
            }
            for client in clients {
                let output = client.wait_with_output()?;
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                refreshes += 1;
            }
        }
        let output = run.wait_with_output()?;
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(refreshes >= 8, "too few refreshes ran during the applies: {refreshes}");
    }
    assert!(!fleet.cluster.log()?.contains("deadlock detected"));
    fleet.observe().await?;
    assert!(world::kinds(&fleet)?.is_empty(), "{:?}", world::kinds(&fleet)?);
    let live = fleet.sandbox.bridges().await?;
    let mut live: Vec<String> =
        live.iter().filter_map(|b| Some(format!("{}|{}", b["customer_ref"].as_str()?, b["id"]))).collect();
    live.sort();
    assert_eq!(live.len(), 20 + 90, "each tenant must have one bridge");
    let lines = |sql: &str| -> Result<Vec<String>> {
        let mut lines: Vec<String> = fleet.sql(sql)?.lines().map(str::to_owned).collect();
        lines.sort();
        Ok(lines)
    };
    assert_eq!(
        lines("SELECT id, bridge_id FROM tenants")?,
        live,
        "each tenant row must have the id of its bridge"
    );
    assert_eq!(
        lines("SELECT customer_ref, bridge_id FROM wab_bridges")?,
        live,
        "wab_bridges must contain each bridge"
    );
    Ok(())
}

#[tokio::test]
async fn a_refresh_keeps_the_drift_that_was_recorded_while_the_provider_answered() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    // The list says nothing of the bridge that an event tells of.
    fleet.sandbox.set(json!({"list_status": false})).await?;
    fleet.observe().await?;
    fleet.sql("UPDATE wab_policy SET disconnected_after = '0'")?;
    for call in ["wab_refresh()", "wab_reconcile(max_status_calls => 0)"] {
        let slow =
            json!({"method": "GET", "path": "/api/instances", "kind": "delay", "ms": 1500, "times": 1});
        fleet.sandbox.clear_ledger().await?;
        fleet.sandbox.fault(slow).await?;
        let mut session = fleet.connect().await?;
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut session).await?;
        let refresh = format!("SELECT count(*) FROM {call}");
        let refreshed = tokio::spawn(async move {
            sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(refresh)).fetch_one(&mut session).await
        });
        world::until_waiting(&fleet, pid, "Extension").await?;
        fleet.sql("SELECT wab_ingest_event('cust_03', '{\"event\": \"disconnected\"}')")?;
        refreshed.await??;
        let episodes =
            "SELECT customer_ref, ended_at IS NULL FROM wab_drift_episodes WHERE kind = 'disconnected'";
        assert_eq!(fleet.sql(episodes)?, "cust_03|t", "{call}");
        fleet.sql("SELECT wab_ingest_event('cust_03', '{\"event\": \"connected\"}')")?;
        fleet.sql("DELETE FROM wab_drift_episodes")?;
    }
    Ok(())
}

#[tokio::test]
async fn a_row_that_got_another_bridge_meanwhile_is_not_cleared() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(
        "INSERT INTO tenants (id, status, bridge_id, bridge_status) VALUES ('x', 'left', 999, 'paired')",
    )?;
    assert_eq!(world::kinds(&fleet)?, ["stale_binding"]);
    let (mut application, mut apply) = (fleet.connect().await?, fleet.connect().await?);
    sqlx::raw_sql("BEGIN; UPDATE tenants SET status = 'active' WHERE id = 'x'")
        .execute(&mut application)
        .await?;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut apply).await?;
    let unlinked = tokio::spawn(async move {
        sqlx::query_as::<_, (String, String)>("SELECT u.customer_ref, u.reason FROM _wab_unlink_bridges() u")
            .fetch_all(&mut apply)
            .await
    });
    world::until_waiting(&fleet, pid, "Lock").await?;
    let provisioned: i64 = sqlx::query_scalar("SELECT p.bridge_id FROM wab_provision('x') p")
        .fetch_one(&mut application)
        .await?;
    sqlx::raw_sql("COMMIT").execute(&mut application).await?;
    unlinked.await??;
    assert_eq!(fleet.sql("SELECT bridge_id FROM tenants WHERE id = 'x'")?, provisioned.to_string());
    Ok(())
}

#[tokio::test]
async fn a_binding_waits_for_no_row_while_it_holds_the_views() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let mut application = fleet.connect().await?;
    // Among them is the tenant that the binding tries to write.
    sqlx::raw_sql("BEGIN; SELECT FROM tenants FOR UPDATE").execute(&mut application).await?;
    fleet.sql(
        "SET statement_timeout = '1500ms'; SELECT * FROM wab_bind_tenants(wanted => $$status <> 'left'$$)",
    )?;
    Ok(())
}
