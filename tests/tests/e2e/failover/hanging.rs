//! Tests that a run ends in time when a server keeps its connections and answers nothing, and goes on when it answers again.

use anyhow::{Result, ensure};
use e2e::cluster::Cluster;
use e2e::fleet::DATABASE;
use e2e::wait;

use super::scene::Scene;
use super::{BACK, converges, promoted_after};

/// Without its limits, each of these runs would wait for ever. `ends_with` waits for three minutes.
#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_when_every_process_of_the_server_stands_still() -> Result<()> {
    stands_still("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_too_when_the_user_wants_no_deadline_for_connecting() -> Result<()> {
    stands_still("&connect_timeout=0").await
}

async fn stands_still(more: &str) -> Result<()> {
    let scene = Scene::start().await?;
    // A statement is under way.
    scene.first_row_waits()?;
    let run = scene.apply(&(scene.url() + more), &["--failover-timeout", "2s"])?;
    scene.waits().await?;
    let frozen = scene.fleet.cluster.freeze()?;
    let said = run.ends_with(1)?;
    for part in [
        "the lock of wab apply was lost: no answer within 30 s",
        "no server accepted writes within 2s",
        "no connection within 10 s",
    ] {
        ensure!(said.contains(part), "{part}: {said}");
    }
    drop(frozen);
    converges(&scene).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_when_the_server_stands_still_before_the_first_step() -> Result<()> {
    let scene = Scene::start().await?;
    let mut session = scene.fleet.connect().await?;
    sqlx::raw_sql("BEGIN; LOCK TABLE wab_bridges").execute(&mut session).await?;
    let run = scene.apply(&scene.url(), &[])?;
    waits_for_a_lock(&scene.fleet.cluster).await?;
    let frozen = scene.fleet.cluster.freeze()?;
    let said = run.ends_with(1)?;
    for part in ["the lock of wab apply was lost", "no answer within 30 s", "no step was done"] {
        ensure!(said.contains(part), "{part}: {said}");
    }
    drop((frozen, session));
    converges(&scene).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_when_the_server_that_holds_its_lock_does_not_answer_its_release() -> Result<()> {
    let scene = Scene::start().await?;
    scene.list_slowly().await?;
    let run = scene.apply(&scene.url(), &[])?;
    scene.lists().await?;
    let frozen = scene.fleet.cluster.freeze()?;
    run.interrupt()?;
    run.ends_with(8)?;
    drop(frozen);
    scene.fleet.sandbox.heal().await?;
    converges(&scene).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_when_a_commit_that_waited_for_a_standby_is_answered() -> Result<()> {
    let scene = Scene::start().await?;
    scene.make_slowly().await?;
    let run = scene.apply(&scene.url(), &[])?;
    scene.made(5).await?;
    waits_for_nobody(&scene.fleet.cluster)?;
    run.says("no answer to COMMIT within 20 s").await?;
    waits_no_more(&scene.fleet.cluster)?;
    ensure!(run.ends_with(0)?.contains(BACK));
    scene.is_complete(&scene.fleet.cluster).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_when_the_next_server_waits_for_a_standby_that_it_does_not_have() -> Result<()> {
    let scene = Scene::start().await?;
    scene.make_slowly().await?;
    let run = scene.apply(&scene.url(), &["--failover-timeout", "45s"])?;
    scene.made(5).await?;
    waits_for_nobody(&scene.standby)?;
    scene.fleet.cluster.crash()?;
    run.says("the database is away").await?;
    scene.standby.promote()?;
    let said = run.ends_with(4)?;
    // The last attempt must not wait for the one before it.
    for part in ["no server accepted writes within 45s", "synchronous_standby_names"] {
        ensure!(said.contains(part), "{part}: {said}");
    }
    waits_no_more(&scene.standby)?;
    converges(&scene).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_when_the_next_server_does_not_answer_about_the_lock() -> Result<()> {
    ends_while_locked("LOCK TABLE pg_catalog.pg_extension IN ACCESS EXCLUSIVE MODE").await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_when_another_session_locks_the_run_log_of_the_next_server() -> Result<()> {
    ends_while_locked("LOCK TABLE wab_runs IN EXCLUSIVE MODE").await
}

/// Checks that a run ends while another session of the next server locks what it needs there.
async fn ends_while_locked(lock: &str) -> Result<()> {
    let scene = Scene::start().await?;
    scene.make_slowly().await?;
    let run = scene.apply(&(scene.url() + "&connect_timeout=5"), &["--failover-timeout", "20s"])?;
    scene.made(5).await?;
    let (session, _) = promoted_after(&scene, &run, &format!("BEGIN; {lock}")).await?;
    waits_for_a_lock(&scene.standby).await?;
    let said = run.ends_with(4)?;
    ensure!(said.contains("no server accepted writes within 20s"), "{said}");
    drop(session);
    converges(&scene).await?;
    scene.fleet.cluster.start_again()
}

/// Returns once a session of the server waits for a lock.
async fn waits_for_a_lock(server: &Cluster) -> Result<()> {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    wait::until("the run waits for the lock", || async {
        Ok((server.sql(DATABASE, waiting)? == "1").then_some(()))
    })
    .await
}

/// Lets each COMMIT on the server wait for a standby that does not exist.
fn waits_for_nobody(server: &Cluster) -> Result<()> {
    server.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")?;
    server.reload()
}

fn waits_no_more(server: &Cluster) -> Result<()> {
    server.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names")?;
    server.reload()
}
