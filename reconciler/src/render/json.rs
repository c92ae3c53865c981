//! Renders results as JSON. Each document has a format_version.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use wabridges::{CustomerRef, PairingCode, Phone};

use crate::ground::steers;
use crate::ground::webhook::host_only;
use crate::model::{
    Check, Differences, Drift, FORMAT_VERSION, Kind, MadeLink, Outcome, Plan, Report, SavedPlan, Sent, Status,
};

/// The envelope of every document.
#[derive(Serialize, JsonSchema)]
pub struct Document<T> {
    /// Increases when a field changes its meaning or is removed.
    #[schemars(extend("const" = FORMAT_VERSION))]
    format_version: u32,
    /// The program and its version.
    tool: &'static str,
    #[serde(flatten)]
    content: T,
}

/// A plan and its outcome.
#[derive(Serialize, JsonSchema)]
pub struct Applied<'a> {
    /// The plan.
    plan: &'a Plan,
    /// The outcome of the run.
    #[schemars(extend("enum" = ["done", "partly", "stopped", "refused"]))]
    outcome: &'static str,
    /// Steps that were done.
    done: usize,
    /// Steps that were not done.
    failed: usize,
    /// Steps that were sent but got no answer. The next run finds out and continues.
    unknown: usize,
    /// Steps of a saved plan that were left undone, because the state that they were planned on has changed.
    stale: usize,
    /// Steps that were not started.
    not_begun: usize,
    /// The run; null if a guard refused the plan.
    run: Option<&'a Report>,
}

/// The drift.
#[derive(Serialize, JsonSchema)]
pub struct Listed<'a> {
    /// Listed rows that could not be read. If there are any, no bridge is treated as gone.
    malformed: usize,
    /// Sorted by kind, then by customer_ref. Of a webhook_url only the host is shown.
    drift: &'a [Drift],
}

fn document<T: Serialize>(content: T) -> String {
    let tool = concat!("wab ", env!("CARGO_PKG_VERSION"));
    pretty(&Document { format_version: FORMAT_VERSION, tool, content })
}

fn pretty(value: &impl Serialize) -> String {
    // The values have text keys and finite numbers, so serialisation cannot fail; `null` would show if it
    // did.
    escaped(&serde_json::to_string_pretty(value).unwrap_or_else(|_| "null".to_owned()))
}

/// Escapes characters in JSON strings that control a terminal or command a CI runner (`##[`, see `harmless`).
/// JSON allows them, but people read the document on a terminal and CI systems log it. Outside of strings
/// they do not occur.
pub fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut before = [' '; 2];
    for c in json.chars() {
        // Writing to a String cannot fail.
        let _ = if (c != '\n' && steers(c)) || (c == '[' && before == ['#'; 2]) {
            write!(out, "\\u{:04x}", u32::from(c))
        } else {
            out.write_char(c)
        };
        if c.is_ascii() {
            before = [before[1], c];
        }
    }
    out
}

/// The plan with its origin: the file that `wab apply FILE` reads.
pub fn saved(saved: &SavedPlan) -> String {
    pretty(saved)
}

/// The plan and its outcome. No report means that a guard refused it.
pub fn applied(plan: &Plan, report: Option<&Report>) -> String {
    let count = |outcome| report.map_or(0, |report| report.count(outcome));
    document(Applied {
        plan,
        outcome: report.map_or("refused", |report| report.outcome()),
        done: count(Outcome::Done),
        failed: count(Outcome::Failed),
        unknown: count(Outcome::Unknown),
        stale: report.map_or(0, Report::stale),
        not_begun: plan.steps.len().saturating_sub(report.map_or(0, |report| report.steps.len())),
        run: report,
    })
}

/// The drift.
pub fn drift(drift: &Differences) -> String {
    let malformed = drift.malformed;
    let drift: Vec<Drift> = drift.rows.iter().map(discreet).collect();
    document(Listed { malformed, drift: &drift })
}

/// A copy of the row with only the host of webhook_urls, because the path may hold a secret.
fn discreet(row: &Drift) -> Drift {
    let host = |url: &Option<String>| url.as_deref().map(host_only);
    let mut row = Drift { webhook_url: host(&row.webhook_url), ..row.clone() };
    if row.kind == Kind::Webhook {
        (row.stored, row.observed) = (host(&row.stored), host(&row.observed));
    }
    row
}

/// A pairing code.
pub fn pairing(tenant: &CustomerRef, phone: &Phone, code: &PairingCode) -> String {
    #[derive(Serialize)]
    struct Pairing<'a> {
        tenant: &'a CustomerRef,
        phone: &'a str,
        code: &'a str,
    }
    document(Pairing { tenant, phone: phone.as_str(), code: code.as_str() })
}

/// A pairing link.
pub fn link(tenant: &CustomerRef, made: &MadeLink) -> String {
    #[derive(Serialize)]
    struct Linked<'a> {
        tenant: &'a CustomerRef,
        link: &'a str,
        valid_until: DateTime<Utc>,
    }
    document(Linked { tenant, link: made.link.as_str(), valid_until: made.valid_until })
}

/// How many usable links of a tenant were revoked.
pub fn revoked_links(tenant: &CustomerRef, revoked: u64) -> String {
    #[derive(Serialize)]
    struct Revoked<'a> {
        tenant: &'a CustomerRef,
        revoked: u64,
    }
    document(Revoked { tenant, revoked })
}

/// The outcome of wab alert.
pub fn sent(sent: &Sent) -> String {
    document(sent)
}

/// The stored state of the fleet.
pub fn status(status: &Status) -> String {
    document(status)
}

/// The checks.
pub fn checkup(checks: &[Check]) -> String {
    #[derive(Serialize)]
    struct Checked<'a> {
        checks: &'a [Check],
    }
    document(Checked { checks })
}
