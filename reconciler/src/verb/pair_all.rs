//! `wab pair --all-disconnected`: requests a code for each bridge of wab_to_repair, and writes a list of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use wabridges::{Class, Phone};

use crate::config::{Fleet, Who};
use crate::db::store::Store;
use crate::ground::{Exit, count, span};
use crate::model::{CodeOutcome, CodeRow, Error, RunEnd, ToPair, pairing};
use crate::provider::client::client;
use crate::render::console::Console;
use crate::render::stderr::{emit, emit_safely};
use crate::run::pair::Pairer;
use crate::run::stop::Stop;
use crate::verb::codes::Codes;
use crate::verb::flags::duration;
use crate::verb::phones::{self, Phones};

/// Flags of `pair --all-disconnected`.
#[derive(Debug, Args)]
pub struct PairAllArgs {
    /// Request a code for each bridge of wab_to_repair, as last observed; run it again to go on
    #[arg(long, conflicts_with_all = ["tenant", "phone", "json"], requires = "phones", requires = "out")]
    pub all_disconnected: bool,
    /// The phones: a CSV file with the columns tenant_id and phone; - for stdin
    #[arg(long, value_name = "FILE", requires = "all_disconnected")]
    pub phones: Option<PathBuf>,
    /// The codes: a CSV file that only you can read. If it exists, its codes that are still valid stay; - is stdout
    #[arg(long, value_name = "FILE", requires = "all_disconnected")]
    pub out: Option<PathBuf>,
    /// Begin no call after this time, such as 10m, and exit 9
    #[arg(long, value_name = "DURATION", requires = "all_disconnected", value_parser = duration)]
    pub max_duration: Option<Duration>,
}

/// Requests the codes. Each call is sent at most once, but for one that the provider's limits refused.
pub async fn pair_all(fleet: &Fleet, args: &PairAllArgs) -> Result<Exit, Error> {
    let (Some(phones), Some(out)) = (&args.phones, &args.out) else {
        return Err(Error::config("--all-disconnected needs --phones and --out", "name both files"));
    };
    let deadline = args.max_duration.and_then(|time| Instant::now().checked_add(time));
    let phones = phones::read(phones)?;
    let client = client(fleet, fleet.api_key()?)?;
    let mut store = Store::connect(&fleet.database).await?;
    store.require_primary().await?;
    let observed_at = store.observed_at().await?.ok_or_else(|| {
        Error::config(
            "the fleet was never observed",
            "store an observation: wab apply, or SELECT * FROM wab_refresh();",
        )
    })?;
    let wanted = store.bridges_to_repair().await?;
    for call in store.recent_calls(fleet.limits().longest_window()).await? {
        if let Some(at) = Instant::now().checked_sub(call.ago) {
            client.reader().preload(call.class, at);
        }
    }
    let (codes, mut rows) = Codes::begin(out, store.now().await?)?;
    let kept = rows.len();
    let to_pair: Vec<ToPair> = wanted
        .into_iter()
        .filter(|customer_ref| !rows.iter().any(|row| row.tenant_id == customer_ref.as_str()))
        .map(|customer_ref| with_phone(customer_ref, &phones))
        .collect();
    emit(&format!(
        "{} to repair, as observed {}{}; at the provider's limits this takes {}",
        count(to_pair.len(), "bridge"),
        observed_at.format("%Y-%m-%d %H:%M UTC"),
        if kept > 0 { format!(", besides {kept} with a valid code in the file") } else { String::new() },
        span(client.reader().duration_for(Class::Proxy, to_pair.len())),
    ));
    let stop = Stop::listen(deadline, Console::default());
    let mut pairer = Pairer { client: &client, store: &mut store, stop, who: Who::now().who };
    let end = pairer
        .pair_all(&to_pair, |row| {
            codes.add(&row)?;
            rows.push(row);
            Ok(())
        })
        .await?;
    emit_safely(&summary(&rows, kept, to_pair.len(), &end));
    // The codes of the run before tell nothing about this one.
    Ok(pairing::exit(&end, &rows[kept..]))
}

fn with_phone(customer_ref: wabridges::CustomerRef, phones: &Phones) -> ToPair {
    let written = phones.get(customer_ref.as_str()).filter(|phone| !phone.is_empty()).cloned();
    ToPair { customer_ref, phone: written.as_deref().map(Phone::new), written: written.unwrap_or_default() }
}

fn summary(rows: &[CodeRow], kept: usize, wanted: usize, end: &RunEnd) -> String {
    let of = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
    let counts = [
        (of(CodeOutcome::Code) - kept, "new codes"),
        (kept, "codes of the run before"),
        (of(CodeOutcome::Paired), "paired already"),
        (of(CodeOutcome::HasCode), "with a code that another run or person requested"),
        (of(CodeOutcome::NoPhone), "without a phone"),
        (of(CodeOutcome::InvalidPhone), "with an invalid phone"),
        (of(CodeOutcome::Failed), "failed"),
        (of(CodeOutcome::Unknown), "without an answer"),
        (wanted + kept - rows.len(), "not tried"),
    ];
    let counts: Vec<String> =
        counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let why = match end {
        RunEnd::Finished => String::new(),
        RunEnd::Interrupted => "\nstopped: run it again to go on".into(),
        RunEnd::Deadline => "\nthe deadline was reached: run it again to go on".into(),
        RunEnd::GaveUp => "\ngave up after five failures in a row: the column detail says why".into(),
        RunEnd::Auth => "\nthe provider refused the API key".into(),
        RunEnd::Database(why) | RunEnd::Locked(why) | RunEnd::LogLost(why) => {
            format!("\nstopped, because {why}")
        }
    };
    match counts.is_empty() {
        true => format!("no bridge is to be repaired{why}"),
        false => counts.join(", ") + &why,
    }
}
