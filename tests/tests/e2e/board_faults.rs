//! Tests the board of `wab serve` when the database or a client fails, behind a pooler, on a standby, and at its end.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::fleet::{DATABASE, Fleet};
use e2e::pooler::{Pooler, Program};
use e2e::process;
use e2e::served::{Served, answer};
use e2e::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world;

const SOON: Duration = Duration::from_secs(1);

fn serve_on(fleet: &Fleet, url: &str) -> Result<Served> {
    let mut command = fleet.wab_command(&["serve", "--no-auth", "--listen", "127.0.0.1:0"])?;
    command.env("DATABASE_URL", url);
    Served::start(command)
}

/// Waits until the page has this text.
async fn until_it_shows(board: &Served, path: &str, text: &str) -> Result<String> {
    wait::until(&format!("{path} shows {text}"), || async {
        let said = board.get(path).await?;
        Ok(said.body.contains(text).then_some(said.body))
    })
    .await
}

#[tokio::test]
async fn without_the_database_it_shows_the_last_snapshot_and_its_age() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    let board = Served::open(&fleet)?;
    board.page("/costs").await?;
    board.page("/").await?;
    board.page("/drift").await?;
    fleet.cluster.stop()?;
    let page = until_it_shows(&board, "/", "This page could not be renewed").await?;
    assert!(page.contains("<strong>20</strong> Paired") && page.contains("It is from"), "{page}");
    let drift = until_it_shows(&board, "/drift", "This page could not be renewed").await?;
    assert!(drift.contains("There is no drift."), "{drift}");
    assert_eq!((board.get("/readyz").await?.code, board.get("/healthz").await?.code), (503, 200));
    assert_eq!(board.get("/metrics").await?.code, 503, "old numbers would look like new ones");
    let stopped = Instant::now();
    let costs = until_it_shows(&board, "/costs", "This page could not be renewed").await?;
    assert!(costs.contains("Cost by month"), "{costs}");
    assert!(
        stopped.elapsed() < Duration::from_secs(10),
        "its numbers are renewed every 30 s, its state sooner"
    );
    let unseen = board.get("/runs").await?;
    assert_eq!(unseen.code, 503);
    assert!(unseen.body.contains("The fleet cannot be read"), "{}", unseen.body);
    fleet.cluster.start_again()?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_21')")?;
    until_it_shows(&board, "/drift", "cust_21").await?;
    assert_eq!(board.get("/readyz").await?.code, 200);
    Ok(())
}

#[tokio::test]
async fn without_a_bound_table_it_says_what_to_do() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    fleet.fleet_yaml("")?;
    let board = Served::open(&fleet)?;
    for path in ["/", "/tenants", "/incidents", "/metrics"] {
        let said = board.get(path).await?;
        assert_eq!(said.code, 503, "{path}");
        assert!(said.body.contains("no tenants table is bound yet"), "{path}: {}", said.body);
        assert!(said.body.contains("wab_bind_tenants("), "{path}: {}", said.body);
    }
    assert_eq!(board.get("/readyz").await?.code, 503);
    Ok(())
}

#[tokio::test]
async fn it_starts_before_the_database_does() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    fleet.cluster.stop()?;
    let board = Served::open(&fleet)?;
    assert_eq!((board.get("/").await?.code, board.get("/readyz").await?.code), (503, 503));
    fleet.cluster.start_again()?;
    until_it_shows(&board, "/", "<strong>20</strong> Paired").await?;
    Ok(())
}

/// Stops or continues all processes of the server.
fn signal_server(fleet: &Fleet, signal: &str) -> Result<()> {
    let postmaster = fleet.cluster.postmaster()?.to_string();
    let children = process::must(Command::new("pgrep").args(["-P", &postmaster]))?;
    let all: Vec<&str> = children.split_whitespace().chain([postmaster.as_str()]).collect();
    process::must(Command::new("kill").arg(signal).args(all)).map(drop)
}

#[tokio::test]
async fn a_database_that_hangs_delays_a_page_by_a_second_or_two() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    let board = Served::open(&fleet)?;
    board.page("/drift").await?;
    signal_server(&fleet, "-STOP")?;
    let asked = wait::until("a page is older than a tick", || async {
        let asked = Instant::now();
        let page = board.page("/drift").await?;
        Ok(page.contains("This page could not be renewed").then(|| asked.elapsed()))
    })
    .await;
    signal_server(&fleet, "-CONT")?;
    let took = asked?;
    assert!(took < Duration::from_secs(3), "{took:?}");
    wait::until("it shows the fleet again", || async {
        let page = board.page("/drift").await?;
        Ok((!page.contains("This page could not be renewed")).then_some(()))
    })
    .await
}

