//! Tests that a run ends in time when a server keeps its connections and answers nothing.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::converges;
use super::scene::Scene;

/// The longest wait for one answer, and some time for a slow machine.
const IN_TIME: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_when_every_process_of_the_server_stands_still() -> Result<()> {
    let scene = Scene::start().await?;
    // The server stands still during a call.
    scene.fleet.sandbox.heal().await?;
    let slow = json!({"method": "POST", "path_prefix": "/api/instances", "kind": "delay", "ms": 1000});
    scene.fleet.sandbox.fault(slow).await?;
    let run = scene.apply(&scene.url(), &["--failover-timeout", "2s"])?;
    scene.made(2).await?;
    let frozen = scene.fleet.cluster.freeze()?;
    let began = Instant::now();
    let said = run.ends_with(4)?;
    ensure!(began.elapsed() < IN_TIME, "it took {:?}: {said}", began.elapsed());
    ensure!(said.contains("no server accepted writes within 2s"), "{said}");
    drop(frozen);
    converges(&scene).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_when_the_next_server_waits_for_a_standby_that_it_does_not_have() -> Result<()> {
    let scene = Scene::start().await?;
    let run = scene.apply(&scene.url(), &["--failover-timeout", "2s"])?;
    scene.made(5).await?;
    scene.standby.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")?;
    scene.standby.reload()?;
    scene.standby.expect_in_log(&["canceling wait for synchronous replication"]);
    scene.fleet.cluster.crash()?;
    run.says("the database is away").await?;
    scene.standby.promote()?;
    let began = Instant::now();
    let said = run.ends_with(4)?;
    ensure!(began.elapsed() < IN_TIME, "it took {:?}: {said}", began.elapsed());
    scene.standby.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names")?;
    scene.standby.reload()?;
    converges(&scene).await
}
