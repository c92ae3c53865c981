//! What is said on stderr beside the result, in one format at a time: for people, as events, or for a job's log.

use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::ground::harmless_lines;
use crate::model::{Format, Kind};
use crate::render::command::command;
use crate::render::{json as documents, lists};

/// How stderr talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StderrFormat {
    /// Lines for people.
    Lines,
    /// One JSON object a line.
    Events,
    /// Lines, with workflow commands for what is worth an annotation.
    Commands,
}

static FORMAT: RwLock<StderrFormat> = RwLock::new(StderrFormat::Lines);

/// From here on stderr talks as the result is written.
pub fn set_format(format: Format) {
    let format = match format {
        Format::Text | Format::Markdown => StderrFormat::Lines,
        Format::Json => StderrFormat::Events,
        Format::Github => StderrFormat::Commands,
    };
    *FORMAT.write().unwrap_or_else(PoisonError::into_inner) = format;
}

/// How stderr talks now.
pub fn format() -> StderrFormat {
    *FORMAT.read().unwrap_or_else(PoisonError::into_inner)
}

/// Whether stderr carries events.
pub fn in_events() -> bool {
    format() == StderrFormat::Events
}

/// One line as it is.
pub fn line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Lines with foreign text in them: our line breaks stay, everything that could steer a terminal is escaped.
pub fn lines(text: &str) {
    line(&harmless_lines(text));
}

/// Talk that people may read or not.
pub fn emit(text: &str) {
    match format() {
        StderrFormat::Lines | StderrFormat::Commands => line(text),
        StderrFormat::Events => event("message", json!({"text": text})),
    }
}

/// What somebody should look at.
pub fn warn(text: &str) {
    match format() {
        StderrFormat::Lines => lines(&format!("warning: {text}")),
        StderrFormat::Events => event("warning", json!({"text": text})),
        StderrFormat::Commands => line(&command("warning", "wab", text)),
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

/// The same with foreign text in it.
pub fn emit_safely(text: &str) {
    emit(&harmless_lines(text));
}

/// How much drift was left out: a list without it must not look like all there is.
pub fn ignored(kinds: &[Kind]) {
    if !kinds.is_empty() {
        emit(&format!("ignored: {}", lists::by_kind(kinds.iter().copied())));
    }
}

/// A question on stderr, without a line's end.
pub fn prompt(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}
