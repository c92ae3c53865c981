//! Gets the user's approval: from a flag, or from an answer on the terminal.

use std::io::{self, IsTerminal};

use crate::model::Error;
use crate::render::stderr::prompt;
use crate::verb::flags::Consent;

/// How to get the approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// The user gave it in advance.
    Given,
    /// Ask on the terminal.
    Ask,
}

impl Approval {
    /// Asks only if stdin and stderr are terminals; `CI` never counts as approval. `hint` says how to approve
    /// without a terminal.
    pub fn of(consent: &Consent, verb: &str, hint: &str) -> Result<Self, Error> {
        if consent.auto_approve {
            return Ok(Self::Given);
        }
        let in_ci = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
        if consent.input && !in_ci && io::stdin().is_terminal() && io::stderr().is_terminal() {
            return Ok(Self::Ask);
        }
        Err(Error::config(
            format!("{verb} needs an approval, and there is no terminal to ask on: nothing was done"),
            hint,
        ))
    }
}

/// Asks the question. Every answer but yes counts as no.
pub fn ask(question: &str) -> Result<bool, Error> {
    prompt(&format!("{question} Only yes is a yes: "));
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Error::config(format!("cannot read the answer: {error}"), "use --auto-approve"))?;
    Ok(answer.trim() == "yes")
}
