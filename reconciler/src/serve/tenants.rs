//! The list of tenants and bridges, a hundred a page.

use std::sync::Arc;

use axum::extract::{Query as QueryString, State};
use axum::response::Response;
use chrono::Utc;
use maud::{Markup, html};

use crate::config::StatusWord;
use crate::db::board::{FleetFilter, Query};
use crate::model::{Table, Value};
use crate::serve::board::Board;
use crate::serve::csv::csv;
use crate::serve::fault::Fault;
use crate::serve::layout::Page;
use crate::serve::lists::Asked;
use crate::serve::params::{Form, Params, form, link};
use crate::serve::reply;
use crate::serve::snapshots::TICK;
use crate::serve::table::table;

/// The rows of a page.
const SHOWN: usize = 100;

/// `GET /tenants?status=&kind=&q=&after=&after_bridge=`
pub async fn page((State(board), uri, headers, QueryString(params)): Asked) -> Result<Response, Fault> {
    let filter = filter(&board, &Params(params)).await?;
    if form(uri.path(), &headers) == Form::Csv {
        let all = vec![Query::fleet(&filter, None)];
        let tables = board.snapshots.read(all).await.map_err(Fault::Unavailable)?;
        return Ok(reply::csv("tenants", csv(&tables[0])));
    }
    let mut snapshot = board.read([Query::fleet(&filter, Some(SHOWN + 1))], TICK).await?;
    let rows = &mut Arc::make_mut(&mut snapshot.tables)[1];
    let has_more = rows.rows.len() > SHOWN;
    rows.rows.truncate(SHOWN);
    let next = has_more.then(|| next(&filter, rows));
    let content = html! {
        (search(&filter))
        div data-live="list" {
            @if snapshot.tables[1].rows.is_empty() {
                p { "No tenant and no bridge matches." }
            } @else {
                (table("Tenants and bridges", &snapshot.tables[1], Utc::now()))
            }
        }
        nav aria-label="Rows" {
            @if filter.after.is_some() { a href=(address("/tenants", &first(&filter))) { "First page" } " " }
            @if let Some(next) = next { a rel="next" href=(address("/tenants", &next)) { "Next page" } " " }
            a href=(address("/tenants.csv", &first(&filter))) { "All rows as CSV" }
        }
    };
    let page = Page { title: "Tenants", place: "/tenants", snapshot: &snapshot, content };
    Ok(reply::page(page.render()))
}

async fn filter(board: &Board, params: &Params) -> Result<FleetFilter, Fault> {
    Ok(FleetFilter {
        status: params.one_of("status", &StatusWord::STATUSES)?,
        kind: board.kind(params).await?,
        q: params.text("q")?,
        after: params.id("after")?,
        after_bridge: params.number("after_bridge")?,
    })
}

fn first(filter: &FleetFilter) -> FleetFilter {
    FleetFilter { after: None, after_bridge: None, ..filter.clone() }
}

/// The rows after the last one of this page.
fn next(filter: &FleetFilter, table: &Table) -> FleetFilter {
    let last = table.rows.len().saturating_sub(1);
    let after = match table.value(last, "customer_ref") {
        Some(Value::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let after_bridge = match table.value(last, "bridge_id") {
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    FleetFilter { after: Some(after), after_bridge, ..filter.clone() }
}

fn address(path: &str, filter: &FleetFilter) -> String {
    let FleetFilter { status, kind, q, after, after_bridge } = filter;
    let params = [
        ("status", status.as_deref()),
        ("kind", kind.as_deref()),
        ("q", q.as_deref()),
        ("after", after.as_deref()),
        ("after_bridge", after_bridge.as_deref()),
    ];
    link(path, &params)
}

fn search(filter: &FleetFilter) -> Markup {
    html! {
        form.search method="get" action="/tenants" role="search" {
            label { "Tenant or bridge " input type="search" name="q" value=[filter.q.as_deref()] maxlength="200"; }
            label {
                "Status "
                select name="status" {
                    option value="" { "any" }
                    @for status in StatusWord::STATUSES {
                        option value=(status) selected[filter.status.as_deref() == Some(status)] { (status.replace('_', " ")) }
                    }
                }
            }
            label { "Kind of drift " input name="kind" value=[filter.kind.as_deref()] maxlength="200"; }
            button type="submit" { "Show" }
        }
    }
}
