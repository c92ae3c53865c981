//! Tests the recipe `sql/cron.sql` with the real pg_cron: the jobs run, fail while the provider is down, and recover.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use e2e::fleet::{DATABASE, Fleet};
use e2e::sandbox::Sandbox;
use e2e::wait;
use serde_json::json;

use crate::world;

/// A fleet with pg_cron, which runs its jobs in background workers or over connections.
async fn scheduled(state: &Path, workers: &str) -> Result<Fleet> {
    let fleet = with_cron_in(DATABASE, state, workers)?;
    world::fill(&fleet).await?;
    Ok(fleet)
}

/// A fleet with pg_cron in this database, which the product need not have.
fn with_cron_in(database: &str, state: &Path, workers: &str) -> Result<Fleet> {
    let state = state.display().to_string();
    let sandbox = Sandbox::start(&["--list-status", "--speed", "60", "--state", &state])?;
    let fleet = Fleet::with(
        sandbox,
        &[
            ("shared_preload_libraries", "pg_cron"),
            ("cron.database_name", database),
            ("cron.use_background_workers", workers),
        ],
    )?;
    fleet.cluster.configure(&[("cron.host", &fleet.cluster.socket_dir().display().to_string())])?;
    fleet.cluster.restart()?;
    fleet.cluster.sql(database, "CREATE EXTENSION pg_cron")?;
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
    assert_eq!(jobs, "wab-alerts\nwab-prune\nwab-purge-cron\nwab-reconcile\nwab-summary\nwab-work-queue");
    assert_eq!(
        fleet.sql("SELECT jobname FROM cron.job ORDER BY 1")?,
        jobs,
        "the recipe must be safe to run twice"
    );
    let before = fleet.sql("SELECT max(observed_at) FROM wab_observations")?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_21')")?;

    fleet.sandbox.stop()?;
    job(&fleet, DATABASE, "wab_reconcile", "failed").await?;
    assert_eq!(
        fleet.sql("SELECT max(observed_at) FROM wab_observations")?,
        before,
        "the last observation must stay"
    );
    assert_eq!(
        fleet.sql(
            "SELECT s.failing_job IS NOT NULL, s.last_error_sqlstate, j.failures >= 1, j.error LIKE 'cannot connect to the provider%'
             FROM wab_status s, wab_jobs j WHERE j.job = 'reconcile'"
        )?,
        "t|08001|t|t"
    );
    fleet.sandbox.start_again()?;
    fleet.sandbox.change(4, json!({"status": "disconnected"})).await?;
    fleet.sql("SELECT wab_enqueue_provision('cust_21'); DELETE FROM cron.job_run_details")?;
    for done in ["wab_reconcile", "wab_work_queue"] {
        job(&fleet, DATABASE, done, "succeeded").await?;
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
        job(&fleet, DATABASE, done, "succeeded").await?;
    }
    assert_eq!(fleet.sql("SELECT outcome FROM wab_queue")?, "provisioned");
    Ok(())
}

/// A schema whose name needs quotes, and which no search_path has. PostgreSQL allows no quotes in the name itself.
const SCHEMA: &str = "\"Wa Bridges\"";

/// Moves the extension into `SCHEMA`, and fills the fleet there.
async fn in_its_own_schema(fleet: &Fleet) -> Result<()> {
    fleet.sql(&format!(
        "DROP EXTENSION pg_wabridges; CREATE SCHEMA {SCHEMA}; CREATE EXTENSION pg_wabridges SCHEMA {SCHEMA};
         ALTER DATABASE {DATABASE} SET search_path = public, {SCHEMA}"
    ))?;
    world::fill(fleet).await?;
    fleet.sql(&format!("ALTER DATABASE {DATABASE} RESET search_path"))?;
    let recipe =
        |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql").join(name));
    fleet.sql(&recipe("roles.sql")?)?;
    fleet.sql(&recipe("signup.sql")?)?;
    fleet.sql(&format!("SET ROLE wab_reader; SELECT count(*) FROM {SCHEMA}.wab_drift"))?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_21')")?;
    Ok(())
}

