//! Tests a streaming standby: all views can be read there, no function calls the provider from there, and after a promotion
//! during an apply that does not wait for it, the next apply loses nothing.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use e2e::cluster::Cluster;
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::sandbox::Sandbox;
use e2e::wait;
use serde_json::{Value, json};

use crate::picture::Picture;
use crate::world;

/// Waits until the standby has replayed all that the primary wrote.
async fn caught_up(primary: &Cluster, standby: &Cluster) -> Result<()> {
    let written = primary.sql("postgres", "SELECT pg_current_wal_flush_lsn()")?;
    wait::until("the standby has caught up", || async {
        let there = standby.sql("postgres", &format!("SELECT pg_last_wal_replay_lsn() >= '{written}'"))?;
        Ok((there == "t").then_some(()))
    })
    .await
}

#[tokio::test]
async fn every_view_answers_on_a_standby_as_on_the_primary() -> Result<()> {
    let fleet = world::lived_in(Install::Extension).await?;
    let standby = fleet.cluster.standby()?;
    fleet.sql("UPDATE tenants SET bridge_status = 'unknown' WHERE id = 'cust_09'; INSERT INTO tenants (id) VALUES ('late')")?;
    let before = Picture::of(&fleet.cluster, DATABASE)?;
    // The fleet is observed, and the provider has no outage.
    let silent: Vec<_> = before
        .silent()
        .into_iter()
        .filter(|name| !["_wab_provider_outages", "_wab_unobserved"].contains(name))
        .collect();
    ensure!(silent.is_empty(), "these are empty, so comparing them proves nothing: {silent:?}");
    caught_up(&fleet.cluster, &standby).await?;
    let there = Picture::of(&standby, DATABASE)?;
    there.is_copy_of(&before, &Picture::of(&fleet.cluster, DATABASE)?)
}

#[tokio::test]
async fn no_function_calls_the_provider_from_a_standby() -> Result<()> {
    // This text serves as a tenant id, a customer_ref and a phone number.
    const NUMBER: &str = "15550001234";
    let fleet = world::healthy(&[]).await?;
    fleet.sandbox.add(json!([{"id": 3000, "customer_ref": NUMBER, "status": "qr"}])).await?;
    fleet.sql(&format!(
        "INSERT INTO tenants VALUES ('{NUMBER}', 'active', 3000); SELECT * FROM wab_refresh()"
    ))?;
    let standby = fleet.cluster.standby()?;
    fleet.sandbox.clear_ledger().await?;
    // All compiled functions, including future ones, except two that never call the provider.
    let calls = fleet.sql(&format!(
        "SELECT p.proname || '(' || coalesce((SELECT string_agg(CASE t::regtype::text WHEN 'text' THEN '''{NUMBER}''' WHEN 'bigint' THEN '3000'
                    WHEN 'integer' THEN '5' WHEN 'interval' THEN '''0''' WHEN 'boolean' THEN 'true' ELSE 'NULL' END || '::' || t::regtype, ', ' ORDER BY n)
                FROM unnest(p.proargtypes) WITH ORDINALITY a(t, n)), '') || ')'
         FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
         WHERE p.proname ~ '^_?wab_' AND l.lanname = 'c' AND p.provolatile = 'v' ORDER BY 1"
    ))?;
    for name in
        ["delete_instance", "get_instance", "list_rows", "poll_status", "provision", "reconcile", "refresh"]
    {
        ensure!(calls.contains(&format!("wab_{name}(")), "wab_{name}: {calls}");
    }
    for call in calls.lines() {
        let (code, message) = standby.sql_error(DATABASE, &format!("SELECT * FROM {call}"))?;
        assert_eq!(code, "25006", "{call}: {message}");
        ensure!(message.contains("standby") || message.contains("during recovery"), "{call}: {message}");
    }
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0, "nothing was sent");
    assert_eq!(
        fleet.sql("BEGIN READ ONLY; SELECT count(*) FROM wab_list_instances()")?,
        "21",
        "a read-only transaction on a primary must be able to list"
    );
    Ok(())
}

