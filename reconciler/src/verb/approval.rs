//! Whether a person agrees: a flag, or a yes on the terminal. What is agreed to is not looked at here.

use std::io::{self, IsTerminal};

use crate::model::Error;
use crate::render::stderr::prompt;
use crate::verb::flags::Consent;

/// How the yes is got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// It was given beforehand.
    Given,
    /// It is asked for on the terminal.
    Ask,
}

impl Approval {
    /// Asks only where somebody can answer; `CI` never means yes. `hint` is the way on where nobody can.
    pub fn of(consent: &Consent, verb: &str, hint: &str) -> Result<Self, Error> {
        if consent.auto_approve {
            return Ok(Self::Given);
        }
        let in_ci = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
        if consent.input && !in_ci && io::stdin().is_terminal() && io::stderr().is_terminal() {
            return Ok(Self::Ask);
        }
        Err(Error::config(format!("{verb} needs a yes, and there is nobody to ask"), hint))
    }
}

/// Asks; anything but yes is no.
pub fn ask(question: &str) -> Result<bool, Error> {
    prompt(&format!("{question} Only `yes` is a yes: "));
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Error::config(format!("cannot read the answer: {error}"), "use --auto-approve"))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "yes" | "y"))
}
