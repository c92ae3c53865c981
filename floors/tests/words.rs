//! Tests that identifiers use the terms of the field, that no file opens with a negation, and that no SQL reads system columns.

use std::path::{Path, PathBuf};
use std::{fs, io};

use proc_macro2::{TokenStream, TokenTree};

/// Words that an identifier must not contain, and the words to use instead.
const INSTEAD: &[(&[&str], &str)] = &[
    (&["outlook", "sight", "settle", "settled", "settles"], "evaluate, Evaluation, snapshot, finalize"),
    (&["facts", "terms"], "PlanInput, PlanOptions"),
    (&["way_on"], "hint"),
    (&["belief", "believe", "believes", "believed", "force"], "ShrinkPolicy, allow_shrink"),
    (&["voice", "speak", "talk", "talks"], "Events, emit"),
    (&["bury", "buried", "stray", "strays"], "remove"),
    (&["digest", "answer_digest"], "listing_sha256, response_sha256, plan_sha256"),
];

/// Whole identifiers that must not be used, and the words to use instead.
const INSTEAD_OF_WHOLE: &[(&[&str], &str)] =
    &[(&["Tried", "End", "Finish", "Ended"], "StepOutcome, RunEnd"), (&["own", "owns", "is_own"], "serves")];

/// Identifiers that stay, with the reason.
const STAY: &[(&str, &str)] = &[
    ("Digest", "the trait of the crate sha2"),
    ("End", "std::io::SeekFrom::End"),
    ("digest", "the package of sha2's trait"),
    ("drop_database_with_force_ends_the_call", "DROP DATABASE … WITH (FORCE)"),
    ("force", "the argument of wab_refresh() and wab_observe(), and wab qr --force"),
];

/// Words with which a file must not open.
const NEGATIONS: &[&str] = &["No ", "Not ", "Nothing ", "Nobody ", "Never ", "None ", "Neither ", "Without "];

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// All files of the crates and of `sql/` with this ending.
fn files(ending: &str) -> io::Result<Vec<PathBuf>> {
    let crates = [
        "bench",
        "floors",
        "fuzz",
        "packaging",
        "pg_wabridges",
        "reconciler",
        "sandbox",
        "sql",
        "tests",
        "wabridges",
    ];
    let mut left: Vec<PathBuf> = crates.iter().map(|name| root().join(name)).collect();
    let mut found = Vec::new();
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some("node_modules" | "versions" | "target") => {}
                _ if path.is_dir() => left.push(path),
                Some(name) if name.ends_with(ending) => found.push(path),
                _ => {}
            }
        }
    }
    assert!(found.len() > 10, "only {found:?}");
    Ok(found)
}

/// `RunEnd` and `run_end` as `run_end`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (nth, c) in name.chars().enumerate() {
        if c.is_uppercase() && nth > 0 && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

fn identifiers(tokens: TokenStream, see: &mut impl FnMut(String, usize)) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => see(name.to_string(), name.span().start().line),
            TokenTree::Group(group) => identifiers(group.stream(), see),
            _ => {}
        }
    }
}

/// The words to use instead of this identifier, if it contains a forbidden word.
fn instead(name: &str) -> Option<&'static str> {
    let padded = format!("_{}_", snake_case(name));
    let holds = |words: &[&str]| words.iter().any(|word| padded.contains(&format!("_{word}_")));
    let whole = INSTEAD_OF_WHOLE.iter().find(|(words, _)| words.contains(&name));
    whole.or_else(|| INSTEAD.iter().find(|(words, _)| holds(words))).map(|(_, say)| *say)
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn identifiers_use_the_words_of_the_field() -> io::Result<()> {
    let mut wrong = Vec::new();
    for file in files(".rs")? {
        let tokens =
            fs::read_to_string(&file)?.parse().map_err(|error| io::Error::other(format!("{error}")))?;
        identifiers(tokens, &mut |name, line| {
            let stays = STAY.iter().any(|(stays, _)| *stays == name);
            if let Some(say) = instead(&name).filter(|_| !stays) {
                wrong.push(format!("{}:{line}: {name}: say {say}", shown(&file)));
            }
        });
    }
    wrong.sort();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    Ok(())
}

#[test]
fn a_file_opens_by_saying_what_it_does() -> io::Result<()> {
    let mut wrong = Vec::new();
    for (ending, comment) in [(".rs", "//! "), (".sql", "-- ")] {
        for file in files(ending)? {
            let text = fs::read_to_string(&file)?;
            let opening = text.lines().next().and_then(|line| line.strip_prefix(comment));
            let is_wanted = ending == ".rs" || file.parent() == Some(&root().join("sql"));
            let is_right = match opening {
                Some(opening) => !NEGATIONS.iter().any(|negation| opening.starts_with(negation)),
                None => !is_wanted,
            };
            if !is_right {
                wrong.push(format!("{}: {}", shown(&file), opening.unwrap_or("no opening sentence")));
            }
        }
    }
    wrong.sort();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    Ok(())
}

/// Columns that engines other than PostgreSQL lack, and that no view over a distributed or foreign table has.
const SYSTEM_COLUMNS: &[&str] = &["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// The system columns that the text names.
fn system_columns(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| SYSTEM_COLUMNS.contains(word)).collect()
}

#[test]
fn sql_reads_no_system_column() -> io::Result<()> {
    let mut wrong = Vec::new();
    for file in [".sql", ".rs"].into_iter().map(files).collect::<io::Result<Vec<_>>>()?.concat() {
        let name = shown(&file);
        // Tests may look at what a statement did to a row.
        if ["tests/", "floors/"].iter().any(|folder| name.starts_with(folder)) {
            continue;
        }
        for (nth, line) in fs::read_to_string(&file)?.lines().enumerate() {
            for column in system_columns(line) {
                wrong.push(format!("{name}:{}: {column}", nth + 1));
            }
        }
    }
    wrong.sort();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    Ok(())
}

#[test]
fn system_columns_are_found_as_words() {
    assert_eq!(
        system_columns("SELECT l.ctid AS row, p.xmin = 3, tableoid::regclass"),
        ["ctid", "xmin", "tableoid"]
    );
    assert!(system_columns("SELECT xminimum, my_ctid FROM t").is_empty());
}

#[test]
fn words_are_found_in_every_spelling() {
    for name in
        ["Facts", "plan_facts", "StandingFacts", "way_on", "answer_digest", "talk_safely", "Ended", "own"]
    {
        assert!(instead(name).is_some(), "{name}");
    }
    for name in ["PlanInput", "finished", "known", "owner", "artifacts", "determine", "insight", "enforce"] {
        assert_eq!(instead(name), None, "{name}");
    }
}
