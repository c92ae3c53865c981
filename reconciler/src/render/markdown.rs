//! Renders results as GitHub-flavoured Markdown for comments and job summaries: a marker, a summary, then
//! folded details. Foreign text goes through `code`.

mod code;
mod fit;
mod folds;
mod ids;

use std::fmt::Write;
use std::time::Duration;

use rust_decimal::Decimal;

use crate::ground::{a_month, change, count, harmless, span, thousands};
use crate::model::{Detail, Differences, Drift, Error, Kind, Length, Plan, Report, Status, set_back};
use crate::render::failure::describe;
pub use crate::render::markdown::code::code;
use crate::render::markdown::fit::fit;
use crate::render::words::Paint;
use crate::render::{lists, outcome, text};

/// The first line, by which a job finds its earlier comment.
pub fn marker(verb: &str) -> String {
    format!("<!-- wab:{verb} -->\n")
}

/// The plan.
pub fn plan(plan: &Plan, detail: Detail) -> String {
    let head = format!("{}### wab plan\n\n{}", marker("plan"), summary(plan));
    with_details(
        &head,
        folds::plan(plan, detail.diff),
        detail.length,
        "`wab plan --full` or `wab plan --json`",
    )
}

/// The outcome of an apply. No report means that a guard refused the plan.
pub fn applied(plan: &Plan, report: Option<&Report>, detail: Detail) -> String {
    let mut head = format!("{}### wab apply\n\n", marker("apply"));
    let mut details = Vec::new();
    if let Some(report) = report {
        let (verdict, numbers) = outcome::verdict(plan, report);
        if plan.has_changes() {
            // Writing to a String cannot fail.
            let _ = writeln!(head, "**{verdict}**{numbers}\n");
        }
        if let Some(why) = outcome::ended_early(report) {
            let _ = writeln!(head, "> [!WARNING]\n> It ended early: {}\n", code(&why));
        }
        head += &skipped(report);
        details.extend(folds::failures(report));
    }
    head += &summary(plan);
    details.extend(folds::plan(plan, detail.diff));
    with_details(
        &head,
        details,
        detail.length,
        "`wab apply --json`, or in the database wab_runs and wab_operations",
    )
}

fn with_details(head: &str, details: Vec<fit::Fold>, length: Length, where_all: &str) -> String {
    let details = if length == Length::Concise { Vec::new() } else { details };
    fit(head, &details, where_all)
}

/// The numbers, refusals and costs of a plan.
fn summary(plan: &Plan) -> String {
    let mut out = format!("**{}**\n", text::headline(plan));
    for refusal in &plan.refusals {
        let _ = write!(
            out,
            "\n> [!CAUTION]\n> **Refused** by `{}`: {}\n>\n> {}\n",
            refusal.guard,
            code(&refusal.message),
            code(&refusal.hint)
        );
    }
    out += &incomplete(plan.summary.malformed);
    let critical = plan.findings.iter().filter(|finding| finding.severity == "critical").count();
    let n = |kind| thousands(plan.count(kind));
    let _ = write!(
        out,
        "\n| provision | unlink | link | set status | delete | findings | of these critical | monthly cost |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|\n| {} | {} | {} | {} | {} | {} | {} | {} |\n",
        n("provision"),
        n("unlink"),
        n("link"),
        n("set_status"),
        n("delete"),
        thousands(plan.findings.len()),
        thousands(critical),
        change(plan.monthly_cost.change),
    );
    if !plan.webhooks.is_empty() {
        let hosts: Vec<String> = plan.webhooks.iter().map(|host| code(host)).collect();
        let _ = writeln!(out, "\nWebhook of the new bridges: {}.", hosts.join(", "));
    }
    let _ = write!(out, "\nMonthly cost: {}.", text::cost(plan, Paint::Plain));
    let _ = writeln!(out, " {}", text::time(plan).unwrap_or_default());
    if let Some(approval) = text::approval(plan) {
        let _ = writeln!(out, "\n{approval}");
    }
    out
}

/// Steps of a saved plan that were not tried.
fn skipped(report: &Report) -> String {
    let (already, stale) = outcome::skipped_steps(report);
    let mut out = String::new();
    if !already.is_empty() {
        let _ = writeln!(out, "Done already: {} of the saved plan.\n", count(already.len(), "step"));
    }
    if !stale.is_empty() {
        let n = count(stale.len(), "step");
        let _ = writeln!(out, "> [!WARNING]\n> Stale, skipped: {n} of the saved plan:\n>");
        for step in stale.iter().take(20) {
            let name = code(step.customer_ref.as_str());
            let _ = writeln!(out, "> - {} {name}: {}", step.kind, code(&step.detail));
        }
        if stale.len() > 20 {
            let _ = writeln!(out, "> - and {} more", stale.len() - 20);
        }
        out.push('\n');
    }
    out
}

