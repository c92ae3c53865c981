//! What a request is answered with: a page, CSV, or an error in words. Every answer has the same headers of security.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::serve::fault::Fault;
use crate::serve::layout;

/// Scripts, styles, pictures and connections from this server only; it is shown in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Self::BadRequest(why) => (StatusCode::BAD_REQUEST, "This address is not valid", why),
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "There is no such page", what),
            Self::Unavailable(why) => (StatusCode::SERVICE_UNAVAILABLE, "The fleet cannot be read", why),
        };
        let page = layout::bare(title, &html! { p.alert { (crate::ground::harmless(&text)) } });
        (status, page).into_response()
    }
}

/// A page.
pub fn page(markup: Markup) -> Response {
    markup.into_response()
}

/// CSV that a browser saves under this name.
pub fn csv(name: &str, text: String) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\"")) {
        headers.insert(axum::http::header::CONTENT_DISPOSITION, name);
    }
    response
}

/// The middleware that adds the headers of security.
pub async fn secured(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
