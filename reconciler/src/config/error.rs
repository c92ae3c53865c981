//! The errors of reading fleet.yaml and the files and variables that it names.

use thiserror::Error;

use crate::config::problem::Problem;
use crate::ground::count;

/// Why the configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// fleet.yaml is invalid. `main` prints each problem with its line before this error.
    #[error("{file} has {}", count(problems.len(), "problem"))]
    Problems {
        /// The file, as the user named it.
        file: String,
        /// All problems, in the order of the file.
        problems: Vec<Problem>,
    },
    /// An environment variable or a file is missing or wrong.
    #[error("{what}")]
    Unusable {
        /// What is wrong, and where.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// The API key belongs to another account than the pinned one.
    #[error(
        "account.key_fingerprint pins {pinned}, but the API key has the fingerprint {actual}: no call was made"
    )]
    OtherAccount {
        /// The pinned fingerprint.
        pinned: String,
        /// The fingerprint of the API key.
        actual: String,
    },
}

impl ConfigError {
    /// An environment variable or a file is missing or wrong.
    pub fn unusable(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unusable { what: what.into(), hint: hint.into() }
    }
}
