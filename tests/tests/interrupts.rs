//! Tests that cancel, timeout and terminate take effect at once while a backend waits for the provider. It is a separate
//! program, so that no other test takes its CPU time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::fleet::Fleet;
use e2e::wait;
use serde_json::json;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

#[path = "interrupts/endings.rs"]
mod endings;
#[path = "interrupts/locks.rs"]
mod locks;
#[path = "interrupts/lookups.rs"]
mod lookups;
#[path = "interrupts/memory.rs"]
mod memory;
#[path = "e2e/world.rs"]
#[allow(dead_code)]
mod world;

/// The longest time that an interrupt may need to take effect.
const AT_ONCE: Duration = Duration::from_millis(500);

fn sqlstate(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned()).unwrap_or_default()
}

/// Starts a fleet. Its provider lists no statuses, so `wab_poll_status()` asks each session. From now on the provider answers
/// no call.
async fn hanging() -> Result<Fleet> {
    let fleet = Fleet::start(&["--speed", "60"])?;
    world::fill(&fleet).await?;
    fleet.sandbox.fault(json!({"path_prefix": "/api/", "kind": "hang"})).await?;
    Ok(fleet)
}

async fn pid(connection: &mut PgConnection) -> Result<i32> {
    Ok(sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await?)
}

/// Waits until the backend waits for the provider.
async fn in_call(fleet: &Fleet, pid: i32) -> Result<()> {
    let waiting =
        format!("SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Extension'");
    wait::until("the backend waits for the provider", || async {
        Ok((!fleet.sql(&waiting)?.is_empty()).then_some(()))
    })
    .await
}

#[tokio::test]
async fn statement_timeout_ends_a_hanging_call() -> Result<()> {
    let fleet = hanging().await?;
    for call in [
        "wab_refresh()",
        "wab_list_instances()",
        "wab_reconcile()",
        "wab_provision('cust_01')",
        "wab_delete_instance(1, 'cust_01')",
    ] {
        let mut connection = fleet.connect().await?;
        sqlx::query("SET statement_timeout = '300ms'").execute(&mut connection).await?;
        let start = Instant::now();
        let error = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT * FROM {call}")))
            .fetch_all(&mut connection)
            .await
            .err()
            .context("the call succeeded")?;
        let took = start.elapsed();
        assert_eq!(sqlstate(&error), "57014", "{call}: {error}");
        assert!(took < AT_ONCE, "{call} took {took:?}");
        sqlx::query("SELECT 1").execute(&mut connection).await.context("the backend must survive")?;
    }
    Ok(())
}

#[tokio::test]
async fn cancel_takes_effect_and_the_next_call_works() -> Result<()> {
    let fleet = hanging().await?;
    let mut connection = fleet.connect().await?;
    let pid = pid(&mut connection).await?;
    for call in ["SELECT * FROM wab_refresh()", "SELECT * FROM wab_poll_status()"] {
        let running = tokio::spawn(async move {
            let error = sqlx::query(call).fetch_all(&mut connection).await.err();
            (connection, error)
        });
        in_call(&fleet, pid).await?;
        let start = Instant::now();
        fleet.sql(&format!("SELECT pg_cancel_backend({pid})"))?;
        let error;
        (connection, error) = running.await?;
        assert!(start.elapsed() < AT_ONCE, "{call}: {:?}", start.elapsed());
        assert_eq!(sqlstate(&error.context("the call succeeded")?), "57014", "{call}");
    }
    fleet.sandbox.heal().await?;
    let bridges: i32 =
        sqlx::query_scalar("SELECT bridges FROM wab_refresh()").fetch_one(&mut connection).await?;
    assert_eq!(bridges, 20, "the same backend must be able to call again");
    Ok(())
}

#[tokio::test]
async fn terminate_ends_the_backend() -> Result<()> {
    let fleet = hanging().await?;
    let mut connection = fleet.connect().await?;
    let pid = pid(&mut connection).await?;
    let call = tokio::spawn(async move {
        sqlx::query("SELECT * FROM wab_refresh()").fetch_all(&mut connection).await.err()
    });
    in_call(&fleet, pid).await?;
    let start = Instant::now();
    fleet.sql(&format!("SELECT pg_terminate_backend({pid})"))?;
    assert!(call.await?.is_some());
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    gone(pid).await
}

/// Waits for at most a second until the process has ended.
async fn gone(pid: i32) -> Result<()> {
    wait::until_within(Duration::from_secs(1), "the process is gone", || async {
        Ok((!alive(pid)).then_some(()))
    })
    .await
}

/// Whether the process runs. A zombie, which has ended and waits for its parent to read the exit status, does not run.
fn alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| !status.contains("State:\tZ"))
}

#[tokio::test]
async fn every_other_thread_blocks_all_signals() -> Result<()> {
    let fleet = hanging().await?;
    let mut connection = fleet.connect().await?;
    let pid = pid(&mut connection).await?;
    let before = threads(pid)?.len();
    let call = tokio::spawn(async move {
        sqlx::query("SELECT * FROM wab_refresh()").fetch_all(&mut connection).await.is_err()
    });
    in_call(&fleet, pid).await?;
    let threads = threads(pid)?;
    assert_eq!((before, threads.len()), (1, 2), "the first call must start the only other thread");
    // Bit n-1 is signal n. SIGKILL (9) and SIGSTOP (19) cannot be blocked, and glibc reserves 32 and 33.
    let all: u64 = !((1 << 8) | (1 << 18) | (1 << 31) | (1 << 32));
    for (tid, blocked) in &threads {
        if *tid == pid {
            assert_ne!(blocked & all, all, "the main thread must receive signals");
        } else {
            assert_eq!(blocked & all, all, "thread {tid} blocks {blocked:x}");
        }
    }
    fleet.sql(&format!("SELECT pg_terminate_backend({pid})"))?;
    assert!(call.await?);
    Ok(())
}

/// The threads of a process and their masks of blocked signals.
fn threads(pid: i32) -> Result<Vec<(i32, u64)>> {
    let mut threads = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        let status = std::fs::read_to_string(entry.path().join("status"))?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).context("no SigBlk")?;
        let tid = entry.file_name().to_string_lossy().parse()?;
        threads.push((tid, u64::from_str_radix(mask.trim(), 16)?));
    }
    Ok(threads)
}

#[tokio::test]
async fn a_cancel_in_a_handler_for_others_is_not_swallowed() -> Result<()> {
    let fleet = hanging().await?;
    let mut connection = fleet.connect().await?;
    sqlx::query("SET statement_timeout = '300ms'").execute(&mut connection).await?;
    let block = "DO $$ BEGIN PERFORM * FROM wab_refresh(); EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'swallowed'; END $$";
    let error = sqlx::raw_sql(block)
        .execute(&mut connection)
        .await
        .err()
        .context("the handler swallowed the cancel")?;
    assert_eq!(sqlstate(&error), "57014");
    connection.close().await?;
    Ok(())
}

#[tokio::test]
async fn our_own_deadline_names_its_phase() -> Result<()> {
    let fleet = hanging().await?;
    fleet.cluster.configure(&[("wab.request_timeout", "700ms")])?;
    fleet.cluster.reload()?;
    wait::until("the setting is in effect", || async {
        Ok((fleet.sql("LOAD 'pg_wabridges'; SHOW wab.request_timeout")? == "700ms").then_some(()))
    })
    .await?;
    let (state, message) = fleet.sql_error("SELECT * FROM wab_refresh()")?;
    assert_eq!(state, "08006", "{message}");
    assert!(message.contains("waiting for the provider's answer"), "{message}");
    Ok(())
}
