//! A plan and what became of it, for people; what the plan says is not weighed here.

use std::fmt::Write;

use super::findings::findings;
use super::words::{Paint, change, count, duration, harmless, money, shown, table};
use super::{Length, rows};
use crate::facts::Declared;
use crate::plan::{Plan, Step};
use crate::report::{End, Outcome, Report, StepReport};

/// The plan, grouped by kind of step.
pub fn plan(plan: &Plan, paint: Paint, length: Length) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", paint.bold(&headline(plan)));
    out += &preparations(plan, paint);
    for kind in ["provision", "bind", "set_status", "delete"] {
        out += &group(plan, kind, (paint, length));
    }
    let diff = rows::diff(plan, paint, length);
    if !diff.is_empty() {
        let _ = write!(out, "\n{diff}");
    }
    out += &findings(plan, paint, length);
    for note in &plan.notes {
        let _ = writeln!(out, "\n{} {}", paint.dim("note:"), harmless(note));
    }
    out += &footer(plan, paint);
    for refusal in &plan.refusals {
        let _ = writeln!(
            out,
            "\n{} {} ({})\n  {}",
            paint.red("Refused:"),
            harmless(&refusal.message),
            refusal.guard,
            harmless(&refusal.way_on)
        );
    }
    out
}

fn headline(plan: &Plan) -> String {
    match (plan.steps.is_empty(), plan.has_changes()) {
        (true, false) => return "Nothing to do.".to_owned(),
        (true, true) => return "No steps; only what the database holds of fleet.yaml changes.".to_owned(),
        (false, _) => {}
    }
    let part = |kind, words: &str| match plan.count(kind) {
        0 => None,
        n => Some(format!("{n} {words}")),
    };
    let statuses = if plan.count("set_status") == 1 { "status to write" } else { "statuses to write" };
    let parts = [
        part("provision", "to provision"),
        part("bind", "to bind"),
        part("set_status", statuses),
        part("delete", "to delete"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("Plan: {}.", parts.join(", "))
}

fn preparations(plan: &Plan, paint: Paint) -> String {
    let mut out = String::new();
    if let Some(change) = &plan.binding {
        let _ =
            writeln!(out, "\n{} bind the tenants table {}", paint.yellow("~"), shown(&change.after.table));
        let now = &change.after;
        let old = change.before.as_ref();
        let fields = [
            ("table", Some(&now.table), old.map(|old| &old.table)),
            ("tenant_id", Some(&now.tenant_id), old.map(|old| &old.tenant_id)),
            ("bridge_id", Some(&now.bridge_id), old.map(|old| &old.bridge_id)),
            ("bridge_status", Some(&now.bridge_status), old.map(|old| &old.bridge_status)),
            ("wanted", Some(&now.wanted), old.map(|old| &old.wanted)),
        ];
        for (name, after, before) in fields.into_iter().filter(|(_, after, before)| after != before) {
            let was = before.filter(|_| old.is_some()).map(|text| format!("{} → ", harmless(text)));
            let is = after.map_or_else(|| "null".to_owned(), |text| harmless(text));
            let _ = writeln!(out, "    {name}: {}{is}", was.unwrap_or_default());
        }
        // Secrets belong into this one, so it is not shown.
        if old.and_then(|old| old.webhook_url.as_ref()) != now.webhook_url.as_ref() {
            out += "    webhook_url: changed\n";
        }
    }
    if plan.declared != Declared::default() {
        let Declared { written, removed } = plan.declared;
        let _ = writeln!(
            out,
            "\n{} declared exceptions: {written} to write, {removed} to remove",
            paint.yellow("~")
        );
    }
    out
}

fn group(plan: &Plan, kind: &str, (paint, length): (Paint, Length)) -> String {
    let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.kind() == kind).collect();
    if steps.is_empty() {
        return String::new();
    }
    let n = steps.len();
    let (sign, title) = match kind {
        "provision" => (paint.green("+"), format!("provision {}", count(n, "bridge"))),
        "bind" => (paint.yellow("~"), format!("write the bridge_id on {}", count(n, "tenant row"))),
        "set_status" => (paint.yellow("~"), format!("write the status on {}", count(n, "tenant row"))),
        _ => (paint.red("-"), format!("delete {} for ever", count(n, "bridge"))),
    };
    let mut out = format!("\n{sign} {}\n", paint.bold(&title));
    let visible = length.of(n);
    for line in table(steps.iter().take(visible).map(|step| cells(step)).collect()) {
        let _ = writeln!(out, "   {line}");
    }
    if n > visible {
        let _ = writeln!(out, "    {}", paint.dim(&format!("… and {} more (--full)", n - visible)));
    }
    out
}

fn cells(step: &Step) -> Vec<String> {
    let name = shown(step.customer_ref().as_str());
    match step {
        Step::Bind { bridge_id, reason, .. } => vec![name, format!("bridge {bridge_id}"), harmless(reason)],
        Step::SetStatus { was, status, .. } => {
            let was = was.as_deref().map_or_else(|| "null".to_owned(), shown);
            vec![name, format!("{was} → {}", shown(status))]
        }
        Step::Provision { reason, .. } => vec![name, harmless(reason)],
        Step::Delete { bridge_id, reason, .. } => {
            vec![name, format!("bridge {bridge_id}"), harmless(reason)]
        }
    }
}

fn footer(plan: &Plan, paint: Paint) -> String {
    let cost = plan.monthly_cost;
    let mut out = if cost.change.is_zero() {
        format!("\nMonthly cost: {}, unchanged\n", paint.bold(&money(cost.before)))
    } else {
        format!(
            "\nMonthly cost: {} → {} ({})\n",
            money(cost.before),
            paint.bold(&money(cost.after)),
            change(cost.change)
        )
    };
    if plan.count("provision") + plan.count("delete") > 0 {
        let _ = if plan.duration.is_zero() {
            writeln!(out, "The provider's limits allow all calls at once.")
        } else {
            writeln!(out, "At the provider's limits the calls take {}.", duration(plan.duration))
        };
    }
    if plan.has_changes() {
        let _ = writeln!(out, "Plan sha256: {}", plan.plan_sha256);
    }
    out
}

/// What became of a plan.
pub fn report(plan: &Plan, report: &Report, paint: Paint) -> String {
    format!("{}{}", tried(plan, report, paint), skipped(report, paint))
}

/// Steps of a saved plan that needed no trying.
fn skipped(report: &Report, paint: Paint) -> String {
    let (already, stale): (Vec<_>, Vec<_>) =
        report.skipped.iter().partition(|step| step.outcome == Outcome::Done);
    let mut out = String::new();
    if !already.is_empty() {
        let _ = writeln!(out, "{} of the saved plan were so already.", count(already.len(), "step"));
    }
    if !stale.is_empty() {
        let title = format!("{} of the saved plan left alone:", count(stale.len(), "stale step"));
        let _ = writeln!(out, "{}", paint.yellow(&title));
        out += &listed(&stale);
    }
    out
}

/// Steps with what became of them, twenty at most.
fn listed(steps: &[&StepReport]) -> String {
    let rows = steps.iter().take(20).map(|step| {
        let name = shown(step.customer_ref.as_str());
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

fn tried(plan: &Plan, report: &Report, paint: Paint) -> String {
    if plan.steps.is_empty() {
        return if plan.has_changes() { format!("{}\n", paint.green("Applied.")) } else { String::new() };
    }
    let (done, failed) = (report.count(Outcome::Done), report.count(Outcome::Failed));
    let (unknown, left) = (report.count(Outcome::Unknown), plan.steps.len() - report.steps.len());
    let mut out = String::new();
    let all = format!("{done} of {} done", count(plan.steps.len(), "step"));
    if report.end == End::Finished && done == plan.steps.len() {
        let _ = writeln!(out, "{} {all}.", paint.green("Applied:"));
        return out;
    }
    let _ = writeln!(
        out,
        "{} {all}, {failed} failed, {unknown} unknown, {left} not begun. It is safe to run again.",
        paint.yellow("Partly applied:")
    );
    let why = match &report.end {
        End::Finished => None,
        End::Interrupted => Some("it was interrupted".to_owned()),
        End::Deadline => Some("the rest would not be done in time (--max-duration)".to_owned()),
        End::GaveUp => Some("too many steps failed in a row".to_owned()),
        End::Auth => Some("the provider refused the API key: check the key and the account".to_owned()),
        End::Database(error) => Some(format!("the database takes no more: {error}")),
        End::TrailLost(error) => Some(format!("the run's trail could not be written: {error}")),
    };
    if let Some(why) = why {
        let _ = writeln!(out, "It ended early: {}.", harmless(&why));
    }
    let bad: Vec<_> = report.steps.iter().filter(|step| step.outcome != Outcome::Done).collect();
    out + &listed(&bad)
}
