//! The outcome of `wab alert`.

use chrono::{DateTime, Utc};
use serde::Serialize;

/// What became of the incidents that were due.
#[derive(Debug, Serialize)]
pub struct Sent {
    /// sent, nothing, failed, waiting or busy.
    pub outcome: &'static str,
    /// Incidents that began.
    pub began: usize,
    /// Incidents that ended.
    pub ended: usize,
    /// When the next attempt may be made; `None` for at once.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Why the document could not be sent.
    pub error: Option<String>,
}

impl Sent {
    /// An outcome without a document.
    pub const fn without_document(outcome: &'static str) -> Self {
        Self { outcome, began: 0, ended: 0, next_attempt_at: None, error: None }
    }
}
