//! The rows of `wab pair --all-disconnected`: what became of each tenant's pairing code.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use wabridges::{CustomerRef, InvalidPhone, Phone};

use crate::ground::Exit;
use crate::model::report::RunEnd;

/// A tenant to pair, and its phone as the list of phones has it.
#[derive(Clone, Debug)]
pub struct ToPair {
    /// The bridge's customer_ref.
    pub customer_ref: CustomerRef,
    /// The phone as written; empty if the list has none.
    pub written: String,
    /// The phone; `None` if the list has none.
    pub phone: Option<Result<Phone, InvalidPhone>>,
}

/// What became of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeOutcome {
    /// A code was made.
    Code,
    /// The bridge was paired already.
    Paired,
    /// Another run or person requested a code that is still valid; it is not known here.
    HasCode,
    /// The list of phones lacks the tenant.
    NoPhone,
    /// The listed phone is no international number.
    InvalidPhone,
    /// No code was made.
    Failed,
    /// No answer came; a code may have been made.
    Unknown,
}

/// One line of the list of codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRow {
    /// The tenant's id as text.
    pub tenant_id: String,
    /// The phone as the list of phones has it.
    pub phone: String,
    /// The code.
    pub code: String,
    /// Until about when WhatsApp accepts it.
    pub valid_until: Option<DateTime<Utc>>,
    /// What became of the tenant.
    pub outcome: CodeOutcome,
    /// Why there is no code.
    pub detail: String,
}

impl CodeRow {
    /// A row without a code.
    pub fn without_code(to_pair: &ToPair, outcome: CodeOutcome, detail: impl Into<String>) -> Self {
        Self {
            tenant_id: to_pair.customer_ref.as_str().to_owned(),
            phone: to_pair.written.clone(),
            code: String::new(),
            valid_until: None,
            outcome,
            detail: detail.into(),
        }
    }

    /// Whether the code may still be used.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.outcome == CodeOutcome::Code && self.valid_until.is_some_and(|until| until > now)
    }

    /// Whether nothing is left to do for the tenant.
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, CodeOutcome::Code | CodeOutcome::Paired)
    }
}

/// The exit code of a run that wrote these rows.
pub fn exit(end: &RunEnd, rows: &[CodeRow]) -> Exit {
    match end {
        RunEnd::Interrupted => Exit::Interrupted,
        RunEnd::Deadline => Exit::Deadline,
        RunEnd::Auth if !rows.iter().any(CodeRow::is_done) => Exit::Auth,
        RunEnd::Database(_) if rows.is_empty() => Exit::Error,
        RunEnd::Finished if rows.iter().all(CodeRow::is_done) => Exit::Done,
        _ => Exit::Partly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_whether_to_run_it_again() {
        use CodeOutcome::{Code, Failed, HasCode, NoPhone, Paired as Already};
        let to_pair =
            ToPair { customer_ref: CustomerRef::new("c").unwrap(), written: String::new(), phone: None };
        for (end, outcomes, code) in [
            (RunEnd::Finished, vec![], Exit::Done),
            (RunEnd::Finished, vec![Code, Already], Exit::Done),
            (RunEnd::Finished, vec![Code, NoPhone], Exit::Partly),
            (RunEnd::Finished, vec![HasCode], Exit::Partly),
            (RunEnd::GaveUp, vec![Failed; 5], Exit::Partly),
            (RunEnd::Auth, vec![Failed], Exit::Auth),
            (RunEnd::Auth, vec![Code], Exit::Partly),
            (RunEnd::Database(String::new()), vec![], Exit::Error),
            (RunEnd::Database(String::new()), vec![Code], Exit::Partly),
            (RunEnd::Interrupted, vec![Code], Exit::Interrupted),
            (RunEnd::Deadline, vec![], Exit::Deadline),
        ] {
            let rows: Vec<_> =
                outcomes.iter().map(|outcome| CodeRow::without_code(&to_pair, *outcome, "")).collect();
            assert_eq!(exit(&end, &rows), code, "{end:?} {outcomes:?}");
        }
    }
}
