//! Tests that pg_upgrade keeps everything: rows, drift, history and costs; and that the product works on the new server. The new
//! server is that of WAB_E2E_NEW_PG_CONFIG, or the same one again: pg_upgrade does the same work between equal versions.

use anyhow::{Result, ensure};
use e2e::fleet::{DATABASE, Install};
use serde_json::json;

use crate::picture::Picture;
use crate::world;

/// What a customer is told about the past, which no later second may change.
const PAST: &str = "
    SELECT * FROM wab_costs WHERE month < date_trunc('month', now()) ORDER BY month;
    SELECT * FROM wab_tenant_costs('2026-05-05') ORDER BY 1;
    SELECT kind, severity, tenant_id, bridge_id, customer_ref, stored, observed, since, detail, monthly_cost
    FROM wab_drift ORDER BY kind, customer_ref, bridge_id;
    SELECT h.* FROM wab_tenant_history('cust_05') h;
    SELECT incident_id, kind, customer_ref, began_at, state FROM wab_incidents ORDER BY 1";

fn new_pg_config() -> String {
    let named = |name| std::env::var(name).ok();
    named("WAB_E2E_NEW_PG_CONFIG").or_else(|| named("PG_CONFIG")).unwrap_or_else(|| "pg_config".to_owned())
}

async fn upgraded(install: Install) -> Result<()> {
    let mut fleet = world::lived_in(install).await?;
    fleet
        .sandbox
        .add(json!([{"customer_ref": "since_february", "status": "connected", "created_at": "2026-02-03T04:05:06Z"}]))
        .await?;
    fleet.sandbox.change(9, json!({"status": "disconnected"})).await?;
    fleet.observe().await?;
    let plan = fleet.wab(&["plan"])?;
    let past = fleet.sql(PAST)?;
    ensure!(past.contains("since_february") && past.contains("disconnected"), "{past}");
    let before = Picture::of_tables(&fleet.cluster, DATABASE)?;

    let new = fleet.cluster.pg_upgrade(&new_pg_config())?;
    // It stays until the end of the test, because it holds the file with the key.
    let _old = std::mem::replace(&mut fleet.cluster, new);
    fleet.sql("ANALYZE")?;
    assert_eq!(fleet.sql(PAST)?, past);
    Picture::of_tables(&fleet.cluster, DATABASE)?.is_copy_of(&before, &before)?;

    assert_eq!(fleet.wab(&["plan"])?.stdout, plan.stdout);
    fleet.observe().await?;
    let applied = fleet.wab(&["apply", "-y"])?;
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    let again = fleet.wab(&["plan", "--detailed-exitcode"])?;
    assert_eq!(again.code, 0, "{}{}", again.stdout, again.stderr);
    let doctor = fleet.wab(&["doctor"])?;
    assert_eq!(doctor.code, 0, "{}{}", doctor.stdout, doctor.stderr);
    Ok(())
}

#[tokio::test]
async fn an_installed_extension_survives_it() -> Result<()> {
    upgraded(Install::Extension).await
}

#[tokio::test]
async fn objects_without_the_extension_survive_it() -> Result<()> {
    upgraded(Install::SqlOnly).await
}
