//! fleet.yaml as a tree whose nodes know their places in the text. The allowed keys and values are in `shape`
//! and `check`.

use std::ops::Range;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::config::problem::Wrong;

/// The tree, and the problems found while reading it.
pub struct Document {
    pub root: Rc<Node>,
    pub wrong: Vec<Wrong>,
    /// Places that are never shown.
    pub private: Vec<Range<usize>>,
}

/// A value and its place: a range of characters, counted from 0.
pub struct Node {
    pub span: Range<usize>,
    pub content: Content,
    /// The number of nodes in it, itself included.
    pub size: usize,
    /// The depth of the tree below it.
    pub height: usize,
}

/// The content of a value. Numbers are kept as written.
pub enum Content {
    Nothing,
    Flag(bool),
    Number(String),
    Text(String),
    List(Vec<Rc<Node>>),
    Section(Vec<Entry>),
}

/// A key with its value.
pub struct Entry {
    pub name: String,
    pub span: Range<usize>,
    pub value: Rc<Node>,
}

impl Node {
    /// The kind of value, for messages.
    pub fn kind(&self) -> &'static str {
        match self.content {
            Content::Nothing => "nothing",
            Content::Flag(_) => "true or false",
            Content::Number(_) => "a number",
            Content::Text(_) => "a text",
            Content::List(_) => "a list",
            Content::Section(_) => "a section",
        }
    }

    /// Whether YAML parsers could read this number as another text, such as `5e3`, `1.10` and `0x1F`.
    pub fn is_ambiguous_number(&self) -> bool {
        let Content::Number(text) = &self.content else { return false };
        let whole = text.parse::<u64>().map(|number| number.to_string());
        let written = whole.or_else(|_| text.parse::<i64>().map(|number| number.to_string()));
        written.as_ref() != Ok(text)
    }

    /// The value as JSON, with numbers as texts, exactly as written.
    pub fn json(&self) -> Value {
        match &self.content {
            Content::Nothing => Value::Null,
            Content::Flag(flag) => Value::Bool(*flag),
            Content::Number(text) | Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => items.iter().map(|item| item.json()).collect(),
            Content::Section(entries) => {
                let entries = entries.iter().map(|entry| (entry.name.clone(), entry.value.json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }
}

impl Document {
    /// The node at a path such as `bridges.keep[1].until`, or the last existing node on the way; and its key.
    pub fn find(&self, at: &str) -> (Option<&Range<usize>>, &Node) {
        let (mut key, mut node) = (None, &*self.root);
        for part in at.split(['.', '[']) {
            match &node.content {
                Content::Section(entries) => {
                    let Some(entry) = entries.iter().find(|entry| entry.name == part) else { break };
                    (key, node) = (Some(&entry.span), &entry.value);
                }
                Content::List(items) => {
                    let nth: Option<usize> = part.trim_end_matches(']').parse().ok();
                    let Some(item) = nth.and_then(|nth| items.get(nth)) else { break };
                    (key, node) = (None, item);
                }
                _ => break,
            }
        }
        (key, node)
    }

    /// The place to mark for a problem at this path: the value, or the key if the value is empty or has
    /// parts.
    pub fn span(&self, at: &str) -> Range<usize> {
        let (key, node) = self.find(at);
        match (key, &node.content) {
            (Some(key), Content::Section(_) | Content::List(_)) => key.clone(),
            (Some(key), _) if node.span.is_empty() => key.clone(),
            _ => node.span.clone(),
        }
    }
}

impl Content {
    /// The meaning of a text without quotes.
    pub fn plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Nothing,
            "true" | "True" | "TRUE" => Self::Flag(true),
            "false" | "False" | "FALSE" => Self::Flag(false),
            _ if is_number(text) => Self::Number(text.to_owned()),
            _ => Self::Text(text.to_owned()),
        }
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_of = |prefix, radix| {
        let rest = digits.strip_prefix(prefix).filter(|rest| !rest.starts_with(['+', '-']));
        rest.is_some_and(|rest| u128::from_str_radix(rest, radix).is_ok())
    };
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let named = matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN");
    let float = !digits.starts_with(['+', '-']) && digits.parse::<f64>().is_ok_and(f64::is_finite);
    named || float || is_of("0x", 16) || is_of("0o", 8) || is_of("0b", 2)
}
