//! Simulates a month of minute refreshes and prints how the tables grow, as Markdown. GROWTH_DAYS=2 simulates two days,
//! GROWTH_BRIDGES=1000 a smaller fleet.
#![allow(clippy::print_stdout)]

mod month;
mod scale;
mod sizes;
mod table;
mod wal;

use anyhow::{Context, Result};
use e2e::fleet::Fleet;
use e2e::sandbox::Sandbox;

use crate::month::Month;

fn main() -> Result<()> {
    let bridges = number("GROWTH_BRIDGES", 10_000)?;
    let days = number("GROWTH_DAYS", 30)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let fleet = filled(bridges)?;
    println!("## WAL of a refresh\n\n{}", runtime.block_on(wal::measure(&fleet, bridges))?);
    let month = Month { bridges, days };
    println!("## {days} days\n\n{}", runtime.block_on(month.live(&fleet))?);
    println!("## Tables after {days} days\n\n{}", sizes::tables(&fleet)?);
    println!("## Pruning\n\n{}", sizes::prune(&fleet, days)?);
    // The sizes that follow are of rows that were not lived through.
    fleet.cluster.restart()?;
    println!("## Indexes of wab_bridges\n\n{}", scale::indexes(&fleet)?);
    println!("## History of 400 days\n\n{}", scale::history(&fleet, bridges)?);
    Ok(())
}

/// A number from the environment.
fn number(name: &str, default: u32) -> Result<u32> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} must be a number, such as {default}")),
        Err(_) => Ok(default),
    }
}

/// A fleet of so many tenants and bridges without drift. PostgreSQL has its defaults, autovacuum included.
fn filled(bridges: u32) -> Result<Fleet> {
    let unlimited = ["--limit-provision", "--limit-proxy", "--limit-other", "--limit-floor"];
    let seed = bridges.to_string();
    let mut args = vec!["--list-status", "--seed", &seed];
    args.extend(unlimited.iter().flat_map(|limit| [*limit, "0"]));
    let fleet = Fleet::with(Sandbox::start(&args)?, &[])?;
    fleet.sql(
        "SELECT * FROM wab_refresh(force => true);
         CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL, bridge_id bigint, bridge_status text);
         INSERT INTO tenants SELECT b.customer_ref, 'active', b.bridge_id, b.status FROM wab_bridges b;
         SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''');
         SELECT _wab_record_drift()",
    )?;
    fleet.sql("VACUUM ANALYZE")?;
    Ok(fleet)
}
