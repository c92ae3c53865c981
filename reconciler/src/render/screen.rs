//! Writes a verb's result to stdout in the chosen format, and errors to stderr.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use serde_json::json;
use wabridges::qr::Terminal;
use wabridges::{CustomerRef, Session};

use crate::config::{Fleet, Problem};
use crate::ground::{named, shown};
use crate::model::{
    Check, Colour, Detail, Differences, Error, Format, Length, Plan, Report, SavedPlan, Status,
};
use crate::render::charset::fitted;
use crate::render::command::command;
use crate::render::failure::{causes, describe};
use crate::render::problems::{self, Weight};
use crate::render::qr;
use crate::render::stderr::{StderrFormat, event, format, line, lines};
use crate::render::words::Paint;
use crate::render::{ci, doctor, github, json, lists, markdown, outcome, text};

/// The output settings.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub(super) colour: Colour,
    pub(super) paint: Paint,
}

impl Screen {
    /// The settings for stdout.
    pub fn new(colour: Colour) -> Self {
        Self { colour, paint: Paint::choose(colour, io::stdout().is_terminal()) }
    }

    /// The settings for stderr.
    pub fn on_stderr(self) -> Self {
        Self { paint: Paint::choose(self.colour, io::stderr().is_terminal()), ..self }
    }

    /// Writes a result to stdout. A closed pipe is ignored, because its reader has ended; any other failure
    /// is an error.
    pub fn result(self, text: &str) -> Result<(), Error> {
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::config(
                format!("cannot write the result to stdout: {error}"),
                "check where stdout is redirected to; wab status shows the last run",
            )),
            _ => Ok(()),
        }
    }

    /// The plan, with its origin.
    pub fn saved(self, saved: &SavedPlan, format: Format, detail: Detail) -> String {
        match format {
            Format::Text => fit(text::plan(&saved.plan, self.paint, detail)),
            Format::Json => json::saved(saved),
            Format::Markdown => markdown::plan(&saved.plan, detail),
            Format::Github => github::plan(&saved.plan, detail),
        }
    }

    /// The plan, before the user is asked about it.
    pub fn preview(self, plan: &Plan, detail: Detail) -> String {
        fit(text::plan(plan, self.paint, detail))
    }

    /// The plan and its outcome. No report means that a guard refused it.
    pub fn applied(self, plan: &Plan, report: Option<&Report>, format: Format, detail: Detail) -> String {
        match format {
            Format::Text => {
                let plan_text = text::plan(plan, self.paint, detail);
                let outcome = report.map(|report| format!("\n{}", outcome::report(plan, report, self.paint)));
                fit(plan_text + &outcome.unwrap_or_default())
            }
            Format::Json => json::applied(plan, report),
            Format::Markdown => markdown::applied(plan, report, detail),
            Format::Github => github::applied(plan, report, detail),
        }
    }

    /// The outcome of a plan that was shown before.
    pub fn report(self, plan: &Plan, report: &Report) -> String {
        fit(outcome::report(plan, report, self.paint))
    }

    /// The drift.
    pub fn drift(self, drift: &Differences, format: Format, length: Length) -> String {
        match format {
            Format::Text => fit(lists::drift(&drift.rows, self.paint, length)),
            Format::Json => json::drift(drift),
            Format::Markdown => markdown::drift(drift, length),
            Format::Github => github::drift(drift, length),
        }
    }

    /// The checks of `wab doctor`.
    pub fn checkup(self, checks: &[Check], format: Format) -> String {
        match format {
            Format::Json => json::checkup(checks),
            Format::Text => fit(doctor::text(checks, self.paint)),
            Format::Markdown => doctor::markdown(checks),
            Format::Github => doctor::github(checks),
        }
    }

    /// A QR code with this content. The error says why it cannot be drawn.
    pub fn qr(self, content: &[u8], terminal: Terminal) -> Result<String, String> {
        qr::painted(content, self.paint, terminal)
    }

    /// The problems in fleet.yaml, with their lines and carets.
    pub fn problems(self, file: &str, problems: &[Problem]) -> String {
        problems::text(file, problems, Weight::Error, self.paint)
    }

    /// The notes on a valid fleet.yaml.
    pub fn notes(self, file: &str, notes: &[Problem]) -> String {
        problems::text(file, notes, Weight::Note, self.paint)
    }

    /// The stored state of the fleet.
    pub fn status(self, status: &Status, format: Format) -> String {
        match format {
            Format::Text => fit(lists::status(status, self.paint)),
            Format::Json => json::status(status),
            Format::Markdown => markdown::status(status),
            Format::Github => github::status(status),
        }
    }
}

impl Screen {
    /// Writes the failure as Markdown too, so that a job that posts the output replaces its earlier comment.
    pub fn failed(self, verb: &str, error: &Error, format: Format) {
        if format == Format::Markdown {
            // The error itself was shown already. A failure to write the Markdown is ignored.
            let _ = self.result(&markdown::failed(verb, error));
        }
        ci::failed(verb, error);
    }

    /// Writes the error, its sources and its hint to stderr, after the problems in fleet.yaml with their
    /// places.
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
                lines(&describe(error));
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
                line(&command("error", "wab", &describe(error)));
            }
        }
    }
}

/// A text for people, as the locale can show it.
fn fit(text: String) -> String {
    fitted(&text).into_owned()
}

/// The result of `validate` for a valid file.
pub fn validated(file: &Path, fleet: &Fleet) -> String {
    format!(
        "{} is valid: {} extra, {} kept, {} to remove",
        file.display(),
        fleet.extra.len(),
        fleet.keep.len(),
        fleet.remove.len()
    )
}

/// The question of `apply`.
pub fn apply_question(plan: &Plan) -> String {
    text::question(plan)
}

/// The question of `logout`.
pub fn logout_question(tenant: &CustomerRef, session: &Session) -> String {
    let pairing = match &session.phone {
        Some(phone) => format!("paired with +{}", shown(phone)),
        None => format!("which is not paired ({})", shown(&session.raw_status)),
    };
    format!("Log out {}, {pairing}? The customer must pair again afterwards.", named(tenant.as_str()))
}

/// The result of `logout`.
pub fn logged_out(tenant: &CustomerRef) -> String {
    format!(
        "{} is logged out; its bridge stays. To pair it again: wab qr, or wab pair",
        named(tenant.as_str())
    )
}
