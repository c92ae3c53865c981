//! Renders a plan as text.

use std::fmt::Write;

use crate::ground::{change, count, harmless, money, named, shown, span};
use crate::model::{
    BindingChange, Declared, Detail, Diff, Exception, Length, Plan, SettingChange, Step, WebhookChange,
};
use crate::render::findings::findings;
use crate::render::rows;
use crate::render::words::{Paint, table};

/// The plan, grouped by kind of step.
pub fn plan(plan: &Plan, paint: Paint, detail: Detail) -> String {
    let mut out = format!("{}\n", paint.bold(&headline(plan)));
    for part in parts(plan, paint, detail) {
        out += &part;
    }
    out += &footer(plan, paint);
    for refusal in &plan.refusals {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "\n{} {} ({})\n  {}",
            paint.red("Refused:"),
            harmless(&refusal.message),
            refusal.guard,
            harmless(&refusal.hint)
        );
    }
    out
}

/// The parts between the plan's first line and its numbers. Each begins with an empty line and its title.
pub fn parts(plan: &Plan, paint: Paint, detail: Detail) -> Vec<String> {
    let length = detail.length;
    let mut parts =
        vec![binding(plan, paint, length), declared(plan, paint, length), settings(plan, paint, length)];
    parts.extend(
        ["provision", "unlink", "link", "set_status", "delete"].map(|kind| group(plan, kind, paint, length)),
    );
    let diff = rows::diff(plan, paint, length);
    if detail.diff == Diff::Shown && !diff.is_empty() {
        parts.push(format!("\n{diff}"));
    }
    parts.push(findings(plan, paint, length));
    if length == Length::Concise && plan.notes.len() > 1 {
        parts.push(format!("\n{}\n", count(plan.notes.len(), "note")));
        return nonempty(parts);
    }
    parts.extend(plan.notes.iter().map(|note| format!("\n{} {}\n", paint.dim("note:"), harmless(note))));
    nonempty(parts)
}

fn nonempty(mut parts: Vec<String>) -> Vec<String> {
    parts.retain(|part| !part.is_empty());
    parts
}

/// The changes of the plan, in one line.
pub fn headline(plan: &Plan) -> String {
    let changes = changes(plan, &["provision", "unlink", "link", "set_status", "delete"]);
    if changes.is_empty() { "Nothing to do.".to_owned() } else { format!("Plan: {}.", changes.join(", ")) }
}

/// The question before an apply: what is made and removed even if it is nothing, and what that costs.
pub fn question(plan: &Plan) -> String {
    let others = changes(plan, &["unlink", "link", "set_status"]);
    let calls =
        [format!("{} to provision", plan.count("provision")), format!("{} to remove", plan.count("delete"))];
    let all: Vec<String> = calls.into_iter().chain(others).collect();
    format!("Apply: {}, {} a month?", all.join(", "), money::signed(plan.monthly_cost.change))
}

/// How many steps of these kinds there are, and what else changes in the database.
fn changes(plan: &Plan, kinds: &[&str]) -> Vec<String> {
    let words = |kind: &str, n| match kind {
        "provision" => "to provision",
        "unlink" => "to unlink",
        "link" => "to link",
        "set_status" if n == 1 => "status to write",
        "set_status" => "statuses to write",
        _ => "to delete",
    };
    let steps = kinds.iter().map(|kind| (plan.count(kind), words(kind, plan.count(kind)).to_owned()));
    let (written, removed) = (plan.declared.written.len(), plan.declared.removed.len());
    let noun = |n, one: &str, rest: &str| format!("{one}{} {rest}", if n == 1 { "" } else { "s" });
    let others = [
        (usize::from(plan.binding.is_some()), "table to bind".to_owned()),
        (written, noun(written, "exception", "to write")),
        (removed, noun(removed, "exception", "to drop")),
        (plan.settings.len(), noun(plan.settings.len(), "setting", "to write")),
    ];
    steps.chain(others).filter(|(n, _)| *n > 0).map(|(n, words)| format!("{n} {words}")).collect()
}

fn binding(plan: &Plan, paint: Paint, length: Length) -> String {
    let Some(change) = &plan.binding else { return String::new() };
    let mut out = format!("\n{} bind the tenants table {}\n", paint.yellow("~"), shown(&change.after.table));
    if length == Length::Concise {
        return out;
    }
    for (name, before, after) in bound(change) {
        let was = before.map(|text| format!("{} → ", harmless(&text))).unwrap_or_default();
        let _ = writeln!(out, "    {name}: {was}{}", harmless(&after));
    }
    out
}

