//! The exit codes, one name each; when they are given is decided where the verbs are run.

use std::process::ExitCode;

/// How a run ended, for the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Nothing to do, or everything was done.
    Done = 0,
    /// An error, an incomplete reading, or a wrong flag or file.
    Error = 1,
    /// Changes or drift are present.
    Changes = 2,
    /// The provider refused the key, or it is not the pinned account's.
    Auth = 3,
    /// Partly applied; safe to run again.
    Partly = 4,
    /// Refused by a guard.
    Refused = 5,
    /// The plan that was approved is stale.
    Stale = 6,
    /// Interrupted cleanly.
    Interrupted = 8,
    /// Another run holds the lock.
    Locked = 10,
}

impl Exit {
    /// An incomplete reading turns a good end into an error, and no other.
    pub fn unless_incomplete(self, malformed: usize) -> Self {
        match self {
            Self::Done | Self::Changes if malformed > 0 => Self::Error,
            other => other,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_outranks_changes_but_not_a_worse_end() {
        assert_eq!(Exit::Changes.unless_incomplete(0), Exit::Changes);
        assert_eq!(Exit::Changes.unless_incomplete(1), Exit::Error);
        assert_eq!(Exit::Done.unless_incomplete(1), Exit::Error);
        assert_eq!(Exit::Refused.unless_incomplete(1), Exit::Refused);
    }
}
