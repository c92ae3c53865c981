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
    let (session, _) = promoted_after(&scene, &run, "BEGIN; LOCK TABLE wab_runs IN SHARE MODE").await?;
    wait::until("the run has met the lock", || async {
        Ok(scene.standby.log()?.contains("lock timeout").then_some(()))
    })
    .await?;
    drop(session);
    ensure!(run.ends_with(0)?.contains(BACK));
    scene.is_complete(&scene.standby).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_observation_stays_and_the_rest_is_stored_again() -> Result<()> {
    let scene = Scene::start().await?;
    scene.cut_off().await?;
    let run = scene.apply(&scene.url(), &[])?;
    scene.made(5).await?;
    let refresh = "SELECT * FROM _wab_observe_again((SELECT o.listing_sha256 FROM _wab_last_observation() o),
                                                    clock_timestamp(), 'wab_refresh')";
    promoted_after(&scene, &run, refresh).await?;
    ensure!(run.ends_with(0)?.contains(BACK));
    let stored = "SELECT (SELECT source FROM wab_observations ORDER BY observed_at DESC LIMIT 1),
                         (SELECT string_agg(customer_ref, ',') FROM wab_declared),
                         (SELECT webhook_url LIKE '%app.example.net%' FROM _wab_binding())";
    let stored = scene.standby.sql(DATABASE, stored)?;
    ensure!(stored == "wab_refresh|alerts|t", "{stored}");
    scene.is_complete(&scene.standby).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_run_goes_on_where_its_observation_is_stored_already() -> Result<()> {
    let scene = Scene::start().await?;
    scene.fleet.sql("DELETE FROM wab_bridges; DELETE FROM wab_observations")?;
    scene.first_row_waits()?;
    let run = scene.apply(&scene.url(), &["--first-run"])?;
    scene.end_waiting().await?;
    ensure!(run.ends_with(0)?.contains(BACK));
    scene.is_complete(&scene.fleet.cluster).await
}
