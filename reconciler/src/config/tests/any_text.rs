//! Property tests over random text: no panic, places inside the text, and the same numbers as another YAML
//! library.

use std::path::Path;

use proptest::prelude::*;

use crate::config::document::{Content, Node};
use crate::config::inspect::inspect;
use crate::config::reader;
use crate::config::source::Source;
use crate::ground::steers;
use crate::model::Colour;
use crate::render::problems::{self, Weight};
use crate::render::screen::Screen;

const EXAMPLE: &str = include_str!("../../../../fleet.yaml.example");

pub fn is_inspected(text: &str) {
    let mut inspection = inspect(text, Path::new("f"));
    assert_eq!(inspection.fleet.is_none(), !inspection.problems.is_empty(), "{text:?}");
    let notes = inspection.notes(chrono::NaiveDate::MAX);
    inspection.problems.extend(notes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<usize> = text.split('\n').map(|line| line.chars().count()).collect();
    for problem in &inspection.problems {
        let place = &problem.place;
        let length = lines.get(place.line - 1).copied();
        assert!(
            length.is_some_and(|length| place.column <= length + 1 && place.end_column <= length + 1),
            "{text:?}: {problem:?}"
        );
        assert!(place.column <= place.end_column && place.excerpt.get(place.marked.clone()).is_some());
        assert!(!problem.what.is_empty());
    }
    assert!(inspection.problems.is_sorted_by_key(|problem| (problem.place.line, problem.place.column)));
    let said = [(Weight::Error, &*inspection.problems)];
    let shown = Screen::new(Colour::Never).problems("f", &inspection.problems);
    assert!(!shown.chars().any(|c| steers(c) && c != '\n'), "{shown:?}");
    let annotations = problems::github("f", &said);
    assert!(annotations.lines().all(|line| line.starts_with("::error file=f,line=")), "{annotations}");
}

/// Pieces of text with a meaning in YAML or in fleet.yaml.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "version: 1\n",
        "account:",
        "bridges:",
        "keep:",
        "customer_ref: ",
        "reason: ",
        "api_key_env: ",
        "sk_x",
        "until: 2020-01-01",
        "\n",
        "\n  ",
        "\n    ",
        "\r\n",
        "\r",
        "\t",
        " ",
        "- ",
        ": ",
        "? ",
        ", ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "\\",
        "#",
        " # c",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "<<: ",
        "~",
        "0x1F",
        "1.10",
        "é",
        "日本",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "\0",
        "\u{1b}",
        "\u{202e}",
        "\u{e0001}",
        "e\u{301}",
        "://u:p@h",
        "true",
        "@",
        "`",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Reduces the results of both readers to comparable values: numbers lose their value, and block texts their
/// ends.
fn ours(node: &Node) -> serde_json::Value {
    match &node.content {
        Content::Nothing => "nothing".into(),
        Content::Flag(_) => "flag".into(),
        Content::Number(_) => "number".into(),
        Content::Text(text) => format!("text {}", text.trim_end()).into(),
        Content::List(items) => items.iter().map(|item| ours(item)).collect(),
        Content::Section(entries) => serde_json::Value::Object(
            entries.iter().map(|entry| (entry.name.trim_end().to_owned(), ours(&entry.value))).collect(),
        ),
    }
}

fn theirs(value: &serde_yaml::Value) -> Option<serde_json::Value> {
    use serde_yaml::Value;
    Some(match value {
        Value::Null => "nothing".into(),
        Value::Bool(_) => "flag".into(),
        Value::Number(_) => "number".into(),
        Value::String(text) => format!("text {}", text.trim_end()).into(),
        Value::Sequence(items) => items.iter().map(theirs).collect::<Option<Vec<_>>>()?.into(),
        Value::Mapping(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| Some((key.as_str()?.trim_end().to_owned(), theirs(value)?)));
            serde_json::Value::Object(entries.collect::<Option<_>>()?)
        }
        Value::Tagged(_) => return None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_inspected(text in any::<String>()) {
        is_inspected(&text);
    }

    #[test]
    fn any_pieces_are_inspected(text in pieces()) {
        is_inspected(&text);
        is_inspected(&format!("version: 1\n{text}"));
    }

    #[test]
    fn the_example_with_a_piece_changed_is_inspected(
        at in any::<prop::sample::Index>(), length in 0..20_usize, text in pieces(),
    ) {
        let chars: Vec<char> = EXAMPLE.chars().collect();
        let at = at.index(chars.len());
        let end = (at + length).min(chars.len());
        let changed = chars[..at].iter().copied().chain(text.chars()).chain(chars[end..].iter().copied());
        is_inspected(&changed.collect::<String>());
    }

    #[test]
    fn texts_mean_the_same_to_another_yaml_library(text in pieces()) {
        // YAML 1.1 breaks lines here, and the other library follows it.
        let text = text.replace(['\u{85}', '\u{2028}', '\u{feff}'], "");
        let Ok(document) = reader::read(&text, &Source::new(&text)) else { return Ok(()) };
        let other = serde_yaml::from_str(&text).ok().and_then(|value: serde_yaml::Value| theirs(&value));
        let is_section = matches!(document.root.content, Content::Section(_));
        if let (Some(other), true) = (other, is_section && document.wrong.is_empty()) {
            prop_assert_eq!(ours(&document.root), other, "{:?}", text);
        }
    }

    #[test]
    fn scalars_have_the_same_type_in_another_yaml_library(text in "[-+]?(0[xob])?[-+.0-9a-fA-FxobeElnrsuinfNtTR_~]{0,8}") {
        prop_assume!(!text.starts_with("- ") && text != "-" && !text.starts_with("---"));
        let other: serde_yaml::Value = serde_yaml::from_str(&format!("[{text}]")).unwrap();
        let ours = Content::plain(&text);
        let same = match (&other[0], ours) {
            (serde_yaml::Value::Bool(other), Content::Flag(ours)) => *other == ours,
            (serde_yaml::Value::Null, Content::Nothing)
            | (serde_yaml::Value::Number(_), Content::Number(_)) => true,
            (serde_yaml::Value::String(other), Content::Text(ours)) => *other == ours,
            _ => false,
        };
        prop_assert!(same, "{text:?} is {other:?}");
    }
}