#[tokio::test]
async fn wab_can_only_read_on_a_standby() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    world::break_everything(&fleet).await?;
    fleet.fleet_yaml(world::YAML)?;
    let standby = fleet.cluster.standby()?;
    fleet.sandbox.clear_ledger().await?;
    let url = standby.url(DATABASE);
    for verb in [&["plan"][..], &["apply", "-y"], &["drift"], &["export"]] {
        let said = fleet.wab_on(&url, verb)?;
        assert_eq!(said.code, 1, "{verb:?}: {}{}", said.stdout, said.stderr);
        ensure!(said.stderr.contains("this database is a standby"), "{verb:?}: {}", said.stderr);
        ensure!(said.stderr.contains("connect to the primary"), "{verb:?}: {}", said.stderr);
    }
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0, "nothing was sent");

    let stored = ["drift", "--stored", "--format", "json"];
    let (here, there) = (fleet.wab(&stored)?, fleet.wab_on(&url, &stored)?);
    assert_eq!((here.code, here.stdout), (there.code, there.stdout), "{}", there.stderr);
    let said = fleet.wab_on(&url, &["status", "--format", "json"])?;
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(serde_json::from_str::<Value>(&said.stdout)?["bridges"], json!(23));
    let said = fleet.wab_on(&url, &["doctor"])?;
    ensure!(said.code == 1 && said.stdout.contains("a standby"), "{}: {}", said.code, said.stdout);
    Ok(())
}

/// The number of tenants without a bridge.
const TENANTS: usize = 30;

