//! Shortens lists of ids: consecutive ids are written as the first and the last one.

use std::collections::BTreeSet;

use crate::render::markdown::code::code;

/// Shorter runs of ids are listed one by one.
const ROW: usize = 3;

/// An id, split into a prefix and the number that it ends with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Numbered<'a> {
    prefix: &'a str,
    digits: usize,
    number: u64,
    id: &'a str,
}

impl<'a> Numbered<'a> {
    fn new(id: &'a str) -> Self {
        let prefix = id.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = id[prefix.len()..].parse();
        let prefix = if number.is_ok() { prefix } else { id };
        Self { prefix, digits: id.len() - prefix.len(), number: number.unwrap_or(0), id }
    }

    /// Whether the other id is the next one: `9` then `10`, `09` then `10`, but not `9` then `010`.
    fn is_followed_by(self, next: Self) -> bool {
        let wider = !next.id[next.prefix.len()..].starts_with('0');
        self.digits > 0
            && self.prefix == next.prefix
            && self.number.checked_add(1) == Some(next.number)
            && (self.digits == next.digits || wider)
    }
}

/// The ids, sorted, on one line.
pub fn compact<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    let ids: BTreeSet<Numbered<'_>> = ids.into_iter().map(Numbered::new).collect();
    let ids: Vec<Numbered<'_>> = ids.into_iter().collect();
    let mut words = Vec::new();
    for run in ids.chunk_by(|a, b| a.is_followed_by(*b)) {
        match run {
            [first, .., last] if run.len() >= ROW => {
                words.push(format!("{} … {}", code(first.id), code(last.id)));
            }
            few => words.extend(few.iter().map(|one| code(one.id))),
        }
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_ids_are_shortened() {
        assert_eq!(compact(["c_3", "c_1", "c_2", "d", "c_5"]), "`c_1` … `c_3`, `c_5`, `d`");
        let plain: Vec<String> = (1..=1000).map(|n| n.to_string()).collect();
        assert_eq!(compact(plain.iter().map(String::as_str)), "`1` … `1000`");
        let padded: Vec<String> = (8..=12).map(|n| format!("x{n:03}")).collect();
        assert_eq!(compact(padded.iter().map(String::as_str)), "`x008` … `x012`");
        assert_eq!(compact(["x9", "x010", "x11"]), "`x9`, `x11`, `x010`");
        assert_eq!(compact(["99999999999999999999999", ""]), "—, `99999999999999999999999`");
    }
}
