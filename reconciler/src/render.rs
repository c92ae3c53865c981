//! Everything that is shown: stdout is the result, stderr is progress and talk. Only here is anything printed.

mod findings;
mod json;
mod lists;
mod problems;
mod progress;
mod rows;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use wabridges::MalformedRow;

pub use json::{duration_as_seconds, money_as_number};
pub use problems::Weight;
pub use progress::Progress;
pub use words::{count, harmless, steers};

use crate::cli::Format;
use crate::drift::Drift;
use crate::error::Error;
use crate::fleet::{Fleet, Problem};
use crate::plan::Plan;
use crate::report::Report;
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

    /// The plan.
    pub fn plan(self, plan: &Plan, format: Format, length: Length) -> String {
        match format {
            Format::Text => text::plan(plan, self.paint, length),
            Format::Json => json::plan(plan),
        }
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
        }
    }

    /// The drift.
    pub fn drift(self, drift: &[Drift], format: Format) -> String {
        match format {
            Format::Text => lists::drift(drift, self.paint),
            Format::Json => json::drift(drift),
        }
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
        }
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

/// One line of talk on stderr.
pub fn talk(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Lines of talk with foreign text in them: our line breaks stay, everything that could steer a terminal is escaped.
pub fn talk_safely(text: &str) {
    let lines: Vec<String> = text.split('\n').map(harmless).collect();
    talk(&lines.join("\n"));
}

/// A question on stderr, without a line's end.
pub fn prompt(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// The rows of the listing that could not be read, on stderr.
pub fn malformed(rows: &[MalformedRow]) {
    if rows.is_empty() {
        return;
    }
    talk(&format!(
        "warning: {} could not be read, so the reading is incomplete and no absence is believed:",
        words::count(rows.len(), "listed row")
    ));
    for row in rows.iter().take(10) {
        talk(&format!("  row {}: {}: {}", row.index, harmless(&row.reason), words::shown(&row.excerpt)));
    }
    if rows.len() > 10 {
        talk(&format!("  … and {} more", rows.len() - 10));
    }
}
