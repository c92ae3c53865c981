//! Tests that one run goes on when its database moves to another server: nothing is lost, nothing is done twice, and the run
//! ends with 0.

mod hanging;
mod moved;
mod restored;
mod scene;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::balancer::Balancer;
use e2e::fleet::DATABASE;
use e2e::pooler::Pooler;
use e2e::wait;
use sqlx::{AssertSqlSafe, PgConnection};

use scene::{Loss, Running, Scene};

const BACK: &str = "the database accepts writes again after";

/// Kills the primary and promotes the standby once the run has noticed.
async fn promoted(scene: &Scene, run: &Running) -> Result<()> {
    scene.fleet.cluster.kill()?;
    run.says("the database is away").await?;
    scene.standby.promote()
}

/// As `promoted`. The new server accepts writes of the run once this statement was executed there, in the session that is
/// returned, with the number of provisioning calls until then.
async fn promoted_after(scene: &Scene, run: &Running, statement: &str) -> Result<(PgConnection, usize)> {
    scene.standby.sql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on")?;
    scene.standby.reload()?;
    promoted(scene, run).await?;
    let mut session = scene.standby.connect(DATABASE).await?;
    sqlx::raw_sql("SET default_transaction_read_only = off").execute(&mut session).await?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut session).await?;
    let made = scene.fleet.sandbox.calls("POST").await?;
    scene.standby.sql("postgres", "ALTER SYSTEM RESET default_transaction_read_only")?;
    scene.standby.reload()?;
    Ok((session, made))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_goes_on_on_the_promoted_standby_and_records_what_that_lacks() -> Result<()> {
    // Of these, some transactions never reach the standby; of the last two, none of the run.
    for (dies_at, last_heard_at) in
        [(1, None), (7, None), (13, None), (9, Some(3)), (6, Some(0)), (13, Some(0))]
    {
        let loss = Loss { dies_at, last_heard_at };
        goes_on(loss).await.with_context(|| format!("{loss:?}"))?;
    }
    Ok(())
}

