//! The addresses of the pairing page. It has no other ones: nothing of the board is reachable here.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::serve::health::healthz;
use crate::serve::pairing::guard::{Door, guard};
use crate::serve::pairing::{assets, page, requests};
use crate::serve::reply::secured;

/// An answer must be ready after this time: a body, a look-up, records, and a call that gives up before.
const DEADLINE: Duration = Duration::from_secs(40);

/// The service.
pub fn pairing(door: Door) -> Router {
    let door = Arc::new(door);
    Router::new()
        .route("/p", get(page::page))
        .route("/p/state", post(requests::state))
        .route("/p/code", post(requests::code))
        .route("/assets/pairing.css", get(assets::style))
        .route("/assets/pairing.js", get(assets::script))
        .route("/assets/icon.svg", get(assets::icon))
        .fallback(no_page)
        .method_not_allowed_fallback(no_page)
        .layer(from_fn_with_state(door.clone(), guard))
        // Who asks for it knows this server by its address.
        .route("/healthz", get(healthz))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, DEADLINE))
        .layer(CatchPanicLayer::new())
        .layer(from_fn(secured))
        .with_state(door)
}

async fn no_page() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "There is no such page.\n")
}
