//! The first page: how many bridges have which status, what they cost, how well the fleet was paired, and what to do now.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::db::board::Query;
use crate::ground::{harmless, money, span};
use crate::model::{Table, Value};
use crate::serve::board::Board;
use crate::serve::fault::Fault;
use crate::serve::layout::Page;
use crate::serve::params::link;
use crate::serve::reply;
use crate::serve::shape::{self, percent, signed, tenant_link};
use crate::serve::snapshots::{SLOW_TICK, TICK};
use crate::serve::table::table;

/// So many rows of each list are shown here.
const SHOWN: usize = 10;

const STATUSES: [(&str, &str); 4] = [
    ("paired", "Paired"),
    ("awaiting_scan", "Waiting for a scan"),
    ("disconnected", "Disconnected"),
    ("unknown", "Unknown"),
];

/// `GET /`
pub async fn page(State(board): State<Arc<Board>>) -> Result<Response, Fault> {
    let limit = Some(SHOWN + 1);
    let queries = [
        Query::summary(),
        Query::drift_counts(),
        Query::incidents(limit),
        Query::to_repair(limit),
        Query::to_nudge(limit),
    ];
    let snapshot = board.read(queries, TICK).await?;
    // The page is complete without them: not every role may see the money, and the health may take too long.
    let money = board.snapshots.get(vec![Query::money()], TICK).await;
    let health = board.snapshots.get(vec![Query::health()], SLOW_TICK).await;
    let now = Utc::now();
    let [_, summary, drift, incidents, to_repair, to_nudge] = snapshot.tables.as_slice() else {
        return Err(Fault::Unavailable("the database answered another question".to_owned()));
    };
    let content = html! {
        (statuses(summary, drift))
        (what_to_do(incidents, to_repair, to_nudge, now))
        div.columns {
            (money_section(&money.map(|snapshot| snapshot.tables[0].clone())))
            (kinds(drift))
            (health_section(&health.map(|snapshot| snapshot.tables[0].clone())))
        }
    };
    let page = Page { title: "Fleet", place: "/", snapshot: &snapshot, content };
    Ok(reply::page(page.render()))
}

fn statuses(summary: &Table, drift: &Table) -> Markup {
    html! {
        section aria-labelledby="statuses" data-live="statuses" {
            h2 id="statuses" { "Bridges" }
            ul.tiles {
                @for (status, name) in STATUSES {
                    li.tile.(status) {
                        a href=(link("/tenants", &[("status", Some(status))])) {
                            strong { (signed(summary.number(status))) } " " (name)
                        }
                    }
                }
                li.tile.missing {
                    a href=(link("/drift", &[("kind", Some("missing"))])) {
                        strong { (signed(missing(drift))) } " Tenants without a bridge"
                    }
                }
            }
            @if summary.number("pending_provisions") > 0 {
                p { a href="/queue" { (signed(summary.number("pending_provisions"))) " in the queue" } " wait for a bridge." }
            }
        }
    }
}

fn what_to_do(incidents: &Table, to_repair: &Table, to_nudge: &Table, now: DateTime<Utc>) -> Markup {
    let lists = [
        ("Incidents", "/incidents", incidents, "There is no incident."),
        ("To repair", "/repair", to_repair, "No bridge lost its phone."),
        ("To nudge", "/nudge", to_nudge, "No tenant waits for a scan for too long."),
    ];
    html! {
        section aria-labelledby="todo" data-live="todo" {
            h2 id="todo" { "What to do now" }
            @for (name, path, rows, none) in lists {
                @if rows.rows.is_empty() {
                    p { (none) }
                } @else {
                    (table(name, &first(rows), now))
                    @if rows.rows.len() > SHOWN { p { a href=(path) { "All: " (name.to_lowercase()) } } }
                }
            }
        }
    }
}

fn first(table: &Table) -> Table {
    // The details are on the page of the list.
    const SHOWN_COLUMNS: [&str; 11] = [
        "severity",
        "kind",
        "customer_ref",
        "bridge_id",
        "lasting",
        "began_at",
        "state",
        "since",
        "last_nudged_at",
        "last_code_at",
        "next_step",
    ];
    let shown = |name: &String| SHOWN_COLUMNS.contains(&name.as_str());
    let places: Vec<usize> =
        table.columns.iter().enumerate().filter(|(_, name)| shown(name)).map(|(nth, _)| nth).collect();
    let rows = table.rows.iter().take(SHOWN);
    Table {
        columns: places.iter().map(|nth| table.columns[*nth].clone()).collect(),
        rows: rows.map(|row| places.iter().map(|nth| row[*nth].clone()).collect()).collect(),
    }
}

fn missing(drift: &Table) -> i64 {
    let row = drift.rows.iter().find(|row| row.first() == Some(&Value::Text("missing".to_owned())));
    match row.and_then(|row| row.last()) {
        Some(Value::Number(number)) => *number,
        _ => 0,
    }
}

fn money_section(costs: &Result<Table, String>) -> Markup {
    html! {
        section aria-labelledby="money" data-live="money" {
            h2 id="money" { "Money" }
            @match costs {
                Err(why) => p.muted { "Not known: " (harmless(why)) }
                Ok(costs) => {
                    @let amount = |column| costs.decimal(column).map_or_else(|| "unknown".to_owned(), money);
                    dl {
                        dt { "Bridges" } dd { (signed(costs.number("bridges"))) }
                        dt { "Per month" } dd { (amount("monthly_cost")) }
                        dt { "Of it for nothing" } dd { (amount("monthly_waste")) }
                    }
                    p { a href="/costs" { "By month" } }
                }
            }
        }
    }
}

fn kinds(drift: &Table) -> Markup {
    html! {
        section aria-labelledby="kinds" data-live="kinds" {
            h2 id="kinds" { "Drift" }
            @if drift.rows.is_empty() {
                p { "There is no drift." }
            } @else {
                dl {
                    @for row in &drift.rows {
                        @if let [kind, _, number] = row.as_slice() {
                            dt { (shape::value("kind", kind, Utc::now())) }
                            dd { (shape::value("differences", number, Utc::now())) }
                        }
                    }
                }
            }
        }
    }
}

fn health_section(health: &Result<Table, String>) -> Markup {
    html! {
        section aria-labelledby="health" data-live="health" {
            h2 id="health" { "Health" }
            @match health {
                Err(why) => p.muted { "Not known: " (harmless(why)) }
                Ok(health) => {
                    dl {
                        @for (days, name) in [("1d", "Paired, last day"), ("7d", "Last 7 days"), ("30d", "Last 30 days")] {
                            dt { (name) }
                            dd {
                                (percent(health.decimal(&format!("paired_share_{days}"))))
                                " " span.muted { "of " (percent(health.decimal(&format!("coverage_{days}")))) " observed" }
                            }
                        }
                        dt { "Reconnections, 30 days" } dd { (signed(health.number("reconnections_30d"))) }
                        dt { "Time to reconnect" } dd { (seconds(health, "mean_seconds_disconnected_30d")) }
                        @if let Some(customer_ref) = health.text("customer_ref") {
                            dt { "Longest outage" }
                            dd { (tenant_link(customer_ref)) ", " (seconds(health, "longest_disconnected_seconds")) }
                        }
                    }
                }
            }
        }
    }
}

fn seconds(table: &Table, column: &str) -> String {
    match u64::try_from(table.number(column)) {
        Ok(seconds) if seconds > 0 => span(std::time::Duration::from_secs(seconds)),
        _ => "–".to_owned(),
    }
}
