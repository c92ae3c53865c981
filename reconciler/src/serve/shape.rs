//! Values as a person reads them, and as markup.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};
use rust_decimal::Decimal;

use crate::ground::{grouped, harmless, money, span};
use crate::model::Value;
use crate::serve::params::{link, tenant};

/// Kinds of steps of a run. Other kinds are those of drift.
const STEPS: [&str; 5] = ["unlink", "link", "set_status", "provision", "delete"];
/// So many characters of a text are shown.
const LONGEST: usize = 500;

/// A time in UTC, and how long ago that is.
pub fn time(at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    html! {
        time datetime=(at.to_rfc3339_opts(SecondsFormat::Secs, true)) { (at.format("%Y-%m-%d %H:%M:%S")) }
        " " span.muted { (distance(at, now)) }
    }
}

/// `3h 2m ago`, or `in 3h 2m`.
pub fn distance(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (now - at).to_std() {
        Ok(past) => format!("{} ago", span(past)),
        Err(_) => format!("in {}", span((at - now).to_std().unwrap_or_default())),
    }
}

/// `98.7 %` of a share from 0 to 1.
pub fn percent(share: Option<Decimal>) -> String {
    share.map_or_else(|| "unknown".to_owned(), |share| format!("{:.1} %", share * Decimal::from(100)))
}

/// A word that is shown as a badge, and not by its colour alone.
pub fn badge(word: &str) -> Markup {
    let class = match word {
        "critical" | "disconnected" | "failed" | "open" | "missing" | "refused" => "badge bad",
        "warning" | "awaiting_scan" | "partly" | "unknown" | "recovering" | "waiting" | "stopped" => {
            "badge fair"
        }
        "paired" | "done" | "provisioned" | "usable" => "badge good",
        _ => "badge",
    };
    html! { span class=(class) { (harmless(word).replace('_', " ")) } }
}

/// A value of the column of this name.
pub fn value(column: &str, value: &Value, now: DateTime<Utc>) -> Markup {
    match value {
        Value::Null => html! { span.muted { "–" } },
        Value::Time(at) => time(*at, now),
        Value::Flag(flag) => html! { (if *flag { "yes" } else { "no" }) },
        Value::Number(number) if column == "bridge_id" || column == "step" => html! { (number) },
        Value::Number(number) => html! { (signed(*number)) },
        Value::Decimal(amount) if is_money(column) => html! { (money(*amount)) },
        Value::Decimal(amount) => html! { (amount.normalize()) },
        Value::List(words) if words.is_empty() => html! { span.muted { "–" } },
        Value::List(words) => html! { @for word in words { (kind(word)) " " } },
        Value::Text(text) => words(column, text),
    }
}

fn words(column: &str, text: &str) -> Markup {
    match column {
        "customer_ref" => tenant_link(text),
        "kind" if STEPS.contains(&text) => badge(text),
        "kind" => kind(text),
        "severity" | "status" | "outcome" => badge(text),
        "state"
            if matches!(text, "open" | "acknowledged" | "snoozed" | "recovering" | "usable" | "paired") =>
        {
            badge(text)
        }
        "run_id" => html! { a href={ "/runs/" (text) } { (text.split('-').next().unwrap_or(text)) } },
        "ci_url" if text.starts_with("https://") => html! { a href=(text) rel="noreferrer" { "job" } },
        "git_sha" => html! { code { (harmless(text).chars().take(12).collect::<String>()) } },
        _ => html! { (harmless(&cut(text))) },
    }
}

/// A very long text is cut; CSV has all of it.
fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// A link to the page of a tenant.
pub fn tenant_link(customer_ref: &str) -> Markup {
    html! { a href=(tenant(customer_ref)) { (crate::ground::named(customer_ref)) } }
}

/// A kind of drift, linked to its rows.
fn kind(kind: &str) -> Markup {
    html! { a href=(link("/drift", &[("kind", Some(kind))])) { (badge(kind)) } }
}

/// Whether numbers of this column are US dollars.
pub fn is_money(column: &str) -> bool {
    matches!(column, "monthly_cost" | "cost" | "waste")
}

/// A whole number with a comma before each three digits.
pub fn signed(number: i64) -> String {
    let digits = grouped(&number.unsigned_abs().to_string());
    if number < 0 { format!("-{digits}") } else { digits }
}
