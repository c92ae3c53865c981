//! Checks the keys and the kinds of values against the JSON Schema made from `file`. The values are checked
//! in `check`.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::config::document::{Content, Document};
use crate::config::file::File;
use crate::config::problem::Wrong;
use crate::ground::quoted;

/// The JSON Schema of fleet.yaml: draft 7 without references, because every editor supports that.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<File>().to_value();
    forbid_nothing(&mut schema);
    schema
}

/// A key that a template left blank would silently mean its default: no pin, no guard. So no key may have nothing behind it.
fn forbid_nothing(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(kinds)) = fields.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [kind] = &kinds[..] {
                    let kind = kind.clone();
                    fields.insert("type".to_owned(), kind);
                }
            }
            fields.values_mut().for_each(forbid_nothing);
        }
        Value::Array(items) => items.iter_mut().for_each(forbid_nothing),
        _ => {}
    }
}

/// The usable part of the document. Every other part is added to `wrong` and left out.
pub fn read(document: &Document, wrong: &mut Vec<Wrong>) -> File {
    let schema = schema();
    let mut json = document.root.json();
    let mut misfits = Vec::new();
    find_misfits(&schema, &json, &[], &mut misfits);
    for misfit in misfits {
        misfit.complain(document, &schema, wrong);
        misfit.leave_out(&mut json, &schema);
    }
    serde_json::from_value(json).unwrap_or_else(|error| {
        wrong.push(Wrong::new(0..0, "", error.to_string()));
        File::default()
    })
}

/// One step on the path from the root to a value.
#[derive(Clone)]
enum Step {
    Key(String),
    Nth(usize),
}

/// A part of the document that does not match the schema.
struct Misfit {
    path: Vec<Step>,
    kind: Kind,
}

enum Kind {
    /// The key is missing.
    Missing(String),
    /// These keys are unknown here.
    Unknown(Vec<String>),
    /// The value has the wrong type.
    Type,
}

/// Compares the document with the parts of the schema that `file` uses: `type`, `properties`,
/// `additionalProperties`, `required`, `items`.
fn find_misfits(schema: &Value, json: &Value, path: &[Step], found: &mut Vec<Misfit>) {
    let here = |kind| Misfit { path: path.to_vec(), kind };
    let below = |step| [path, &[step]].concat();
    if !fits(schema, json) {
        found.push(here(Kind::Type));
        return;
    }
    match json {
        Value::Object(section) => {
            let (known, unknown): (Vec<_>, Vec<_>) =
                section.iter().partition(|(name, _)| schema["properties"].get(name.as_str()).is_some());
            for (name, value) in known {
                find_misfits(&schema["properties"][name], value, &below(Step::Key(name.clone())), found);
            }
            let mut unknown: Vec<String> = unknown.into_iter().map(|(name, _)| name.clone()).collect();
            unknown.sort_unstable();
            if schema["additionalProperties"] == false && !unknown.is_empty() {
                found.push(here(Kind::Unknown(unknown)));
            }
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let missing = required.filter(|name| !section.contains_key(*name));
            found.extend(missing.map(|name| here(Kind::Missing(name.to_owned()))));
        }
        Value::Array(list) => {
            for (nth, value) in list.iter().enumerate() {
                find_misfits(&schema["items"], value, &below(Step::Nth(nth)), found);
            }
        }
        _ => {}
    }
}

/// Whether the schema allows the value's type; a schema without a type allows every type.
fn fits(schema: &Value, json: &Value) -> bool {
    schema["type"].is_null()
        || match json {
            Value::Null => may_be(schema, "null"),
            Value::Bool(_) => may_be(schema, "boolean"),
            Value::Number(number) => {
                may_be(schema, "number") || (may_be(schema, "integer") && !number.is_f64())
            }
            Value::String(_) => may_be(schema, "string"),
            Value::Array(_) => may_be(schema, "array"),
            Value::Object(_) => may_be(schema, "object"),
        }
}

impl Misfit {
    fn complain(&self, document: &Document, schema: &Value, wrong: &mut Vec<Wrong>) {
        let at = dotted(&self.path);
        let (_, node) = document.find(&at);
        match &self.kind {
            Kind::Missing(name) => {
                let span = if at.is_empty() { 0..0 } else { document.span(&at) };
                wrong.push(Wrong::new(span, join(&at, name), format!("{name} is missing")));
            }
            Kind::Unknown(names) => {
                let Content::Section(entries) = &node.content else { return };
                let known = Known { schema, here: described(schema, &self.path), is_item: at.ends_with(']') };
                for entry in entries.iter().filter(|entry| names.binary_search(&entry.name).is_ok()) {
                    let at = join(&at, &entry.name.chars().take(60).collect::<String>());
                    let unknown = Wrong::new(entry.span.clone(), at, known.explain(&entry.name));
                    wrong.push(unknown.hiding(entry.value.span.clone()));
                }
            }
            Kind::Type => {
                let span = if node.span.is_empty() { document.span(&at) } else { node.span.clone() };
                let what = match (&node.content, self.path.last()) {
                    (Content::Nothing, Some(Step::Key(name))) => {
                        format!("{name} says nothing: give it a value or leave the key out")
                    }
                    _ => format!("must be {}, not {}", expected(described(schema, &self.path)), node.kind()),
                };
                let is_harmless =
                    matches!(node.content, Content::Nothing | Content::Flag(_) | Content::Number(_));
                let hidden = if is_harmless { 0..0 } else { node.span.clone() };
                wrong.push(Wrong::new(span, at, what).hiding(hidden));
            }
        }
    }

