//! Renders the drift and the stored state of the fleet as text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use rust_decimal::Decimal;

use crate::ground::{a_month, count, harmless, money, named, shown, span};
use crate::model::{Drift, Kind, LastRun, Length, Status, set_back};
use crate::render::words::{Paint, table};

/// `2 missing, 1 orphaned`.
pub fn by_kind(kinds: impl Iterator<Item = Kind>) -> String {
    let mut counts = BTreeMap::new();
    for kind in kinds {
        *counts.entry(kind).or_insert(0_usize) += 1;
    }
    counts.iter().map(|(kind, n)| format!("{n} {kind}")).collect::<Vec<_>>().join(", ")
}

/// The number of drift rows by kind, in one line.
pub fn drift_headline(drift: &[Drift]) -> String {
    if drift.is_empty() {
        return "No drift.".to_owned();
    }
    format!("Drift: {}.", by_kind(drift.iter().map(|row| row.kind)))
}

/// The drift: all rows, or only their numbers.
pub fn drift(drift: &[Drift], paint: Paint, length: Length) -> String {
    let headline = drift_headline(drift);
    if drift.is_empty() {
        return headline;
    }
    if length == Length::Concise {
        return paint.bold(&headline);
    }
    format!("{}\n\n{}", paint.bold(&headline), differences(drift))
}

/// One line for each drift row.
pub fn differences(drift: &[Drift]) -> String {
    let mut out = String::new();
    let rows = drift.iter().map(|row| {
        vec![
            row.kind.to_string(),
            row.severity.clone(),
            row.customer_ref.as_deref().map_or_else(|| "-".to_owned(), named),
            row.bridge_id.map_or_else(|| "-".to_owned(), |id| format!("bridge {id}")),
            shown(&row.detail),
            row.since.map_or_else(String::new, |since| format!("since {}", since.format("%Y-%m-%d %H:%M"))),
            if row.monthly_cost > Decimal::ZERO { a_month(row.monthly_cost) } else { String::new() },
        ]
    });
    for line in table(rows.collect()) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{line}");
    }
    out
}

/// The stored state of the fleet, and its last run.
pub fn status(status: &Status, paint: Paint) -> String {
    let mut out = match (status.observed_at, status.age_seconds) {
        (Some(at), Some(age)) => format!(
            "Observed {} ago ({}, by {})\n",
            span(Duration::from_secs(u64::try_from(age).unwrap_or(0))),
            at.format("%Y-%m-%d %H:%M:%S UTC"),
            status.source.as_deref().map_or_else(|| "?".to_owned(), shown)
        ),
        _ => "Never observed yet: run wab plan and wab apply, or SELECT * FROM wab_refresh()\n".to_owned(),
    };
    if let Some(future) = status.future_observation {
        let _ = writeln!(out, "{} {}", paint.yellow("clock:"), set_back(future));
    }
    if let Some(malformed @ 1..) = status.malformed {
        let _ = writeln!(out, "{} {malformed} listed rows could not be read", paint.yellow("incomplete:"));
    }
    let _ = writeln!(
        out,
        "\n{}: {} paired, {} awaiting scan, {} disconnected, {} unknown",
        paint.bold(&count(usize::try_from(status.bridges).unwrap_or(0), "bridge")),
        status.paired,
        status.awaiting_scan,
        status.disconnected,
        status.unknown
    );
    let _ = writeln!(
        out,
        "drift: {} missing, {} orphaned, {} churned, {} duplicate, {}{}",
        status.missing,
        status.orphaned,
        status.churned,
        status.duplicate,
        lasting(status),
        others(status)
    );
    let _ = writeln!(
        out,
        "cost: {}, {} of it wasted\n",
        a_month(status.monthly_cost),
        money(status.monthly_waste)
    );
    match (&status.applying, &status.last_run) {
        (Some(holder), _) => {
            let _ = writeln!(out, "{} {holder}", paint.yellow("An apply is running:"));
        }
        (None, None) => out += "No run yet.\n",
        (None, Some(_)) => {}
    }
    if let Some(run) = &status.last_run {
        let _ = writeln!(
            out,
            "Last run: {}, {}, by {}, started {}",
            run.outcome,
            count(usize::try_from(run.steps).unwrap_or(0), "step"),
            shown(&run.who),
            run.started_at.format("%Y-%m-%d %H:%M:%S UTC")
        );
        for (what, text) in origin(run) {
            let _ = writeln!(out, "  {what} {}", harmless(text));
        }
        if run.outcome == "interrupted" {
            out += "It was interrupted; run wab apply again: it continues from the current state.\n";
        }
    }
    out
}

/// `, 4 state, 20 unbound`: the kinds that `wab status` does not always name.
pub fn others(status: &Status) -> String {
    const NAMED: [&str; 6] = ["missing", "orphaned", "churned", "duplicate", "awaiting_scan", "disconnected"];
    let others = status.drift.iter().filter(|(kind, _)| !NAMED.contains(&kind.as_str()));
    others.map(|(kind, n)| format!(", {n} {}", harmless(kind))).collect()
}

/// How many bridges have waited or been disconnected for so long that it is drift: a plan shows these only.
pub fn lasting(status: &Status) -> String {
    let after = |seconds: i64| match u64::try_from(seconds) {
        Ok(0) | Err(_) => String::new(),
        Ok(seconds) => format!(" for longer than {}", span(Duration::from_secs(seconds))),
    };
    format!(
        "{} awaiting scan{}, {} disconnected{}",
        status.awaiting_scan_drift,
        after(status.awaiting_scan_after),
        status.disconnected_drift,
        after(status.disconnected_after)
    )
}

/// The commit, the CI job and the plan of a run, if they are known.
pub fn origin(run: &LastRun) -> impl Iterator<Item = (&'static str, &str)> {
    [("commit", &run.git_sha), ("job", &run.ci_url), ("plan_sha256", &run.plan_sha256)]
        .into_iter()
        .filter_map(|(what, text)| Some((what, text.as_deref()?)))
}
