//! Statuses learnt from the sessions themselves.

use std::time::Instant;

use chrono::{DateTime, Utc};
use wabridges::{BridgeId, Error};

/// Statuses learnt from the sessions themselves.
#[derive(Debug)]
pub struct Polled {
    /// The database's clock before the first call.
    pub asked_at: DateTime<Utc>,
    /// Who was asked, and what it answered; who could not be reached, or not yet, was not asked.
    pub answers: Vec<(BridgeId, Option<String>)>,
    /// How many were to be asked.
    pub chosen: usize,
    /// Why the first of those that did not answer did not.
    pub first_failure: Option<Error>,
    /// When the calls ended.
    pub calls: Vec<Instant>,
}

impl Polled {
    /// How many answered.
    pub fn answered(&self) -> usize {
        self.answers.iter().filter(|(_, answer)| answer.is_some()).count()
    }
}
