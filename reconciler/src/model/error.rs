//! The errors of `wab`: one variant per case that a caller treats differently. `main` prints them.

use thiserror::Error;

use crate::config::{ConfigError, Problem};
use crate::ground::{Exit, count};
use crate::model::database_error::DatabaseError;
use crate::model::lock_holder::LockHolder;

/// Why a verb failed. `main` prints the chain of sources and the hint once.
#[derive(Debug, Error)]
pub enum Error {
    /// A flag, an environment variable, a file or the database's installation is wrong.
    #[error("{what}")]
    Config {
        /// What is wrong, and where.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// fleet.yaml is invalid. `main` prints each problem with its line before this error.
    #[error("{file} has {}", count(problems.len(), "problem"))]
    Fleet {
        /// The file, as the user named it.
        file: String,
        /// All problems, in the order of the file.
        problems: Vec<Problem>,
    },
    /// The database was not reachable, or refused a statement.
    #[error("{doing}")]
    Database {
        /// The operation that failed.
        doing: &'static str,
        /// The database's error.
        source: DatabaseError,
    },
    /// A call to the provider failed.
    #[error("{doing}")]
    Provider {
        /// The operation that failed.
        doing: &'static str,
        /// The client's error.
        source: wabridges::Error,
    },
    /// The API key belongs to another account than the pinned one.
    #[error("{what} {pinned}, but the API key has the fingerprint {actual}: no call was made")]
    Account {
        /// The source of the expected fingerprint, such as "account.key_fingerprint pins".
        what: &'static str,
        /// The expected fingerprint.
        pinned: String,
        /// The fingerprint of the API key.
        actual: String,
    },
    /// A guard refused before a plan existed.
    #[error("{what}")]
    Refused {
        /// The reason, with its numbers.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// The approved plan is no longer the current plan.
    #[error("{what}: nothing was done")]
    Stale {
        /// What changed.
        what: String,
    },
    /// A newer observation was stored between the listing and its evaluation. The caller lists again.
    #[error("newer observations were stored again and again while this listing was read: it was not used")]
    Overtaken,
    /// Another apply is running on this database.
    #[error("another wab apply runs on this database{}", LockHolder::after_colon(holder.as_ref()))]
    Locked {
        /// The run that holds the lock, if it is visible.
        holder: Option<LockHolder>,
    },
    /// The lock was lost for a while, and another apply ran meanwhile.
    #[error("another wab apply, of {who}, began while this one did not hold the lock")]
    Superseded {
        /// Who ran it.
        who: String,
    },
}

impl Error {
    /// A configuration error with its hint.
    pub fn config(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Config { what: what.into(), hint: hint.into() }
    }

    /// The approved plan is no longer the current plan.
    pub fn stale(what: impl Into<String>) -> Self {
        Self::Stale { what: what.into() }
    }

    /// For `map_err`: a call to the provider failed during this operation.
    pub fn provider(doing: &'static str) -> impl Fn(wabridges::Error) -> Self {
        move |source| Self::Provider { doing, source }
    }

    /// Turns a database error with one of these SQLSTATEs into a refusal, as if a guard had refused.
    pub fn refused_by(self, codes: &[&str]) -> Self {
        match self {
            Self::Database { source, .. } if source.has_code(codes) => {
                Self::Refused { hint: source.hint.unwrap_or_default(), what: source.text }
            }
            other => other,
        }
    }

    /// The same error, with the hint that the run ended before its first step if the database was lost.
    pub fn before_first_step(mut self) -> Self {
        if let Self::Database { source, .. } = &mut self
            && source.is_lost
        {
            source.hint = Some(match source.hint.take() {
                Some(hint) => format!("no step was done; {hint}"),
                None => "no step was done: run wab apply again".to_owned(),
            });
        }
        self
    }

    /// Whether the connection to the database is lost, or its server is shutting down or accepts no writes.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Database { source, .. } if source.is_lost)
    }

    /// Whether the same request may succeed soon: on the next server, or when other sessions have ended theirs.
    pub fn is_retryable(&self) -> bool {
        self.is_lost() || matches!(self, Self::Database { source, .. } if source.is_transient())
    }

    /// The exit code of this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Provider { source: wabridges::Error::Auth { .. }, .. } | Self::Account { .. } => Exit::Auth,
            Self::Refused { .. } => Exit::Refused,
            Self::Stale { .. } => Exit::Stale,
            Self::Locked { .. } | Self::Superseded { .. } => Exit::Locked,
            Self::Config { .. }
            | Self::Fleet { .. }
            | Self::Database { .. }
            | Self::Provider { .. }
            | Self::Overtaken => Exit::Error,
        }
    }

    /// The problems in fleet.yaml; empty for every other error.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Fleet { problems, .. } => problems,
            _ => &[],
        }
    }

    /// What to do about it, if it is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config { hint, .. } | Self::Refused { hint, .. } => Some(hint.clone()),
            Self::Database { source, .. } => source.hint.clone(),
            Self::Account { .. } => {
                Some("use the key of that account, or change account.key_fingerprint or the plan".into())
            }
            Self::Overtaken => Some("run wab again".into()),
            Self::Superseded { .. } => Some("run wab apply again, which makes a new plan".into()),
            Self::Stale { .. } => Some("look at the current plan: wab plan".into()),
            Self::Locked { holder } => Some(match holder {
                Some(LockHolder { pid, .. }) => format!(
                    "wait until it ends, which wab status shows: --lock-timeout 10m. The lock of a run whose machine is \
                     gone ends within a minute; to end it now: SELECT pg_terminate_backend({pid})"
                ),
                None => "wait until it ends, which wab status shows: --lock-timeout 10m".into(),
            }),
            Self::Fleet { .. } => {
                Some("every key is explained in the file that this writes: wab init -f example.yaml".into())
            }
            Self::Provider { source, .. } => provider_hint(source).map(str::to_owned),
        }
    }
}

