//! Fits folded details into the size limit of a comment. Each detail uses its best level that fits; it is
//! grouped, never cut.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::ground::thousands;
use crate::render::markdown::ids::compact;

/// GitHub allows 65,536 characters in a comment. Bytes are counted instead, because a text never has fewer
/// bytes than characters.
const LIMIT: usize = 65_000;

/// Bytes reserved for the note on what was left out.
const NOTICE: usize = 2_000;

/// How many different reasons are listed separately.
const REASONS: usize = 20;

/// One item of a list.
pub struct Item<'a> {
    /// The cells of its table row, as Markdown.
    pub cells: Vec<String>,
    /// Its customer_ref, unescaped.
    pub id: &'a str,
    /// The reason that it shares with other items of its group, as Markdown.
    pub reason: String,
}

/// Folded details.
pub struct Fold {
    title: String,
    /// The texts, from the best to the shortest, each with a description of what it leaves out.
    levels: Vec<(String, &'static str)>,
}

impl Fold {
    /// Items of one kind: a table, else their ids by reason, else the number of items by reason, else their
    /// number.
    pub fn of(title: String, columns: &[&str], items: &[Item<'_>]) -> Self {
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for item in items {
            reasons.entry(&item.reason).or_default().push(item.id);
        }
        let mut levels = vec![(table(columns, items), "")];
        if reasons.len() <= REASONS {
            let ids = list(&reasons, |ids| format!(": {}", compact(ids.iter().copied())));
            levels.push((ids, "a row for each"));
            levels.push((list(&reasons, |_| String::new()), "the ids"));
        } else {
            let ids = compact(items.iter().map(|item| item.id));
            levels.push((format!("{ids}\n"), "the reasons"));
        }
        levels.push((format!("{} of them.\n", thousands(items.len())), "the ids and the reasons"));
        Self { title, levels }
    }

    /// A text that is shown as a whole or left out.
    pub fn whole(title: String, body: String) -> Self {
        Self { title, levels: vec![(body, ""), (String::new(), "all of it")] }
    }

    fn shown(&self, level: usize) -> String {
        match self.levels.get(level) {
            Some((body, _)) if !body.is_empty() => {
                format!("\n<details><summary>{}</summary>\n\n{body}\n</details>\n", self.title)
            }
            _ => String::new(),
        }
    }
}

fn table(columns: &[&str], items: &[Item<'_>]) -> String {
    let mut out = format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    for item in items {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {} |", item.cells.join(" | "));
    }
    out
}

fn list(reasons: &BTreeMap<&str, Vec<&str>>, which: impl Fn(&[&str]) -> String) -> String {
    let line =
        |(reason, ids): (&&str, &Vec<&str>)| format!("- {reason} ({}){}\n", thousands(ids.len()), which(ids));
    reasons.iter().map(line).collect()
}

/// The head, and below it as much of each fold as fits. `where_all` names a place with everything.
pub fn fit(head: &str, folds: &[Fold], where_all: &str) -> String {
    let mut levels: Vec<usize> = folds.iter().map(|fold| fold.levels.len() - 1).collect();
    let size = |nth: usize, level: usize| folds[nth].shown(level).len();
    let least: usize = levels.iter().enumerate().map(|(nth, level)| size(nth, *level)).sum();
    let mut room = LIMIT.saturating_sub(NOTICE + head.len() + least);
    // First each fold gets an equal share, then the folds in order use the remaining room.
    for fair in [true, false] {
        for (nth, level) in levels.iter_mut().enumerate() {
            let share = if fair { room / (folds.len() - nth) } else { room };
            let now = size(nth, *level);
            let fits = |better: &usize| size(nth, *better) <= now + share;
            if let Some(better) = (0..*level).find(fits) {
                room = (room + now).saturating_sub(size(nth, better));
                *level = better;
            }
        }
    }
    let mut out = head.to_owned();
    let mut missing = Vec::new();
    for (fold, level) in folds.iter().zip(levels) {
        out += &fold.shown(level);
        if level > 0 {
            missing.push(format!("of “{}” {}", fold.title, fold.levels[level].1));
        }
    }
    if !missing.is_empty() {
        let _ = writeln!(
            out,
            "\nLeft out, because GitHub limits the length: {}. Everything is in {where_all}.",
            missing.join("; ")
        );
    }
    out
}
