//! Ten failovers of a Patroni cluster, each amid an apply of 50 steps: every run goes on and ends with 0, no bridge is lost and
//! none is made twice. `make test-ha` runs it; it takes some minutes, and Debian's Patroni and etcd.
#![allow(clippy::print_stdout)]

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

#[path = "ha/patroni.rs"]
mod patroni;
#[path = "ha/probe.rs"]
mod probe;
#[path = "ha/tenants.rs"]
mod tenants;

use patroni::Patroni;
use probe::Probe;
use tenants::Tenants;

const FAILOVERS: usize = 10;

/// How the leader changes.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// `patronictl switchover`: the leader ends cleanly and follows the next one.
    Switchover,
    /// The leader's PostgreSQL and its Patroni are killed, as if the machine died; the next one leads when the lease has ended.
    /// It lacks the last steps.
    Kill,
}

/// One line of the table.
struct Row {
    nth: usize,
    kind: Kind,
    steps: usize,
    away: Duration,
    rewritten: usize,
    lost: usize,
    twice: usize,
    code: i32,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nth, steps, rewritten, lost, twice, code, .. } = self;
        let kind = match self.kind {
            Kind::Switchover => "switchover",
            Kind::Kill => "kill -9 of the leader",
        };
        let away = self.away.as_secs_f64();
        write!(
            f,
            "| {nth:2} | {kind:21} | {steps:5} | {away:23.1} | {rewritten:9} | {lost:12} | {twice:5} | {code:4} |"
        )
    }
}

const HEAD: &str = "
|  # | failover              | steps | s without a primary     | rewritten | bridges lost | twice | exit |
|---:|-----------------------|------:|------------------------:|----------:|-------------:|------:|-----:|";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-ha runs it: it takes some minutes, Patroni and etcd"]
async fn ten_failovers_amid_applies_of_fifty_steps() -> Result<()> {
    let patroni = Patroni::start(3).await?;
    let tenants = Tenants::new(&patroni).await?;
    println!("{HEAD}");
    let mut rows = Vec::new();
    for nth in 1..=FAILOVERS {
        let kind = if nth % 2 == 1 { Kind::Switchover } else { Kind::Kill };
        let row = failover(&patroni, &tenants, nth, kind).await;
        let row = row.with_context(|| format!("failover {nth}, {kind:?}"))?;
        println!("{row}");
        rows.push(row);
    }
    for row in rows {
        ensure!((row.lost, row.twice, row.code) == (0, 0, 0), "failover {}: {row}", row.nth);
    }
    Ok(())
}

async fn failover(patroni: &Patroni, tenants: &Tenants, nth: usize, kind: Kind) -> Result<Row> {
    patroni.is_whole().await?;
    tenants.sign_up(patroni, nth)?;
    let probe = Probe::start(patroni.servers());
    let run = tenants.apply(patroni)?;
    // From the 3rd to the 30th of 50 POSTs.
    tenants.made(nth, 3 * nth).await?;
    let killed = match kind {
        Kind::Switchover => {
            patroni.switch_over()?;
            None
        }
        Kind::Kill => {
            let senders = patroni.cut_off()?;
            tenants.made(nth, 3 * nth + 3).await?;
            Some(patroni.kill_leader(&senders)?)
        }
    };
    let (code, said) = run.end()?;
    let away = probe.end().await?;
    ensure!(said.contains("the database accepts writes again"), "the failover came too late: {said}");
    if code != 0 {
        println!("{said}");
    }
    let rewritten = rewritten(&said);
    ensure!(killed.is_none() || rewritten > 0, "the new leader lacked nothing: {said}");
    let (lost, twice) = (tenants.lost(patroni, nth).await?, tenants.twice(nth).await?);
    tenants.plan_is_empty(patroni)?;
    if let Some(killed) = killed {
        patroni.revive(killed)?;
    }
    Ok(Row { nth, kind, steps: tenants::STEPS, away, rewritten, lost, twice, code })
}

/// The number before `steps that it lacked`.
fn rewritten(said: &str) -> usize {
    let before = said.split_once(" that it lacked").map_or("", |(before, _)| before);
    before.rsplit(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}
