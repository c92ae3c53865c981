//! Reads the text of fleet.yaml into the tree of `document`, from the events of the YAML parser.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};

use crate::config::document::{Content, Document, Entry, Node};
use crate::config::problem::Wrong;
use crate::config::source::Source;
use crate::ground::quoted;

/// The deepest nesting that is read. The deepest known key is five levels deep.
const DEPTH: usize = 32;
/// The number of nodes that all aliases together may stand for.
const ALIASED: usize = 100_000;
/// Keys with values that may hold a secret, or may be one by mistake.
pub const PRIVATE: [&str; 4] = ["api_key_env", "url_env", "url_file", "webhook_url"];

/// Reads the text of `source`. The error is the problem at which reading stopped.
pub fn read(text: &str, source: &Source) -> Result<Document, Wrong> {
    let is_printable = |c: char| match c {
        '\t' | '\n' | '\r' | '\u{85}' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => !c.is_control(),
    };
    if let Some((nth, c)) = text.chars().enumerate().find(|(_, c)| !is_printable(*c)) {
        let what = format!("YAML does not allow the character {}", c.escape_default());
        return Err(Wrong::new(nth..nth + 1, "", what));
    }
    let mut reader = Reader {
        source,
        events: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        aliased: 0,
        path: Vec::new(),
        end: 0,
        wrong: Vec::new(),
        private: Vec::new(),
    };
    reader.document()
}

struct Reader<'a> {
    source: &'a Source,
    events: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, Rc<Node>>,
    /// The number of nodes that the aliases stand for so far.
    aliased: usize,
    /// The path from the root to this place.
    path: Vec<String>,
    /// Where the last value ended.
    end: usize,
    wrong: Vec<Wrong>,
    private: Vec<Range<usize>>,
}

type Read<T> = Result<T, Wrong>;

