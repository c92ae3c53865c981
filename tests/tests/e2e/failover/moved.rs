//! Tests that a run writes only to the server on which it holds the lock, also if a pooler leads its connections to two servers.

use anyhow::{Result, ensure};
use e2e::fleet::DATABASE;
use e2e::pooler::Pooler;

use super::scene::{Loss, Scene};
use super::{BACK, converges};

const MOVED: &str = "the connection leads to another server";
const OBSERVATIONS: &str = "SELECT count(*) FROM wab_observations";

/// Server connections of the pool: as many as an apply uses, so that none is left for a third one.
const POOL: u32 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_a_pooler_to_the_next_server_while_the_old_one_still_runs() -> Result<()> {
    let scene = Scene::start().await?;
    scene.make_slowly().await?;
    let pooler = Pooler::start(&scene.fleet.cluster, "transaction", POOL)?;
    let run = scene.apply(&pooler.url(DATABASE), &[])?;
    scene.reached(Loss { dies_at: 6, last_heard_at: Some(3) }).await?;
    scene.standby.promote()?;
    pooler.move_to(&scene.standby)?;
    let said = run.ends_with(0)?;
    ensure!(said.contains(MOVED), "{said}");
    ensure!(said.contains("that it lacked recorded again"), "{said}");
    scene.is_complete(&scene.standby).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_needs_no_third_connection_when_one_of_two_is_lost() -> Result<()> {
    for leads_elsewhere in [false, true] {
        let scene = Scene::start().await?;
        let pooler = Pooler::start(&scene.fleet.cluster, "session", POOL)?;
        scene.first_row_waits()?;
        let run = scene.apply(&pooler.url(DATABASE), &["--failover-timeout", "30s"])?;
        scene.waits().await?;
        if leads_elsewhere {
            // The connection with the lock stays on the old server.
            scene.standby.promote()?;
            scene.standby.sql(DATABASE, "DROP TRIGGER wait_once ON wab_runs")?;
            pooler.move_to(&scene.standby)?;
        }
        scene.end_waiting().await?;
        ensure!(run.ends_with(0)?.contains(BACK));
        scene.is_complete(if leads_elsewhere { &scene.standby } else { &scene.fleet.cluster }).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_when_the_lock_is_lost_before_the_plan() -> Result<()> {
    let scene = Scene::start().await?;
    scene.list_slowly().await?;
    let before = scene.fleet.sql(OBSERVATIONS)?;
    let run = scene.apply(&scene.url(), &[])?;
    scene.lists().await?;
    ensure!(scene.end_sessions("EXISTS")? == 1, "no session holds the lock");
    let said = run.ends_with(1)?;
    for part in ["the lock of wab apply was lost", "no step was done"] {
        ensure!(said.contains(part), "{part}: {said}");
    }
    ensure!(scene.fleet.sql(OBSERVATIONS)? == before, "an observation was stored without the lock: {said}");
    scene.fleet.sandbox.heal().await?;
    converges(&scene).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_when_a_pooler_leads_to_another_server_before_the_plan() -> Result<()> {
    let scene = Scene::start().await?;
    scene.list_slowly().await?;
    let pooler = Pooler::start(&scene.fleet.cluster, "transaction", POOL)?;
    let run = scene.apply(&pooler.url(DATABASE), &[])?;
    scene.lists().await?;
    scene.standby.promote()?;
    pooler.move_to(&scene.standby)?;
    let before = scene.standby.sql(DATABASE, OBSERVATIONS)?;
    let said = run.ends_with(1)?;
    for part in [MOVED, "no step was done: run wab apply again"] {
        ensure!(said.contains(part), "{part}: {said}");
    }
    ensure!(scene.standby.sql(DATABASE, OBSERVATIONS)? == before, "an observation was stored: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_when_a_new_connection_leads_to_another_server_before_the_plan() -> Result<()> {
    let scene = Scene::start().await?;
    scene.list_slowly().await?;
    let run = scene.apply(&scene.url(), &[])?;
    scene.lists().await?;
    // Only the other connection is lost, and the next one meets a server that reads only and one that was promoted.
    scene.standby.promote()?;
    let before = scene.standby.sql(DATABASE, OBSERVATIONS)?;
    scene.fleet.sql("ALTER SYSTEM SET default_transaction_read_only = on")?;
    scene.fleet.cluster.reload()?;
    scene.end_sessions("NOT EXISTS")?;
    let said = run.ends_with(1)?;
    for part in [MOVED, "no step was done: run wab apply again"] {
        ensure!(said.contains(part), "{part}: {said}");
    }
    ensure!(scene.standby.sql(DATABASE, OBSERVATIONS)? == before, "an observation was stored: {said}");
    Ok(())
}
