//! Why fleet.yaml, or what it names, cannot be used.

use thiserror::Error;

use crate::config::problem::Problem;
use crate::ground::count;

/// Why the configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// fleet.yaml is wrong; each problem is shown with its place before this.
    #[error("{file} has {}", count(problems.len(), "problem"))]
    Problems {
        /// The file as it was named.
        file: String,
        /// All of them, in the file's order.
        problems: Vec<Problem>,
    },
    /// A variable or a file is not as it must be.
    #[error("{what}")]
    Unusable {
        /// What is wrong, and where.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// The key is not that of the pinned account.
    #[error(
        "account.key_fingerprint pins {pinned}, but the API key at hand has {actual}: nothing was called"
    )]
    OtherAccount {
        /// The pinned fingerprint.
        pinned: String,
        /// What the key at hand has.
        actual: String,
    },
}

impl ConfigError {
    /// A variable or a file is not as it must be.
    pub fn unusable(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unusable { what: what.into(), hint: hint.into() }
    }
}
