//! Renders results for the log of a GitHub Actions job: groups for details, and annotations for findings and
//! failures. Every other text goes through `lines`, so that it cannot be a workflow command.

use std::collections::BTreeMap;
use std::fmt::Write;

use rust_decimal::Decimal;

use crate::ground::{a_month, change, count, harmless, named};
use crate::model::{Detail, Differences, Drift, Kind, Length, Outcome, Plan, Report, RunEnd, Status};
use crate::render::command::{command, escaped};
use crate::render::words::Paint;
use crate::render::{lists, outcome, text};

/// GitHub shows ten annotations per level and step, so this many failed steps get one of their own.
const NAMED: usize = 8;

/// How many customer_refs of a kind are shown as examples.
const SAMPLE: usize = 3;

/// The text, made safe: none of its lines is a workflow command.
pub fn lines(text: &str) -> String {
    text.lines().map(|line| harmless(line) + "\n").collect()
}

/// A part as a group with its title; a part without a body is a single line.
fn group(part: &str) -> String {
    let (title, body) = part.trim_start_matches('\n').split_once('\n').unwrap_or((part, ""));
    if body.trim().is_empty() {
        return lines(title);
    }
    format!("::group::{}\n{}::endgroup::\n", escaped(title), lines(body))
}

/// The plan.
pub fn plan(plan: &Plan, detail: Detail) -> String {
    let mut out = planned(plan, detail);
    if plan.refusals.is_empty() && plan.has_changes() {
        // Writing to a String cannot fail.
        let text = format!("{} {}", text::headline(plan), change(plan.monthly_cost.change));
        let _ = writeln!(out, "{}", command("notice", "wab plan", &text));
    }
    out
}

fn planned(plan: &Plan, detail: Detail) -> String {
    let mut out = lines(&text::headline(plan));
    for part in text::parts(plan, Paint::Plain, detail) {
        out += &group(&part);
    }
    let _ = writeln!(out, "Monthly cost: {}", text::cost(plan, Paint::Plain));
    for line in text::time(plan).into_iter().chain(text::approval(plan)) {
        let _ = writeln!(out, "{line}");
    }
    out + &annotations(plan)
}

fn annotations(plan: &Plan) -> String {
    let mut out = String::new();
    for refusal in &plan.refusals {
        let text = format!("{}\n{}", refusal.message, refusal.hint);
        let title = format!("wab: refused by {}", refusal.guard);
        let _ = writeln!(out, "{}", command("error", &title, &text));
    }
    out += &incomplete(plan.summary.malformed);
    out += &noted(plan.findings.iter().map(|finding| Noted {
        kind: &finding.kind,
        severity: &finding.severity,
        customer_ref: finding.customer_ref.as_deref(),
        detail: &finding.detail,
    }));
    out
}

fn incomplete(malformed: usize) -> String {
    if malformed == 0 {
        return String::new();
    }
    let text = format!("{} could not be read: the listing is incomplete", count(malformed, "listed row"));
    command("error", "wab: incomplete", &text) + "\n"
}

/// A finding or a drift row.
struct Noted<'a> {
    kind: &'a str,
    severity: &'a str,
    customer_ref: Option<&'a str>,
    detail: &'a str,
}

/// One annotation per kind. The severity `info` gets none.
fn noted<'a>(all: impl Iterator<Item = Noted<'a>>) -> String {
    let mut kinds: BTreeMap<(&str, &str), Vec<Noted<'_>>> = BTreeMap::new();
    for one in all {
        kinds.entry((one.severity, one.kind)).or_default().push(one);
    }
    let mut out = String::new();
    for ((severity, kind), found) in kinds {
        let level = match severity {
            "critical" => "error",
            "warning" => "warning",
            _ => continue,
        };
        let is_one_detail = found.windows(2).all(|pair| pair[0].detail == pair[1].detail);
        let reason = |one: &Noted<'_>| {
            let name = one.customer_ref.map_or_else(|| "-".to_owned(), named);
            if is_one_detail || found.len() > SAMPLE { name } else { format!("{name} ({})", one.detail) }
        };
        let mut names: Vec<String> = found.iter().take(SAMPLE).map(reason).collect();
        if found.len() > SAMPLE {
            names.push(format!("… and {} more", found.len() - SAMPLE));
        }
        let detail =
            found.first().filter(|_| is_one_detail).map_or(String::new(), |one| format!(": {}", one.detail));
        let title = format!("wab: {} {kind}", found.len());
        let _ = writeln!(out, "{}", command(level, &title, &format!("{}{detail}", names.join(", "))));
    }
    out
}

