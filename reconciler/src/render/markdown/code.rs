//! Renders foreign text as Markdown code. In a code span no text is a mention, a link or HTML, and no text
//! can end the span.

use wabridges::{in_quotes, looks_like_itself};

use crate::ground::harmless;

/// How many bytes of one text are shown at most.
const MOST: usize = 300;

/// The text as a code span, also usable in a table cell.
pub fn code(text: &str) -> String {
    let mut out = String::from("`");
    let mut start: String = text.chars().take(MOST).collect();
    let is_cut = start.len() < text.len();
    // GitHub trims the text of a code span.
    if !start.is_empty() && !looks_like_itself(&harmless(&start)) {
        start = in_quotes(&start);
    }
    for c in harmless(&start).chars() {
        if out.len() > MOST {
            break;
        }
        // These could end the span or the cell, or look like the marker by which a job finds its comment.
        if matches!(c, '`' | '|' | '<' | '>') { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    if out.len() > MOST || is_cut {
        out.push('…');
    }
    // Two backticks without text between them would open another span.
    if out.len() == 1 {
        return "—".to_owned();
    }
    out.push('`');
    out
}

/// Lines as a code block with a fence that does not occur in them. HTML comments are escaped: only wab writes
/// markers.
pub fn block(language: &str, lines: &str) -> String {
    let lines = lines.replace("<!--", "\\u{3c}!--");
    let mut fence = "```".to_owned();
    while lines.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}{language}\n{}\n{fence}\n", lines.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_span() {
        assert_eq!(code("cust_1"), "`cust_1`");
        assert_eq!(code("a`b|c\nd-->e"), "`a\\u{60}b\\u{7c}c\\nd--\\u{3e}e`");
        assert_eq!(code(""), "—");
        let long = code(&"\u{1b}".repeat(10_000));
        assert!(long.len() < MOST + 20 && long.ends_with("…`"), "{long}");
    }

    #[test]
    fn nothing_leaves_the_block() {
        assert_eq!(block("diff", "+```\n+````\n"), "`````diff\n+```\n+````\n`````\n");
    }
}
