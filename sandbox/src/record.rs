//! Records what became of every bridge and when, so that a test can compare it with what a client observed.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::change::Change;
use crate::ledger::microseconds;

/// One change of a bridge.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recorded {
    #[serde(serialize_with = "microseconds")]
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub change: Change,
}

/// All changes since the start, in order. Bridges of the state file appear with their first change.
#[derive(Debug, Default)]
pub struct Record(Vec<Recorded>);

impl Record {
    /// Adds changes that happened at this time.
    pub fn add(&mut self, changes: Vec<Change>, at: DateTime<Utc>) {
        self.0.extend(changes.into_iter().map(|change| Recorded { at, change }));
    }

    /// All changes, oldest first.
    pub fn all(&self) -> &[Recorded] {
        &self.0
    }
}
