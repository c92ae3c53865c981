//! The results for programs; each document says its format_version. No secret is in any of the values given here.

use std::fmt::Write;
use std::time::Duration;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Serialize, Serializer};
use wabridges::{CustomerRef, PairingCode, Phone};

use super::words::{host_only, steers};
use crate::drift::{Drift, Kind};
use crate::plan::Plan;
use crate::report::{Outcome, Report};
use crate::store::Status;

/// Grows when a field changes its meaning or goes away.
const FORMAT_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<T> {
    format_version: u32,
    tool: &'static str,
    #[serde(flatten)]
    content: T,
}

fn document<T: Serialize>(content: T) -> String {
    let tool = concat!("wab ", env!("CARGO_PKG_VERSION"));
    // The types given here hold only text keys and finite numbers, so this cannot fail; a bare null would show if it did.
    let text = serde_json::to_string_pretty(&Document { format_version: FORMAT_VERSION, tool, content })
        .unwrap_or_else(|_| "null".to_owned());
    escaped(&text)
}

/// JSON may hold what steers a terminal as it is, but somebody will look at it on one. Outside of strings there is none.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // Writing to a String cannot fail.
        let _ =
            if c != '\n' && steers(c) { write!(out, "\\u{:04x}", u32::from(c)) } else { out.write_char(c) };
    }
    out
}

/// The plan.
pub fn plan(plan: &Plan) -> String {
    document(plan)
}

/// The plan, and what became of it; without a report it was refused.
pub fn applied(plan: &Plan, report: Option<&Report>) -> String {
    #[derive(Serialize)]
    struct Applied<'a> {
        plan: &'a Plan,
        outcome: &'static str,
        done: usize,
        failed: usize,
        unknown: usize,
        not_begun: usize,
        run: Option<&'a Report>,
    }
    let count = |outcome| report.map_or(0, |report| report.count(outcome));
    document(Applied {
        plan,
        outcome: report.map_or("refused", |report| report.finish().as_str()),
        done: count(Outcome::Done),
        failed: count(Outcome::Failed),
        unknown: count(Outcome::Unknown),
        not_begun: plan.steps.len().saturating_sub(report.map_or(0, |report| report.steps.len())),
        run: report,
    })
}

/// The drift.
pub fn drift(drift: &[Drift]) -> String {
    #[derive(Serialize)]
    struct Listed<'a> {
        drift: &'a [Drift],
    }
    let drift: Vec<Drift> = drift.iter().map(discreet).collect();
    document(Listed { drift: &drift })
}

/// Secrets belong into the path of a webhook_url, so only its host is shown.
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

/// The stored fleet.
pub fn status(status: &Status) -> String {
    document(status)
}

/// For serde: an amount of money as a JSON number.
pub fn money_as_number<S: Serializer>(amount: &Decimal, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(amount.to_f64().unwrap_or_default())
}

/// For serde: a time in seconds, rounded up.
pub fn duration_as_seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}
