//! The exit codes of `wab`.

use std::process::ExitCode;

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// There was nothing to do, or everything was done.
    Done = 0,
    /// An error, an incomplete listing, or a wrong flag or file.
    Error = 1,
    /// Changes or drift are present.
    Changes = 2,
    /// The provider refused the key, or the key belongs to another account than the pinned one.
    Auth = 3,
    /// Partly applied; safe to run again.
    Partly = 4,
    /// Refused by a guard.
    Refused = 5,
    /// The approved plan is stale.
    Stale = 6,
    /// Stopped by a signal. A call in progress was finished first.
    Interrupted = 8,
    /// The deadline was reached; run again to continue.
    Deadline = 9,
    /// Another run holds the lock.
    Locked = 10,
}

impl Exit {
    /// Turns a success into an error if rows of the listing could not be read; keeps every other code.
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

    /// The test that reaches a code; a new code does not compile without one.
    const fn reached_by(exit: Exit) -> &'static str {
        match exit {
            Exit::Done | Exit::Changes => "nothing_to_do_changes_and_usage",
            Exit::Error => "without_a_database_or_an_extension_it_is_1",
            Exit::Auth => "a_wrong_key_and_another_account_are_3",
            Exit::Partly => "partly_applied_is_4_and_safe_to_run_again",
            Exit::Refused => "guards_refuse_before_anything_is_written",
            Exit::Stale => "a_step_whose_ground_moved_is_left_alone_and_the_exit_is_6",
            Exit::Interrupted | Exit::Locked => "a_second_apply_is_10_and_a_signal_is_8",
            Exit::Deadline => "a_deadline_ends_the_run_in_time_and_the_exit_is_9",
        }
    }

    #[test]
    fn every_exit_code_is_reached_from_outside_and_documented() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let read = |file: &str| std::fs::read_to_string(format!("{root}/{file}")).unwrap();
        let tests = read("tests/tests/e2e/exit_codes.rs") + &read("tests/tests/e2e/saved_plans.rs");
        let page = read("docs/exit-codes.md");
        for exit in ALL {
            let test = reached_by(exit);
            assert!(tests.contains(&format!("async fn {test}(")), "{exit:?}: no test {test}");
            assert!(
                page.contains(&format!("\n| {} | ", exit as u8)),
                "{exit:?} is not in the table of docs/exit-codes.md"
            );
        }
    }

    const ALL: [Exit; 10] = [
        Exit::Done,
        Exit::Error,
        Exit::Changes,
        Exit::Auth,
        Exit::Partly,
        Exit::Refused,
        Exit::Stale,
        Exit::Interrupted,
        Exit::Deadline,
        Exit::Locked,
    ];
}
