//! Receives webhooks: `POST /hooks/{customer_ref}/{secret}`. An event is acknowledged when PostgreSQL has committed it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use wabridges::WebhookKeys;

use crate::model::Event;
use crate::run::receive::{NotRecorded, Receiver};
use crate::serve::health::healthz;
use crate::serve::received::{BUSY, FAILED, INVALID, NO_SECRET, Received};
use crate::serve::reply::secured;

/// The largest event. Those of the provider have a few hundred bytes.
const LARGEST: usize = 64 * 1024;
/// A client that takes longer between two parts of a body is cut off.
const BODY: Duration = Duration::from_secs(5);
/// The answer comes within this time.
const DEADLINE: Duration = Duration::from_secs(15);

struct Hooks {
    keys: WebhookKeys,
    receiver: Receiver,
    received: Arc<Received>,
}

/// The service. It knows no other address.
pub fn hooks(keys: WebhookKeys, receiver: Receiver, received: Arc<Received>) -> Router {
    let hooks = Hooks { keys, receiver, received };
    Router::new()
        .route("/hooks/{customer_ref}/{secret}", any(receive))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(nothing)
        .layer(RequestBodyLimitLayer::new(LARGEST))
        .layer(RequestBodyTimeoutLayer::new(BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, DEADLINE))
        .layer(CatchPanicLayer::new())
        .layer(from_fn(secured))
        .with_state(Arc::new(hooks))
}

/// A wrong secret, a tenant that does not exist and a wrong address get the same answer.
async fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing here\n").into_response()
}

/// Whether the database would record an event now.
async fn readyz(State(hooks): State<Arc<Hooks>>) -> Response {
    match hooks.receiver.probe().await {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(_) => unavailable("events are not recorded\n"),
    }
}

async fn receive(
    State(hooks): State<Arc<Hooks>>,
    method: Method,
    Path((customer_ref, secret)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    if method != Method::POST || !hooks.keys.verify(&customer_ref, &secret) {
        hooks.received.add(NO_SECRET);
        return nothing().await;
    }
    // PostgreSQL cannot hold NUL, and one such text would fail all events that are committed with it.
    let body = String::from_utf8(body.into()).ok().filter(|body| !body.contains('\0'));
    let Some(body) = body.filter(|_| !customer_ref.contains('\0')) else {
        return invalid(&hooks);
    };
    match hooks.receiver.record(Event { customer_ref, body }).await {
        Ok(outcome) if outcome == INVALID => invalid(&hooks),
        Ok(outcome) => {
            hooks.received.add(&outcome);
            (StatusCode::OK, outcome + "\n").into_response()
        }
        Err(NotRecorded::Busy) => {
            hooks.received.add(BUSY);
            unavailable("too many events wait\n")
        }
        Err(NotRecorded::Failed) => {
            hooks.received.add(FAILED);
            unavailable("it is not known whether the database recorded it\n")
        }
    }
}

fn invalid(hooks: &Hooks) -> Response {
    hooks.received.add(INVALID);
    (StatusCode::UNPROCESSABLE_ENTITY, "this is not an event of this bridge\n").into_response()
}

fn unavailable(why: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")], why).into_response()
}
