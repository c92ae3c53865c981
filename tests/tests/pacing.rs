//! Tests that `wab apply` uses almost all of the provider's rate limit and that no call is refused. It is a separate program,
//! so that no other test takes its CPU time.
#![allow(clippy::print_stdout)]

use anyhow::{Context, Result};
use e2e::fleet::Fleet;
use serde_json::Value;

#[path = "e2e/world.rs"]
#[allow(dead_code)]
mod world;

/// The limits of a sandbox at 60 times the speed: its windows last one second.
const YAML: &str = "  limits: { provision: 10/1s, proxy: 120/1s, other: 120/1s }
tenants: { table: public.tenants, wanted: status = 'active' }
policy: { max_creates: 1000 }
";

async fn posts(fleet: &Fleet) -> Result<Vec<Value>> {
    let ledger = fleet.sandbox.ledger().await?;
    let refused = ledger.iter().filter(|call| call["status"] == 429).count();
    assert_eq!(refused, 0, "no call may be answered with 429, of {}", ledger.len());
    Ok(ledger.into_iter().filter(|call| call["method"] == "POST").collect())
}

/// Seconds from the first to the last of these calls in the ledger.
fn span(fleet: &Fleet, calls: &[Value]) -> Result<f64> {
    let at = |call: Option<&Value>| call.and_then(|call| call["at"].as_str()).map(str::to_owned);
    let first = at(calls.first()).context("no call")?;
    let last = at(calls.last()).context("no call")?;
    Ok(fleet.sql(&format!("SELECT extract(epoch FROM '{last}'::timestamptz - '{first}')"))?.parse()?)
}

fn want(fleet: &Fleet, prefix: &str, count: usize) -> Result<()> {
    fleet.sql(&format!(
        "INSERT INTO tenants (id) SELECT '{prefix}' || n FROM generate_series(1, {count}) n"
    ))?;
    Ok(())
}

fn apply(fleet: &Fleet) -> Result<()> {
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}

/// Seconds that 600 creates may take at 10 a second.
const LONGEST: f64 = 600.0 / 10.0 / 0.99;

/// Applies 600 creates; returns the seconds from the first to the last.
async fn run(fleet: &Fleet, prefix: &str) -> Result<f64> {
    want(fleet, prefix, 600)?;
    fleet.sandbox.clear_ledger().await?;
    apply(fleet)?;
    let posts = posts(fleet).await?;
    assert_eq!(posts.len(), 600, "one call each");
    let took = span(fleet, &posts)?;
    println!("600 creates in {took:.2} s: {:.1} % of the limit", 600.0 / 10.0 / took * 100.0);
    Ok(took)
}

#[tokio::test]
async fn six_hundred_creates_use_99_percent_of_the_limit_and_none_is_refused() -> Result<()> {
    // 20 calls in 2 seconds: a window that is a thirtieth of the provider's, so that a delay which a busy machine adds to each
    // window weighs thirty times as much as in real life, not sixty times.
    let fleet = Fleet::start(&["--list-status", "--speed", "30", "--limit-provision", "20"])?;
    world::fill(&fleet).await?;
    fleet.fleet_yaml(&YAML.replace("10/1s", "20/2s").replace("120/1s", "120/2s"))?;
    // A busy machine can only make a run slower, so the better of two counts.
    let mut took = run(&fleet, "new_").await?;
    if took > LONGEST {
        took = took.min(run(&fleet, "more_").await?);
    }
    assert!(took <= LONGEST, "{took:.2} s");
    Ok(())
}

#[tokio::test]
async fn a_second_run_waits_for_the_window_of_the_first_one() -> Result<()> {
    // The window of 10 calls is longer than both runs, which need 8 calls each.
    let fleet = Fleet::start(&["--list-status", "--speed", "6"])?;
    world::fill(&fleet).await?;
    fleet.fleet_yaml(&YAML.replace("10/1s", "10/10s").replace("120/1s", "120/10s"))?;
    fleet.sandbox.clear_ledger().await?;
    for prefix in ["one_", "two_"] {
        want(&fleet, prefix, 8)?;
        apply(&fleet)?;
    }
    let posts = posts(&fleet).await?;
    assert_eq!(posts.len(), 16, "one call each");
    let took = span(&fleet, &posts)?;
    println!("8 and 8 creates in {took:.2} s");
    assert!(took >= 10.0, "the second run must wait for the next window, but both took {took:.2} s");
    Ok(())
}
