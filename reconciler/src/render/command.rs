//! Writes the workflow commands of GitHub Actions, each on one line for every text.

use crate::ground::harmless_lines;

/// A command with a title.
pub fn command(level: &str, title: &str, text: &str) -> String {
    with_properties(level, &[("title", title)], text)
}

/// A command with properties, such as the file and the line.
pub fn with_properties(level: &str, properties: &[(&str, &str)], text: &str) -> String {
    let properties: Vec<String> = properties
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value).replace(':', "%3A").replace(',', "%2C")))
        .collect();
    format!("::{level} {}::{}", properties.join(","), escaped(text))
}

/// The text of a command, escaped.
pub fn escaped(text: &str) -> String {
    harmless_lines(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}
