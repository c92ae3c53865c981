//! The answers of one round of status requests to the sessions.

use chrono::{DateTime, Utc};

/// The statuses that the sessions returned.
#[derive(Debug)]
pub struct Polled {
    /// The database's clock before the first call.
    pub asked_at: DateTime<Utc>,
    /// The number of sessions that were to be asked.
    pub chosen: usize,
    /// The number of listed bridges without a status.
    pub of: usize,
    /// The answers and failures.
    pub result: wabridges::Polled,
}
