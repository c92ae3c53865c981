//! Simulates a week from a new seed, lives that once found a fault, and faults that the simulation must find. It is
//! a separate program, so that it can be run for as long as one likes.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use e2e::simulation::{Mutation, draw, play, put_in_all};

const BRIDGES: u32 = 200;

/// Lives that found a fault in the product, or in a changed product, cut down.
const REGRESSIONS: &[(&str, &str)] = &[
    (
        "a late webhook of an outage that no list saw, and the webhook of its end is lost",
        include_str!("../lives/late_webhook.json"),
    ),
    (
        "a bridge is given another customer_ref after the last list of a day",
        include_str!("../lives/late_retag.json"),
    ),
    (
        "a late webhook of an outage that a list ended, before another outage",
        include_str!("../lives/listed_between.json"),
    ),
    (
        "a late webhook arrives after an operator mapped a word that a list before it had told",
        include_str!("../lives/mapped_late.json"),
    ),
    (
        "more tenants sign up than the provider makes bridges in a minute",
        include_str!("../lives/many_sign_up.json"),
    ),
];

/// The seed of the week: WAB_E2E_SEED, or another one each time.
fn seed() -> Result<u64> {
    match std::env::var("WAB_E2E_SEED") {
        Ok(seed) => Ok(seed.parse()?),
        Err(_) => Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs()),
    }
}

async fn nothing_differs(seed: u64, bridges: u32, days: i64) -> Result<()> {
    let again = format!("make simulate SEED={seed} DAYS={days} BRIDGES={bridges}");
    // A passing test shows nothing of what println! prints.
    writeln!(std::io::stdout(), "{again}")?;
    let ending = play(&draw(seed, bridges, days), None, |_| {}).await?;
    let differences: Vec<String> = ending.mismatches.iter().take(20).map(ToString::to_string).collect();
    ensure!(differences.is_empty(), "{again}\n{}", differences.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_is_as_the_model_says() -> Result<()> {
    nothing_differs(seed()?, BRIDGES, 7).await
}

#[tokio::test(flavor = "multi_thread")]
async fn lives_that_found_a_fault_are_as_the_model_says() -> Result<()> {
    for (title, life) in REGRESSIONS {
        let ending = play(&serde_json::from_str(life)?, None, |_| {}).await?;
        let differences: Vec<String> = ending.mismatches.iter().map(ToString::to_string).collect();
        ensure!(differences.is_empty(), "{title}\n{}", differences.join("\n"));
    }
    Ok(())
}

/// `make simulate-mutations` takes an hour, so that it would be late to say that the text of a fault is gone.
#[tokio::test(flavor = "multi_thread")]
async fn each_fault_can_be_put_in() -> Result<()> {
    put_in_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_in_the_product_is_found() -> Result<()> {
    for name in ["an episode of drift ends when it began", "a changed state keeps its old time"] {
        let ending = play(&draw(1, BRIDGES, 7), Some(Mutation::named(name)?), |_| {}).await?;
        assert!(!ending.mismatches.is_empty(), "{name}");
    }
    Ok(())
}
