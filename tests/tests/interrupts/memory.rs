//! Tests that a backend does not grow by the calls that were cancelled in it, at whatever moment.

use anyhow::{Context, Result, bail};
use serde_json::json;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::{pid, sqlstate};
use e2e::fleet::Fleet;
use e2e::wait;

/// Bridges of the listing: it takes some milliseconds, during which a cancel can arrive.
const BRIDGES: u32 = 2_000;

/// How many calls of each function are cancelled; `WAB_CANCELS=300` cancels more.
fn cancels() -> Result<u32> {
    Ok(std::env::var("WAB_CANCELS").map_or(Ok(30), |text| text.parse())?)
}

/// Bytes that the process has allocated.
fn allocated(pid: i32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Calls the function `times` times, each with another time limit from 1 ms up to its whole duration; returns how many were
/// cancelled.
async fn cancelled(connection: &mut PgConnection, call: &str, times: u32, longest: u32) -> Result<u32> {
    let mut cancelled = 0;
    for nth in 0..times {
        let limit = 1 + nth * longest / times;
        // Both are one transaction, after which the limit is gone.
        let statements = format!("SET LOCAL statement_timeout = {limit}; SELECT * FROM {call}");
        match sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut *connection).await {
            Ok(_) => {}
            Err(error) if sqlstate(&error) == "57014" => cancelled += 1,
            // The provider's refusals count as answers.
            Err(error) => {
                error.as_database_error().with_context(|| format!("{call}: {error}"))?;
            }
        }
    }
    Ok(cancelled)
}

/// Cancels rounds of calls until the backend keeps its size in one. A round that comes further than those before it needs
/// memory that PostgreSQL keeps for the next; only a leak makes each round grow.
async fn assert_no_leak(connection: &mut PgConnection, pid: i32, call: &str, longest: u32) -> Result<()> {
    let mut rounds = Vec::new();
    let mut before = allocated(pid)?;
    for _ in 0..5 {
        let cancelled = cancelled(connection, call, cancels()?, longest).await?;
        let after = allocated(pid)?;
        let grown = after.saturating_sub(before);
        if cancelled > 0 && grown < 1_500_000 {
            return Ok(());
        }
        rounds.push((cancelled, grown));
        before = after;
    }
    bail!("{call}: cancels within {longest} ms and the bytes that they left, by round: {rounds:?}")
}

#[tokio::test]
async fn a_cancel_at_any_moment_leaves_no_memory_behind() -> Result<()> {
    let bridges = BRIDGES.to_string();
    let fleet = Fleet::start(&[
        "--seed",
        &bridges,
        "--limit-other",
        "0",
        "--limit-floor",
        "0",
        "--limit-proxy",
        "0",
    ])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         SELECT * FROM wab_bind_tenants('tenants'); SELECT * FROM wab_refresh(force => true);
         INSERT INTO tenants SELECT customer_ref, bridge_id, status FROM wab_bridges WHERE customer_ref IS NOT NULL ON CONFLICT DO NOTHING",
    )?;
    let tenant = fleet.sql("SELECT min(id) FROM tenants")?;
    // Each list warns, and a warning is a moment at which PostgreSQL looks for a cancel.
    fleet.sandbox.fault(json!({"path_prefix": "/api/", "kind": "malformed_row"})).await?;
    fleet.cluster.expect_in_log(&[
        "some listed bridges could not be read",
        "some bridges did not report their status",
        "the provider carried out a call that could not be recorded",
    ]);
    for call in [
        "wab_refresh()".to_owned(),
        "wab_list_instances()".to_owned(),
        "wab_reconcile(20)".to_owned(),
        "wab_poll_status(20)".to_owned(),
        "wab_get_instance(1)".to_owned(),
        format!("wab_provision('{tenant}')"),
        "wab_delete_instance(1, 'nobody')".to_owned(),
        format!("wab_session_status('{tenant}')"),
        format!("wab_qr('{tenant}')"),
        format!("wab_qr_text('{tenant}')"),
        format!("wab_pair('{tenant}', '15550001111')"),
        format!("wab_logout('{tenant}')"),
    ] {
        let mut connection = fleet.connect().await?;
        let pid = pid(&mut connection).await?;
        let start = std::time::Instant::now();
        let whole = sqlx::AssertSqlSafe(format!("SELECT * FROM {call}"));
        let _ = sqlx::raw_sql(whole).execute(&mut connection).await;
        let longest = u32::try_from(start.elapsed().as_millis())?.max(2);
        assert_no_leak(&mut connection, pid, &call, longest).await?;
    }
    Ok(())
}

/// Runs the block, and reads no message of the server until it waits to send more; then cancels the block. So the cancel is
/// pending when the server ends the warning or notice that it could not send.
async fn cancel_while_sending(fleet: &Fleet, connection: &mut PgConnection, block: &str) -> Result<()> {
    let pid = pid(connection).await?;
    let waits = async |event: &str| {
        let query = format!("SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event = '{event}'");
        wait::until(event, || async { Ok((!fleet.sql(&query)?.is_empty()).then_some(())) }).await
    };
    let mut gate = fleet.connect().await?;
    sqlx::raw_sql("SELECT pg_advisory_lock(1)").execute(&mut gate).await?;
    let statement = format!("DO $$ BEGIN PERFORM pg_advisory_xact_lock(1); {block} END $$");
    let mut running = Box::pin(sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(connection));
    tokio::select! {
        ended = &mut running => bail!("it ended: {ended:?}"),
        waits = waits("advisory") => waits?,
    }
    // From here on nothing reads this connection.
    gate.close().await?;
    waits("ClientWrite").await?;
    fleet.sql(&format!("SELECT pg_cancel_backend({pid})"))?;
    let error = running.await.err().context("the cancel was lost")?;
    assert_eq!(sqlstate(&error), "57014", "{error}");
    Ok(())
}

#[tokio::test]
async fn a_cancel_during_a_warning_leaves_no_memory_behind() -> Result<()> {
    let fleet = Fleet::start(&["--seed", "5000", "--limit-other", "0", "--limit-floor", "0"])?;
    fleet.sandbox.fault(json!({"path_prefix": "/api/", "kind": "malformed_row"})).await?;
    fleet.cluster.expect_in_log(&["some listed bridges could not be read"]);
    fleet.sql("CREATE SEQUENCE sent")?;
    let mut connection = fleet.connect().await?;
    let notice = "PERFORM nextval('sent'); RAISE NOTICE '%', repeat('x', 1000);";
    cancel_while_sending(&fleet, &mut connection, &format!("LOOP {notice} END LOOP;")).await?;
    let fits: u32 = fleet.sql("SELECT last_value FROM sent")?.parse()?;
    // Almost fills the socket, so that soon a warning does not fit.
    let list = format!(
        "FOR i IN 1..{} LOOP {notice} END LOOP; LOOP PERFORM count(*) FROM wab_list_instances(); END LOOP;",
        fits.saturating_sub(3)
    );
    cancel_while_sending(&fleet, &mut connection, &list).await?;
    let pid = pid(&mut connection).await?;
    let before = allocated(pid)?;
    for _ in 0..4 {
        cancel_while_sending(&fleet, &mut connection, &list).await?;
    }
    let grown = allocated(pid)?.saturating_sub(before);
    assert!(grown < 1_500_000, "{grown} bytes more");
    Ok(())
}