fn incomplete(malformed: usize) -> String {
    match malformed {
        0 => String::new(),
        n => format!(
            "\n> [!WARNING]\n> {} could not be read: the listing is incomplete.\n",
            count(n, "listed row")
        ),
    }
}

/// The drift.
pub fn drift(drift: &Differences, length: Length) -> String {
    let Differences { rows: drift, malformed } = drift;
    let mut head = format!("{}### wab drift\n\n**{}**\n", marker("drift"), lists::drift_headline(drift));
    head += &incomplete(*malformed);
    if !drift.is_empty() {
        head += "\n| kind | severity | count | wasted |\n|---|---|---:|---:|\n";
    }
    for kind in Kind::of(drift) {
        let rows: Vec<&Drift> = drift.iter().filter(|row| row.kind == kind).collect();
        if let [first, ..] = rows[..] {
            let wasted = rows.iter().map(|row| row.monthly_cost).sum::<Decimal>();
            let n = thousands(rows.len());
            let _ = writeln!(head, "| {kind} | {} | {n} | {} |", first.severity, a_month(wasted));
        }
    }
    let where_all = "`wab drift`, `wab drift --json`, or `SELECT * FROM wab_drift`";
    with_details(&head, folds::drift(drift), length, where_all)
}

/// The stored state of the fleet.
pub fn status(status: &Status) -> String {
    let mut out = format!("{}### wab status\n\n", marker("status"));
    let _ = match (status.observed_at, status.age_seconds) {
        (Some(at), Some(age)) => writeln!(
            out,
            "Observed {} ago ({}, by {}).",
            span(Duration::from_secs(u64::try_from(age).unwrap_or(0))),
            at.format("%Y-%m-%d %H:%M:%S UTC"),
            code(status.source.as_deref().unwrap_or("?"))
        ),
        _ => writeln!(out, "**Never observed yet.**"),
    };
    if let Some(future) = status.future_observation {
        let _ = write!(out, "\n> [!WARNING]\n> {}.\n", set_back(future));
    }
    if let Some(malformed @ 1..) = status.malformed {
        let _ = write!(out, "\n> [!WARNING]\n> {malformed} listed rows could not be read.\n");
    }
    let Status { bridges, paired, awaiting_scan, disconnected, unknown, .. } = status;
    let Status { missing, orphaned, churned, duplicate, .. } = status;
    let _ = write!(
        out,
        "\n| bridges | paired | awaiting scan | disconnected | unknown | missing | orphaned | churned | duplicate |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|---:|\n\
         | {bridges} | {paired} | {awaiting_scan} | {disconnected} | {unknown} | {missing} | {orphaned} | {churned} | {duplicate} |\n\
         \nOf these drift: {}{}.\n\nCost: {}, {} of it wasted.\n",
        lists::lasting(status),
        lists::others(status),
        a_month(status.monthly_cost),
        a_month(status.monthly_waste),
    );
    if let Some(holder) = &status.applying {
        let _ = write!(out, "\nAn apply is running: {}.\n", code(holder));
    }
    if let Some(run) = &status.last_run {
        let _ = write!(
            out,
            "\nLast run: **{}**, {}, by {}, started {}.\n",
            run.outcome,
            count(usize::try_from(run.steps).unwrap_or(0), "step"),
            code(&run.who),
            run.started_at.format("%Y-%m-%d %H:%M:%S UTC")
        );
        for (what, text) in lists::origin(run) {
            let _ = writeln!(out, "- {what} {}", code(text));
        }
    }
    out
}

/// The failure of a verb.
pub fn failed(verb: &str, error: &Error) -> String {
    let mut lines: Vec<String> =
        error.problems().iter().map(|problem| harmless(&problem.to_string())).collect();
    lines.extend(describe(error).lines().map(harmless));
    let mut text = lines.join("\n");
    if text.len() > 8_000 {
        text.truncate(text.floor_char_boundary(8_000));
        text += "\n…";
    }
    format!(
        "{}### wab {verb}\n\n> [!CAUTION]\n> wab {verb} failed (exit {}).\n\n{}",
        marker(verb),
        error.exit() as u8,
        code::block("text", &text)
    )
}
