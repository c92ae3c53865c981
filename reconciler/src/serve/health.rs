//! Whether the process works, and whether it reaches the database.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use crate::db::board::Query;
use crate::serve::board::Board;
use crate::serve::snapshots::TICK;

/// `GET /healthz`: the process works. It asks nobody.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the fleet can be read. Why it cannot is for those who may see the board.
pub async fn readyz(State(board): State<Arc<Board>>) -> (StatusCode, &'static str) {
    match board.snapshots.get(vec![Query::status()], TICK).await {
        Ok(snapshot) if snapshot.stale.is_none() => (StatusCode::OK, "ok\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the fleet cannot be read\n"),
    }
}
