//! Takes entries of bridges.remove out of the text of fleet.yaml, and leaves every other line as it is. It edits only where the
//! result, read again, is the same file without these entries.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use serde_json::Value;

use crate::config::document::{Content, Document, Node};
use crate::config::reader;
use crate::config::source::Source;

const LIST: &str = "bridges.remove";

/// The entries and their lines, and the text without them.
#[derive(Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The line at which each entry begins, in the order of the entries.
    pub lines: Vec<usize>,
    /// The new text, or why the text cannot be edited safely.
    pub text: Result<String, &'static str>,
}

/// Takes the entries with these numbers, which count from 0, out of the text of a valid fleet.yaml.
pub fn prune(text: &str, gone: &BTreeSet<usize>) -> Pruned {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mark = &text[..text.len() - body.len()];
    let source = Source::new(body);
    let unreadable = Pruned { lines: Vec::new(), text: Err("it cannot be read") };
    let Ok(document) = reader::read(body, &source) else { return unreadable };
    let (_, Node { content: Content::List(items), .. }) = document.find(LIST) else { return unreadable };
    let lines = gone.iter().filter_map(|nth| Some(source.line_number(items.get(*nth)?.span.start))).collect();
    let chars: Vec<char> = body.chars().collect();
    let text = without(&chars, &document, items, gone)
        .filter(|new| is_the_rest(new, &document, gone))
        .map(|new| format!("{mark}{new}"))
        .ok_or("an entry shares its line with others, or an anchor or an alias stands in the list");
    Pruned { lines, text }
}

/// The text without the lines of the entries; `None` if an entry does not have its lines to itself.
fn without(
    chars: &[char],
    document: &Document,
    items: &[Rc<Node>],
    gone: &BTreeSet<usize>,
) -> Option<String> {
    let mut cuts: Vec<Range<usize>> =
        gone.iter().map(|nth| own_lines(chars, &items.get(*nth)?.span)).collect::<Option<_>>()?;
    cuts.sort_unstable_by_key(|cut| cut.start);
    let mut insert = None;
    if gone.len() == items.len() {
        insert = empty_list_at(chars, document)?;
    }
    let mut new = String::new();
    let mut cuts = cuts.into_iter().peekable();
    for (nth, c) in chars.iter().enumerate() {
        while cuts.next_if(|cut| cut.end <= nth).is_some() {}
        if insert == Some(nth) {
            new.push_str(" []");
        }
        if cuts.peek().is_none_or(|cut| !cut.contains(&nth)) {
            new.push(*c);
        }
    }
    if insert == Some(chars.len()) {
        new.push_str(" []");
    }
    Some(new)
}

/// The lines from the dash or the first character to the last character of an entry, if nothing but its comma and its comment
/// is on them.
fn own_lines(chars: &[char], span: &Range<usize>) -> Option<Range<usize>> {
    let last = span.clone().rev().find(|nth| chars.get(*nth).is_some_and(|c| !c.is_whitespace()))?;
    let mut start = line_start(chars, span.start);
    let end = chars[last..].iter().position(|c| *c == '\n').map_or(chars.len(), |nth| last + nth + 1);
    let text = |range: Range<usize>| chars[range].iter().collect::<String>().trim().to_owned();
    let before = text(start..span.start);
    if before.is_empty() && start > 0 {
        let above = line_start(chars, start - 1);
        if text(above..start) == "-" {
            start = above;
        }
    }
    let after = text(last + 1..end);
    let after = after.strip_prefix(',').unwrap_or(&after).trim_start();
    let is_alone = matches!(before.as_str(), "" | "-") && (after.is_empty() || after.starts_with('#'));
    is_alone.then_some(start..end)
}

/// The first character of the line with this character.
fn line_start(chars: &[char], nth: usize) -> usize {
    chars[..nth].iter().rposition(|c| *c == '\n').map_or(0, |nth| nth + 1)
}

/// Where ` []` must be written when a list in block style loses its last entry: after the colon. `Some(None)` in flow style,
/// which keeps its brackets; `None` if something else follows the colon.
fn empty_list_at(chars: &[char], document: &Document) -> Option<Option<usize>> {
    let key = document.find(LIST).0?;
    let colon = key.end + chars.get(key.end..)?.iter().position(|c| *c == ':')?;
    let rest: String = chars[colon + 1..].iter().take_while(|c| **c != '\n').collect();
    match rest.trim_start() {
        "" => Some(Some(colon + 1)),
        rest if rest.starts_with('#') => Some(Some(colon + 1)),
        rest if rest.starts_with('[') => Some(None),
        _ => None,
    }
}

/// Whether the new text says what the old one says without these entries.
fn is_the_rest(new: &str, old: &Document, gone: &BTreeSet<usize>) -> bool {
    let Ok(new) = reader::read(new, &Source::new(new)) else { return false };
    let mut expected = old.root.json();
    let list = expected.pointer_mut("/bridges/remove").and_then(Value::as_array_mut);
    let Some(list) = list else { return false };
    let mut nth = 0..;
    list.retain(|_| nth.next().is_none_or(|nth| !gone.contains(&nth)));
    new.wrong.is_empty() && new.root.json() == expected
}
