//! Makes foreign text safe to show: it can neither control a terminal nor command a CI runner.

use wabridges::{in_quotes, looks_like_itself};

/// Whether the character controls a terminal or changes the text direction.
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes control characters and direction marks in a message that contains foreign ids. GitHub Actions
/// commands are disabled too, in every format, because any message may end up in a job's log.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    powerless(out)
}

/// The same for text of several lines; the line breaks are kept.
pub fn harmless_lines(text: &str) -> String {
    text.split('\n').map(harmless).collect::<Vec<_>>().join("\n")
}

/// The runner of GitHub Actions treats a line that begins with `::` or contains `##[` as a command. Its
/// comparison ignores invisible characters, because it follows the rules of a language; so this function
/// ignores them too.
fn powerless(text: String) -> String {
    let seen = || text.chars().filter(char::is_ascii);
    let begins = seen().skip_while(char::is_ascii_whitespace).take(2).eq("::".chars());
    let text = if begins { text.replacen(':', "\\u{3a}", 1) } else { text };
    if text.contains('[') && text.chars().filter(char::is_ascii).collect::<String>().contains("##[") {
        return text.replace('[', "\\u{5b}");
    }
    text
}

/// Foreign text for one line on a terminal: control characters escaped, at most 60 characters.
pub fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(60).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    harmless(&start)
}

/// An id for one line on a terminal; in quotes if another one could look the same, as `cust_1 ` looks like `cust_1`.
pub fn named(id: &str) -> String {
    if looks_like_itself(&harmless(id)) { shown(id) } else { harmless(&quoted(id)) }
}

/// Foreign text inside a message: quoted, at most 60 characters.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => in_quotes(&text[..end]) + "…",
        None => in_quotes(text),
    }
}
