//! What PostgreSQL, or the connection to it, said when a statement failed.

use std::fmt;

/// An error of PostgreSQL or of the connection to it: message, SQLSTATE and detail. The hint is a field of
/// its own.
#[derive(Debug)]
pub struct DatabaseError {
    /// Everything but the hint.
    pub text: String,
    /// PostgreSQL's error code.
    pub sqlstate: Option<String>,
    /// What to do about it, if it is known.
    pub hint: Option<String>,
    /// The connection is lost, or the server is shutting down or accepts no writes.
    pub is_lost: bool,
}

impl DatabaseError {
    /// The role lacks a privilege.
    pub fn is_denied(&self) -> bool {
        self.has_code(&["42501"])
    }

    /// The statement lost against another session or ran into a limit of time, or the server lacks resources.
    pub fn is_transient(&self) -> bool {
        self.has_code(&["40001", "40P01", "55P03", "57014"])
            || self.sqlstate.as_deref().is_some_and(|code| code.starts_with("53"))
    }

    /// Whether PostgreSQL returned one of these SQLSTATEs.
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
