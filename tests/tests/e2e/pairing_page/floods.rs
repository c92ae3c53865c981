//! Tests the limits on requests: of a link, and of clients that try tokens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::desk::{self, Desk, token};

fn wrong(nth: usize) -> String {
    format!("{nth:A>43}")
}

#[tokio::test]
async fn a_client_that_tries_tokens_waits_and_cannot_lie_about_its_address() -> Result<()> {
    let fleet = desk::fleet(1).await?;
    let link = token(&fleet, "cust_01")?;
    for args in [&[][..], &["--pairing-proxy", "127.0.0.1"]] {
        let desk = Desk::start(&fleet, args)?;
        let opened = desk.open_from(&link, "203.0.113.9").await?;
        assert_eq!(opened.state()?, "scan", "{opened:?}");
        // The client writes the left end, the proxy the right one.
        let spoofed = |nth: usize| format!("198.51.100.{}, 203.0.113.9", nth % 200);
        for nth in 0..30 {
            assert_eq!(desk.open_from(&wrong(nth), &spoofed(nth)).await?.status, 404, "{nth}");
        }
        let refused = desk.open_from(&wrong(30), &spoofed(30)).await?;
        assert_eq!((refused.status, refused.state()?.as_str()), (429, "busy"));
        assert!(refused.headers.contains(&format!("retry-after: {}", refused.wait()?)), "{refused:?}");
        assert!((30..=60).contains(&refused.wait()?), "{refused:?}");
        assert_eq!(desk.open_from(&link, "203.0.113.9").await?, refused, "a right token is told the same");
        // A page that was open before goes on.
        let body = json!({"token": link, "visit": opened.json()?["visit"]});
        let on = desk.post("/p/state", &body, &[("x-forwarded-for", "203.0.113.9")]).await?;
        assert_eq!(on.state()?, "scan", "{on:?}");
        let elsewhere = desk.open_from(&wrong(31), "203.0.113.10").await?;
        assert_eq!(elsewhere.status, if args.is_empty() { 429 } else { 404 }, "{args:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_link_is_asked_ten_times_in_ten_seconds() -> Result<()> {
    let fleet = desk::fleet(2).await?;
    let desk = Desk::start(&fleet, &[])?;
    let (first, other) = (token(&fleet, "cust_01")?, token(&fleet, "cust_02")?);
    for nth in 0..10 {
        assert_eq!(desk.open(&first).await?.state()?, "scan", "{nth}");
    }
    let busy = desk.open(&first).await?;
    assert!(busy.status == 429 && busy.wait()? <= 10, "{busy:?}");
    assert_eq!(desk.open(&other).await?.state()?, "scan");
    Ok(())
}

/// 10,000 tokens from 400 addresses; a page and the board go on meanwhile.
#[tokio::test]
async fn ten_thousand_wrong_tokens_hurt_nobody() -> Result<()> {
    let fleet = desk::fleet(1).await?;
    let desk = Arc::new(Desk::start(&fleet, &["--pairing-proxy", "127.0.0.1"])?);
    let link = token(&fleet, "cust_01")?;
    let opened = desk.open_from(&link, "203.0.113.9").await?;
    let body = json!({"token": link, "visit": opened.json()?["visit"]});
    let floods: Vec<_> = (0..20)
        .map(|flood| {
            let desk = desk.clone();
            tokio::spawn(async move {
                for nth in 0..500 {
                    let client = format!("198.51.{flood}.{}", nth % 20);
                    let said = desk.open_from(&wrong(flood * 500 + nth), &client).await?;
                    anyhow::ensure!([404, 429].contains(&said.status), "{said:?}");
                }
                Ok(())
            })
        })
        .collect();
    let (mut asked, mut slowest) = (0, Duration::ZERO);
    while !floods.iter().all(tokio::task::JoinHandle::is_finished) {
        let begin = Instant::now();
        let board = desk.get_board("/").await?;
        assert_eq!(board.status, 200, "{board:?}");
        slowest = slowest.max(begin.elapsed());
        if asked < 8 {
            let on = desk.post("/p/state", &body, &[("x-forwarded-for", "203.0.113.9")]).await?;
            assert_eq!(on.state()?, "scan", "{on:?}");
        }
        asked += 1;
        let connections =
            fleet.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'wab'")?;
        assert!(connections.parse::<u32>()? <= 8, "{connections} connections");
    }
    for flood in floods {
        flood.await??;
    }
    assert!(asked > 3, "the board was asked {asked} times meanwhile");
    assert!(slowest < Duration::from_secs(3), "the board took {slowest:?}");
    assert_eq!(desk.stderr().lines().count(), 2, "{}", desk.stderr());
    Ok(())
}
