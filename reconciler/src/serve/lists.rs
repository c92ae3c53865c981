//! The pages that show one list each: drift, incidents, whom to call, the queue, and the runs.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query as QueryString, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use chrono::Utc;
use maud::{Markup, html};

use crate::db::board::Query;
use crate::serve::board::Board;
use crate::serve::csv::csv;
use crate::serve::fault::Fault;
use crate::serve::layout::Page;
use crate::serve::params::{Form, Params, checked_id, form, link};
use crate::serve::reply;
use crate::serve::snapshots::TICK;
use crate::serve::table::table;

/// A page has so many rows at most. CSV has all.
const SHOWN: usize = 500;

/// What the handlers get of a request.
pub type Asked = (State<Arc<Board>>, Uri, HeaderMap, QueryString<HashMap<String, String>>);

/// A list: its title, its place in the navigation, a sentence about it, and one for when it is empty.
struct List {
    title: &'static str,
    place: &'static str,
    about: &'static str,
    none: &'static str,
}

/// `GET /drift?kind=`
pub async fn drift(asked: Asked) -> Result<Response, Fault> {
    let kind = asked.0.kind(&Params(asked.3.0.clone())).await?;
    let list = List {
        title: "Drift",
        place: "/drift",
        about: "The differences between the tenants table and the fleet, as last observed. wab apply repairs those of severity info \
                and provisions the missing ones.",
        none: if kind.is_some() { "There is no drift of this kind." } else { "There is no drift." },
    };
    let about = html! {
        @if let Some(kind) = &kind {
            p { "Only the kind " strong { (crate::ground::harmless(kind)) } ". " a href="/drift" { "Show all kinds" } }
        }
    };
    answer(asked, list, about, |limit| Query::drift(kind.clone(), limit)).await
}

/// `GET /incidents`
pub async fn incidents(asked: Asked) -> Result<Response, Fault> {
    let list = List {
        title: "Incidents",
        place: "/incidents",
        about: "Drift on which a person acts, by the rules of wab_incident_policy.",
        none: "There is no incident.",
    };
    answer(asked, list, html! {}, Query::incidents).await
}

/// `GET /repair`
pub async fn to_repair(asked: Asked) -> Result<Response, Fault> {
    let list = List {
        title: "To repair",
        place: "/",
        about: "Bridges that lost their phones, in the order in which a person goes through them.",
        none: "No bridge lost its phone.",
    };
    answer(asked, list, html! {}, Query::to_repair).await
}

/// `GET /nudge`
pub async fn to_nudge(asked: Asked) -> Result<Response, Fault> {
    let list = List {
        title: "To nudge",
        place: "/",
        about: "Tenants that have not scanned the QR code for too long, in the order in which a person goes through them.",
        none: "No tenant waits for a scan for too long.",
    };
    answer(asked, list, html! {}, Query::to_nudge).await
}

/// `GET /queue`
pub async fn queue(asked: Asked) -> Result<Response, Fault> {
    let list = List {
        title: "Queue",
        place: "/queue",
        about: "Tenants that wait for their bridge, and then those that got it or were refused.",
        none: "The queue is empty.",
    };
    answer(asked, list, html! {}, Query::queue).await
}

/// `GET /runs`
pub async fn runs(asked: Asked) -> Result<Response, Fault> {
    let list = List {
        title: "Runs",
        place: "/runs",
        about: "The runs of wab apply. One without an end still runs, or was killed.",
        none: "wab apply has not run yet.",
    };
    answer(asked, list, html! {}, Query::runs).await
}

/// `GET /runs/{run_id}`
pub async fn run(
    State(board): State<Arc<Board>>,
    Path(run_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let run_id = checked_id("the id of a run", run_id.trim_end_matches(".csv"))?;
    let snapshot = board.read([Query::run(&run_id), Query::operations(&run_id)], TICK).await?;
    let (run, steps) = (&snapshot.tables[1], &snapshot.tables[2]);
    if run.rows.is_empty() {
        return Err(Fault::NotFound(
            "No run of wab apply has this id, or its history was pruned.".to_owned(),
        ));
    }
    if form(uri.path(), &headers) == Form::Csv {
        return Ok(reply::csv("run", csv(steps)));
    }
    let now = Utc::now();
    let content = html! {
        div data-live="run" {
            (table("The run", run, now))
            @if steps.rows.is_empty() { p { "It made no step." } } @else { (table("Its steps", steps, now)) }
        }
    };
    Ok(reply::page(Page { title: "Run of wab apply", place: "/runs", snapshot: &snapshot, content }.render()))
}

async fn answer(
    (State(board), uri, headers, QueryString(params)): Asked,
    list: List,
    about: Markup,
    query: impl Fn(Option<usize>) -> Query,
) -> Result<Response, Fault> {
    if form(uri.path(), &headers) == Form::Csv {
        let tables = board.snapshots.read(vec![query(None)]).await.map_err(Fault::Unavailable)?;
        let name = uri.path().trim_start_matches('/').trim_end_matches(".csv");
        return Ok(reply::csv(name, csv(&tables[0])));
    }
    let mut snapshot = board.read([query(Some(SHOWN + 1))], TICK).await?;
    let is_cut = snapshot.tables[1].rows.len() > SHOWN;
    if is_cut {
        Arc::make_mut(&mut snapshot.tables)[1].rows.truncate(SHOWN);
    }
    let params: Vec<(&str, Option<&str>)> =
        params.iter().map(|(name, value)| (name.as_str(), Some(value.as_str()))).collect();
    let all = link(&format!("{}.csv", uri.path()), &params);
    let content = html! {
        p { (list.about) }
        (about)
        div data-live="list" {
            @if snapshot.tables[1].rows.is_empty() {
                p { (list.none) }
            } @else {
                (table(list.title, &snapshot.tables[1], Utc::now()))
            }
        }
        p {
            @if is_cut { "These are the first " (SHOWN) " rows. " }
            a href=(all) { "All rows as CSV" }
        }
    };
    Ok(reply::page(Page { title: list.title, place: list.place, snapshot: &snapshot, content }.render()))
}
