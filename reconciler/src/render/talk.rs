//! What is said on stderr beside the result, in one voice at a time: for people, as events, or for a job's log.

use std::error::Error as _;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};
use wabridges::MalformedRow;

use super::words::{count, duration, harmless, shown};
use super::{Screen, Weight, github, json as documents, lists};
use crate::cli::Format;
use crate::drift::Kind;
use crate::error::{Error, chain};
use crate::poll::Polled;

/// How stderr talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    /// Lines for people.
    Lines,
    /// One JSON object a line.
    Events,
    /// Lines, with workflow commands for what is worth an annotation.
    Commands,
}

static VOICE: RwLock<Voice> = RwLock::new(Voice::Lines);

/// From here on stderr talks as the result is written.
pub fn speak(format: Format) {
    let voice = match format {
        Format::Text | Format::Markdown => Voice::Lines,
        Format::Json => Voice::Events,
        Format::Github => Voice::Commands,
    };
    *VOICE.write().unwrap_or_else(PoisonError::into_inner) = voice;
}

fn voice() -> Voice {
    *VOICE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Whether stderr carries events.
pub fn in_events() -> bool {
    voice() == Voice::Events
}

fn line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Lines with foreign text in them: our line breaks stay, everything that could steer a terminal is escaped.
fn lines(text: &str) {
    line(&text.split('\n').map(harmless).collect::<Vec<_>>().join("\n"));
}

/// Talk that people may read or not.
pub fn talk(text: &str) {
    match voice() {
        Voice::Lines | Voice::Commands => line(text),
        Voice::Events => event("message", json!({"text": text})),
    }
}

/// What somebody should look at.
pub fn warn(text: &str) {
    match voice() {
        Voice::Lines => lines(&format!("warning: {text}")),
        Voice::Events => event("warning", json!({"text": text})),
        Voice::Commands => line(&github::command(("warning", "wab"), text)),
    }
}

/// One line of JSON: when, what, and what belongs to it.
pub fn event(name: &str, fields: Value) {
    let mut object = json!({"event": name, "ts": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)});
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    line(&documents::escaped(&object.to_string()));
}

/// The error, what is below it, and the way on. What is wrong with fleet.yaml comes before it, each with its place.
pub fn error(error: &Error, screen: Screen) {
    let told = told(error);
    let problems = match error {
        Error::Fleet { file, problems } => Some((file, problems)),
        _ => None,
    };
    match voice() {
        Voice::Lines => {
            if let Some((file, problems)) = problems {
                line(&format!("{}\n", screen.on_stderr().problems(file, problems)));
            }
            lines(&told);
        }
        Voice::Events => {
            let causes: Vec<String> = causes(error).map(ToString::to_string).collect();
            let hint = error.hint();
            let exitcode = error.exit() as u8;
            let problems: Vec<String> =
                problems.iter().flat_map(|(_, problems)| problems.iter()).map(ToString::to_string).collect();
            event(
                "error",
                json!({"message": error.to_string(), "because": causes, "problems": problems, "hint": hint,
                       "exitcode": exitcode}),
            );
        }
        Voice::Commands => {
            if let Some((file, problems)) = problems {
                line(&super::github_annotations(file, &[(Weight::Error, problems)]));
            }
            line(&github::command(("error", "wab"), &told));
        }
    }
}

fn causes(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

/// The same as lines.
pub fn told(error: &Error) -> String {
    let mut told = format!("error: {error}");
    for cause in causes(error) {
        told += &format!("\n  because: {cause}");
    }
    if let Some(hint) = error.hint() {
        told += &format!("\nhint: {hint}");
    }
    told
}

/// The same with foreign text in it.
pub fn talk_safely(text: &str) {
    talk(&text.split('\n').map(harmless).collect::<Vec<_>>().join("\n"));
}

/// How much drift was left out: a list without it must not look like all there is.
pub fn ignored(kinds: &[Kind]) {
    if !kinds.is_empty() {
        talk(&format!("ignored: {}", lists::by_kind(kinds.iter().copied())));
    }
}

/// Sessions are about to be asked, and the least time that takes.
pub fn polling(sessions: usize, time: Duration) {
    let time = match time {
        Duration::ZERO => String::new(),
        time => format!("; the provider's limits make that take {}", duration(time)),
    };
    talk(&format!("asking {} about the status{time}", count(sessions, "session")));
}

/// What became of it.
pub fn polled(polled: &Polled) {
    let Some(error) = &polled.told.first_failure else { return };
    warn(&format!(
        "{} of {} told their status; the first that did not: {}\nwhat was learnt before stays; they are asked again next time",
        polled.told.answered(),
        count(polled.chosen, "session"),
        chain(error)
    ));
}

/// A question on stderr, without a line's end.
pub fn prompt(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// The rows of the listing that could not be read.
pub fn malformed(rows: &[MalformedRow]) {
    if rows.is_empty() {
        return;
    }
    let mut text = format!(
        "{} could not be read, so the reading is incomplete and no absence is believed:",
        count(rows.len(), "listed row")
    );
    for row in rows.iter().take(10) {
        text += &format!("\n  row {}: {}: {}", row.index, harmless(&row.reason), shown(&row.excerpt));
    }
    if rows.len() > 10 {
        text += &format!("\n  … and {} more", rows.len() - 10);
    }
    warn(&text);
}
