//! The style, the script and the icon. They are in the program, so that a page needs no other server.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

/// Browsers ask again after an hour: an upgrade of the program changes them.
const KEEP: &str = "max-age=3600";

/// `GET /assets/board.css`
pub async fn style() -> impl IntoResponse {
    asset("text/css; charset=utf-8", include_str!("assets/board.css"))
}

/// `GET /assets/board.js`
pub async fn script() -> impl IntoResponse {
    asset("text/javascript; charset=utf-8", include_str!("assets/board.js"))
}

/// `GET /assets/icon.svg`
pub async fn icon() -> impl IntoResponse {
    asset("image/svg+xml", include_str!("assets/icon.svg"))
}

/// A part of a page, which is no secret and may be kept.
pub fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, KEEP)], text)
}
