//! The text of fleet.yaml as characters and lines: the place of a range, and its line without secrets.

use std::ops::Range;

use crate::ground::steers;

/// How many characters of a long line are shown before and after the start of a problem.
const WINDOW: Range<usize> = 70..70;

/// The place of a problem, and its line for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, counted from 1.
    pub line: usize,
    /// The first character in the line, counted from 1.
    pub column: usize,
    /// The character after the last one in this line; equal to `column` if nothing is marked.
    pub end_column: usize,
    /// The line or a piece of it, with control characters escaped and secrets removed.
    pub excerpt: String,
    /// The marked bytes of the excerpt.
    pub marked: Range<usize>,
}

/// A text as characters and lines, without its byte order mark.
pub struct Source {
    chars: Vec<char>,
    /// The index of each line's first character.
    lines: Vec<usize>,
    /// The index after the last character that is not white space.
    seen: usize,
    /// Ranges that are never shown, sorted and not overlapping.
    private: Vec<Range<usize>>,
}

impl Source {
    /// Splits the text. API keys and the passwords of URLs are hidden from the start.
    pub fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let breaks = chars.iter().enumerate().filter(|(nth, c)| match c {
            '\n' => true,
            '\r' => chars.get(nth + 1) != Some(&'\n'),
            _ => false,
        });
        let lines = std::iter::once(0).chain(breaks.map(|(nth, _)| nth + 1)).collect();
        let seen = chars.iter().rposition(|c| !c.is_whitespace()).map_or(0, |last| last + 1);
        let private = secrets(&chars);
        Self { chars, lines, seen, private }
    }

    /// The character at this index.
    pub fn at(&self, index: usize) -> Option<char> {
        self.chars.get(index).copied()
    }

    /// Whether the line up to this index is white space that contains a tab.
    pub fn is_indented_by_tab(&self, index: usize) -> bool {
        let before = self.chars.get(self.lines[self.line(index)]..index).unwrap_or_default();
        before.contains(&'\t') && before.iter().all(|c| matches!(c, ' ' | '\t'))
    }

    /// The index of the next such character, from this index on.
    pub fn next(&self, c: char, from: usize) -> Option<usize> {
        Some(from + self.chars.get(from..)?.iter().position(|other| *other == c)?)
    }

    /// The line of this index, counted from 1.
    pub fn line_number(&self, index: usize) -> usize {
        self.line(index) + 1
    }

    /// Adds ranges that are never shown.
    pub fn hide(&mut self, ranges: impl IntoIterator<Item = Range<usize>>) {
        let mut all: Vec<_> =
            self.private.drain(..).chain(ranges).filter(|range| !range.is_empty()).collect();
        all.sort_unstable_by_key(|range| range.start);
        for range in all {
            match self.private.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => self.private.push(range),
            }
        }
    }

    /// Hides the rest of the line after one of these words.
    pub fn hide_behind(&mut self, words: &[&str], index: usize) {
        let line = self.extent(self.line(index.min(self.seen)));
        let text: Vec<char> = self.chars[line.clone()].to_vec();
        let behind = |word: &&str| {
            let word: Vec<char> = word.chars().collect();
            text.windows(word.len())
                .position(|piece| piece == word)
                .map(|at| line.start + at + word.len() + 1)
        };
        let first = words.iter().filter_map(behind).min();
        self.hide(first.map(|first| first..line.end));
    }

    /// The place of a range. A range after the last visible character is placed right after that character.
    pub fn place(&self, range: &Range<usize>) -> Place {
        let start = range.start.min(self.seen);
        let line = self.line(start);
        let extent = self.extent(line);
        let start = start.min(extent.end);
        let mut end = range.end.min(extent.end).max(start);
        while end > start && self.chars[end - 1].is_whitespace() {
            end -= 1;
        }
        let (excerpt, marked) = self.excerpt(&extent, &(start..end));
        let column = |index| index - extent.start + 1;
        Place { line: line + 1, column: column(start), end_column: column(end), excerpt, marked }
    }

    fn excerpt(&self, line: &Range<usize>, meant: &Range<usize>) -> (String, Range<usize>) {
        let from = line.start.max(meant.start.saturating_sub(WINDOW.start));
        let to = line.end.min(meant.start + WINDOW.end);
        let mut shown = String::from(if from > line.start { "…" } else { "" });
        let mut marked = (None, None);
        let mut next_private = self.private.partition_point(|range| range.end <= from);
        let mut index = from;
        while index < to {
            let private = self.private.get(next_private).filter(|range| range.start <= index);
            let next = private.map_or(index + 1, |range| range.end.min(to));
            if marked.0.is_none() && meant.start < next {
                marked.0 = Some(shown.len());
            }
            match private {
                Some(_) => {
                    shown.push('…');
                    next_private += 1;
                }
                None if steers(self.chars[index]) && self.chars[index] != '\t' => {
                    shown.extend(self.chars[index].escape_default());
                }
                None => shown.push(self.chars[index]),
            }
            if meant.end > index {
                marked.1 = Some(shown.len());
            }
            index = next;
        }
        let start = marked.0.unwrap_or(shown.len());
        let end = if meant.is_empty() { start } else { marked.1.unwrap_or(start).max(start) };
        if to < line.end {
            shown.push('…');
        }
        (shown, start..end)
    }

    /// The line of this index, counted from 0.
    fn line(&self, index: usize) -> usize {
        self.lines.partition_point(|start| *start <= index).saturating_sub(1)
    }

    /// The characters of the line, without its line break.
    fn extent(&self, line: usize) -> Range<usize> {
        let start = self.lines.get(line).copied().unwrap_or_default();
        let mut end = self.lines.get(line + 1).copied().unwrap_or(self.chars.len());
        while end > start && matches!(self.chars[end - 1], '\n' | '\r') {
            end -= 1;
        }
        start..end
    }
}

/// The text without its secrets.
pub fn without_secrets(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for secret in secrets(&chars) {
        shown.extend(&chars[from..secret.start]);
        shown.push('…');
        from = secret.end;
    }
    shown.extend(&chars[from..]);
    shown
}

/// The ranges of secrets: the rest of an API key after `sk_`, and the user and password of a URL.
fn secrets(chars: &[char]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let is_word = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-');
    for start in 3..chars.len() {
        let tail = &chars[start..];
        let end = match &chars[start - 3..start] {
            ['s', 'k', '_'] if start == 3 || !is_word(&chars[start - 4]) => {
                tail.iter().position(|c| !is_word(c)).unwrap_or(tail.len())
            }
            [':', '/', '/'] => {
                let url = tail.iter().position(|c| c.is_whitespace()).unwrap_or(tail.len());
                tail[..url].iter().rposition(|c| *c == '@').unwrap_or(0)
            }
            _ => 0,
        };
        if end > 0 && found.last().is_none_or(|last| last.end <= start) {
            found.push(start..start + end);
        }
    }
    found
}
