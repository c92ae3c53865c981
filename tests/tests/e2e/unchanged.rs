//! Tests that a refresh with an unchanged list writes one row, unless wab_bridges was written since the last refresh.

use anyhow::Result;
use e2e::fleet::Fleet;
use e2e::sandbox::Sandbox;
use e2e::wait;
use serde_json::{Value, json};

use crate::world;

/// Runs a refresh; returns its result and the number of rows that it wrote per table.
const WRITTEN: &str = "
    BEGIN;
    SELECT appeared, changed, disappeared, skipped FROM wab_refresh();
    SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables
    WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 ORDER BY 1;
    COMMIT";

/// The stored columns that come from the list.
const LISTED: &str =
    "SELECT bridge_id, customer_ref, state, raw_status, created_at FROM wab_bridges ORDER BY 1";

#[tokio::test]
async fn an_unchanged_refresh_writes_one_row() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    world::break_everything(&fleet).await?;
    fleet.sql("SELECT * FROM wab_refresh()")?;
    for _ in 0..2 {
        assert_eq!(fleet.sql(WRITTEN)?, "0|0|0|f\nwab_observations|1|0|0");
    }
    assert_eq!(fleet.sql("SELECT count(DISTINCT listing_sha256) FROM (SELECT * FROM wab_observations ORDER BY observed_at DESC LIMIT 3) o")?, "1");
    // The refresh also records drift that a change of the tenants table causes.
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_24')")?;
    assert_eq!(fleet.sql(WRITTEN)?, "0|0|0|f\nwab_drift_episodes|1|0|0\nwab_observations|1|0|0");
    Ok(())
}

#[tokio::test]
async fn a_write_between_two_refreshes_is_corrected() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("SELECT * FROM wab_refresh()")?;
    let before = fleet.sql(LISTED)?;
    for (write, told) in [
        ("UPDATE wab_bridges SET state = 'stopped' WHERE bridge_id = 3", "0|1|0"),
        ("UPDATE wab_bridges SET customer_ref = 'x' WHERE bridge_id = 3", "0|1|0"),
        ("UPDATE wab_bridges SET created_at = now() WHERE bridge_id = 3", "0|1|0"),
        ("DELETE FROM wab_bridges WHERE bridge_id = 3", "1|0|0"),
        ("TRUNCATE wab_bridges", "20|0|0"),
        ("INSERT INTO wab_bridges (bridge_id, first_seen_at) VALUES (99, now() - interval '1 day')", "0|0|1"),
        ("SELECT wab_ingest_event('cust_03', '{\"event\": \"disconnected\"}')", "0|1|0"),
        ("SELECT _wab_observe_statuses('{3}', '{closed}')", "0|1|0"),
        ("SELECT _wab_record_delete(3, 'cust_03')", "1|0|0"),
        ("SELECT _wab_record_provision('cust_03', 77, 'running')", "0|0|1"),
    ] {
        fleet.sql(write)?;
        assert_eq!(fleet.sql("SELECT appeared, changed, disappeared FROM wab_refresh()")?, told, "{write}");
        assert_eq!(fleet.sql(LISTED)?, before, "{write}");
        assert!(fleet.sql(WRITTEN)?.ends_with("wab_observations|1|0|0"), "{write}");
    }
    Ok(())
}

#[tokio::test]
async fn a_list_with_malformed_rows_is_merged_again() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let mirrored = "SELECT mirrored FROM wab_observations ORDER BY observed_at DESC LIMIT 1";
    assert_eq!(fleet.sql(mirrored)?, "t");
    // wab_bridges has a bridge that is newer than the list, and later a status that is newer than the list.
    let observe = |at: &str| {
        fleet.sql(&format!(
            "SELECT o.changed, o.disappeared FROM (SELECT array_agg(bridge_id) AS i, array_agg(customer_ref) AS r,
                 array_agg(state) AS s, array_agg('connected'::text) AS w, array_agg(created_at) AS c
                 FROM wab_bridges WHERE bridge_id <= 20) l, wab_observe(l.i, l.r, l.s, l.w, l.c, {at}, listing_sha256 => 'same') o"
        ))
    };
    let again =
        |at: &str| fleet.sql(&format!("SELECT count(*) FROM _wab_observe_again('same', {at}, 'sql')"));
    fleet.sql("CREATE TABLE moment AS SELECT clock_timestamp() AS at; SELECT _wab_record_provision('cust_30', 30, 'running')")?;
    assert_eq!(observe("(SELECT at FROM moment)")?, "0|0");
    assert_eq!((fleet.sql(mirrored)?.as_str(), again("clock_timestamp()")?.as_str()), ("f", "0"));
    assert_eq!(observe("clock_timestamp()")?, "0|1");
    assert_eq!((fleet.sql(mirrored)?.as_str(), again("clock_timestamp()")?.as_str()), ("t", "1"));
    fleet.sql("UPDATE moment SET at = clock_timestamp(); SELECT _wab_observe_statuses('{3}', '{closed}')")?;
    assert_eq!(observe("(SELECT at FROM moment)")?, "0|0");
    assert_eq!(fleet.sql(mirrored)?, "f");
    assert_eq!(observe("clock_timestamp()")?, "1|0");
    assert_eq!(fleet.sql(mirrored)?, "t");
    // It returns no row for another list, a wrong time, or a snapshot that is older than the lock.
    assert_eq!(fleet.sql("SELECT count(*) FROM _wab_observe_again('other', clock_timestamp(), 'sql')")?, "0");
    for at in ["clock_timestamp() - interval '1 hour'", "clock_timestamp() + interval '1 hour'"] {
        assert_eq!(again(at)?, "0", "{at}");
    }
    let repeatable = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM _wab_observe_again('same', clock_timestamp(), 'sql'); COMMIT";
    assert_eq!(fleet.sql(repeatable)?, "0");
    Ok(())
}

