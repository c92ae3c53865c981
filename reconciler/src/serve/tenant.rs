//! One customer's whole story: the bridge, the phone, the uptime, the drift, the incidents, the cost and the history.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::db::board::Query;
use crate::ground::{harmless, named};
use crate::model::{Table, Value};
use crate::serve::board::Board;
use crate::serve::csv::csv;
use crate::serve::fault::Fault;
use crate::serve::layout::Page;
use crate::serve::params::{self, Form, accepted, checked_id};
use crate::serve::reply;
use crate::serve::shape;
use crate::serve::snapshots::{SLOW_TICK, Snapshot, TICK};
use crate::serve::strip::strip;
use crate::serve::table::{heading, table};

/// So many entries of the history are on the page. CSV has all.
const SHOWN: usize = 200;

/// `GET /tenants/{customer_ref}`
pub async fn page(
    State(board): State<Arc<Board>>,
    Path(customer_ref): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let customer_ref = checked_id("the id of a tenant", &customer_ref)?;
    if accepted(&headers) == Form::Csv {
        return whole_history(&board, &customer_ref).await;
    }
    let queries = [
        Query::tenant(&customer_ref),
        Query::tenant_drift(&customer_ref),
        Query::tenant_incidents(&customer_ref),
        Query::tenant_statuses(&customer_ref),
        Query::tenant_links(&customer_ref),
        Query::tenant_history(&customer_ref, Some(SHOWN)),
    ];
    let snapshot = board.read(queries, TICK).await?;
    let [_, rows, drift, incidents, statuses, links, history] = snapshot.tables.as_slice() else {
        return Err(Fault::Unavailable("the database answered another question".to_owned()));
    };
    if rows.rows.is_empty() && history.rows.is_empty() {
        return Err(unknown(&customer_ref));
    }
    // A role that may not see phones, and a database that takes too long for the costs, leave those parts out.
    let phones = board.snapshots.get(vec![Query::tenant_phones(&customer_ref)], TICK).await;
    let costs = board.snapshots.get(vec![Query::tenant_costs()], SLOW_TICK).await;
    let now = Utc::now();
    let content = html! {
        (bridges(rows, now))
        (section("uptime", "Uptime", &strip(statuses, now)))
        (section("phone", "Phone", &phone(&phones, now)))
        (section("drift", "Drift", &or_none("Its drift", drift, "There is no drift.", now)))
        (section("incidents", "Incidents", &or_none("Its incidents", incidents, "There was no incident.", now)))
        (section("cost", "Cost", &cost(&costs, &customer_ref, now)))
        (section("pairing", "Pairing", &pairing(&customer_ref, links, now)))
        (section("history", "History", &or_none("What happened, the last first", history, "Nothing is recorded.", now)))
        p { a href=(params::history(&customer_ref)) { "The whole history as CSV" } }
    };
    let title = format!("Tenant {}", named(&customer_ref));
    Ok(reply::page(Page { title: &title, place: "/tenants", snapshot: &snapshot, content }.render()))
}

/// `GET /tenants/{customer_ref}/history.csv`
pub async fn history(
    State(board): State<Arc<Board>>,
    Path(customer_ref): Path<String>,
) -> Result<Response, Fault> {
    whole_history(&board, &checked_id("the id of a tenant", &customer_ref)?).await
}

async fn whole_history(board: &Board, customer_ref: &str) -> Result<Response, Fault> {
    let all = vec![Query::tenant_history(customer_ref, None)];
    let tables = board.snapshots.read(all).await.map_err(Fault::Unavailable)?;
    match tables[0].rows.is_empty() {
        true => Err(unknown(customer_ref)),
        false => Ok(reply::csv("history", csv(&tables[0]))),
    }
}

fn unknown(customer_ref: &str) -> Fault {
    Fault::NotFound(format!(
        "No tenant and no bridge has the id {customer_ref:?}, and nothing is recorded about it."
    ))
}

fn section(id: &str, title: &str, content: &Markup) -> Markup {
    html! {
        section aria-labelledby=(id) data-live=(id) {
            h2 id=(id) { (title) }
            (content)
        }
    }
}

fn or_none(caption: &str, rows: &Table, none: &str, now: DateTime<Utc>) -> Markup {
    html! { @if rows.rows.is_empty() { p { (none) } } @else { (table(caption, rows, now)) } }
}

/// The tenant row beside its bridge, as a list of facts; a duplicate is another list.
fn bridges(rows: &Table, now: DateTime<Utc>) -> Markup {
    html! {
        section aria-label="Tenant and bridge" data-live="bridge" {
            @if rows.rows.is_empty() { p { "There is neither a tenant row nor a bridge any more." } }
            @for row in &rows.rows {
                dl.details {
                    @for (column, value) in rows.columns.iter().zip(row).filter(|(_, value)| **value != Value::Null) {
                        dt { (heading(column)) }
                        dd { (shape::value(column, value, now)) }
                    }
                }
            }
        }
    }
}

fn phone(phones: &Result<Snapshot, String>, now: DateTime<Utc>) -> Markup {
    match phones {
        Ok(snapshot) => or_none("Who is paired", &snapshot.tables[0], "No phone is known.", now),
        Err(_) => {
            html! { p.muted { "This server's role may not see phones: they are for wab_operator and wab_support." } }
        }
    }
}

fn cost(costs: &Result<Snapshot, String>, customer_ref: &str, now: DateTime<Utc>) -> Markup {
    let Ok(snapshot) = costs else {
        return html! { p.muted { "Not known: SELECT * FROM wab_tenant_costs(); took too long, or this role may not see it." } };
    };
    let costs = &snapshot.tables[0];
    let is_its = |row: &&Vec<Value>| row.get(1) == Some(&Value::Text(customer_ref.to_owned()));
    let without = |row: &Vec<Value>| {
        row.iter().enumerate().filter(|(nth, _)| *nth != 1).map(|(_, v)| v.clone()).collect()
    };
    let its = Table {
        columns: costs.columns.iter().filter(|name| *name != "customer_ref").cloned().collect(),
        rows: costs.rows.iter().filter(is_its).map(without).collect(),
    };
    or_none("This month and the last", &its, "It cost nothing this month and the last.", now)
}

fn pairing(customer_ref: &str, links: &Table, now: DateTime<Utc>) -> Markup {
    // Inside quotes of the shell.
    let quoted = customer_ref.replace('\'', "'\\''");
    html! {
        p { "To pair its phone again: a link to send to the customer, a code to type, or a QR code to scan." }
        pre {
            "wab link '" (harmless(&quoted)) "'\nwab pair '" (harmless(&quoted)) "' --phone NUMBER\nwab qr '" (harmless(&quoted)) "'"
        }
        @if !links.rows.is_empty() { (table("Its links, the last first", links, now)) }
    }
}
