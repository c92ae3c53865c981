//! What the page is told, as JSON.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;
use wabridges::qr::Outline;

/// The state of a pairing, or why there is none.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Scan this code.
    Scan { qr: Qr, wait_seconds: u64 },
    /// The code that was requested is to be typed; the phone is not paired yet.
    Typing { wait_seconds: u64 },
    /// Type this code.
    Code { code: String, wait_seconds: u64 },
    /// A code was requested before and is still valid.
    HasCode { wait_seconds: u64 },
    /// This is no phone number.
    InvalidPhone,
    /// The phone is paired.
    Paired,
    /// Others are served first.
    Wait { wait_seconds: u64 },
    /// The provider has no code now.
    Failed { wait_seconds: u64 },
    /// The link does not work. Nothing tells whether it ever did.
    Dead,
    /// This client asks too often.
    Busy { wait_seconds: u64 },
    /// The database does not answer.
    Unavailable { wait_seconds: u64 },
}

/// A code to draw.
#[derive(Clone, Debug, Serialize)]
pub struct Qr {
    side: usize,
    path: String,
}

/// The state, and what the page keeps.
#[derive(Debug, Serialize)]
pub struct Answer {
    #[serde(flatten)]
    pub state: State,
    /// What the page sends from now on, so that it is told when the phone is paired and the link is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit: Option<Uuid>,
    /// When the link expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<DateTime<Utc>>,
}

impl From<State> for Answer {
    fn from(state: State) -> Self {
        Self { state, visit: None, valid_until: None }
    }
}

impl From<&Outline> for Qr {
    fn from(outline: &Outline) -> Self {
        Self { side: outline.side, path: outline.path.clone() }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (status, wait) = match self.state {
            State::Dead => (StatusCode::NOT_FOUND, None),
            State::Busy { wait_seconds } => (StatusCode::TOO_MANY_REQUESTS, Some(wait_seconds)),
            State::Unavailable { wait_seconds } => (StatusCode::SERVICE_UNAVAILABLE, Some(wait_seconds)),
            _ => (StatusCode::OK, None),
        };
        let Ok(body) = serde_json::to_string(&self) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut response =
            (status, [(CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response();
        if let Some(wait) = wait {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}

/// Whole seconds, rounded up, at least one.
pub fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_link_is_one_word() {
        assert_eq!(serde_json::to_string(&Answer::from(State::Dead)).unwrap(), r#"{"state":"dead"}"#);
    }

    #[test]
    fn a_wait_is_never_shown_too_short() {
        let shown = [0, 1, 999, 1000, 1001].map(|ms| seconds(Duration::from_millis(ms)));
        assert_eq!(shown, [1, 1, 1, 1, 2]);
    }
}