/// The outcome of an apply. No report means that a guard refused the plan.
pub fn applied(of: &Plan, report: Option<&Report>, detail: Detail) -> String {
    let mut out = planned(of, detail);
    let Some(report) = report else { return out };
    let outcome = outcome::report(of, report, Paint::Plain);
    if !outcome.is_empty() {
        out += &group(&outcome);
    }
    let bad: Vec<_> = report.steps.iter().filter(|step| step.outcome != Outcome::Done).collect();
    if bad.is_empty() && of.has_changes() && report.end == RunEnd::Finished {
        let (verdict, numbers) = outcome::verdict(of, report);
        let _ = writeln!(out, "{}", command("notice", "wab apply", &format!("{verdict}{numbers}")));
    }
    for step in bad.iter().take(NAMED) {
        let title = format!("wab: {} {}", step.kind, step.outcome.as_str());
        let text = format!("{}: {}", named(step.customer_ref.as_str()), step.detail);
        let _ = writeln!(out, "{}", command("error", &title, &text));
    }
    if bad.len() > NAMED {
        let text = format!("and {} more; wab_operations has all of them", bad.len() - NAMED);
        let _ = writeln!(out, "{}", command("error", "wab: steps not done", &text));
    }
    if let Some(why) = outcome::ended_early(report) {
        let _ = writeln!(out, "{}", command("error", "wab: ended early", &why));
    }
    if report.is_stale() {
        let text = outcome::skipped(report, Paint::Plain);
        let _ = writeln!(out, "{}", command("warning", "wab: stale steps", &text));
    }
    out
}

/// The drift.
pub fn drift(drift: &Differences, length: Length) -> String {
    let Differences { rows: drift, malformed } = drift;
    let mut out = lines(&lists::drift_headline(drift));
    for kind in Kind::of(drift) {
        let rows: Vec<Drift> = drift.iter().filter(|row| row.kind == kind).cloned().collect();
        if !rows.is_empty() && length != Length::Concise {
            out += &group(&format!("{} {kind}\n{}", rows.len(), lists::differences(&rows)));
        }
    }
    out += &incomplete(*malformed);
    out + &noted(drift.iter().map(|row| Noted {
        kind: row.kind.as_str(),
        severity: &row.severity,
        customer_ref: row.customer_ref.as_deref(),
        detail: &row.detail,
    }))
}

/// The stored state of the fleet.
pub fn status(status: &Status) -> String {
    let mut out = lines(&lists::status(status, Paint::Plain));
    if status.missing > 0 {
        let text = format!("{} tenants have no bridge", status.missing);
        let _ = writeln!(out, "{}", command("warning", "wab: missing", &text));
    }
    if let Some(malformed @ 1..) = status.malformed {
        let text = format!("{malformed} listed rows could not be read");
        let _ = writeln!(out, "{}", command("warning", "wab: incomplete", &text));
    }
    if status.last_run.as_ref().is_some_and(|run| run.outcome != "done" && run.outcome != "running") {
        let text = "the last run did not finish: run wab apply again";
        let _ = writeln!(out, "{}", command("warning", "wab: last run", text));
    }
    if status.monthly_waste > Decimal::ZERO {
        let text = format!("{} is spent on unneeded bridges", a_month(status.monthly_waste));
        let _ = writeln!(out, "{}", command("notice", "wab: waste", &text));
    }
    out
}
