//! The run that holds the lock of `wab apply`.

use std::fmt;

use chrono::{DateTime, Utc};

/// The session of the run that holds the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    /// The id of the server process, for pg_terminate_backend().
    pub pid: i32,
    /// When its server started, by which servers are told apart.
    pub server_since: DateTime<Utc>,
    /// A description of the run for people.
    pub text: String,
}

impl LockHolder {
    /// ": " and the run, or nothing if it is not visible.
    pub fn after_colon(holder: Option<&Self>) -> String {
        holder.map(|holder| format!(": {holder}")).unwrap_or_default()
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
