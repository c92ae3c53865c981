//! What the fleet costs: a year of months as bars, with what was paid for nothing apart.

use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use maud::{Markup, html};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::db::board::Query;
use crate::ground::money;
use crate::model::{Table, Value};
use crate::serve::csv::csv;
use crate::serve::fault::Fault;
use crate::serve::layout::Page;
use crate::serve::lists::Asked;
use crate::serve::params::{Form, form};
use crate::serve::reply;
use crate::serve::table::table;

/// The height of the highest bar, in units of the drawing.
const HEIGHT: i64 = 120;
/// The width of one month; there is room for as many as the query returns.
const MONTH: usize = 60;
const MONTHS: usize = 13;

/// `GET /costs`
pub async fn page((State(board), uri, headers, _): Asked) -> Result<Response, Fault> {
    let snapshot = board.read_slowly(Query::costs()).await?;
    let costs = &snapshot.tables[1];
    if form(uri.path(), &headers) == Form::Csv {
        return Ok(reply::csv("costs", csv(costs)));
    }
    let content = html! {
        p {
            "US dollars per month. Waste is what was paid for orphaned, churned and duplicate bridges. The first month may be \
             incomplete, and the present one counts up to now."
        }
        div data-live="costs" {
            @if costs.rows.is_empty() {
                p { "The fleet was never observed." }
            } @else {
                (bars(costs))
                (table("Cost by month", costs, Utc::now()))
            }
        }
    };
    let page = Page { title: "Costs", place: "/costs", snapshot: &snapshot, content };
    Ok(reply::page(page.render()))
}

/// The table holds the same in words.
fn bars(costs: &Table) -> Markup {
    let months: Vec<(String, Decimal, Decimal)> =
        costs.rows.iter().rev().filter_map(|row| month(row)).collect();
    let most = months.iter().map(|(_, cost, _)| *cost).max().unwrap_or_default();
    let height = |amount: Decimal| match (amount / most.max(Decimal::ONE) * Decimal::from(HEIGHT)).to_i64() {
        Some(height) => height.clamp(0, HEIGHT),
        None => 0,
    };
    html! {
        figure {
            svg.bars role="img" aria-label="Cost by month, as in the table" viewBox={ "0 0 " (MONTHS * MONTH) " 144" } {
                @for (nth, (name, cost, waste)) in months.iter().enumerate() {
                    @let (tall, wasted) = (height(*cost), height(*waste));
                    rect.cost x=(nth * MONTH + 8) y=(HEIGHT - tall) width="44" height=(tall) {
                        title { (name) ": " (money(*cost)) ", of it " (money(*waste)) " waste" }
                    }
                    rect.waste x=(nth * MONTH + 8) y=(HEIGHT - wasted) width="44" height=(wasted) {}
                    text x=(nth * MONTH + 30) y="139" text-anchor="middle" {
                        tspan.year { (name.get(..5).unwrap_or_default()) }
                        tspan { (name.get(5..).unwrap_or_default()) }
                    }
                }
            }
            figcaption { "Cost by month; the striped part is waste." }
        }
    }
}

/// `2026-03`, the cost and the waste of a row of `Query::costs`.
fn month(row: &[Value]) -> Option<(String, Decimal, Decimal)> {
    match row {
        [Value::Text(month), _, _, cost, _, waste] => {
            Some((month.get(..7)?.to_owned(), amount(cost), amount(waste)))
        }
        _ => None,
    }
}

fn amount(value: &Value) -> Decimal {
    if let Value::Decimal(amount) = value { *amount } else { Decimal::ZERO }
}
