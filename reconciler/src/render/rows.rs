//! Renders the changes to tenant rows as a diff.

use std::collections::BTreeMap;
use std::fmt::Write;

use similar::{ChangeTag, TextDiff};

use crate::ground::{Natural, named, shown};
use crate::model::{Length, Owner, Plan, Step};
use crate::render::words::Paint;

/// The changed columns of one row: before and after.
#[derive(Default)]
struct Row {
    before: Vec<(&'static str, String)>,
    after: Vec<(&'static str, String)>,
}

impl Row {
    fn set(&mut self, column: &'static str, was: Option<&str>, becomes: String) {
        self.before.push((column, was.map_or_else(|| "null".to_owned(), shown)));
        self.after.push((column, becomes));
    }
}

/// One line before and one after for each changed tenant row; empty if none changes.
pub fn diff(plan: &Plan, paint: Paint, length: Length) -> String {
    let rows = changed(plan);
    if rows.is_empty() || length == Length::Concise {
        return String::new();
    }
    let width = rows.keys().map(|name| named(name.0).chars().count()).max().unwrap_or(0);
    let mut out = format!("{}\n{}\n", paint.bold("--- tenants"), paint.bold("+++ tenants, after apply"));
    let visible = length.of(rows.len());
    for (name, row) in rows.iter().take(visible) {
        let name = named(name.0);
        let (before, after) = (line(&name, width, &row.before), line(&name, width, &row.after));
        for change in TextDiff::from_lines(before.as_str(), after.as_str()).iter_all_changes() {
            let text = format!("{}{}", change.tag(), change.value().trim_end());
            let painted = match change.tag() {
                ChangeTag::Delete => paint.red(&text),
                ChangeTag::Insert => paint.green(&text),
                ChangeTag::Equal => text,
            };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{painted}");
        }
    }
    if rows.len() > visible {
        let _ =
            writeln!(out, "{}", paint.dim(&format!("  … and {} more rows (--full)", rows.len() - visible)));
    }
    out
}

/// The changed rows, by the full customer_ref, because two of them may begin alike.
fn changed(plan: &Plan) -> BTreeMap<Natural<'_>, Row> {
    let mut rows: BTreeMap<Natural<'_>, Row> = BTreeMap::new();
    for step in &plan.steps {
        let name = Natural(step.customer_ref().as_str());
        match step {
            Step::Unlink { was, .. } => {
                rows.entry(name).or_default().set("bridge_id", was.as_deref(), "null".to_owned());
            }
            Step::Link { bridge_id, was, .. } => {
                rows.entry(name).or_default().set("bridge_id", was.as_deref(), bridge_id.to_string());
            }
            Step::SetStatus { was, status, .. } => {
                rows.entry(name).or_default().set("bridge_status", was.as_deref(), shown(status));
            }
            Step::Provision { owner: Owner::Tenant, was, .. } => {
                rows.entry(name).or_default().set("bridge_id", was.as_deref(), "(new)".to_owned());
            }
            Step::Provision { .. } | Step::Delete { .. } => {}
        }
    }
    rows
}

fn line(name: &str, width: usize, columns: &[(&str, String)]) -> String {
    let columns: Vec<String> = columns.iter().map(|(column, value)| format!("{column}={value}")).collect();
    format!("{name:<width$}  {}\n", columns.join("  "))
}
