//! Tests that the page says when to try again, and goes on by itself, when the provider or the database fails.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::desk::{self, Desk, asked, token};

#[tokio::test]
async fn a_provider_that_hangs_or_refuses_is_waited_for() -> Result<()> {
    let fleet = desk::fleet(3).await?;
    let desk = Desk::start(&fleet, &[])?;
    let link = token(&fleet, "cust_01")?;
    let qr = |n: u32| format!("/api/instances/cust_0{n}/proxy/qr");
    fleet.sandbox.fault(json!({"path": qr(1), "kind": "hang"})).await?;
    let begin = Instant::now();
    let hanging = desk.open(&link).await?;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(hanging.state()? == "failed" && hanging.wait()? <= 15, "{hanging:?}");
    // Other pages do not wait for it, and asking sooner causes no call.
    assert_eq!(desk.open(&token(&fleet, "cust_02")?).await?.state()?, "scan");
    let again = desk.open(&link).await?;
    assert_eq!(again.state()?, "failed", "{again:?}");
    assert_eq!(asked(&fleet, "cust_01", "qr").await?, 1, "one call is under way");
    fleet.sandbox.heal().await?;
    desk.follow(&json!({"token": link}), &again, "scan").await?;
    // A session that fails.
    fleet.sandbox.fault(json!({"path": qr(3), "kind": "status", "code": 404})).await?;
    let missing = desk.open(&token(&fleet, "cust_03")?).await?;
    assert_eq!(missing.state()?, "failed");
    assert!(!missing.body.contains("cust_03"), "{missing:?}");
    assert!(desk.stderr().contains("pairing page: "), "{}", desk.stderr());
    assert!(!desk.stderr().contains(&link), "{}", desk.stderr());
    Ok(())
}

#[tokio::test]
async fn a_provider_that_answers_429_is_asked_when_it_said() -> Result<()> {
    let fleet = desk::fleet(2).await?;
    let desk = Desk::start(&fleet, &[])?;
    let link = token(&fleet, "cust_01")?;
    let fault = json!({"path_prefix": "/api", "kind": "status", "code": 429, "retry_after": 7, "times": 1});
    fleet.sandbox.fault(fault).await?;
    let begin = Instant::now();
    let refused = desk.open(&link).await?;
    assert!(refused.state()? == "failed" && (6..=8).contains(&refused.wait()?), "{refused:?}");
    // The limit is the account's: nobody is served meanwhile, and no call is made.
    let other = desk.open(&token(&fleet, "cust_02")?).await?;
    assert!(other.state()? == "wait" && other.wait()? <= 8, "{other:?}");
    assert_eq!(fleet.sandbox.ledger().await?.len(), 1);
    desk.follow(&json!({"token": link}), &refused, "scan").await?;
    assert!(begin.elapsed() > Duration::from_secs(6), "{:?}", begin.elapsed());
    Ok(())
}

#[tokio::test]
async fn the_page_goes_on_after_the_database_was_down() -> Result<()> {
    let fleet = desk::fleet(1).await?;
    let link = token(&fleet, "cust_01")?;
    fleet.cluster.stop()?;
    // It starts without the database.
    let desk = Desk::start(&fleet, &[])?;
    let down = desk.open(&link).await?;
    assert_eq!((down.status, down.state()?.as_str()), (503, "unavailable"));
    assert!(down.headers.contains("retry-after: 5"), "{down:?}");
    assert_eq!(desk.get("/p").await?.status, 200);
    fleet.cluster.start_again()?;
    let opened = desk.follow(&json!({"token": link}), &down, "scan").await?;
    // A connection that was lost is made again.
    fleet.cluster.crash()?;
    assert_eq!(desk.open(&link).await?.state()?, "unavailable");
    fleet.cluster.start_again()?;
    let body = json!({"token": link, "visit": opened.json()?["visit"]});
    assert_eq!(desk.post("/p/state", &body, &[]).await?.state()?, "scan");
    assert!(!desk.stderr().contains(&link), "{}", desk.stderr());
    Ok(())
}
