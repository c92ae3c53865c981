//! The recipe of `sql/cron.sql` with the real pg_cron: the jobs run, fail while the provider is down, and recover.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use e2e::fleet::Fleet;
use e2e::sandbox::Sandbox;
use e2e::wait;
use serde_json::json;

use crate::world;

#[tokio::test]
async fn the_recipe_runs_fails_and_recovers() -> Result<()> {
    let sandbox = Sandbox::start(&["--list-status", "--speed", "60"])?;
    let fleet = Fleet::with(
        sandbox,
        &[
            ("shared_preload_libraries", "pg_cron"),
            ("cron.database_name", "app"),
            ("cron.use_background_workers", "on"),
        ],
    )?;
    world::fill(&fleet).await?;
    fleet.sql("CREATE EXTENSION pg_cron")?;
    let recipe = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/cron.sql"))?;
    fleet.sql(&recipe)?;
    let jobs = fleet.sql("SELECT jobname FROM cron.job ORDER BY 1")?;
    fleet.sql(&recipe)?;
    assert_eq!(fleet.sql("SELECT jobname FROM cron.job ORDER BY 1")?, jobs, "the recipe may be run again");
    let before = fleet.sql("SELECT max(observed_at) FROM wab_observations")?;

    fleet.sandbox.fault(json!({"path": "/api/instances", "kind": "status", "code": 503})).await?;
    job(&fleet, "failed").await?;
    assert_eq!(
        fleet.sql("SELECT max(observed_at) FROM wab_observations")?,
        before,
        "the observation before stays"
    );
    fleet.sandbox.heal().await?;
    fleet.sql("DELETE FROM cron.job_run_details")?;
    fleet.sandbox.change(4, json!({"status": "disconnected"})).await?;
    job(&fleet, "succeeded").await?;
    assert_eq!(
        fleet.sql("SELECT kind, tenant_id FROM wab_drift WHERE kind = 'status_drift'")?,
        "status_drift|cust_04"
    );
    Ok(())
}

/// Waits for the refresh job's first run that ended so; pg_cron starts it with each minute.
async fn job(fleet: &Fleet, status: &str) -> Result<()> {
    let runs = format!(
        "SELECT 1 FROM cron.job_run_details WHERE command LIKE '%wab_refresh%' AND status = '{status}' LIMIT 1"
    );
    wait::until_within(Duration::from_secs(150), &format!("a run that {status}"), || async {
        Ok((!fleet.sql(&runs)?.is_empty()).then_some(()))
    })
    .await
}