    /// Removes the part, so that the rest can be read.
    fn leave_out(&self, json: &mut Value, schema: &Value) {
        let place = self.path.iter().try_fold(json, |json, step| match step {
            Step::Key(name) => json.get_mut(name),
            Step::Nth(nth) => json.get_mut(nth),
        });
        let Some(value) = place else { return };
        match (&self.kind, value) {
            (Kind::Unknown(names), Value::Object(section)) => {
                section.retain(|name, _| names.binary_search(name).is_err());
            }
            (Kind::Type, value) => {
                let is_section = may_be(described(schema, &self.path), "object");
                *value = if is_section { Value::Object(serde_json::Map::new()) } else { Value::Null };
            }
            _ => {}
        }
    }
}

/// The part of the schema for this path.
fn described<'a>(schema: &'a Value, path: &[Step]) -> &'a Value {
    path.iter().fold(schema, |schema, step| match step {
        Step::Key(name) => &schema["properties"][name],
        Step::Nth(_) => &schema["items"],
    })
}

fn may_be(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|other| other == kind),
        one => one == kind,
    }
}

fn expected(schema: &Value) -> &'static str {
    match schema {
        _ if may_be(schema, "object") => "a section with keys of its own",
        _ if may_be(schema, "array") => "a list",
        _ if may_be(schema, "integer") => "an id: put it in quotes",
        _ if may_be(schema, "number") => "a text or a number",
        _ if may_be(schema, "boolean") => "true or false",
        _ => "a text",
    }
}

/// `bridges.keep[1].until`
fn dotted(path: &[Step]) -> String {
    path.iter().fold(String::new(), |at, step| match step {
        Step::Key(name) => join(&at, name),
        Step::Nth(nth) => format!("{at}[{nth}]"),
    })
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// The known keys.
struct Known<'a> {
    schema: &'a Value,
    here: &'a Value,
    /// Whether the place is an entry of a list. Its keys are not looked up in other sections.
    is_item: bool,
}

impl Known<'_> {
    fn explain(&self, name: &str) -> String {
        let said = format!("unknown key {}", quoted(name));
        let names = || self.here["properties"].as_object().into_iter().flat_map(|known| known.keys());
        let here = nearest(names().map(|known| (known.clone(), likeness(known, name))), ALIKE);
        let elsewhere = match self.is_item {
            true => None,
            false => nearest(everywhere(self.schema, name, "").into_iter(), VERY_ALIKE),
        };
        match (here, elsewhere) {
            (_, Some((known, SAME))) | (Some((known, _)), _) | (None, Some((known, _))) => {
                format!("{said}: did you mean {known}?")
            }
            (None, None) => format!(
                "{said}: known here are {}",
                names().map(String::as_str).collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

/// The likeness of equal names.
const SAME: f64 = 1.0;
/// From this likeness on, a key of the same section may be meant, and a key of another section.
const ALIKE: f64 = 0.8;
const VERY_ALIKE: f64 = 0.9;

/// The likeness of two names, from 0 to 1. A very long name is no slip of the fingers.
fn likeness(known: &str, name: &str) -> f64 {
    if name.len() <= 40 { strsim::jaro_winkler(known, name) } else { 0.0 }
}

/// The most similar key and its likeness, if that is above `least`; of equal ones the first.
fn nearest(keys: impl Iterator<Item = (String, f64)>, least: f64) -> Option<(String, f64)> {
    keys.filter(|(_, likeness)| *likeness > least).min_by(|(_, a), (_, b)| b.total_cmp(a))
}

/// The paths of the keys of all sections, each with the likeness of its name.
fn everywhere(schema: &Value, name: &str, at: &str) -> Vec<(String, f64)> {
    let sections = schema["properties"].as_object().into_iter().flatten();
    sections
        .flat_map(|(section, schema)| {
            let path = join(at, section);
            let inside = everywhere(schema, name, &path);
            std::iter::once((path, likeness(section, name))).chain(inside)
        })
        .collect()
}
