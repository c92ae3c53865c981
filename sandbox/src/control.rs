//! Serves the control calls, with which tests and demos change the fleet and order faults. They need no key, no limit
//! applies to them, and the ledger does not record them.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use bytes::Bytes;
use chrono::TimeDelta;
use serde_json::json;

use crate::answer::{self, Answer};
use crate::app::App;
use crate::bridge::{Bridge, BridgeId, Patch};
use crate::control_input::{Addition, Alignment, NewSettings, Setting, addition, object, parse};
use crate::faults::Order;
use crate::listing::StatusField;
use crate::seed;
use crate::webhooks;
use crate::world::Refusal;

/// The path prefix of the control calls.
pub const PREFIX: &str = "/_sandbox";
/// The largest body of a control call, in bytes: enough for a million bridges.
const MAX_BODY: usize = 256 << 20;

type Control = State<Arc<App>>;
type Reply = Response<Body>;

/// The routes of all control calls.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/bridges", get(bridges).post(add_bridges).delete(clear_bridges))
        .route("/bridges/{id}", axum::routing::patch(patch_bridge).delete(delete_bridge))
        .route("/summary", get(summary))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/ledger", get(ledger).delete(clear_ledger))
        .route("/ledger/summary", get(ledger_summary))
        .route("/webhooks", get(deliveries))
        .route("/statuses", get(statuses))
        .route("/clock", axum::routing::post(set_clock))
        .route("/settings", axum::routing::post(change_settings))
        .route("/windows", get(windows).merge(post(align_windows)))
        .fallback(async || bad(StatusCode::NOT_FOUND, "no such control call"))
        .method_not_allowed_fallback(async || bad(StatusCode::METHOD_NOT_ALLOWED, "method not allowed"))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn bridges(State(app): Control) -> Reply {
    reply(app.with(|shared| ok(&shared.world.bridges().collect::<Vec<&Bridge>>())))
}

async fn add_bridges(State(app): Control, body: Bytes) -> Reply {
    let addition = match parse(&body).and_then(addition) {
        Ok(addition) => addition,
        Err(why) => return bad(StatusCode::BAD_REQUEST, &why),
    };
    let now = app.clock.now();
    reply(app.with(|shared| {
        let new = match addition {
            Addition::Listed(new) => new,
            Addition::Seeded { seed, prefix } => {
                let taken =
                    shared.world.bridges().filter_map(|bridge| bridge.customer_ref.as_deref()).collect();
                seed::bridges(seed, &prefix, &taken, now)
            }
        };
        shared.world.add(new, now).map_or_else(refused, |added| ok(&added))
    }))
}

async fn clear_bridges(State(app): Control) -> Reply {
    reply(app.with(|shared| ok(&json!({ "removed": shared.world.clear() }))))
}

async fn patch_bridge(State(app): Control, Path(id): Path<String>, body: Bytes) -> Reply {
    let Some(id) = bridge_id(&id) else { return reply(refused(Refusal::NoSuchBridge)) };
    let patch: Patch = match parse(&body).and_then(object) {
        Ok(patch) => patch,
        Err(why) => return bad(StatusCode::BAD_REQUEST, &why),
    };
    let (answer, event) = app.with(|shared| match shared.world.patch(id, patch) {
        Ok((bridge, event)) => (ok(bridge), event),
        Err(refusal) => (refused(refusal), None),
    });
    if let Some(event) = event {
        webhooks::send(&app, event);
    }
    reply(answer)
}

async fn delete_bridge(State(app): Control, Path(id): Path<String>) -> Reply {
    let removed =
        bridge_id(&id).ok_or(Refusal::NoSuchBridge).and_then(|id| app.with(|shared| shared.world.delete(id)));
    reply(removed.map_or_else(refused, |bridge| ok(&bridge)))
}

async fn summary(State(app): Control) -> Reply {
    reply(app.with(|shared| ok(&shared.world.summary())))
}

