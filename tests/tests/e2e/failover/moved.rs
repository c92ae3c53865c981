//! Tests that a run records only on the server on which it holds the lock.

use anyhow::{Result, ensure};
use e2e::fleet::DATABASE;
use e2e::pooler::Pooler;
use e2e::wait;
use serde_json::json;

use super::BACK;
use super::scene::{Loss, Scene};

const OBSERVATIONS: &str = "SELECT count(*) FROM wab_observations";

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_when_a_pooler_moves_the_connection_while_the_old_server_still_runs() -> Result<()> {
    let scene = Scene::start().await?;
    let pooler = Pooler::start(&scene.fleet.cluster, "transaction", 2)?;
    let run = scene.apply(&pooler.url(DATABASE), &[])?;
    scene.reached(Loss { dies_at: 6, last_heard_at: Some(3) }).await?;
    scene.standby.promote()?;
    pooler.move_to(&scene.standby)?;
    let said = run.ends_with(0)?;
    ensure!(said.contains("the database moved to another server"), "{said}");
    ensure!(said.contains("that it lacked recorded again"), "{said}");
    scene.is_complete(&scene.standby).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_its_lock_and_needs_no_third_connection_when_only_the_other_one_is_lost() -> Result<()> {
    let scene = Scene::start().await?;
    let pooler = Pooler::start(&scene.fleet.cluster, "transaction", 2)?;
    let run = scene.apply(&pooler.url(DATABASE), &["--failover-timeout", "20s"])?;
    scene.made(4).await?;
    scene.end_sessions("NOT EXISTS")?;
    ensure!(run.ends_with(0)?.contains(BACK));
    scene.is_complete(&scene.fleet.cluster).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_when_the_lock_is_lost_before_the_plan() -> Result<()> {
    let scene = Scene::start().await?;
    list_slowly(&scene).await?;
    let before = scene.fleet.sql(OBSERVATIONS)?;
    let run = scene.apply(&scene.url(), &[])?;
    listing(&scene).await?;
    ensure!(scene.end_sessions("EXISTS")? == 1, "no session holds the lock");
    let said = run.ends_with(1)?;
    ensure!(said.contains("the lock of wab apply was lost"), "{said}");
    ensure!(scene.fleet.sql(OBSERVATIONS)? == before, "an observation was stored without the lock: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_when_the_connection_moves_to_another_server_before_the_plan() -> Result<()> {
    let scene = Scene::start().await?;
    list_slowly(&scene).await?;
    let pooler = Pooler::start(&scene.fleet.cluster, "transaction", 2)?;
    let run = scene.apply(&pooler.url(DATABASE), &[])?;
    listing(&scene).await?;
    scene.standby.promote()?;
    pooler.move_to(&scene.standby)?;
    let before = scene.standby.sql(DATABASE, OBSERVATIONS)?;
    let said = run.ends_with(1)?;
    ensure!(said.contains("the database moved to another server"), "{said}");
    ensure!(scene.standby.sql(DATABASE, OBSERVATIONS)? == before, "an observation was stored: {said}");
    Ok(())
}

/// Lets the provider take its time for the list.
async fn list_slowly(scene: &Scene) -> Result<()> {
    scene
        .fleet
        .sandbox
        .fault(json!({"method": "GET", "path": "/api/instances", "kind": "delay", "ms": 5000}))
        .await
}

/// Waits until the run lists the bridges.
async fn listing(scene: &Scene) -> Result<()> {
    wait::until("the run lists the bridges", || async {
        Ok((scene.fleet.sandbox.calls("GET").await? > 0).then_some(()))
    })
    .await
}
