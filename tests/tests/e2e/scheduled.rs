//! Tests the recipe `sql/cron.sql` with the real pg_cron: the jobs run, fail while the provider is down, and recover.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use e2e::fleet::Fleet;
use e2e::sandbox::Sandbox;
use e2e::wait;
use serde_json::json;

use crate::world;

/// A fleet with pg_cron, which runs its jobs in background workers or over connections.
async fn scheduled(state: &Path, workers: &str) -> Result<Fleet> {
    let state = state.display().to_string();
    let sandbox = Sandbox::start(&["--list-status", "--speed", "60", "--state", &state])?;
    let fleet = Fleet::with(
        sandbox,
        &[
            ("shared_preload_libraries", "pg_cron"),
            ("cron.database_name", "app"),
            ("cron.use_background_workers", workers),
        ],
    )?;
    fleet.cluster.configure(&[("cron.host", &fleet.cluster.socket_dir().display().to_string())])?;
    fleet.cluster.restart()?;
    world::fill(&fleet).await?;
    fleet.sql("CREATE EXTENSION pg_cron")?;
    Ok(fleet)
}

fn recipe() -> Result<String> {
    Ok(std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/cron.sql"))?)
}

#[tokio::test]
async fn the_recipe_runs_fails_and_recovers() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut fleet = scheduled(&dir.path().join("state"), "on").await?;
    // The jobs of 0.2.0 end.
    fleet.sql("SELECT cron.schedule('wab-refresh', '* * * * *', 'SELECT 1'), cron.schedule('wab-poll-status', '* * * * *', 'SELECT 1')")?;
    fleet.sql(&recipe()?)?;
    let jobs = fleet.sql("SELECT jobname FROM cron.job ORDER BY 1")?;
    fleet.sql(&recipe()?)?;
    assert_eq!(jobs, "wab-prune\nwab-purge-cron\nwab-reconcile\nwab-summary\nwab-work-queue");
    assert_eq!(
        fleet.sql("SELECT jobname FROM cron.job ORDER BY 1")?,
        jobs,
        "the recipe must be safe to run twice"
    );
    let before = fleet.sql("SELECT max(observed_at) FROM wab_observations")?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_21')")?;

    fleet.sandbox.stop()?;
    job(&fleet, "wab_reconcile", "failed").await?;
    assert_eq!(
        fleet.sql("SELECT max(observed_at) FROM wab_observations")?,
        before,
        "the last observation must stay"
    );
    assert_eq!(
        fleet.sql(
            "SELECT s.failing_job IS NOT NULL, s.last_error_sqlstate, j.failures >= 1, j.error LIKE 'cannot connect to the provider: %'
             FROM wab_status s, wab_jobs j WHERE j.job = 'reconcile'"
        )?,
        "t|08001|t|t"
    );
    fleet.sandbox.start_again()?;
    fleet.sandbox.change(4, json!({"status": "disconnected"})).await?;
    fleet.sql("SELECT wab_enqueue_provision('cust_21'); DELETE FROM cron.job_run_details")?;
    for done in ["wab_reconcile", "wab_work_queue"] {
        job(&fleet, done, "succeeded").await?;
    }
    assert_eq!(fleet.sql("SELECT failing_job FROM wab_status")?, "");
    assert_eq!(
        fleet.sql("SELECT bridge_status FROM tenants WHERE id = 'cust_04'")?,
        "disconnected",
        "the job must write the status on the tenant row"
    );
    assert_eq!(
        fleet.sql("SELECT count(*) FROM wab_drift_episodes WHERE kind = 'status_drift'")?,
        "0",
        "a status that is written at once is no drift"
    );
    assert_eq!(fleet.sql("SELECT outcome FROM wab_queue")?, "provisioned");
    assert_eq!(fleet.sql("SELECT bridge_id FROM tenants WHERE id = 'cust_21'")?, "21");
    Ok(())
}

#[tokio::test]
async fn jobs_run_over_connections_too() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let fleet = scheduled(&dir.path().join("state"), "off").await?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_21'); SELECT wab_enqueue_provision('cust_21')")?;
    fleet.sql(&recipe()?)?;
    for done in ["wab_reconcile", "wab_work_queue"] {
        job(&fleet, done, "succeeded").await?;
    }
    assert_eq!(fleet.sql("SELECT outcome FROM wab_queue")?, "provisioned");
    Ok(())
}

/// Waits for the first run of the job that ended with this status; pg_cron starts it every minute.
async fn job(fleet: &Fleet, command: &str, status: &str) -> Result<()> {
    let runs = format!(
        "SELECT 1 FROM cron.job_run_details WHERE command LIKE '%{command}%' AND status = '{status}' LIMIT 1"
    );
    wait::until_within(
        Duration::from_secs(150),
        &format!("a run of {command} has ended with status {status}"),
        || async { Ok((!fleet.sql(&runs)?.is_empty()).then_some(())) },
    )
    .await
}
