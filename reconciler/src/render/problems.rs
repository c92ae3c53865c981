//! Renders the problems in fleet.yaml: with carets for a terminal, as annotations for GitHub, or as JSON.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use crate::config::Problem;
use crate::ground::harmless;
use crate::render::command::with_properties;
use crate::render::words::Paint;

/// How many problems are shown on a terminal.
const SHOWN: usize = 500;

/// The severity of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// The file is invalid.
    Error,
    /// The file is valid.
    Note,
}

/// One paragraph per problem: the message, the place, the line, and carets under the wrong part.
pub fn text(file: &str, problems: &[Problem], weight: Weight, paint: Paint) -> String {
    let renderer = match paint {
        Paint::Plain => Renderer::plain(),
        Paint::Ansi => Renderer::styled(),
    };
    let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(300);
    let file = harmless(file);
    let shown = problems.iter().take(SHOWN).map(|problem| paragraph(&file, problem, weight, &renderer));
    let mut paragraphs: Vec<String> = shown.collect();
    if problems.len() > SHOWN {
        paragraphs.push(format!("… and {} more problems", problems.len() - SHOWN));
    }
    paragraphs.join("\n\n")
}

fn paragraph(file: &str, problem: &Problem, weight: Weight, renderer: &Renderer) -> String {
    let place = &problem.place;
    let level = match weight {
        Weight::Error => Level::ERROR,
        Weight::Note => Level::NOTE,
    };
    let title = format!("{file}:{}:{}: {}", place.line, place.column, harmless(&problem.what));
    let at = harmless(&problem.at);
    let caret = AnnotationKind::Primary.span(place.marked.clone()).label((!at.is_empty()).then_some(at));
    let group = level
        .primary_title(title)
        .element(Snippet::source(&*place.excerpt).line_start(place.line).annotation(caret));
    let lines = renderer.render(&[group]);
    lines.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// One workflow command per problem.
pub fn github(file: &str, said: &[(Weight, &[Problem])]) -> String {
    let lines = all(said).map(|(weight, problem)| {
        let level = match weight {
            Weight::Error => "error",
            Weight::Note => "notice",
        };
        let place = &problem.place;
        let end = if place.end_column > place.column { place.end_column - 1 } else { place.column };
        let title = if problem.at.is_empty() { "fleet.yaml" } else { &problem.at };
        let (line, column, end) = (place.line.to_string(), place.column.to_string(), end.to_string());
        let properties = [
            ("file", file),
            ("line", &*line),
            ("endLine", &*line),
            ("col", &*column),
            ("endColumn", &*end),
            ("title", title),
        ];
        with_properties(level, &properties, &problem.what)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A problem as JSON.
#[derive(Serialize)]
struct Row<'a> {
    severity: Weight,
    file: &'a str,
    line: usize,
    column: usize,
    end_column: usize,
    path: &'a str,
    message: &'a str,
}

/// A JSON array; empty if there are no problems.
pub fn json(file: &str, said: &[(Weight, &[Problem])]) -> String {
    let rows = all(said).map(|(severity, problem)| Row {
        severity,
        file,
        line: problem.place.line,
        column: problem.place.column,
        end_column: problem.place.end_column,
        path: &problem.at,
        message: &problem.what,
    });
    serde_json::to_string_pretty(&rows.collect::<Vec<_>>()).unwrap_or_default()
}

fn all<'a>(said: &'a [(Weight, &'a [Problem])]) -> impl Iterator<Item = (Weight, &'a Problem)> {
    said.iter().flat_map(|(weight, problems)| problems.iter().map(|problem| (*weight, problem)))
}
