//! Text from elsewhere, made fit to be shown: nothing in it steers a terminal or commands a CI runner.

/// Whether the character steers a terminal or turns the direction of what follows it.
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Sentences of ours with ids of theirs in them: whole, but with control characters escaped, those of direction too.
/// Nor can it command a CI runner, whatever the format: any of these texts may end up in a job's log.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    powerless(out)
}

/// The same for text of several lines, whose line breaks are ours.
pub fn harmless_lines(text: &str) -> String {
    text.split('\n').map(harmless).collect::<Vec<_>>().join("\n")
}

/// The runner of GitHub Actions takes a line that begins with `::`, or has `##[` in it, for a command. It compares by
/// the rules of a language, which overlook characters that are not seen: so they are overlooked here too.
fn powerless(text: String) -> String {
    let seen = || text.chars().filter(char::is_ascii);
    let begins = seen().skip_while(char::is_ascii_whitespace).take(2).eq("::".chars());
    let text = if begins { text.replacen(':', "\\u{3a}", 1) } else { text };
    if text.contains('[') && text.chars().filter(char::is_ascii).collect::<String>().contains("##[") {
        return text.replace('[', "\\u{5b}");
    }
    text
}

/// Text from elsewhere, fit for a terminal's line: control characters escaped, at most 60 characters.
pub fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(60).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    harmless(&start)
}

/// Text from elsewhere in a message: in quotes, not longer than a line.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
