//! One thing that `wab doctor` looked at, and how well it is.

use serde::Serialize;

use crate::ground::Exit;
use crate::model::error::{Error, chain};

/// How well it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Problem,
    /// It could not be looked at, because of a problem named elsewhere.
    Skipped,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub check: &'static str,
    /// How well it is.
    pub verdict: Verdict,
    /// What was found.
    pub says: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The exit code that a problem stands for.
    #[serde(skip)]
    pub exit: Exit,
}

impl Check {
    /// All is well.
    pub fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, says: says.into(), hint: None, exit: Exit::Done }
    }

    /// Worth a look.
    pub fn warning(check: &'static str, says: impl Into<String>, hint: impl Into<String>) -> Self {
        let (says, hint) = (says.into(), Some(hint.into()));
        Self { check, verdict: Verdict::Warning, says, hint, exit: Exit::Done }
    }

    /// Broken.
    pub fn problem(check: &'static str, says: impl Into<String>, hint: impl Into<String>) -> Self {
        let (says, hint) = (says.into(), Some(hint.into()));
        Self { check, verdict: Verdict::Problem, says, hint, exit: Exit::Error }
    }

    /// Broken, as this error tells.
    pub fn failed(check: &'static str, error: &Error) -> Self {
        let mut says = chain(error);
        for problem in error.problems().iter().take(3) {
            says += &format!("; {problem}");
        }
        Self { check, verdict: Verdict::Problem, says, hint: error.hint(), exit: error.exit() }
    }

    /// Not looked at.
    pub fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Skipped, says: why.into(), hint: None, exit: Exit::Done }
    }

    /// What was found, or broken as the error tells.
    pub fn of<T>(check: &'static str, found: Result<T, Error>, judge: impl FnOnce(T) -> Self) -> Self {
        match found {
            Ok(found) => judge(found),
            Err(error) => Self::failed(check, &error),
        }
    }
}
