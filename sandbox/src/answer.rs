//! Builds HTTP answers as values: status, headers and a complete body.

use axum::http::header::{ALLOW, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use crate::limits::RetryAfter;

/// An answer with a complete body.
pub type Answer = Response<Bytes>;

/// A JSON answer.
pub fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(body) => typed(status, "application/json", body),
        Err(error) => typed(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/plain",
            format!("cannot write the answer as JSON: {error}"),
        ),
    }
}

/// The provider's form of an error: `{"error": "…"}`.
pub fn error(status: StatusCode, message: &str) -> Answer {
    json(status, &json!({ "error": message }))
}

/// A body of any content type.
pub fn typed(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// 204, the answer to a deletion.
pub fn no_content() -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

/// 429 with the header `Retry-After`.
pub fn rate_limited(RetryAfter(seconds): RetryAfter) -> Answer {
    let answer = error(StatusCode::TOO_MANY_REQUESTS, "rate limit exceeded");
    with_header(answer, RETRY_AFTER, &seconds.to_string())
}

/// 405; `allow` lists the methods of this path.
pub fn wrong_method(allow: &str) -> Answer {
    with_header(error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed"), ALLOW, allow)
}

/// 302 to another address.
pub fn redirect(location: &str) -> Answer {
    with_header(error(StatusCode::FOUND, "moved"), LOCATION, location)
}

/// Adds a header, unless HTTP does not allow its value.
pub fn with_header(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}
