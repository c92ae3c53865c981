//! What Prometheus scrapes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::ground::harmless;
use crate::serve::board::Board;
use crate::serve::exposition::exposition;
use crate::serve::snapshots::TICK;

/// `GET /metrics`. Old numbers would look like new ones, so there are none while the database does not answer.
pub async fn metrics(State(board): State<Arc<Board>>) -> Response {
    let unavailable = |why: String| (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", harmless(&why)));
    match board.snapshots.get(board.metrics.queries(), TICK).await {
        Ok(snapshot) => match snapshot.stale {
            Some(why) => unavailable(why).into_response(),
            None => {
                let text = exposition(&board.metrics, &snapshot.tables);
                ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
            }
        },
        Err(why) => unavailable(why).into_response(),
    }
}
