//! Renders the outcome of a plan as text.

use std::fmt::Write;

use crate::ground::{Exit, count, harmless, named};
use crate::model::{Outcome, Plan, Report, RunEnd, StepReport};
use crate::render::words::{Paint, table};

/// The outcome of a plan.
pub fn report(plan: &Plan, report: &Report, paint: Paint) -> String {
    format!("{}{}", executed(plan, report, paint), skipped(report, paint))
}

/// Steps of a saved plan that were not tried.
pub fn skipped(report: &Report, paint: Paint) -> String {
    let (already, stale) = skipped_steps(report);
    let mut out = String::new();
    if !already.is_empty() {
        let _ = writeln!(out, "Done already: {} of the saved plan.", count(already.len(), "step"));
    }
    if !stale.is_empty() {
        let title = format!("Stale, skipped: {} of the saved plan.", count(stale.len(), "step"));
        let _ = writeln!(out, "{}", paint.yellow(&title));
        out += &listed(&stale);
    }
    out
}

/// The skipped steps: those that were done already, and the stale ones.
pub fn skipped_steps(report: &Report) -> (Vec<&StepReport>, Vec<&StepReport>) {
    report.skipped.iter().partition(|step| step.outcome == Outcome::Done)
}

/// Steps with their outcomes, at most 20.
fn listed(steps: &[&StepReport]) -> String {
    let rows = steps.iter().take(20).map(|step| {
        let name = named(step.customer_ref.as_str());
        vec![step.outcome.as_str().to_owned(), step.kind.to_owned(), name, harmless(&step.detail)]
    });
    let mut out = String::new();
    for line in table(rows.collect()) {
        let _ = writeln!(out, "  {line}");
    }
    if steps.len() > 20 {
        let _ = writeln!(out, "   … and {} more", steps.len() - 20);
    }
    out
}

fn executed(plan: &Plan, report: &Report, paint: Paint) -> String {
    if plan.steps.is_empty() {
        return if plan.has_changes() { format!("{}\n", paint.green("Applied.")) } else { String::new() };
    }
    let (verdict, numbers) = verdict(plan, report);
    if report.exit() == Exit::Done {
        return format!("{}{numbers}\n", paint.green(verdict));
    }
    let mut out = format!("{}{numbers}\n", paint.yellow(verdict));
    if let Some(why) = ended_early(report) {
        let _ = writeln!(out, "It ended early: {}.", harmless(&why));
    }
    let bad: Vec<_> = report.steps.iter().filter(|step| step.outcome != Outcome::Done).collect();
    out + &listed(&bad)
}

/// The outcome of a plan, in one line.
pub fn verdict(plan: &Plan, report: &Report) -> (&'static str, String) {
    if plan.steps.is_empty() {
        return ("Applied.", String::new());
    }
    let (done, failed) = (report.count(Outcome::Done), report.count(Outcome::Failed));
    let (unknown, left) = (report.count(Outcome::Unknown), plan.steps.len() - report.steps.len());
    let all = format!("{done} of {} done", count(plan.steps.len(), "step"));
    if report.end == RunEnd::Finished && done == plan.steps.len() {
        return ("Applied:", format!(" {all}."));
    }
    let rest =
        format!(" {all}, {failed} failed, {unknown} unknown, {left} not begun. It is safe to run again.");
    ("Partly applied:", rest)
}

/// Why a run ended before its last step.
pub fn ended_early(report: &Report) -> Option<String> {
    match &report.end {
        RunEnd::Finished => None,
        RunEnd::Interrupted => Some("a signal stopped it".to_owned()),
        RunEnd::Deadline => Some("the next step would not end in time (--max-duration)".to_owned()),
        RunEnd::GaveUp => Some("too many steps failed in a row".to_owned()),
        RunEnd::Auth => Some("the provider refused the API key: check the key and the account".to_owned()),
        RunEnd::Database(error) => Some(format!("the database failed: {error}")),
        RunEnd::Locked(error) => Some(format!("it lost its lock with the database's server: {error}")),
        RunEnd::LogLost(error) => Some(format!("the run log could not be written: {error}")),
    }
}