async fn faults(State(app): Control) -> Reply {
    reply(app.with(|shared| ok(&shared.faults.all())))
}

async fn add_fault(State(app): Control, body: Bytes) -> Reply {
    match parse(&body).and_then(object).and_then(Order::parse) {
        Ok(order) => reply(app.with(|shared| ok(shared.faults.add(order)))),
        Err(why) => bad(StatusCode::BAD_REQUEST, &why),
    }
}

async fn clear_faults(State(app): Control) -> Reply {
    reply(app.with(|shared| ok(&json!({ "cleared": shared.faults.clear() }))))
}

async fn ledger(State(app): Control) -> Reply {
    reply(app.with(|shared| ok(&shared.ledger.entries())))
}

async fn clear_ledger(State(app): Control) -> Reply {
    reply(app.with(|shared| ok(&json!({ "cleared": shared.ledger.clear() }))))
}

async fn ledger_summary(State(app): Control) -> Reply {
    reply(app.with(|shared| ok(&shared.ledger.summary())))
}

async fn deliveries(State(app): Control) -> Reply {
    reply(app.with(|shared| ok(&shared.deliveries.all())))
}

async fn statuses(State(app): Control) -> Reply {
    reply(app.with(|shared| ok(&shared.record.all())))
}

async fn set_clock(State(app): Control, body: Bytes) -> Reply {
    let setting: Setting = match parse(&body).and_then(object) {
        Ok(setting) => setting,
        Err(why) => return bad(StatusCode::BAD_REQUEST, &why),
    };
    app.clock.stop_at(setting.now);
    reply(ok(&json!({ "now": app.clock.now() })))
}

async fn change_settings(State(app): Control, body: Bytes) -> Reply {
    let NewSettings { key, list_status } = match parse(&body).and_then(object) {
        Ok(settings) => settings,
        Err(why) => return bad(StatusCode::BAD_REQUEST, &why),
    };
    reply(app.with(|shared| {
        if let Some(key) = key {
            shared.key = key;
        }
        if let Some(is_shown) = list_status {
            shared.listing.show(if is_shown { StatusField::Shown } else { StatusField::Hidden });
        }
        ok(&json!({ "list_status": shared.listing.status() == StatusField::Shown }))
    }))
}

async fn windows(State(app): Control) -> Reply {
    let now = app.clock.now();
    reply(app.with(|shared| ok(&shared.limits.windows(now))))
}

async fn align_windows(State(app): Control, body: Bytes) -> Reply {
    let alignment: Alignment = match parse(&body).and_then(object) {
        Ok(alignment) => alignment,
        Err(why) => return bad(StatusCode::BAD_REQUEST, &why),
    };
    let now = app.clock.now();
    // The upper bound, 49 days, is longer than any window, and a TimeDelta holds it.
    let elapsed = TimeDelta::milliseconds(alignment.elapsed_ms.clamp(-1, i64::from(u32::MAX)));
    reply(app.with(|shared| match shared.limits.align(elapsed, now) {
        Ok(()) => ok(&shared.limits.windows(now)),
        Err(why) => answer::error(StatusCode::BAD_REQUEST, &why),
    }))
}

fn bridge_id(text: &str) -> Option<BridgeId> {
    text.parse().ok().and_then(BridgeId::new)
}

fn ok(body: &impl serde::Serialize) -> Answer {
    answer::json(StatusCode::OK, body)
}

fn refused(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::NoSuchBridge => answer::error(StatusCode::NOT_FOUND, "no bridge has this id"),
        Refusal::AlreadyPaired => answer::error(StatusCode::CONFLICT, "already paired"),
        Refusal::Impossible(why) => answer::error(StatusCode::BAD_REQUEST, &why),
    }
}

fn bad(status: StatusCode, why: &str) -> Reply {
    reply(answer::error(status, why))
}

fn reply(answer: Answer) -> Reply {
    answer.map(Body::from)
}
