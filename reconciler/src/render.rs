//! Everything that is shown: stdout is the result, stderr is progress and talk. Only here is anything printed.

mod findings;
mod json;
mod lists;
mod progress;
mod qr;
mod rows;
#[cfg(test)]
mod tests;
mod text;
mod words;
mod yaml;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use wabridges::{CustomerRef, MalformedRow, Session};

pub use json::{duration_as_seconds, money_as_number, pairing};
pub use progress::Progress;
pub use qr::Terminal;
pub use words::{harmless, steers};
pub use yaml::fleet as fleet_yaml;

use crate::cli::Format;
use crate::drift::{Drift, Kind};
use crate::error::Error;
use crate::fleet::Fleet;
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

    /// A QR code of this content, or why it cannot be drawn.
    pub fn qr(self, content: &[u8], terminal: Terminal) -> Result<String, String> {
        qr::drawn(content, self.paint, terminal)
    }

    /// The stored fleet.
    pub fn status(self, status: &Status, format: Format) -> String {
        match format {
            Format::Text => lists::status(status, self.paint),
            Format::Json => json::status(status),
        }
    }
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

/// How much drift was left out, on stderr: a list without it must not look like all there is.
pub fn ignored(kinds: &[Kind]) {
    if !kinds.is_empty() {
        talk(&format!("ignored: {}", lists::by_kind(kinds.iter().copied())));
    }
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