/// The changed fields of the binding: name, before, after. Of the webhook_url only the host is shown, because the rest may
/// hold a secret.
pub fn bound(change: &BindingChange) -> Vec<(&'static str, Option<String>, String)> {
    let now = &change.after;
    let old = change.before.as_ref();
    let fields = [
        ("table", old.map(|old| &old.table), &now.table),
        ("tenant_id", old.map(|old| &old.tenant_id), &now.tenant_id),
        ("bridge_id", old.map(|old| &old.bridge_id), &now.bridge_id),
        ("bridge_status", old.map(|old| &old.bridge_status), &now.bridge_status),
        ("wanted", old.map(|old| &old.wanted), &now.wanted),
    ];
    let mut bound: Vec<(&'static str, Option<String>, String)> = fields
        .into_iter()
        .filter(|(_, before, after)| *before != Some(*after))
        .map(|(name, before, after)| (name, before.cloned(), after.clone()))
        .collect();
    let optional = [
        ("customer_refs", old.and_then(|old| old.customer_refs.as_ref()), &now.customer_refs),
        ("disconnected_after", old.and_then(|old| old.disconnected_after.as_ref()), &now.disconnected_after),
        (
            "awaiting_scan_after",
            old.and_then(|old| old.awaiting_scan_after.as_ref()),
            &now.awaiting_scan_after,
        ),
        ("phone", old.and_then(|old| old.phone.as_ref()), &now.phone),
    ];
    let shown = |text: Option<&String>| text.cloned().unwrap_or_else(|| "none".to_owned());
    bound.extend(
        optional
            .into_iter()
            .filter(|(_, before, after)| *before != after.as_ref())
            .map(|(name, before, after)| (name, old.map(|_| shown(before)), shown(after.as_ref()))),
    );
    if let Some(WebhookChange { before, after }) = &change.webhook {
        let becomes = if before == after { format!("{after}, changed") } else { after.clone() };
        bound.push(("webhook_url", old.map(|_| before.clone()), becomes));
    }
    bound
}

fn declared(plan: &Plan, paint: Paint, length: Length) -> String {
    let Declared { written, removed } = &plan.declared;
    let n = written.len() + removed.len();
    if n == 0 {
        return String::new();
    }
    let mut out = format!(
        "\n{} declared exceptions: {} to write, {} to drop\n",
        paint.yellow("~"),
        written.len(),
        removed.len()
    );
    if length == Length::Concise {
        return out;
    }
    let signed =
        written.iter().map(|it| (paint.green("+"), it)).chain(removed.iter().map(|it| (paint.red("-"), it)));
    let visible = length.of(n);
    for (sign, Exception { customer_ref, kind, until, .. }) in signed.take(visible) {
        let until = until.as_deref().map(|until| format!(" until {until}")).unwrap_or_default();
        let _ = writeln!(out, "    {sign} {kind} {}{until}", shown(customer_ref));
    }
    if n > visible {
        let _ = writeln!(out, "    {}", paint.dim(&format!("… and {} more (--full)", n - visible)));
    }
    out
}

fn settings(plan: &Plan, paint: Paint, length: Length) -> String {
    if plan.settings.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{} settings: {} to write\n", paint.yellow("~"), plan.settings.len());
    for SettingChange { name, before, after } in plan.settings.iter().filter(|_| length != Length::Concise) {
        let shown = |value: &Option<String>| harmless(value.as_deref().unwrap_or("none")).to_string();
        let _ = writeln!(out, "    {}: {} → {}", harmless(name), shown(before), shown(after));
    }
    out
}

fn group(plan: &Plan, kind: &str, paint: Paint, length: Length) -> String {
    let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.kind() == kind).collect();
    if steps.is_empty() || length == Length::Concise {
        return String::new();
    }
    let n = steps.len();
    let sign = match kind {
        "provision" => paint.green("+"),
        "delete" => paint.red("-"),
        _ => paint.yellow("~"),
    };
    let mut out = format!("\n{sign} {}\n", paint.bold(&title(kind, n)));
    let visible = length.of(n);
    for line in table(steps.iter().take(visible).map(|step| cells(step)).collect()) {
        let _ = writeln!(out, "   {line}");
    }
    if n > visible {
        let _ = writeln!(out, "    {}", paint.dim(&format!("… and {} more (--full)", n - visible)));
    }
    if kind == "provision" && !plan.webhooks.is_empty() {
        let _ = writeln!(out, "     webhook: {}", plan.webhooks.join(", "));
    }
    out
}

/// The title for `n` steps of a kind.
pub fn title(kind: &str, n: usize) -> String {
    match kind {
        "provision" => format!("provision {}", count(n, "bridge")),
        "unlink" => format!("clear bridge_id and status on {}", count(n, "tenant row")),
        "link" => format!("write the bridge_id on {}", count(n, "tenant row")),
        "set_status" => format!("write the status on {}", count(n, "tenant row")),
        _ => format!("delete {} for ever", count(n, "bridge")),
    }
}

fn cells(step: &Step) -> Vec<String> {
    let name = named(step.customer_ref().as_str());
    match step {
        Step::Link { bridge_id, reason, .. } => vec![name, format!("bridge {bridge_id}"), harmless(reason)],
        Step::SetStatus { was, status, .. } => {
            let was = was.as_deref().map_or_else(|| "null".to_owned(), shown);
            vec![name, format!("{was} → {}", shown(status))]
        }
        Step::Provision { reason, .. } | Step::Unlink { reason, .. } => vec![name, harmless(reason)],
        Step::Delete { bridge_id, reason, .. } => {
            vec![name, format!("bridge {bridge_id}"), harmless(reason)]
        }
    }
}

fn footer(plan: &Plan, paint: Paint) -> String {
    let mut out = format!("\nMonthly cost: {}\n", cost(plan, paint));
    for line in time(plan).into_iter().chain(approval(plan)) {
        let _ = writeln!(out, "{line}");
    }
    out
}

/// The plan_sha256, for `wab apply --expect`.
pub fn approval(plan: &Plan) -> Option<String> {
    plan.has_changes().then(|| format!("plan_sha256: {}", plan.plan_sha256))
}

/// The monthly cost, before and after.
pub fn cost(plan: &Plan, paint: Paint) -> String {
    let cost = plan.monthly_cost;
    if cost.change.is_zero() {
        return format!("{}, unchanged", paint.bold(&money(cost.before)));
    }
    format!("{} → {} ({})", money(cost.before), paint.bold(&money(cost.after)), change(cost.change))
}

/// How long the calls take; `None` if the plan has none.
pub fn time(plan: &Plan) -> Option<String> {
    let calls = plan.count("provision") + plan.count("delete");
    (calls > 0).then(|| match plan.duration.is_zero() {
        true => "The provider's limits allow all calls at once.".to_owned(),
        false => format!("At the provider's limits the calls take {}.", span(plan.duration)),
    })
}
