//! Folded details, each at the best of its levels for which there is room: what does not fit is grouped, never cut.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::ground::thousands;
use crate::render::markdown::ids::compact;

/// GitHub takes 65,536 characters in a comment. Bytes are counted: there are never fewer of them.
const LIMIT: usize = 65_000;

/// Kept free for saying what was left out.
const NOTICE: usize = 2_000;

/// So many different reasons are told apart.
const REASONS: usize = 20;

/// What is shown of one thing among many.
pub struct Item<'a> {
    /// The cells of its row, as Markdown.
    pub cells: Vec<String>,
    /// Whose it is, as it is.
    pub id: &'a str,
    /// What it has in common with others of the group, as Markdown.
    pub reason: String,
}

/// Details that can be folded away.
pub struct Fold {
    title: String,
    /// From the best to the shortest, each with what it leaves out.
    levels: Vec<(String, &'static str)>,
}

impl Fold {
    /// Items of a kind: a table, else their ids by reason, else how many there are of each reason, else how many.
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

    /// Something that is shown whole or not at all.
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

/// The head, and below it of each fold as much as there is room for. `where_all` says where all of it is.
pub fn fit(head: &str, folds: &[Fold], where_all: &str) -> String {
    let mut levels: Vec<usize> = folds.iter().map(|fold| fold.levels.len() - 1).collect();
    let size = |nth: usize, level: usize| folds[nth].shown(level).len();
    let least: usize = levels.iter().enumerate().map(|(nth, level)| size(nth, *level)).sum();
    let mut room = LIMIT.saturating_sub(NOTICE + head.len() + least);
    // First everybody gets a fair share, then whoever comes first takes what was left.
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
            "\nLeft out, because GitHub takes no longer text: {}. All of it: {where_all}.",
            missing.join("; ")
        );
    }
    out
}
