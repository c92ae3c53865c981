//! Everything that is shown: stdout is the result, stderr is progress and talk. Only here is anything printed.

mod doctor;
mod findings;
mod json;
mod lists;
mod progress;
mod rows;
mod setup;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use wabridges::MalformedRow;

pub use json::{duration_as_seconds, money_as_number, saved as saved_json};
pub use progress::Progress;
pub use setup::{installed, written};
pub use words::harmless;

use crate::checkup::Check;
use crate::cli::Format;
use crate::drift::Drift;
use crate::error::{Error, chain};
use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::poll::Polled;
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

    /// What was checked.
    pub fn checkup(self, checks: &[Check], format: Format) -> String {
        match format {
            Format::Text => doctor::checkup(checks, self.paint),
            Format::Json => json::checkup(checks),
        }
    }

    /// The stored fleet.
    pub fn status(self, status: &Status, format: Format) -> String {
        match format {
            Format::Text => lists::status(status, self.paint),
            Format::Json => json::status(status),
        }
    }
}

/// A span of time in words.
pub fn span(time: Duration) -> String {
    words::duration(time)
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

/// Sessions are about to be asked, and the least time that takes, on stderr.
pub fn polling(sessions: usize, time: Duration) {
    let time = match time {
        Duration::ZERO => String::new(),
        time => format!("; the provider's limits make that take {}", words::duration(time)),
    };
    talk(&format!("asking {} about the status{time}", words::count(sessions, "session")));
}

/// What became of it, on stderr.
pub fn polled(polled: &Polled) {
    let Some(error) = &polled.first_failure else { return };
    talk_safely(&format!(
        "warning: {} of {} told their status; the first that did not: {}",
        polled.answered(),
        words::count(polled.chosen, "session"),
        chain(error)
    ));
    talk("what was learnt before stays; they are asked again next time");
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
