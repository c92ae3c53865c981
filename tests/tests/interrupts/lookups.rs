//! Tests that a name lookup without an answer blocks only its own thread, neither the backend nor the end of the backend.

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::fleet::Fleet;
use e2e::{process, wait};
use sqlx::postgres::PgConnection;

/// A loopback address that no other program uses; the resolver sends its queries to port 53.
const SILENT: &str = "127.153.53.1";

/// A fleet with a single name server, which never answers; `None` without root.
#[allow(clippy::print_stderr)]
async fn where_no_name_is_answered() -> Result<Option<(Fleet, UdpSocket)>> {
    if !process::is_root()? {
        eprintln!("skipped: only root can give the server its own resolv.conf and listen on port 53");
        return Ok(None);
    }
    let name_server = UdpSocket::bind((SILENT, 53)).context("cannot listen on port 53")?;
    name_server.set_nonblocking(true)?;
    let fleet = super::world::healthy(&[]).await?;
    let resolver = fleet.cluster.socket_dir().join("resolv.conf");
    std::fs::write(&resolver, format!("nameserver {SILENT}\noptions timeout:30 attempts:5\n"))?;
    fleet.cluster.configure(&[
        ("wab.connect_timeout", "60s"),
        ("wab.request_timeout", "60s"),
        ("wab.api_url", "https://provider.example"),
    ])?;
    fleet.cluster.stop()?;
    fleet.cluster.start_with_file(&resolver, Path::new("/etc/resolv.conf"))?;
    Ok(Some((fleet, name_server)))
}

/// Waits until the name server has received a query.
async fn asked(name_server: &UdpSocket) -> Result<()> {
    let mut question = [0; 512];
    wait::until("the name server has received a query", || async {
        Ok(name_server.recv(&mut [0; 512]).ok())
    })
    .await?;
    // A lookup sends one query for IPv4 and one for IPv6.
    while name_server.recv(&mut question).is_ok() {}
    Ok(())
}

/// Starts a call and waits until it looks up the name.
async fn look_up(
    fleet: &Fleet,
    name_server: &UdpSocket,
    mut connection: PgConnection,
) -> Result<(i32, tokio::task::JoinHandle<(PgConnection, Option<sqlx::Error>)>)> {
    let pid = super::pid(&mut connection).await?;
    let calling = tokio::spawn(async move {
        let error = sqlx::query("SELECT * FROM wab_list_instances()").fetch_all(&mut connection).await.err();
        (connection, error)
    });
    super::in_call(fleet, pid).await?;
    asked(name_server).await?;
    Ok((pid, calling))
}

#[tokio::test]
async fn a_name_that_is_never_answered_is_given_up_at_once() -> Result<()> {
    let Some((fleet, name_server)) = where_no_name_is_answered().await? else { return Ok(()) };
    let (pid, calling) = look_up(&fleet, &name_server, fleet.connect().await?).await?;
    let start = Instant::now();
    fleet.sql(&format!("SELECT pg_cancel_backend({pid})"))?;
    let (mut connection, error) = calling.await?;
    assert!(start.elapsed() < super::AT_ONCE, "{:?}", start.elapsed());
    assert_eq!(super::sqlstate(&error.context("the call succeeded")?), "57014");
    assert_eq!(super::threads(pid)?.len(), 3, "the lookup must continue on its own thread");

    fleet.cluster.configure(&[("wab.api_url", fleet.sandbox.url())])?;
    fleet.cluster.reload()?;
    while sqlx::query_scalar::<_, String>("SHOW wab.api_url").fetch_one(&mut connection).await?
        != fleet.sandbox.url()
    {}
    let start = Instant::now();
    let bridges: i64 =
        sqlx::query_scalar("SELECT count(*) FROM wab_list_instances()").fetch_one(&mut connection).await?;
    assert_eq!(bridges, 20, "the same backend must be able to call again");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(super::threads(pid)?.len(), 3, "the first lookup must still wait");

    // A backend ends without waiting for its lookup, both after the call and during it.
    fleet.sql(&format!("SELECT pg_terminate_backend({pid})"))?;
    super::gone(pid).await?;
    fleet.cluster.configure(&[("wab.api_url", "https://provider.example")])?;
    fleet.cluster.reload()?;
    wait::until("the setting is in effect", || async {
        Ok((fleet.sql("LOAD 'pg_wabridges'; SHOW wab.api_url")? == "https://provider.example").then_some(()))
    })
    .await?;
    let (pid, calling) = look_up(&fleet, &name_server, fleet.connect().await?).await?;
    fleet.sql(&format!("SELECT pg_terminate_backend({pid})"))?;
    super::gone(pid).await?;
    assert!(calling.await?.1.is_some());
    Ok(())
}