/// How to go on after a failed call. A message that says it already has no hint.
fn provider_hint(error: &wabridges::Error) -> Option<&'static str> {
    use wabridges::Error as Failed;
    match error {
        Failed::Auth { .. } => Some(
            "put the account's current key where account.api_key_env or account.api_key_file says; wab doctor shows its fingerprint",
        ),
        Failed::Connect { .. } | Failed::Timeout { .. } | Failed::Broken { .. } | Failed::Server { .. } => {
            Some("run wab again when the provider answers")
        }
        Failed::RateLimited { .. } => {
            Some("run wab again then; the calls of every other program with this key count too")
        }
        Failed::Ambiguous { .. } => Some("wab plan lists the fleet, and so shows whether it was carried out"),
        Failed::NotFound { .. } => Some("wab plan lists the fleet, and so shows which bridges exist"),
        Failed::BadAnswer { .. } => {
            Some("check that account.api_url is the provider's API, and not a page or a proxy")
        }
        Failed::Refused { .. } | Failed::TooLarge { .. } | Failed::Config { .. } => None,
    }
}

/// Configuration errors become errors of `wab`.
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

/// The error and all its sources on one line, for a step's detail.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        // Line breaks at this place are written by wab; those in foreign text are escaped already.
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
            (Error::provider("x")(wabridges::Error::Auth { status: 401, said: String::new() }), Exit::Auth),
            (Error::provider("x")(wabridges::Error::NotFound { what: "bridge 1".into() }), Exit::Error),
            (Error::Account { what: "pinned is", pinned: pin(), actual: pin() }, Exit::Auth),
            (Error::Refused { what: "x".into(), hint: "y".into() }, Exit::Refused),
            (Error::stale("x"), Exit::Stale),
            (Error::Overtaken, Exit::Error),
            (Error::Locked { holder: None }, Exit::Locked),
            (Error::Superseded { who: "ci@host".into() }, Exit::Locked),
        ] {
            assert_eq!(error.exit(), exit, "{error}");
        }
    }

    #[test]
    fn a_loss_a_conflict_and_a_lack_of_resources_may_pass() {
        let of = |code: &str| {
            let (text, sqlstate) = (String::new(), Some(code.to_owned()));
            Error::Database {
                doing: "x",
                source: DatabaseError { text, sqlstate, hint: None, is_lost: false },
            }
        };
        assert!(Error::database("x")(sqlx::Error::PoolClosed).is_retryable());
        for code in ["40001", "40P01", "53100", "53300", "55P03", "57014"] {
            assert!(of(code).is_retryable() && !of(code).is_lost(), "{code}");
        }
        for code in ["22023", "23505", "42501", "55000"] {
            assert!(!of(code).is_retryable(), "{code}");
        }
        assert!(!Error::Locked { holder: None }.is_retryable());
    }

    #[test]
    fn the_chain_is_one_line_from_top_to_bottom() {
        let lost = wabridges::Error::Ambiguous {
            source: Box::new(wabridges::Error::Auth { status: 403, said: String::new() }),
        };
        let text = chain(&Error::provider("not made")(lost));
        assert!(
            text.starts_with("not made: the provider gave no usable answer")
                && text.ends_with("account is active"),
            "{text}"
        );
    }
}
