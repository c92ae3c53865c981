//! What can end a run early, one variant per thing a caller can act on; printing it is main's business.

use std::fmt;

use thiserror::Error;

use crate::config::{ConfigError, Problem};
use crate::ground::{Exit, count};

/// Why a verb did not finish. The chain of sources and the hint are shown once, in `main`.
#[derive(Debug, Error)]
pub enum Error {
    /// A flag, a variable, a file or the database's set-up is not as it must be.
    #[error("{what}")]
    Config {
        /// What is wrong, and where.
        what: String,
        /// The way on.
        hint: String,
    },
    /// fleet.yaml is wrong; each problem is shown with its place before this.
    #[error("{file} has {}", count(problems.len(), "problem"))]
    Fleet {
        /// The file as it was named.
        file: String,
        /// All of them, in the file's order.
        problems: Vec<Problem>,
    },
    /// The database could not be reached, or refused a statement.
    #[error("{doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What the database said.
        source: DatabaseError,
    },
    /// A call to the provider failed.
    #[error("{doing}")]
    Provider {
        /// What was being done.
        doing: &'static str,
        /// What the client said.
        source: wabridges::Error,
    },
    /// The key is not that of the pinned account.
    #[error("{what} {pinned}, but the API key at hand has {actual}: nothing was called")]
    Account {
        /// Who names the other fingerprint.
        what: &'static str,
        /// That fingerprint.
        pinned: String,
        /// What the key at hand has.
        actual: String,
    },
    /// A guard said no before there was a plan.
    #[error("{what}")]
    Refused {
        /// The refusal with its numbers.
        what: String,
        /// The way on.
        hint: String,
    },
    /// What was approved is no longer what would be done.
    #[error("{what}: nothing was done")]
    Stale {
        /// What moved.
        what: String,
    },
    /// A newer observation was stored between the listing and its evaluation: list anew.
    #[error("newer observations were stored meanwhile, again and again: the listing at hand was not used")]
    Overtaken,
    /// Another apply is running on this database.
    #[error("another wab apply runs on this database{holder}")]
    Locked {
        /// Who, as far as it can be seen: starts with a colon, or is empty.
        holder: String,
    },
}

impl Error {
    /// A configuration error with the way on.
    pub fn config(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Config { what: what.into(), hint: hint.into() }
    }

    /// What was approved is no longer what would be done.
    pub fn stale(what: impl Into<String>) -> Self {
        Self::Stale { what: what.into() }
    }

    /// For `map_err`: the provider failed while doing this.
    pub fn provider(doing: &'static str) -> impl Fn(wabridges::Error) -> Self {
        move |source| Self::Provider { doing, source }
    }

    /// The same as a guard's refusal, if the database refused with one of these SQLSTATEs.
    pub fn refused_by(self, codes: &[&str]) -> Self {
        match self {
            Self::Database { source, .. } if source.has_code(codes) => {
                Self::Refused { hint: source.hint.unwrap_or_default(), what: source.text }
            }
            other => other,
        }
    }

    /// The exit code that this error stands for.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Provider { source: wabridges::Error::Auth { .. }, .. } | Self::Account { .. } => Exit::Auth,
            Self::Refused { .. } => Exit::Refused,
            Self::Stale { .. } => Exit::Stale,
            Self::Locked { .. } => Exit::Locked,
            Self::Config { .. }
            | Self::Fleet { .. }
            | Self::Database { .. }
            | Self::Provider { .. }
            | Self::Overtaken => Exit::Error,
        }
    }

    /// What is wrong with fleet.yaml, each in words; of other errors nothing.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Fleet { problems, .. } => problems,
            _ => &[],
        }
    }

    /// The database refused the rows of a statement, and is there to take others.
    pub fn is_about_rows(&self) -> bool {
        matches!(self, Self::Database { source, .. } if !source.is_lost && !source.is_denied())
    }

    /// What to do about it, where it is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config { hint, .. } | Self::Refused { hint, .. } => Some(hint.clone()),
            Self::Database { source, .. } => source.hint.clone(),
            Self::Account { .. } => {
                Some("use the key of that account, or change account.key_fingerprint or the plan".into())
            }
            Self::Overtaken => Some("run wab again".into()),
            Self::Stale { .. } => Some("look at the plan as it is now: wab plan".into()),
            Self::Locked { .. } => Some("wait for it to end, and look with: wab status".into()),
            Self::Fleet { .. } => Some("every key is explained in fleet.yaml.example".into()),
            Self::Provider { .. } => None,
        }
    }
}

/// What PostgreSQL or the way to it said: message, SQLSTATE and detail; its hint is apart.
#[derive(Debug)]
pub struct DatabaseError {
    /// All of it but the hint.
    pub text: String,
    /// The server's code for it.
    pub sqlstate: Option<String>,
    /// What to do about it, where it is known.
    pub hint: Option<String>,
    /// The connection is gone, or the server is going away.
    pub is_lost: bool,
}

impl DatabaseError {
    /// The role may not do this.
    pub fn is_denied(&self) -> bool {
        self.has_code(&["42501"])
    }

    /// The server gave one of these SQLSTATEs.
    pub fn has_code(&self, codes: &[&str]) -> bool {
        self.sqlstate.as_deref().is_some_and(|code| codes.contains(&code))
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for DatabaseError {}

/// What is wrong with the configuration, as this program's error.
impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Problems { file, problems } => Self::Fleet { file, problems },
            ConfigError::Unusable { what, hint } => Self::Config { what, hint },
            ConfigError::OtherAccount { pinned, actual } => {
                Self::Account { what: "account.key_fingerprint pins", pinned, actual }
            }
        }
    }
}

/// An error with all that is below it, on one line: for a step's detail.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        // The line breaks in there are ours: those of others are escaped.
        .map(|error| error.to_string().replace("\n  ", "; "))
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_exit_code() {
        let pin = || String::from("0123456789abcdef");
        for (error, exit) in [
            (Error::config("x", "y"), Exit::Error),
            (Error::Fleet { file: "f".into(), problems: vec![] }, Exit::Error),
            (Error::database("x")(sqlx::Error::PoolClosed), Exit::Error),
            (Error::provider("x")(wabridges::Error::Auth { status: 401 }), Exit::Auth),
            (Error::provider("x")(wabridges::Error::NotFound { what: "bridge 1".into() }), Exit::Error),
            (Error::Account { what: "pinned is", pinned: pin(), actual: pin() }, Exit::Auth),
            (Error::Refused { what: "x".into(), hint: "y".into() }, Exit::Refused),
            (Error::stale("x"), Exit::Stale),
            (Error::Overtaken, Exit::Error),
            (Error::Locked { holder: String::new() }, Exit::Locked),
        ] {
            assert_eq!(error.exit(), exit, "{error}");
        }
    }

    #[test]
    fn the_chain_is_told_once_from_top_to_bottom() {
        let lost = wabridges::Error::Ambiguous { source: Box::new(wabridges::Error::Auth { status: 403 }) };
        let told = chain(&Error::provider("not made")(lost));
        assert!(
            told.starts_with("not made: the provider gave no usable answer")
                && told.ends_with("account is active"),
            "{told}"
        );
    }
}