impl<'a> Reader<'a> {
    fn document(&mut self) -> Read<Document> {
        let empty = || Wrong::new(0..0, "", "the file is empty: begin it with version: 1");
        let root = loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd | Event::DocumentEnd, _) => return Err(empty()),
                (event, span) => break self.node(event, span)?,
            }
        };
        if matches!(root.content, Content::Nothing) {
            return Err(empty());
        }
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => break,
                (Event::DocumentStart(_), span) => {
                    self.complain(span, "a second document begins here: fleet.yaml is one document");
                    break;
                }
                _ => {}
            }
        }
        Ok(Document {
            root,
            wrong: std::mem::take(&mut self.wrong),
            private: std::mem::take(&mut self.private),
        })
    }

    fn next(&mut self) -> Read<(Event<'a>, Range<usize>)> {
        let Some(next) = self.events.next() else { return Ok((Event::StreamEnd, self.end..self.end)) };
        let (event, span) = next.map_err(|error| {
            let at = error.marker().index();
            let tab = error.info().contains("tab").then(|| self.source.next('\t', at)).flatten();
            let at = tab.unwrap_or(at);
            Wrong::new(at..at + 1, "", format!("this is not YAML: {}", error.info()))
        })?;
        let start = span.start.index();
        let mut end = span.end.index().max(start);
        if let Event::Scalar(_, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted, ..) = event {
            end = self.closing_quote(start).unwrap_or(end);
        }
        if end > start {
            self.end = end;
        }
        Ok((event, start..end))
    }

    /// The index after the closing quote. The parser counts white space and comments after a quoted text as a
    /// part of it.
    fn closing_quote(&self, start: usize) -> Option<usize> {
        let quote = self.source.at(start)?;
        let mut at = start + 1;
        loop {
            match self.source.at(at)? {
                '\\' if quote == '"' => at += 2,
                c if c == quote && quote == '\'' && self.source.at(at + 1) == Some('\'') => at += 2,
                c if c == quote => return Some(at + 1),
                _ => at += 1,
            }
        }
    }

    fn complain(&mut self, span: Range<usize>, what: impl Into<String>) {
        self.wrong.push(Wrong::new(span, self.path.concat(), what));
    }

    fn node(&mut self, event: Event<'a>, span: Range<usize>) -> Read<Rc<Node>> {
        if self.path.len() > DEPTH {
            return Err(Wrong::new(
                span,
                "",
                format!("nested more than {DEPTH} levels deep: fleet.yaml has 5"),
            ));
        }
        let (node, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || self.is_tagged_text(tag.as_deref(), &span);
                let content = if is_text { Content::Text(text.into_owned()) } else { Content::plain(&text) };
                (Node { span, content, size: 1, height: 0 }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.is_tagged_text(tag.as_deref(), &span);
                (self.list(span.start)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.is_tagged_text(tag.as_deref(), &span);
                (self.section(span)?, anchor)
            }
            _ => return Err(Wrong::new(span, "", "a value is expected here")),
        };
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, span: Range<usize>) -> Read<Rc<Node>> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Wrong::new(span, "", "this alias is inside the value that it stands for"));
        };
        self.aliased += node.size;
        if self.aliased > ALIASED || self.path.len() + node.height > DEPTH {
            return Err(Wrong::new(
                span,
                "",
                "the aliases up to here stand for too many values: write them out",
            ));
        }
        Ok(Rc::clone(node))
    }

    /// Whether the tag marks a text. Every other tag is a problem.
    fn is_tagged_text(&mut self, tag: Option<&Tag>, span: &Range<usize>) -> bool {
        let Some(tag) = tag else { return false };
        let is_text = matches!((&*tag.handle, &*tag.suffix), ("tag:yaml.org,2002:", "str") | ("", "!"));
        if !is_text {
            self.complain(span.clone(), "tags are not allowed here: remove it");
        }
        is_text
    }

    fn list(&mut self, start: usize) -> Read<Node> {
        let mut items: Vec<Rc<Node>> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                break;
            }
            self.path.push(format!("[{}]", items.len()));
            items.push(self.node(event, span)?);
            self.path.pop();
        }
        let size = 1 + items.iter().map(|item| item.size).sum::<usize>();
        let height = 1 + items.iter().map(|item| item.height).max().unwrap_or(0);
        Ok(Node { span: start..self.end.max(start), content: Content::List(items), size, height })
    }

    fn section(&mut self, opening: Range<usize>) -> Read<Node> {
        let (mut entries, mut seen) = (Vec::<Entry>::new(), HashMap::new());
        let (mut size, mut height) = (1, 1);
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            if opening.is_empty() && self.source.is_indented_by_tab(span.start) {
                return Err(Wrong::new(
                    span,
                    "",
                    "this is not YAML: indent with spaces; this line has a tab",
                ));
            }
            let key_span = span.clone();
            self.path.push(String::new());
            let key = self.node(event, span)?;
            let name = match &key.content {
                Content::Text(text) | Content::Number(text) => Some(text.clone()),
                _ => None,
            };
            let dot = if self.path.len() > 1 { "." } else { "" };
            if let (Some(step), Some(name)) = (self.path.last_mut(), &name) {
                *step = format!("{dot}{}", name.chars().take(60).collect::<String>());
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span)?;
            (size, height) = (size + key.size + value.size, height.max(value.height + 1));
            let first = name.as_ref().and_then(|name| seen.get(name)).copied();
            match (name, first) {
                (Some(name), None) => {
                    seen.insert(name.clone(), self.source.line_number(key_span.start));
                    if PRIVATE.contains(&&*name) {
                        self.private.push(value.span.clone());
                    }
                    entries.push(Entry { name, span: key_span, value });
                }
                (name, first) => {
                    let what = match (name, first) {
                        (Some(name), Some(line)) => {
                            format!("{} is given already, in line {line}", quoted(&name))
                        }
                        _ => "a key must be a text".to_owned(),
                    };
                    self.complain(key_span, what);
                    self.private.push(value.span.clone());
                }
            }
            self.path.pop();
        }
        let end = self.end.max(opening.start);
        Ok(Node { span: opening.start..end, content: Content::Section(entries), size, height })
    }
}