/// The moment of the primary's crash and, if the standby is disconnected earlier, that moment; both in bridges made.
struct Loss {
    dies_at: usize,
    last_heard_at: Option<usize>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_amid_an_apply_loses_nothing() -> Result<()> {
    for (dies_at, last_heard_at) in [(1, None), (10, None), (20, None), (12, Some(4)), (8, Some(0))] {
        promoted(Loss { dies_at, last_heard_at })
            .await
            .with_context(|| format!("died after {dies_at} bridges, last heard after {last_heard_at:?}"))?;
    }
    Ok(())
}

/// A fleet in which all tenants but two have no bridge; each POST takes 60 ms.
async fn empty_handed() -> Result<Fleet> {
    let limits = ["--limit-provision", "0", "--limit-proxy", "0", "--limit-other", "0", "--limit-floor", "0"];
    let fleet = Fleet::installed(
        Install::Extension,
        Sandbox::start(&[&["--list-status"][..], &limits].concat())?,
        &[],
    )?;
    fleet.fleet_yaml(
        "  limits: { provision: 1000/1s, proxy: 1000/1s, other: 1000/1s }\ntenants: { table: public.tenants }\npolicy: { max_creates: 50 }\n",
    )?;
    fleet.sandbox.add(json!([{"customer_ref": "t01", "status": "connected"}, {"customer_ref": "t02", "status": "connected"}])).await?;
    fleet.sql(&format!(
        "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         INSERT INTO tenants SELECT 't' || lpad(n::text, 2, '0'), CASE WHEN n < 3 THEN n END, CASE WHEN n < 3 THEN 'paired' END
         FROM generate_series(1, {}) n;
         SELECT * FROM wab_bind_tenants('tenants')",
        TENANTS + 2
    ))?;
    fleet.observe().await?;
    let slow = json!({"method": "POST", "path": "/api/instances", "kind": "delay", "ms": 60});
    fleet.sandbox.fault(slow).await?;
    fleet.sandbox.clear_ledger().await?;
    Ok(fleet)
}

/// Waits until the provider has made this number of bridges.
async fn made(fleet: &Fleet, bridges: usize) -> Result<()> {
    wait::until("the provider has made enough bridges", || async {
        Ok((fleet.sandbox.calls("POST").await? >= bridges).then_some(()))
    })
    .await
}

/// Disconnects the standby from its primary.
async fn cut_off(standby: &Cluster) -> Result<()> {
    standby.sql("postgres", "ALTER SYSTEM SET primary_conninfo = ''")?;
    standby.reload()?;
    wait::until("the standby is cut off", || async {
        let heard = standby.sql("postgres", "SELECT count(*) FROM pg_stat_wal_receiver")?;
        Ok((heard == "0").then_some(()))
    })
    .await
}

async fn promoted(loss: Loss) -> Result<()> {
    let fleet = empty_handed().await?;
    let standby = fleet.cluster.standby()?;
    caught_up(&fleet.cluster, &standby).await?;
    if loss.last_heard_at == Some(0) {
        cut_off(&standby).await?;
    }
    let mut wab = fleet.wab_command(&["apply", "-y", "--format", "json", "--failover-timeout", "0s"])?;
    let wab = wab.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(heard @ 1..) = loss.last_heard_at {
        made(&fleet, heard).await?;
        cut_off(&standby).await?;
    }
    made(&fleet, loss.dies_at).await?;
    fleet.cluster.crash()?;
    standby.promote()?;
    let ended = wab.wait_with_output()?;
    let (stdout, stderr) = (String::from_utf8(ended.stdout)?, String::from_utf8(ended.stderr)?);
    ensure!(matches!(ended.status.code(), Some(1 | 4)), "{}: {stdout}{stderr}", ended.status);
    tells_the_truth(&fleet, &serde_json::from_str(&stdout)?).await?;

    let runs = standby.sql(DATABASE, "SELECT count(*) FROM wab_runs WHERE finished_at IS NULL")?;
    let status = fleet.wab_on(&standby.url(DATABASE), &["status"])?;
    ensure!(status.code == 0, "{}", status.stderr);
    ensure!(status.stdout.contains("interrupted") == (runs == "1"), "{runs} open runs: {}", status.stdout);
    ensure!((runs == "1") == (loss.last_heard_at != Some(0)), "{runs} open runs reached the standby");
    converges(&fleet, &standby).await
}

/// Checks that each bridge that the report calls done exists, and that the report contains each bridge that was made.
async fn tells_the_truth(fleet: &Fleet, report: &Value) -> Result<()> {
    let live = live(fleet).await?;
    let steps = report["run"]["steps"].as_array().with_context(|| format!("no steps: {report}"))?;
    for step in steps.iter().filter(|step| step["outcome"] == "done") {
        ensure!(
            live.get(&step["bridge_id"].to_string())
                == step["customer_ref"].as_str().map(str::to_owned).as_ref(),
            "{step}"
        );
    }
    for (id, customer_ref) in live.iter().filter(|(_, customer_ref)| *customer_ref > &"t02".to_owned()) {
        ensure!(
            steps.iter().any(|step| step["customer_ref"] == *customer_ref),
            "bridge {id} is missing in {report}"
        );
    }
    Ok(())
}

/// Checks that after one apply on the promoted standby each tenant has one bridge, made once, and its id in the tenant row.
async fn converges(fleet: &Fleet, standby: &Cluster) -> Result<()> {
    let url = standby.url(DATABASE);
    fleet.sandbox.heal().await?;
    let said = fleet.wab_on(&url, &["apply", "-y"])?;
    ensure!(said.code == 0, "{}{}", said.stdout, said.stderr);
    let said = fleet.wab_on(&url, &["plan", "--detailed-exitcode"])?;
    ensure!(said.code == 0, "the next plan has steps: {}", said.stdout);
    let live = live(fleet).await?;
    let mut owners: Vec<_> = live.values().cloned().collect();
    owners.sort();
    let tenants: Vec<_> = (1..=TENANTS + 2).map(|n| format!("t{n:02}")).collect();
    ensure!(owners == tenants, "each tenant must have one bridge: {owners:?}");
    let rows = standby.sql(DATABASE, "SELECT t.bridge_id, t.id FROM tenants t JOIN wab_bridges b ON (b.bridge_id, b.customer_ref) = (t.bridge_id, t.id)")?;
    let rows: BTreeMap<String, String> = rows
        .lines()
        .filter_map(|row| row.split_once('|'))
        .map(|(id, tenant)| (id.into(), tenant.into()))
        .collect();
    ensure!(rows == live, "each tenant row must have the id of its bridge: {rows:?}");
    let ledger = fleet.sandbox.ledger().await?;
    let mut posts: Vec<_> = ledger
        .iter()
        .filter(|call| call["method"] == "POST")
        .filter_map(|call| call["customer_ref"].as_str())
        .collect();
    posts.sort_unstable();
    ensure!(posts == tenants[2..], "each bridge must be provisioned once: {posts:?}");
    ensure!(fleet.sandbox.calls("DELETE").await? == 0, "no bridge may be deleted");
    Ok(())
}

/// The provider's bridge ids and their customer_refs.
async fn live(fleet: &Fleet) -> Result<BTreeMap<String, String>> {
    let bridges = fleet.sandbox.bridges().await?;
    let carried = |bridge: &Value| bridge["customer_ref"].as_str().unwrap_or_default().to_owned();
    Ok(bridges.iter().map(|bridge| (bridge["id"].to_string(), carried(bridge))).collect())
}
