//! Refuses what the page itself never sends: other names, and requests from pages of other sites.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::serve::pairing::desk::Desk;
use crate::serve::pairing::hosts::PageHosts;
use crate::serve::pairing::texts::Texts;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The state behind the page.
pub struct Door {
    /// Answers the pages.
    pub desk: Arc<Desk>,
    /// The names by which the page is addressed.
    pub hosts: PageHosts,
    /// The proxies whose X-Forwarded-For counts.
    pub proxies: Vec<IpAddr>,
    /// The words of the page.
    pub texts: Texts,
}

/// The middleware.
pub async fn guard(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_known = match only(headers, &HOST) {
        Some(host) => door.hosts.know(host, &door.desk).await,
        None => false,
    };
    if !is_known {
        return (StatusCode::MISDIRECTED_REQUEST, "This server is not known by that name.\n").into_response();
    }
    if request.method() == Method::POST {
        if !is_json(headers) {
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be application/json.\n")
                .into_response();
        }
        if !is_same_site(&door, headers).await {
            return (StatusCode::FORBIDDEN, "Another site sent this request.\n").into_response();
        }
    }
    next.run(request).await
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(value)), None) => Some(value),
        _ => None,
    }
}

/// A form of another site cannot send this type.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = only(headers, &CONTENT_TYPE).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Browsers send Sec-Fetch-Site, and old ones Origin, which a page cannot change. Other programs send neither. The Host header may
/// have been written by a proxy, so Origin is compared with the names that are known.
async fn is_same_site(door: &Door, headers: &HeaderMap) -> bool {
    if headers.contains_key(FETCH_SITE) && only(headers, &FETCH_SITE) != Some("same-origin") {
        return false;
    }
    if !headers.contains_key(ORIGIN) {
        return true;
    }
    let origin = only(headers, &ORIGIN).and_then(|origin| origin.split_once("://"));
    match origin {
        Some((_, host)) => door.hosts.know(host, &door.desk).await,
        None => false,
    }
}