#[tokio::test]
async fn a_list_without_statuses_counts_as_unchanged_after_a_poll() -> Result<()> {
    let fleet = Fleet::with(Sandbox::start(&["--speed", "60"])?, &[])?;
    world::fill(&fleet).await?;
    fleet.sql("SELECT * FROM wab_poll_status(5)")?;
    assert_eq!(fleet.sql("SELECT mirrored FROM wab_observations ORDER BY observed_at DESC LIMIT 1")?, "t");
    Ok(())
}

/// `wab plan` reads the stored bridges if the list is unchanged, else it merges the list. Both ways give the same plan.
#[tokio::test]
async fn a_plan_is_the_same_from_what_is_stored_and_from_the_list() -> Result<()> {
    let sandbox = Sandbox::start(&["--list-status", "--speed", "60"])?;
    let conf = [("shared_preload_libraries", "pg_stat_statements"), ("pg_stat_statements.track", "all")];
    let fleet = Fleet::with(sandbox, &conf)?;
    world::fill(&fleet).await?;
    world::break_everything(&fleet).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sql("CREATE EXTENSION pg_stat_statements; SELECT * FROM wab_refresh()")?;
    let merges = || {
        fleet.sql(
            "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE '%_wab_store_listing(%' AND query NOT LIKE '%pg_stat%'",
        )
    };
    let plan = || -> Result<(Value, String)> {
        let said = fleet.wab(&["plan", "--format", "json"])?;
        assert_eq!(said.code, 0, "{}", said.stderr);
        let mut plan: Value = serde_json::from_str(&said.stdout)?;
        for volatile in ["made_at", "expires_at", "listing_sha256", "sha256"] {
            plan.as_object_mut().map(|fields| fields.remove(volatile));
        }
        Ok((plan, merges()?))
    };
    let (stored, none) = plan()?;
    assert_eq!(none, merges()?, "the plan must not merge an unchanged list");
    fleet.sql("UPDATE wab_observations SET mirrored = false")?;
    let (listed, one) = plan()?;
    assert_ne!(none, one, "the plan must merge the list");
    assert!(stored["steps"].as_array().is_some_and(|steps| steps.len() > 2), "{stored}");
    assert_eq!(stored, listed);
    // The plan must contain later changes at the provider.
    fleet.sql("SELECT * FROM wab_refresh()")?;
    fleet.sandbox.change(5, json!({"state": "stopped"})).await?;
    fleet.sandbox.change(8, json!({"status": "closed"})).await?;
    let (changed, _) = plan()?;
    assert_ne!(changed, stored);
    // Evaluating only the two changed bridges must give the same plan as evaluating all.
    fleet.sql("UPDATE wab_observations SET mirrored = false")?;
    assert_eq!(plan()?.0, changed);
    Ok(())
}

#[tokio::test]
async fn a_write_during_a_refresh_is_corrected() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    let before = fleet.sql(LISTED)?;
    fleet.sandbox.fault(json!({"path": "/api/instances", "kind": "delay", "ms": 1000})).await?;
    let write = "UPDATE wab_bridges SET state = 'stopped' WHERE bridge_id = 3";
    let mut connection = fleet.connect().await?;
    for call in ["SELECT * FROM wab_refresh()", "SELECT * FROM wab_reconcile()"] {
        fleet.sandbox.clear_ledger().await?;
        let (called, written) = tokio::join!(sqlx::query(call).execute(&mut connection), async {
            wait::until("the provider has received the list call", async || {
                Ok((fleet.sandbox.calls("GET").await? > 0).then_some(()))
            })
            .await?;
            fleet.sql(write)
        });
        called?;
        written?;
        assert_eq!(fleet.sql(LISTED)?, before, "{call}");
        assert_eq!(fleet.sql("SELECT kind FROM wab_drift WHERE bridge_id = 3")?, "", "{call}");
    }
    fleet.sandbox.clear_ledger().await?;
    let mut plan = fleet.wab_command(&["plan", "--format", "json"])?;
    let plan = std::thread::spawn(move || e2e::process::run(&mut plan));
    wait::until("the provider has received the list call", async || {
        Ok((fleet.sandbox.calls("GET").await? > 0).then_some(()))
    })
    .await?;
    fleet.sql(write)?;
    let said = plan.join().expect("the thread must not panic")?;
    assert_eq!(said.code, 0, "{}", said.stderr);
    let plan: Value = serde_json::from_str(&said.stdout)?;
    assert_eq!(plan["findings"], json!([]), "the plan must use the list and not the stored state");
    Ok(())
}
