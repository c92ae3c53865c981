//! The answers of one round of polling, and when it began.

use chrono::{DateTime, Utc};

/// Statuses learnt from the sessions themselves.
#[derive(Debug)]
pub struct Polled {
    /// The database's clock before the first call.
    pub asked_at: DateTime<Utc>,
    /// How many were to be asked.
    pub chosen: usize,
    /// What they said.
    pub told: wabridges::Polled,
}
