//! Tests what a run stores again on the next server, and that no guard refuses there what it accepted before.

use anyhow::{Result, ensure};
use e2e::fleet::DATABASE;
use e2e::wait;

use super::scene::Scene;
use super::{BACK, promoted_after};

#[tokio::test(flavor = "multi_thread")]
async fn it_tries_again_while_another_session_locks_the_run_log() -> Result<()> {
    let scene = Scene::start().await?;
    scene.cut_off().await?;
    let run = scene.apply(&(scene.url() + "&options=-c%20lock_timeout%3D300ms"), &[])?;
    scene.made(5).await?;
    let session = promoted_after(&scene, &run, "BEGIN; LOCK TABLE wab_runs IN SHARE MODE").await?;
    wait::until("the run has met the lock", || async {
        Ok(scene.standby.log()?.contains("lock timeout").then_some(()))
    })
    .await?;
    drop(session);
    ensure!(run.ends_with(0)?.contains(BACK));
    scene.is_complete(&scene.standby).await
}
