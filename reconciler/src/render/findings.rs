//! Renders findings as text: one line each if they are few, one line per kind if they are many.

use std::collections::BTreeMap;
use std::fmt::Write;

use rust_decimal::Decimal;

use crate::ground::money;
use crate::ground::{count, harmless, named};
use crate::model::{Finding, Length, Plan};
use crate::render::words::{Paint, table};

/// How many customer_refs of a kind are shown as examples; of a kind with no more, also what is wrong with each.
const SAMPLE: usize = 3;

/// The findings of the plan, under a title.
pub fn findings(plan: &Plan, paint: Paint, length: Length) -> String {
    let all = &plan.findings;
    if all.is_empty() {
        return String::new();
    }
    let title = format!("{} that apply does not repair", count(all.len(), "finding"));
    let mut out = format!("\n{} {}\n", paint.yellow("!"), paint.bold(&title));
    if length == Length::Concise {
        let kinds: Vec<String> =
            plan.summary.findings.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "   {}", kinds.join(", "));
        return out;
    }
    let few = length.of(all.len()) == all.len();
    let lines = if few { all.iter().map(one).collect() } else { by_kind(all) };
    for line in table(lines) {
        let _ = writeln!(out, "   {line}");
    }
    if !few {
        let _ = writeln!(out, "    {}", paint.dim("all of them: wab plan --full"));
    }
    out
}

fn one(finding: &Finding) -> Vec<String> {
    vec![
        finding.kind.to_string(),
        name(finding),
        finding.bridge_id.map_or_else(|| "-".to_owned(), |id| format!("bridge {id}")),
        harmless(&finding.detail),
        a_month(finding.monthly_cost),
    ]
}

fn by_kind(all: &[Finding]) -> Vec<Vec<String>> {
    let mut kinds: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in all {
        kinds.entry(&finding.kind).or_default().push(finding);
    }
    let line = |(kind, found): (&str, Vec<&Finding>)| {
        let named = |(nth, finding): (usize, &&Finding)| {
            // The same reason is said once.
            let is_said = found.get(nth + 1).is_some_and(|next| next.detail == finding.detail);
            if found.len() > SAMPLE || is_said {
                return name(finding);
            }
            format!("{} ({})", name(finding), harmless(&finding.detail))
        };
        let mut names: Vec<String> = found.iter().take(SAMPLE).enumerate().map(named).collect();
        if found.len() > SAMPLE {
            names.push("…".to_owned());
        }
        let cost = found.iter().map(|finding| finding.monthly_cost).sum();
        vec![found.len().to_string(), kind.to_owned(), names.join(", "), a_month(cost)]
    };
    kinds.into_iter().map(line).collect()
}

fn name(finding: &Finding) -> String {
    finding.customer_ref.as_deref().map_or_else(|| "-".to_owned(), named)
}

fn a_month(cost: Decimal) -> String {
    if cost > Decimal::ZERO { money::a_month(cost) } else { String::new() }
}
