//! The addresses of the board, and what each request passes through.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::db::pool::Pool;
use crate::serve::access::{Access, admit};
use crate::serve::board::Board;
use crate::serve::changes::Changes;
use crate::serve::exposition::Metrics;
use crate::serve::fault::Fault;
use crate::serve::reply::secured;
use crate::serve::snapshots::Snapshots;
use crate::serve::{assets, costs, health, lists, live, metrics, overview, tenant, tenants};

/// A page must be ready after this time.
const DEADLINE: Duration = Duration::from_secs(20);
/// No page takes a body.
const LARGEST_BODY: usize = 64 * 1024;

/// The service. `stopping` turns true when the server is to stop.
pub fn board(pool: Pool, metrics: Metrics, access: Access, stopping: watch::Receiver<bool>) -> Router {
    let pool = Arc::new(pool);
    let snapshots = Snapshots::new(pool.clone());
    let board = Arc::new(Board { snapshots, changes: Changes::new(pool, stopping), metrics });
    routes()
        .fallback(no_page)
        .layer(from_fn_with_state(Arc::new(access), admit))
        .layer(RequestBodyLimitLayer::new(LARGEST_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, DEADLINE))
        .layer(CatchPanicLayer::new())
        .layer(from_fn(secured))
        .with_state(board)
}

fn routes() -> Router<Arc<Board>> {
    Router::new()
        .route("/", get(overview::page))
        .route("/tenants", get(tenants::page))
        .route("/tenants.csv", get(tenants::page))
        .route("/tenants/{customer_ref}", get(tenant::page))
        .route("/tenants/{customer_ref}/history.csv", get(tenant::history))
        .route("/incidents", get(lists::incidents))
        .route("/incidents.csv", get(lists::incidents))
        .route("/drift", get(lists::drift))
        .route("/drift.csv", get(lists::drift))
        .route("/repair", get(lists::to_repair))
        .route("/repair.csv", get(lists::to_repair))
        .route("/nudge", get(lists::to_nudge))
        .route("/nudge.csv", get(lists::to_nudge))
        .route("/costs", get(costs::page))
        .route("/costs.csv", get(costs::page))
        .route("/queue", get(lists::queue))
        .route("/queue.csv", get(lists::queue))
        .route("/runs", get(lists::runs))
        .route("/runs.csv", get(lists::runs))
        .route("/runs/{run_id}", get(lists::run))
        .route("/live", get(live::live))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/assets/board.css", get(assets::style))
        .route("/assets/board.js", get(assets::script))
        .route("/assets/icon.svg", get(assets::icon))
}

async fn no_page() -> Fault {
    Fault::NotFound("The navigation has every page.".to_owned())
}
