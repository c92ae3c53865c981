//! Writes messages to stderr, in one of three formats: text lines, JSON events, or workflow commands.

use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::ground::harmless_lines;
use crate::model::{Format, Kind};
use crate::render::charset::fitted;
use crate::render::command::command;
use crate::render::{json as documents, lists};

/// The format of stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StderrFormat {
    /// Text lines.
    Lines,
    /// One JSON object per line.
    Events,
    /// Text lines, with workflow commands for warnings and errors.
    Commands,
}

static FORMAT: RwLock<StderrFormat> = RwLock::new(StderrFormat::Lines);

/// Sets the format of stderr to match the format of the result.
pub fn set_format(format: Format) {
    let format = match format {
        Format::Text | Format::Markdown => StderrFormat::Lines,
        Format::Json => StderrFormat::Events,
        Format::Github => StderrFormat::Commands,
    };
    *FORMAT.write().unwrap_or_else(PoisonError::into_inner) = format;
}

/// The current format of stderr.
pub fn format() -> StderrFormat {
    *FORMAT.read().unwrap_or_else(PoisonError::into_inner)
}

/// Whether stderr is written as JSON events.
pub fn in_events() -> bool {
    format() == StderrFormat::Events
}

/// Writes one line, as the locale can show it. Events are JSON, which stays UTF-8.
pub fn line(text: &str) {
    let text = if in_events() { text.into() } else { fitted(text) };
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes lines with foreign text in them: keeps the line breaks, escapes characters that control a terminal.
pub fn lines(text: &str) {
    line(&harmless_lines(text));
}

/// Writes a message.
pub fn emit(text: &str) {
    match format() {
        StderrFormat::Lines | StderrFormat::Commands => line(text),
        StderrFormat::Events => event("message", json!({"text": text})),
    }
}

/// Writes a warning.
pub fn warn(text: &str) {
    match format() {
        StderrFormat::Lines => lines(&format!("warning: {text}")),
        StderrFormat::Events => event("warning", json!({"text": text})),
        StderrFormat::Commands => line(&command("warning", "wab", text)),
    }
}

/// Writes one JSON event: its name, its time, and its fields.
pub fn event(name: &str, fields: Value) {
    let mut object = json!({"event": name, "ts": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)});
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    line(&documents::escaped(&object.to_string()));
}

/// Writes a message with foreign text in it.
pub fn emit_safely(text: &str) {
    emit(&harmless_lines(text));
}

/// Writes how much drift was left out, so that the list is not mistaken for the whole drift.
pub fn ignored(kinds: &[Kind]) {
    if !kinds.is_empty() {
        emit(&format!("ignored: {}", lists::by_kind(kinds.iter().copied())));
    }
}

/// Writes a question, without a line break.
pub fn prompt(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{}", fitted(text)).and_then(|()| stderr.flush());
}