/// Opens /live and returns the stream after its head.
async fn live(board: &Served) -> Result<TcpStream> {
    let address = board.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await?;
    stream.write_all(format!("GET /live HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
    let head = read_until(&mut stream, "\r\n\r\n").await?;
    ensure!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
    Ok(stream)
}

/// Reads until this text has arrived.
async fn read_until(stream: &mut TcpStream, text: &str) -> Result<String> {
    let mut seen = String::new();
    let mut buffer = [0; 1024];
    let reading = async {
        while !seen.contains(text) {
            let n = stream.read(&mut buffer).await?;
            ensure!(n > 0, "the connection ended after {seen:?}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
        Ok(seen)
    };
    tokio::time::timeout(Duration::from_secs(30), reading).await?
}

/// Opens /live and reads what the first look makes of it: a page may be from a moment before.
async fn live_after_first_look(board: &Served) -> Result<TcpStream> {
    let mut stream = live(board).await?;
    read_until(&mut stream, "event: changed\ndata: ").await?;
    Ok(stream)
}

/// Makes this change, and waits until an open page is told.
async fn until_told(fleet: &Fleet, stream: &mut TcpStream, change: &str) -> Result<()> {
    fleet.sql(change)?;
    read_until(stream, "event: changed").await.with_context(|| change.to_owned()).map(drop)
}

#[tokio::test]
async fn an_open_page_is_told_of_every_kind_of_change() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    let board = Served::open(&fleet)?;
    let mut stream = live_after_first_look(&board).await?;
    for change in [
        "SELECT * FROM wab_refresh()",
        "SELECT wab_ingest_event('cust_05', CASE status WHEN 'paired' THEN '{\"event\": \"disconnected\"}' ELSE '{\"event\": \"connected\"}' END::jsonb) FROM wab_bridges WHERE bridge_id = 5",
        "SELECT wab_enqueue_provision('cust_' || txid_current())",
        "SELECT wab_nudged('cust_06', 'email')",
        "SELECT wab_snooze('cust_05', NULL, now() + interval '1 day', 'x')",
    ] {
        until_told(&fleet, &mut stream, change).await?;
    }
    Ok(())
}

#[tokio::test]
async fn behind_a_pooler_and_on_a_standby_it_works_as_on_the_primary() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    let pooler = Pooler::run(&Program::debian(), &fleet.cluster, "transaction", 2)?;
    let board = serve_on(&fleet, &pooler.url(DATABASE))?;
    for path in ["/", "/tenants", "/tenants/cust_01", "/metrics"] {
        board.page(path).await?;
    }
    let mut stream = live_after_first_look(&board).await?;
    until_told(&fleet, &mut stream, "SELECT * FROM wab_refresh()").await?;
    let left = "SELECT string_agg(DISTINCT name, ',') FROM pg_settings WHERE source = 'session' AND name IN ('search_path', 'statement_timeout', 'row_security', 'jit')";
    assert_eq!(pooler.sql(DATABASE, left)?, "", "a setting is left on the server connection");
    let standby = fleet.cluster.standby()?;
    let board = serve_on(&fleet, &standby.url(DATABASE))?;
    for path in ["/", "/tenants", "/tenants/cust_01", "/incidents", "/costs", "/metrics"] {
        board.page(path).await?;
    }
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_21')")?;
    until_it_shows(&board, "/drift", "cust_21").await.map(drop)
}

#[tokio::test]
async fn many_viewers_ask_the_database_as_often_as_one() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    let transactions = || -> Result<i64> {
        let count = "SELECT pg_stat_force_next_flush(); SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'app'";
        Ok(fleet.sql(count)?.lines().last().unwrap_or_default().parse()?)
    };
    let mut spent = Vec::new();
    for viewers in [1, 64] {
        let board = Served::open(&fleet)?;
        let before = transactions()?;
        let mut pages = Vec::new();
        for _ in 0..viewers {
            pages.push(tokio::spawn(answer(board.request("GET", "/")?)));
        }
        for page in pages {
            ensure!(page.await??.body.contains("<strong>20</strong> Paired"));
        }
        // The counters arrive when the connections end.
        board.stop()?;
        let gone = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'wab'";
        wait::until("its connections are gone", || async { Ok((fleet.sql(gone)? == "0").then_some(())) })
            .await?;
        spent.push(transactions()? - before);
    }
    assert!(spent[0] >= 2, "{spent:?}");
    // The look-out for the end of the connections is counted too.
    assert!(spent[1] <= spent[0] + 5, "{spent:?}");
    Ok(())
}

#[tokio::test]
async fn sigterm_ends_it_within_a_second_with_64_open_pages_and_there_is_no_65th() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    let board = Served::open(&fleet)?;
    let mut pages = Vec::new();
    for _ in 0..64 {
        pages.push(live(&board).await?);
    }
    assert_eq!(board.get("/live").await?.code, 503);
    assert_eq!(board.get("/").await?.code, 200);
    let sent = Instant::now();
    let (code, stderr) = board.stop()?;
    let took = sent.elapsed();
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(took < SOON, "{took:?}");
    Ok(())
}

#[tokio::test]
async fn clients_that_stall_are_cut_off_and_hurt_nobody() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    let board = Served::open(&fleet)?;
    let address = board.url().trim_start_matches("http://").to_owned();
    let mut slow = Vec::new();
    for _ in 0..500 {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localh").await?;
        slow.push(stream);
    }
    assert_eq!(board.get("/healthz").await?.code, 200);
    let began = Instant::now();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), slow[0].read_to_end(&mut rest)).await??;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    // A body that is announced is refused before it is sent.
    let mut stream = TcpStream::connect(&address).await?;
    let head = format!("POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 70000\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    read_until(&mut stream, "HTTP/1.1 413").await?;
    // Closed in the middle of an answer, and nonsense.
    for junk in [&b"\x16\x03\x01\x02\x00"[..], b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(junk).await?;
        drop(stream);
    }
    assert_eq!(board.get("/").await?.code, 200);
    assert_eq!(board.stop()?.0, 0);
    Ok(())
}
