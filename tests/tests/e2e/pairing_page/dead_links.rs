//! Tests that nothing tells why a link does not work: its status, its body, its headers and its time are those of a wrong token.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::desk::{self, Desk, token};

/// So many measurements per token.
const TIMES: usize = 41;

#[tokio::test]
async fn a_dead_link_is_like_one_that_never_was() -> Result<()> {
    let fleet = desk::fleet(6).await?;
    // Each request comes from another address, so that none is refused for wrong tokens.
    let desk = Desk::start(&fleet, &["--pairing-proxy", "127.0.0.1"])?;
    let tokens: Vec<String> = (1..=5).map(|n| token(&fleet, &format!("cust_0{n}"))).collect::<Result<_>>()?;
    fleet.sql(
        "UPDATE wab_pairing_links SET made_at = made_at - interval '2 days', valid_until = valid_until - interval '2 days'
         WHERE customer_ref = 'cust_01';
         SELECT wab_revoke_pairing_links('cust_02');
         UPDATE tenants SET status = 'gone' WHERE id = 'cust_03';
         SELECT _wab_record_session('cust_04', 'connected');
         UPDATE wab_pairing_links SET bridge_id = 99 WHERE customer_ref = 'cust_05'",
    )?;
    assert_eq!(
        fleet.sql("SELECT string_agg(state, ' ' ORDER BY customer_ref) FROM wab_links")?,
        "expired revoked unwanted paired moved"
    );
    let mut all =
        vec!["A".repeat(43), "B".repeat(43), String::new(), "x".repeat(60_000), "\u{1b}\0'".to_owned()];
    let expected = desk.open_from(&all[0], "203.0.113.1").await?;
    assert_eq!((expected.status, expected.body.as_str()), (404, r#"{"state":"dead"}"#));
    all.extend(tokens);
    for (nth, token) in all.iter().enumerate() {
        let said = desk.open_from(token, &format!("203.0.113.{nth}")).await?;
        assert_eq!(said, expected, "{}", &token[..token.len().min(50)]);
    }
    // In turn, so that whatever else the machine does strikes all alike. The long one takes longer to arrive.
    all.retain(|token| token.len() < 100);
    let mut took = vec![Vec::new(); all.len()];
    for round in 0..TIMES {
        for (nth, token) in all.iter().enumerate() {
            let client = format!("198.51.{round}.{nth}");
            let begin = Instant::now();
            desk.open_from(token, &client).await?;
            took[nth].push(begin.elapsed());
        }
    }
    let medians: Vec<Duration> = took
        .iter_mut()
        .map(|times| {
            times.sort_unstable();
            times[TIMES / 2]
        })
        .collect();
    let (least, most) = (medians.iter().min(), medians.iter().max());
    let (least, most) = (least.copied().unwrap_or_default(), most.copied().unwrap_or_default());
    assert!(most < least * 3 / 2 + Duration::from_millis(1), "the medians are {medians:?}");
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0, "no call is made for a dead link");
    assert_eq!(desk.stderr().lines().count(), 2, "{}", desk.stderr());
    Ok(())
}
