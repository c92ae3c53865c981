//! Tests many calls: during two thousand signals, from a hundred backends at once, and ten thousand in one backend. It is a
//! separate program, so that no other test takes its CPU time.
#![allow(clippy::print_stdout)]

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::fleet::Fleet;
use sqlx::postgres::PgConnection;
use tokio::sync::Barrier;

#[path = "e2e/world.rs"]
#[allow(dead_code)]
mod world;

/// A fleet of twenty bridges at a provider without rate limits.
async fn unlimited() -> Result<Fleet> {
    world::healthy(&[
        "--limit-other",
        "0",
        "--limit-proxy",
        "0",
        "--limit-provision",
        "0",
        "--limit-floor",
        "0",
    ])
    .await
}

async fn pid(connection: &mut PgConnection) -> Result<i32> {
    Ok(sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await?)
}

/// The number of calls in one batch.
const A_GO: usize = 100;

/// The same fleet at a provider with a rate-limit window of 60 ms instead of a minute, with enough time for each call.
async fn in_a_hurry() -> Result<Fleet> {
    let fleet = unlimited().await?;
    fleet.cluster.configure(&[("wab.connect_timeout", "10min"), ("wab.request_timeout", "1h")])?;
    fleet.cluster.restart_with_clock("+0 x1000")?;
    Ok(fleet)
}

/// Makes one batch of calls: mostly the list, sometimes a bridge that does not exist. Checks every answer.
async fn calls(connection: &mut PgConnection) -> Result<()> {
    let statement = format!(
        "DO $$ BEGIN
             FOR n IN 1..{A_GO} LOOP
                 IF n % 12 = 0 THEN
                     BEGIN
                         PERFORM * FROM wab_get_instance(4711);
                         RAISE 'bridge 4711 exists';
                     EXCEPTION WHEN no_data_found THEN NULL;
                     END;
                 ELSE
                     ASSERT (SELECT count(*) = 20 AND min(customer_ref) = 'cust_01' AND max(customer_ref) = 'cust_20'
                             FROM wab_list_instances()), 'the list is wrong';
                 END IF;
             END LOOP;
         END $$"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

#[tokio::test]
async fn two_thousand_signals_do_no_harm() -> Result<()> {
    let fleet = in_a_hurry().await?;
    let mut connection = fleet.connect().await?;
    sqlx::query("SELECT * FROM wab_list_instances()").execute(&mut connection).await?;
    let pid = pid(&mut connection).await?;
    // After each pair of signals a short program runs, so that the signals arrive at different moments of a call.
    let storm = format!(
        "n=0; while [ $n -lt 1000 ]; do kill -ALRM {pid} && kill -USR1 {pid} && /bin/true || exit 1; n=$((n+1)); done"
    );
    let mut sender = Command::new("sh").args(["-c", &storm]).spawn()?;
    let mut made = 0;
    let ended = loop {
        calls(&mut connection).await?;
        made += A_GO;
        if let Some(ended) = sender.try_wait()? {
            break ended;
        }
    };
    assert!(ended.success(), "the backend must still run");
    assert!(made >= A_GO, "{made}");
    assert_eq!(self::pid(&mut connection).await?, pid);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_backends_call_at_the_same_time() -> Result<()> {
    let fleet = std::sync::Arc::new(unlimited().await?);
    let start_together = std::sync::Arc::new(Barrier::new(100));
    let mut calling = Vec::new();
    for _ in 0..100 {
        let mut connection = fleet.connect().await?;
        let start_together = start_together.clone();
        calling.push(tokio::spawn(async move {
            start_together.wait().await;
            let start = Instant::now();
            let bridges: i64 = sqlx::query_scalar("SELECT count(*) FROM wab_list_instances()")
                .fetch_one(&mut connection)
                .await?;
            anyhow::ensure!(bridges == 20, "{bridges} bridges");
            Ok(start.elapsed())
        }));
    }
    let mut longest = Duration::ZERO;
    for call in calling {
        longest = longest.max(call.await??);
    }
    println!("the slowest of 100 first calls took {longest:?}");
    assert!(longest < Duration::from_secs(15), "the slowest call took {longest:?}");
    assert_eq!(fleet.sandbox.ledger().await?.len(), 101, "one refresh and 100 calls");
    Ok(())
}

/// The private memory of a process, in kB.
fn own_memory(pid: i32) -> Result<i64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[tokio::test]
async fn ten_thousand_calls_leak_nothing() -> Result<()> {
    let fleet = in_a_hurry().await?;
    let mut connection = fleet.connect().await?;
    let pid = pid(&mut connection).await?;
    calls(&mut connection).await?;
    let after_the_first = own_memory(pid)?;
    let mut made = A_GO;
    while made < 10_000 {
        calls(&mut connection).await?;
        made += A_GO;
    }
    let after_all = own_memory(pid)?;
    println!("{after_the_first} kB after {A_GO} calls, {after_all} kB after {made}");
    assert!(
        after_all - after_the_first < 5 * 1024,
        "{after_the_first} kB after the first calls, {after_all} kB after {made}"
    );
    let sockets = open_sockets(pid)?;
    assert!(sockets < 10, "connections must be reused, but {sockets} are open");
    Ok(())
}

fn open_sockets(pid: i32) -> Result<usize> {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"))?;
    let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    Ok(targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count())
}
