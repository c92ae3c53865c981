//! Serves the provider's API over HTTP: checks the key and the limits, applies faults, does the work, fills the ledger.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{ACCEPT_ENCODING, AUTHORIZATION, VARY};
use axum::http::{HeaderMap, Method, Response, StatusCode, request};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::answer::{self, Answer};
use crate::app::{AccessLog, App, Compress, Shared};
use crate::delivery::{Delivered, deliver};
use crate::faults::Kind;
use crate::gzip::gzipped;
use crate::ledger::{Entry, EntryId};
use crate::limits::{Class, RetryAfter};
use crate::provider::{self, Done, Input};
use crate::route::{Call, Route};
use crate::wire::Wire;
use crate::{console, control, distort, webhooks};

/// The largest accepted body, in bytes; the provider's calls need a few hundred.
const MAX_BODY: usize = 1 << 20;
/// The most bytes that are read of a body. It is above `MAX_BODY`, so that a caller of a too large body gets the 413.
const MAX_READ: usize = 64 << 20;

/// The whole service: the provider's API and the control calls.
pub fn service(app: Arc<App>) -> Router {
    Router::new().nest(control::PREFIX, control::routes()).fallback(serve).with_state(app)
}

/// A request with its body and its route.
struct Received {
    parts: request::Parts,
    body: Bytes,
    route: Route,
}

/// The answer to a request, the fault that struck it and its ledger entry.
struct Verdict {
    done: Done,
    fault: Option<Kind>,
    entry: EntryId,
}

async fn serve(
    State(app): State<Arc<App>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response<Body> {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_READ).await else {
        return answer::error(StatusCode::BAD_REQUEST, "the body is incomplete or larger than 64 MiB")
            .map(Body::from);
    };
    let route = Route::of(&parts.method, parts.uri.path());
    let received = Received { parts, body, route };
    // The clock is read under the lock, so that the ledger and the limits see the calls in the same order.
    let Verdict { done, fault, entry } =
        app.with(|shared| judge(&app, shared, &received, &wire, app.clock.now()));
    if let Some(event) = done.event {
        webhooks::send(&app, event);
    }
    let delivered = deliver(done.answer, fault.as_ref(), &wire).await;
    let (response, code) = match delivered {
        Delivered::Response(response) => {
            let code = response.status().as_u16();
            app.with(|shared| shared.ledger.answered(entry, code));
            (response, Some(code))
        }
        // The client never gets this response, because its connection is cut.
        Delivered::Nothing => (Response::new(Body::empty()), None),
    };
    if app.settings.log == AccessLog::Verbose {
        let Received { parts, route, .. } = &received;
        console::request(&parts.method, parts.uri.path(), route.class, code, started.elapsed());
    }
    response
}

fn judge(app: &App, shared: &mut Shared, received: &Received, wire: &Wire, now: DateTime<Utc>) -> Verdict {
    let Received { parts, body, route } = received;
    let (method, path) = (&parts.method, parts.uri.path());
    let mut fault = None;
    let done = match admit(shared, received, wire, now) {
        Err(rejected) => rejected.into(),
        Ok(()) => {
            fault = shared.faults.strike(method, path);
            let input = Input { body, status: shared.listing.status(), now };
            perform(shared, route, &input, fault.as_ref())
        }
    };
    let compress = app.settings.compress == Compress::WhenAccepted && fault.is_none();
    let done = if compress && done.answer.status() == StatusCode::OK && route.target == Ok(Call::List) {
        Done { answer: compressed(shared, &parts.headers, done.answer), ..done }
    } else {
        done
    };
    let entry = shared.ledger.enter(Entry {
        at: now,
        method: method.to_string(),
        path: path.to_owned(),
        class: route.class,
        status: None,
        customer_ref: named(method, route, body),
        fault: fault.as_ref().map(Kind::name),
    });
    Verdict { done, fault, entry }
}

/// The reason why a call is rejected before its work.
enum Rejected {
    Unauthorized,
    Limited(RetryAfter),
    TooLarge,
}

impl From<Rejected> for Done {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Unauthorized => answer::error(StatusCode::UNAUTHORIZED, "unauthorized").into(),
            Rejected::Limited(retry_after) => answer::rate_limited(retry_after).into(),
            Rejected::TooLarge => {
                answer::error(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB").into()
            }
        }
    }
}

/// Checks the limit of the address, then the key, then the limit of the class. A call without the key therefore counts
/// for its address only.
fn admit(shared: &mut Shared, received: &Received, wire: &Wire, now: DateTime<Utc>) -> Result<(), Rejected> {
    shared.limits.admit_address(wire.address(), now).map_err(Rejected::Limited)?;
    let class = received.route.class;
    // A path outside the API needs no key and has no limit of its own.
    if class == Class::Floor {
        return Ok(());
    }
    if bearer(&received.parts.headers) != Some(shared.key.as_str()) {
        return Err(Rejected::Unauthorized);
    }
    shared.limits.admit_class(class, now).map_err(Rejected::Limited)?;
    if received.body.len() > MAX_BODY { Err(Rejected::TooLarge) } else { Ok(()) }
}

fn perform(shared: &mut Shared, route: &Route, input: &Input<'_>, fault: Option<&Kind>) -> Done {
    let Some(kind) = fault else { return provider::perform(shared, &route.target, input) };
    match distort::instead(kind) {
        Some(answer) => answer.into(),
        None => {
            let done = provider::perform(shared, &route.target, input);
            Done { answer: distort::spoil(kind, done.answer), ..done }
        }
    }
}

/// The token of `Authorization: Bearer <token>`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn named(method: &Method, route: &Route, body: &[u8]) -> Option<String> {
    if method == Method::POST && route.class == Class::Provision {
        return provider::named_in(body);
    }
    route.customer_ref().map(str::to_owned)
}

/// The list compressed, if the client accepts gzip.
fn compressed(shared: &mut Shared, headers: &HeaderMap, plain: Answer) -> Answer {
    let plain = answer::with_header(plain, VARY, "accept-encoding");
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accepted.split([',', ';']).any(|coding| coding.trim().eq_ignore_ascii_case("gzip")) {
        return plain;
    }
    match shared.listing.gzipped(&shared.world) {
        Ok(packed) => gzipped(plain.map(|_| packed)),
        Err(_) => plain,
    }
}