/// Waits until the jobs have refreshed the fleet and provisioned the tenant that signed up.
async fn the_jobs_work(fleet: &Fleet, database: &str) -> Result<()> {
    for done in ["wab_reconcile", "wab_work_queue"] {
        job(fleet, database, done, "succeeded").await?;
    }
    assert_eq!(fleet.sql(&format!("SELECT failing_job FROM {SCHEMA}.wab_status"))?, "");
    let refreshed = format!(
        "SELECT succeeded_at > now() - interval '5 minutes' FROM {SCHEMA}.wab_jobs WHERE job = 'reconcile'"
    );
    assert_eq!(fleet.sql(&refreshed)?, "t");
    assert_eq!(fleet.sql(&format!("SELECT outcome FROM {SCHEMA}.wab_queue"))?, "provisioned");
    assert_eq!(fleet.sql("SELECT bridge_id FROM tenants WHERE id = 'cust_21'")?, "21");
    // The jobs that run later are valid SQL too.
    let later = "SELECT command FROM cron.job WHERE jobname IN ('wab-summary', 'wab-prune')";
    for command in fleet.cluster.sql(database, later)?.lines() {
        fleet.sql(command)?;
    }
    // The job deletes the old run details of the wab- jobs, and keeps those of other jobs.
    let purge =
        fleet.cluster.sql(database, "SELECT command FROM cron.job WHERE jobname = 'wab-purge-cron'")?;
    let old = "SELECT cron.schedule('theirs', '0 0 1 1 *', 'SELECT 1');
               INSERT INTO cron.job_run_details (jobid, runid, end_time)
               SELECT j.jobid, 1000 + j.jobid, now() - interval '8 days' FROM cron.job j WHERE j.jobname IN ('theirs', 'wab-prune')";
    fleet.cluster.sql(database, old)?;
    fleet.cluster.sql(database, &purge)?;
    let left = "SELECT j.jobname FROM cron.job_run_details d JOIN cron.job j USING (jobid) WHERE d.end_time < now() - interval '7 days'";
    assert_eq!(fleet.cluster.sql(database, left)?, "theirs");
    Ok(())
}

#[tokio::test]
async fn every_recipe_works_with_the_extension_in_a_schema_of_its_own() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let fleet = with_cron_in(DATABASE, &dir.path().join("state"), "on")?;
    in_its_own_schema(&fleet).await?;
    fleet.sql(&recipe()?)?;
    the_jobs_work(&fleet, DATABASE).await?;
    let uninstall = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/uninstall.sql");
    fleet.sql(&std::fs::read_to_string(uninstall)?)?;
    let left = "SELECT (SELECT count(*) FROM pg_class WHERE relname ~ '^_?wab_'), (SELECT count(*) FROM pg_proc WHERE proname ~ '^_?wab_'),
                       (SELECT string_agg(jobname, ' ') FROM cron.job), (SELECT count(*) FROM tenants)";
    assert_eq!(fleet.sql(left)?, "0|0|theirs|21");
    Ok(())
}

#[tokio::test]
async fn pg_cron_may_be_in_another_database() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let fleet = with_cron_in("postgres", &dir.path().join("state"), "on")?;
    in_its_own_schema(&fleet).await?;
    let (state, message) = fleet.cluster.sql_error("postgres", &recipe()?)?;
    assert!(state == "55000" && message.contains("SET wab_cron.database"), "{message}");
    let (state, message) = fleet.sql_error(&format!("SET search_path = {SCHEMA}; {}", recipe()?))?;
    assert!(state == "55000" && message.contains("pg_cron is not in this database"), "{message}");
    let schema = SCHEMA.trim_matches('"');
    let settings = format!("SET wab_cron.database = '{DATABASE}'; SET wab_cron.schema = '{schema}';");
    fleet.cluster.sql("postgres", &format!("{settings} {}", recipe()?))?;
    the_jobs_work(&fleet, "postgres").await
}

/// Waits for the first run of the job that ended with this status; pg_cron starts it every minute.
async fn job(fleet: &Fleet, database: &str, command: &str, status: &str) -> Result<()> {
    let runs = format!(
        "SELECT 1 FROM cron.job_run_details WHERE command LIKE '%{command}%' AND status = '{status}' LIMIT 1"
    );
    wait::until_within(
        Duration::from_secs(150),
        &format!("a run of {command} has ended with status {status}"),
        || async { Ok((!fleet.cluster.sql(database, &runs)?.is_empty()).then_some(())) },
    )
    .await
}
