//! Tables as HTML.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::model::{Table, Value};
use crate::serve::shape;

/// A table with its caption, in a frame of its own that scrolls on a narrow screen.
pub fn table(caption: &str, table: &Table, now: DateTime<Utc>) -> Markup {
    html! {
        div.scroll role="region" aria-label=(caption) tabindex="0" {
            table {
                caption { (caption) }
                thead { tr { @for (nth, column) in table.columns.iter().enumerate() { (head(table, nth, column)) } } }
                tbody { @for row in &table.rows { (one_row(&table.columns, row, now)) } }
            }
        }
    }
}

fn head(table: &Table, nth: usize, column: &str) -> Markup {
    let is_numeric = table.rows.iter().any(|row| row.get(nth).is_some_and(is_number));
    html! { th.n[is_numeric] scope="col" { (heading(column)) } }
}

fn one_row(columns: &[String], row: &[Value], now: DateTime<Utc>) -> Markup {
    html! {
        tr {
            @for (column, value) in columns.iter().zip(row) {
                td class=(class(column, value)) { (shape::value(column, value, now)) }
            }
        }
    }
}

/// How wide a value may become.
fn class(column: &str, value: &Value) -> &'static str {
    match column {
        _ if is_number(value) => "n",
        "next_step" | "detail" | "last_error" | "note" | "snooze_reason" => "long",
        "customer_ref" => "id",
        _ => "word",
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Number(_) | Value::Decimal(_))
}

/// The name of a column in words.
pub fn heading(column: &str) -> String {
    match column {
        "customer_ref" => "tenant".to_owned(),
        "bridge_id" => "bridge".to_owned(),
        "ci_url" => "CI job".to_owned(),
        "git_sha" => "commit".to_owned(),
        "raw_status" => "the provider's word".to_owned(),
        "monthly_cost" => "cost per month".to_owned(),
        "q" => "search".to_owned(),
        _ => column.replace('_', " "),
    }
}
