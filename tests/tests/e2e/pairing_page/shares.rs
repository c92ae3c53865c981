//! Tests how pages share the provider's limit.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::desk::{self, Desk, asked, token};

#[tokio::test]
async fn fifteen_pages_run_and_the_next_one_waits_its_turn() -> Result<()> {
    let fleet = desk::fleet(16).await?;
    let desk = Arc::new(Desk::start(&fleet, &[])?);
    let tokens: Vec<String> =
        (1..=16).map(|n| token(&fleet, &format!("cust_{n:02}"))).collect::<Result<_>>()?;
    // Each link is open twice.
    let pages: Vec<_> = tokens[..15]
        .iter()
        .flat_map(|token| [token, token])
        .map(|token| {
            let (desk, token) = (desk.clone(), token.clone());
            tokio::spawn(async move { desk.open(&token).await })
        })
        .collect();
    for page in pages {
        let said = page.await??;
        assert_eq!(said.state()?, "scan", "{said:?} {}", desk.stderr());
        assert!(said.wait()? <= 15, "{said:?}");
    }
    for n in 1..=15 {
        assert_eq!(asked(&fleet, &format!("cust_{n:02}"), "qr").await?, 1, "two viewers share a call");
    }
    let last = desk.open(&tokens[15]).await?;
    assert_eq!((last.status, last.state()?.as_str()), (200, "wait"));
    assert!((60..=180).contains(&last.wait()?), "{last:?}");
    assert_eq!(asked(&fleet, "cust_16", "qr").await?, 0);
    // Asking sooner than told brings the same code, and no call.
    let body = json!({"token": tokens[0]});
    assert_eq!(desk.post("/p/state", &body, &[]).await?.state()?, "scan");
    assert_eq!(asked(&fleet, "cust_01", "qr").await?, 1);
    // One of them pairs, and the next one follows.
    let first = desk.open(&tokens[0]).await?;
    fleet.sandbox.change(1, json!({"status": "connected"})).await?;
    desk.follow(&json!({"token": tokens[0]}), &first, "paired").await?;
    assert_eq!(desk.open(&tokens[15]).await?.state()?, "scan");
    Ok(())
}

#[tokio::test]
async fn calls_of_other_processes_count_too() -> Result<()> {
    let fleet = desk::fleet(1).await?;
    fleet.fleet_yaml("  limits: { proxy: 3/60s }\n")?;
    fleet.sql(
        "INSERT INTO wab_pairing_codes (customer_ref, requested_by, valid_until)
         SELECT 'cust_02', 'me', clock_timestamp() + interval '3 minutes' FROM generate_series(1, 3)",
    )?;
    let desk = Desk::start(&fleet, &[])?;
    let said = desk.open(&token(&fleet, "cust_01")?).await?;
    assert!(said.state()? == "wait" && (40..=61).contains(&said.wait()?), "{said:?}");
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0);
    Ok(())
}
