//! Tells an open page that something changed, so that it fetches itself again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::unfold;
use tokio::sync::watch;

use crate::serve::board::Board;

/// So many pages are told at the same time. The others still work, and are as new as when they were loaded.
const VIEWERS: usize = 64;
/// A comment in between, so that a proxy does not take the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// `GET /live`
pub async fn live(State(board): State<Arc<Board>>) -> Response {
    if board.changes.viewers() >= VIEWERS {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many pages are open\n").into_response();
    }
    let state = (board.changes.subscribe(), board.changes.stopping());
    let events = unfold(state, |(changes, stopping)| next(changes, stopping));
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

/// What a page waits for: a change, or the end of the server.
type Waiting = (watch::Receiver<u64>, watch::Receiver<bool>);

async fn next(
    mut changes: watch::Receiver<u64>,
    mut stopping: watch::Receiver<bool>,
) -> Option<(Result<Event, Infallible>, Waiting)> {
    tokio::select! {
        changed = changes.changed() => changed.ok()?,
        _ = stopping.wait_for(|stopping| *stopping) => return None,
    }
    // Browsers drop an event without data.
    Some((Ok(Event::default().event("changed").data("now")), (changes, stopping)))
}
