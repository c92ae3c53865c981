//! Writes the parts of a fleet.yaml: keys with their values, lists, file names and texts in quotes.

use std::fmt::{Display, Write};
use std::path::Path;

use crate::ground::steers;

/// A section of the file, written key by key.
pub struct Section(pub String);

impl Section {
    /// Begins the section.
    pub fn new(name: &str) -> Self {
        Self(format!("\n{name}:\n"))
    }

    /// Adds a foreign text, in quotes.
    pub fn text(&mut self, key: &str, text: &str) {
        self.plain(key, quoted(text));
    }

    /// Adds a value that needs no quotes.
    pub fn plain(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.0, "  {key}: {value}");
    }
}

/// A relative file name starts at the folder of fleet.yaml. That folder is unknown here, so the name is made
/// absolute.
pub fn path(file: &Path) -> String {
    let simple = file.parent().is_none_or(|folder| folder == Path::new(""));
    let file = if simple { file.to_owned() } else { std::path::absolute(file).unwrap_or(file.to_owned()) };
    file.display().to_string()
}

/// A list of flow mappings under a key of a section.
pub fn list(name: &str, items: Vec<String>) -> String {
    if items.is_empty() {
        return format!("  {name}: []\n");
    }
    items.iter().fold(format!("  {name}:\n"), |mut out, item| {
        let _ = writeln!(out, "    - {{ {item} }}");
        out
    })
}

/// A text in double quotes on one line: a JSON string, with the further characters escaped that YAML
/// requires.
pub fn quoted(text: &str) -> String {
    // A text always has a JSON form.
    let json = serde_json::to_string(text).unwrap_or_default();
    json.chars().fold(String::with_capacity(json.len()), |mut out, c| {
        let escaped =
            steers(c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
        let _ = if escaped { write!(out, "\\u{:04x}", u32::from(c)) } else { out.write_char(c) };
        out
    })
}
