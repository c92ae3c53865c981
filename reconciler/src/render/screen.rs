//! The screen: a verb's result on stdout, in the form that was asked for.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use serde_json::json;
use wabridges::{CustomerRef, Session};

use crate::config::{Fleet, Problem};
use crate::ground::shown;
use crate::model::{Check, Colour, Differences, Error, Format, Length, Plan, Report, SavedPlan, Status};
use crate::render::command::command;
use crate::render::failure::{causes, told};
use crate::render::problems::{self, Weight};
use crate::render::qr::{self, Terminal};
use crate::render::stderr::{StderrFormat, event, format, line, lines};
use crate::render::words::Paint;
use crate::render::{ci, doctor, github, json, lists, markdown, text};

/// Where results go, and in which colours.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub(super) wish: Colour,
    pub(super) paint: Paint,
}

impl Screen {
    /// stdout, coloured as wished.
    pub fn new(wish: Colour) -> Self {
        Self { wish, paint: Paint::choose(wish, io::stdout().is_terminal()) }
    }

    /// The same for what is shown on stderr.
    pub fn on_stderr(self) -> Self {
        Self { paint: Paint::choose(self.wish, io::stderr().is_terminal()), ..self }
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

    /// The plan that was run, and what became of it; without a report a guard refused it.
    pub fn applied(self, plan: &Plan, report: Option<&Report>, format: Format, length: Length) -> String {
        match format {
            Format::Text => {
                let plan_text = text::plan(plan, self.paint, length);
                let told = report.map(|report| format!("\n{}", text::report(plan, report, self.paint)));
                plan_text + &told.unwrap_or_default()
            }
            Format::Json => json::applied(plan, report),
            Format::Markdown => markdown::applied(plan, report, length),
            Format::Github => github::applied(plan, report, length),
        }
    }

    /// What became of a plan that was shown before.
    pub fn report(self, plan: &Plan, report: &Report) -> String {
        text::report(plan, report, self.paint)
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
        problems::text(file, problems, Weight::Error, self.paint)
    }

    /// What should be known of a fleet.yaml that is right.
    pub fn notes(self, file: &str, notes: &[Problem]) -> String {
        problems::text(file, notes, Weight::Note, self.paint)
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

impl Screen {
    /// A verb that came to no result: whoever posts its Markdown must not be left with the last one.
    pub fn failed(self, verb: &str, error: &Error, format: Format) {
        if format == Format::Markdown {
            // That it failed has been said; there is nobody left to tell that this did too.
            let _ = self.result(&markdown::failed(verb, error));
        }
        ci::failed(verb, error);
    }

    /// The error, what is below it, and what to do about it, on stderr. What is wrong with fleet.yaml comes before it,
    /// each with its place.
    pub fn error(self, error: &Error) {
        let problems = match error {
            Error::Fleet { file, problems } => Some((file, problems)),
            _ => None,
        };
        match format() {
            StderrFormat::Lines => {
                if let Some((file, problems)) = problems {
                    line(&format!("{}\n", self.on_stderr().problems(file, problems)));
                }
                lines(&told(error));
            }
            StderrFormat::Events => {
                let causes: Vec<String> = causes(error).map(ToString::to_string).collect();
                let problems: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
                event(
                    "error",
                    json!({"message": error.to_string(), "because": causes, "problems": problems,
                           "hint": error.hint(), "exitcode": error.exit() as u8}),
                );
            }
            StderrFormat::Commands => {
                if let Some((file, problems)) = problems {
                    line(&problems::github(file, &[(Weight::Error, problems)]));
                }
                line(&command("error", "wab", &told(error)));
            }
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
        Some(phone) => format!("paired with +{}", shown(phone)),
        None => format!("which is not paired ({})", shown(&session.raw_status)),
    };
    format!("Log out {}, {whose}? The customer will have to pair again.", shown(tenant.as_str()))
}

/// What `logout` says when it is done.
pub fn logged_out(tenant: &CustomerRef) -> String {
    format!(
        "{} is logged out; its bridge stays. To pair it again: wab qr, or wab pair",
        shown(tenant.as_str())
    )
}
