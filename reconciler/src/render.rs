//! Everything that is shown: stdout is the result, stderr is progress and talk. Only here is anything printed.

pub mod ci;
mod doctor;
mod findings;
mod github;
mod json;
mod lists;
mod markdown;
mod problems;
mod progress;
mod qr;
mod rows;
pub mod schema;
mod setup;
mod talk;
#[cfg(test)]
mod tests;
mod text;
mod words;
mod yaml;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use wabridges::{CustomerRef, Session};

pub use json::{duration_as_seconds, money_as_number, pairing, saved as saved_json};
pub use problems::Weight;
pub use progress::Progress;
pub use qr::Terminal;
pub use setup::{installed, written};
pub use talk::{error, ignored, malformed, polled, polling, prompt, speak, talk, talk_safely, warn};
pub use words::{count, harmless, steers};
pub use yaml::fleet as fleet_yaml;

use crate::checkup::Check;
use crate::cli::Format;
use crate::drift::Differences;
use crate::error::Error;
use crate::fleet::{Fleet, Problem};
use crate::plan::Plan;
use crate::report::Report;
use crate::saved::SavedPlan;
use crate::store::Status;

/// Whether colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// If stdout is a terminal, and the environment does not say otherwise.
    Auto,
    /// Plain.
    Never,
}

/// How much of a long group is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// At most 20 lines.
    Short,
    /// All of it.
    Full,
    /// None of it: numbers alone.
    Concise,
}

impl Length {
    /// How many lines of `all` are shown.
    fn of(self, all: usize) -> usize {
        match self {
            // A line that says that one line is missing is no shorter than the line.
            Self::Short if all > 21 => 20,
            _ => all,
        }
    }
}

/// Where results go, and in which colours.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    wish: Colour,
    paint: words::Paint,
}

impl Screen {
    /// stdout, coloured as wished.
    pub fn new(wish: Colour) -> Self {
        Self { wish, paint: words::Paint::choose(wish, io::stdout().is_terminal()) }
    }

    /// The same for what is shown on stderr.
    pub fn on_stderr(self) -> Self {
        Self { paint: words::Paint::choose(self.wish, io::stderr().is_terminal()), ..self }
    }

    /// Writes a result to stdout. A reader that went away wants no more of it; any other failure is an error.
    pub fn result(self, text: &str) -> Result<(), Error> {
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::config(
                format!("the result could not be written to stdout: {error}"),
                "look where stdout leads; wab status shows the last run",
            )),
            _ => Ok(()),
        }
    }

    /// The plan, with what it was made from.
    pub fn saved(self, saved: &SavedPlan, format: Format, length: Length) -> String {
        match format {
            Format::Text => text::plan(&saved.plan, self.paint, length),
            Format::Json => json::saved(saved),
            Format::Markdown => markdown::plan(&saved.plan, length),
            Format::Github => github::plan(&saved.plan, length),
        }
    }

    /// The plan that somebody is asked about.
    pub fn preview(self, plan: &Plan, length: Length) -> String {
        text::plan(plan, self.paint, length)
    }

    /// The plan that was run, and what became of it.
    pub fn applied(self, plan: &Plan, report: &Report, (format, length): (Format, Length)) -> String {
        match format {
            Format::Text => {
                format!(
                    "{}\n{}",
                    text::plan(plan, self.paint, length),
                    text::report(plan, report, self.paint)
                )
            }
            Format::Json => json::applied(plan, Some(report)),
            Format::Markdown => markdown::applied(plan, Some(report), length),
            Format::Github => github::applied(plan, Some(report), length),
        }
    }

    /// What became of a plan that was shown before.
    pub fn report(self, plan: &Plan, report: &Report) -> String {
        text::report(plan, report, self.paint)
    }

    /// The plan that a guard kept from being run.
    pub fn refused(self, plan: &Plan, format: Format, length: Length) -> String {
        match format {
            Format::Text => text::plan(plan, self.paint, length),
            Format::Json => json::applied(plan, None),
            Format::Markdown => markdown::applied(plan, None, length),
            Format::Github => github::applied(plan, None, length),
        }
    }

    /// The drift.
    pub fn drift(self, drift: &Differences, format: Format, length: Length) -> String {
        match format {
            Format::Text => lists::drift(&drift.rows, self.paint, length),
            Format::Json => json::drift(drift),
            Format::Markdown => markdown::drift(drift, length),
            Format::Github => github::drift(drift, length),
        }
    }

    /// What was checked.
    pub fn checkup(self, checks: &[Check], format: Format) -> String {
        match format {
            Format::Json => json::checkup(checks),
            Format::Text | Format::Markdown | Format::Github => doctor::checkup(checks, self.paint),
        }
    }

    /// A QR code of this content, or why it cannot be drawn.
    pub fn qr(self, content: &[u8], terminal: Terminal) -> Result<String, String> {
        qr::drawn(content, self.paint, terminal)
    }

    /// What is wrong with fleet.yaml, each with its line and what in it is meant.
    pub fn problems(self, file: &str, problems: &[Problem]) -> String {
        problems::text(file, problems, (Weight::Error, self.paint))
    }

    /// What should be known of a fleet.yaml that is right.
    pub fn notes(self, file: &str, notes: &[Problem]) -> String {
        problems::text(file, notes, (Weight::Note, self.paint))
    }

    /// The stored fleet.
    pub fn status(self, status: &Status, format: Format) -> String {
        match format {
            Format::Text => lists::status(status, self.paint),
            Format::Json => json::status(status),
            Format::Markdown => markdown::status(status),
            Format::Github => github::status(status),
        }
    }
}

/// A span of time in words.
pub fn span(time: Duration) -> String {
    words::duration(time)
}

impl Screen {
    /// A verb that came to no result: whoever posts its Markdown must not be left with the last one.
    pub fn failed(self, verb: &str, error: &Error, format: Format) {
        if format == Format::Markdown {
            // That it failed has been said; there is nobody left to tell that this did too.
            let _ = self.result(&markdown::failed(verb, error));
        }
        ci::failed(verb, error);
    }
}

/// Problems and notes as annotations of GitHub's workflows.
pub fn github_annotations(file: &str, said: &[(Weight, &[Problem])]) -> String {
    problems::github(file, said)
}

/// Problems and notes as JSON.
pub fn json_problems(file: &str, said: &[(Weight, &[Problem])]) -> String {
    problems::json(file, said)
}

/// What `validate` says of a good file.
pub fn validated(file: &Path, fleet: &Fleet) -> String {
    format!(
        "{} is valid: {} extra, {} kept, {} to remove",
        file.display(),
        fleet.extra.len(),
        fleet.keep.len(),
        fleet.remove.len()
    )
}

/// What `logout` asks.
pub fn logout_question(tenant: &CustomerRef, session: &Session) -> String {
    let whose = match &session.phone {
        Some(phone) => format!("paired with +{}", words::shown(phone)),
        None => format!("which is not paired ({})", words::shown(&session.raw_status)),
    };
    format!("Log out {}, {whose}? The customer will have to pair again.", words::shown(tenant.as_str()))
}

/// What `logout` says when it is done.
pub fn logged_out(tenant: &CustomerRef) -> String {
    format!(
        "{} is logged out; its bridge stays. To pair it again: wab qr, or wab pair",
        words::shown(tenant.as_str())
    )
}