async fn goes_on(loss: Loss) -> Result<()> {
    let scene = Scene::start().await?;
    if loss.last_heard_at == Some(0) {
        scene.cut_off().await?;
    }
    let run = scene.apply(&scene.url(), &[])?;
    scene.reached(Loss { last_heard_at: loss.last_heard_at.filter(|heard| *heard > 0), ..loss }).await?;
    promoted(&scene, &run).await?;
    let said = run.ends_with(0)?;
    ensure!(said.contains(BACK), "{said}");
    let lacked = said.contains("that it lacked recorded again");
    ensure!(lacked || loss.last_heard_at.is_none(), "the standby lacked steps: {said}");
    scene.is_complete(&scene.standby).await?;
    // The new server's clock is this machine's too.
    let future = scene
        .standby
        .sql(DATABASE, "SELECT count(*) FROM wab_operations WHERE finished_at > clock_timestamp()")?;
    ensure!(future == "0", "{future} steps end in the future");
    // The killed server removes its shared memory when it starts.
    scene.fleet.cluster.start_again()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_through_haproxy() -> Result<()> {
    let scene = Scene::start().await?;
    let balancer = Balancer::start(&scene.fleet.cluster, &scene.standby)?;
    let run = scene.apply(&balancer.url(DATABASE), &[])?;
    scene.made(5).await.with_context(|| balancer.log() + &run.said().unwrap_or_default())?;
    scene.fleet.cluster.crash()?;
    run.says("the database is away").await?;
    scene.standby.promote()?;
    ensure!(run.ends_with(0)?.contains(BACK));
    scene.is_complete(&scene.standby).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_through_a_pooler_that_moves_the_connection_to_another_server() -> Result<()> {
    let scene = Scene::start().await?;
    let pooler = Pooler::start(&scene.fleet.cluster, "transaction", 2)?;
    let run = scene.apply(&pooler.url(DATABASE), &[])?;
    scene.reached(Loss { dies_at: 6, last_heard_at: Some(3) }).await?;
    scene.fleet.cluster.crash()?;
    scene.standby.promote()?;
    pooler.move_to(&scene.standby)?;
    let said = run.ends_with(0)?;
    ensure!(said.contains("that it lacked recorded again"), "{said}");
    scene.is_complete(&scene.standby).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_after_a_switchover_and_leaves_a_server_that_only_reads() -> Result<()> {
    let scene = Scene::start().await?;
    let run = scene.apply(&scene.url(), &[])?;
    scene.made(4).await?;
    // The connections of the run stay open, and so does its lock.
    scene.fleet.sql("ALTER SYSTEM SET default_transaction_read_only = on")?;
    scene.fleet.cluster.reload()?;
    run.says("the database is away").await?;
    scene.standby.promote()?;
    ensure!(run.ends_with(0)?.contains(BACK));
    scene.is_complete(&scene.standby).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_after_a_clean_shutdown_when_the_server_is_back() -> Result<()> {
    let scene = Scene::start().await?;
    let run = scene.apply(&scene.fleet.cluster.url(DATABASE), &[])?;
    scene.made(4).await?;
    scene.fleet.cluster.restart()?;
    ensure!(run.ends_with(0)?.contains(BACK));
    scene.is_complete(&scene.fleet.cluster).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reconnects_when_only_the_connection_that_records_is_lost_and_stops_when_only_the_lock_is()
-> Result<()> {
    let scene = Scene::start().await?;
    let run = scene.apply(&scene.url(), &[])?;
    scene.made(4).await?;
    scene.end_sessions("NOT EXISTS")?;
    ensure!(run.ends_with(0)?.contains(BACK));
    scene.is_complete(&scene.fleet.cluster).await?;

    let scene = Scene::start().await?;
    let run = scene.apply(&scene.url(), &[])?;
    scene.made(4).await?;
    scene.end_sessions("EXISTS")?;
    let said = run.ends_with(4)?;
    ensure!(said.contains("the lock of wab apply was lost") && !said.contains(BACK), "{said}");
    converges(&scene).await
}

/// Checks that one more apply on the current primary does the rest.
async fn converges(scene: &Scene) -> Result<()> {
    let said = scene.fleet.wab_on(&scene.url(), &["apply", "-y"])?;
    ensure!(said.code == 0, "{}{}", said.stdout, said.stderr);
    scene.nothing_was_done_twice().await?;
    let server = match scene.standby.sql(DATABASE, "SELECT pg_is_in_recovery()")?.as_str() {
        "t" => &scene.fleet.cluster,
        _ => &scene.standby,
    };
    scene.holds_the_fleet(server).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_when_another_run_holds_the_lock_of_the_new_server_or_ran_there() -> Result<()> {
    // The first transaction holds the lock until its session ends.
    for (other, words) in [
        (
            "BEGIN; SELECT pg_advisory_xact_lock(_wab_lock_id('apply'))",
            "another wab apply runs on this database",
        ),
        (
            "INSERT INTO wab_runs (run_id, who, tool, plan_sha256, steps) VALUES (gen_random_uuid(), 'eve@ci', 'wab', '', 1)",
            "another wab apply, of eve@ci, began while this one did not hold the lock",
        ),
    ] {
        let scene = Scene::start().await?;
        // The server dies during a call, whose outcome the run then cannot record.
        scene.make_slowly().await?;
        let run = scene.apply(&scene.url(), &[])?;
        scene.made(5).await?;
        let (session, made) = promoted_after(&scene, &run, other).await?;
        let said = run.ends_with(10)?;
        ensure!(said.contains(words) && !said.contains(BACK), "{said}");
        let calls = [scene.fleet.sandbox.calls("POST").await?, scene.fleet.sandbox.calls("DELETE").await?];
        ensure!(calls == [made, 0], "after {made} POSTs, the outdated plan went on to {calls:?}: {said}");
        drop(session);
        converges(&scene).await?;
        scene.fleet.cluster.start_again()?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_promotion_it_ends_in_time_and_the_next_apply_does_the_rest() -> Result<()> {
    let scene = Scene::start().await?;
    let run = scene.apply(&scene.url(), &["--failover-timeout", "2s"])?;
    scene.made(5).await?;
    scene.fleet.cluster.crash()?;
    let began = Instant::now();
    let said = run.ends_with(4)?;
    ensure!(began.elapsed() >= Duration::from_secs(2), "it must wait: {said}");
    ensure!(
        said.contains("no server accepted writes within 2s: cannot connect to the database at"),
        "{said}"
    );
    ensure!(said.contains("not a server that accepts writes"), "the standby is named: {said}");
    scene.standby.promote()?;
    converges(&scene).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_and_a_deadline_end_the_wait_at_once() -> Result<()> {
    for (args, code) in [(&[][..], 8), (&["--max-duration", "5s"], 9)] {
        let scene = Scene::start().await?;
        let run = scene.apply(&scene.url(), args)?;
        scene.made(5).await?;
        scene.fleet.cluster.crash()?;
        run.says("the database is away").await?;
        let began = Instant::now();
        if code == 8 {
            run.interrupt()?;
        }
        let said = run.ends_with(code)?;
        ensure!(began.elapsed() < Duration::from_secs(6), "it took {:?}: {said}", began.elapsed());
        scene.standby.promote()?;
        converges(&scene).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_for_the_database_is_not_the_length_of_a_step() -> Result<()> {
    let scene = Scene::start().await?;
    let run = scene.apply(&scene.url(), &["--max-duration", "24s"])?;
    scene.made(5).await?;
    scene.fleet.cluster.crash()?;
    run.says("the database is away").await?;
    // A step of this length would end after the deadline.
    let began = Instant::now();
    wait::until("the database was away for half of the time", || async {
        Ok((began.elapsed() > Duration::from_secs(12)).then_some(()))
    })
    .await?;
    scene.standby.promote()?;
    run.ends_with(0)?;
    scene.is_complete(&scene.standby).await
}
