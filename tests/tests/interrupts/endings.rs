//! Tests that a hanging call ends when its client disappears, the postmaster dies or its database is dropped.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet};
use e2e::{process, wait};

const A_SECOND: Duration = Duration::from_secs(1);

/// Starts a hanging call in a psql session with these options; returns psql and the process id of its backend.
async fn call(fleet: &Fleet, options: &str) -> Result<(std::process::Child, i32)> {
    let client = fleet
        .cluster
        .program("psql", DATABASE)
        .env("PGOPTIONS", options)
        .args(["-X", "-c", "SELECT * FROM wab_refresh()"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let query = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND backend_type = 'client backend'";
    let pid = wait::until("a backend waits for the provider", || async {
        Ok(fleet.sql(query)?.lines().next().and_then(|pid| pid.parse().ok()))
    })
    .await?;
    Ok((client, pid))
}

#[tokio::test]
async fn a_client_that_is_gone_ends_its_call() -> Result<()> {
    let fleet = super::hanging().await?;
    let (mut client, pid) = call(&fleet, "").await?;
    client.kill()?;
    client.wait()?;
    super::gone(pid).await?;
    assert!(fleet.cluster.log()?.contains("connection to client lost"));
    Ok(())
}

#[tokio::test]
async fn no_process_outlives_the_postmaster() -> Result<()> {
    let fleet = super::hanging().await?;
    let (mut client, pid) = call(&fleet, "").await?;
    let postmaster = fleet.cluster.postmaster()?;
    let all = children(postmaster)?;
    assert!(all.contains(&pid), "backend {pid} is not among the postmaster's children {all:?}");
    process::must(Command::new("kill").args(["-9", &postmaster.to_string()]))?;
    super::gone(pid).await?;
    wait::until("every other process of the server has ended", || async {
        Ok((!all.iter().any(|pid| super::alive(*pid))).then_some(()))
    })
    .await?;
    client.wait()?;
    Ok(())
}

#[tokio::test]
async fn drop_database_with_force_ends_the_call() -> Result<()> {
    let fleet = super::hanging().await?;
    let (mut client, pid) = call(&fleet, "").await?;
    let start = Instant::now();
    let said = fleet.cluster.psql("postgres", &format!("DROP DATABASE {DATABASE} WITH (FORCE)"))?;
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    assert!(start.elapsed() < A_SECOND, "{:?}", start.elapsed());
    super::gone(pid).await?;
    client.wait()?;
    Ok(())
}

#[tokio::test]
async fn dropping_the_database_is_refused_and_waits_no_longer_than_for_any_session() -> Result<()> {
    let fleet = super::hanging().await?;
    let (mut client, pid) = call(&fleet, "").await?;
    let start = Instant::now();
    let said = fleet.cluster.psql("postgres", &format!("DROP DATABASE {DATABASE}"))?;
    assert!(said.stderr.contains("is being accessed by other users"), "{}", said.stderr);
    // PostgreSQL itself waits five seconds for the other sessions to end.
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    fleet.cluster.psql("postgres", &format!("SELECT pg_terminate_backend({pid})"))?;
    super::gone(pid).await?;
    client.wait()?;
    let said = fleet.cluster.psql("postgres", &format!("DROP DATABASE {DATABASE}"))?;
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    Ok(())
}

/// The child processes of this process.
fn children(parent: i32) -> Result<Vec<i32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<i32>() else { continue };
        // A process may end while the test reads its entry.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let after_name = stat.rsplit(')').next().context("no name")?;
        if after_name.split_whitespace().nth(1) == Some(parent.to_string().as_str()) {
            found.push(pid);
        }
    }
    Ok(found)
}
