//! One check of `wab doctor` and its result.

use serde::Serialize;

use crate::ground::Exit;
use crate::model::error::{Error, chain};

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but it should be looked at.
    Warning,
    /// It does not work.
    Problem,
    /// Not checked, because of a problem that another check reports.
    Skipped,
}

/// One check and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The subject of the check.
    pub check: &'static str,
    /// The result.
    pub verdict: Verdict,
    /// The finding.
    pub says: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The exit code, if the check failed.
    #[serde(skip)]
    pub exit: Exit,
}

impl Check {
    /// A check without a problem.
    pub fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, says: says.into(), hint: None, exit: Exit::Done }
    }

    /// A check with a warning.
    pub fn warning(check: &'static str, says: impl Into<String>, hint: impl Into<String>) -> Self {
        let (says, hint) = (says.into(), Some(hint.into()));
        Self { check, verdict: Verdict::Warning, says, hint, exit: Exit::Done }
    }

    /// A failed check.
    pub fn problem(check: &'static str, says: impl Into<String>, hint: impl Into<String>) -> Self {
        let (says, hint) = (says.into(), Some(hint.into()));
        Self { check, verdict: Verdict::Problem, says, hint, exit: Exit::Error }
    }

    /// A check that failed with this error.
    pub fn failed(check: &'static str, error: &Error) -> Self {
        let mut says = chain(error);
        for problem in error.problems().iter().take(3) {
            says += &format!("; {problem}");
        }
        Self { check, verdict: Verdict::Problem, says, hint: error.hint(), exit: error.exit() }
    }

    /// A check that was not made.
    pub fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Skipped, says: why.into(), hint: None, exit: Exit::Done }
    }

    /// Judges the finding, or reports the error.
    pub fn of<T>(check: &'static str, found: Result<T, Error>, judge: impl FnOnce(T) -> Self) -> Self {
        match found {
            Ok(found) => judge(found),
            Err(error) => Self::failed(check, &error),
        }
    }
}
