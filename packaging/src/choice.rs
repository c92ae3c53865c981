//! Chooses, of the licences that a crate offers, those under which it is passed on.

use std::collections::BTreeSet;

/// The licences that may be chosen, the preferred one first. All of them allow to pass a program on under any terms, if their
/// texts go with it. A licence that asks for more, such as the GPL, is not among them.
const ALLOWED: &[&str] = &["MIT", "Apache-2.0", "BSD-3-Clause", "ISC", "Zlib", "Unicode-3.0"];

/// The licences to obey, or `None` if the expression leaves only licences that are not allowed. The expression is one of SPDX;
/// some older crates write `/` for `OR`.
#[must_use]
pub fn chosen(expression: &str) -> Option<BTreeSet<&'static str>> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let choice = any(&mut rest);
    let ranks = choice.filter(|_| rest.is_empty())?;
    Some(ranks.into_iter().map(|rank| ALLOWED[rank]).collect())
}

/// Places in [`ALLOWED`].
type Ranks = BTreeSet<usize>;

/// One of several alternatives: that with the fewest licences, then the preferred ones.
fn any(rest: &mut &[&str]) -> Option<Ranks> {
    let mut best = all(rest);
    while take(rest, "OR") {
        let other = all(rest);
        best = [best, other].into_iter().flatten().min_by_key(|ranks| (ranks.len(), ranks.clone()));
    }
    best
}

/// Licences that hold together.
fn all(rest: &mut &[&str]) -> Option<Ranks> {
    let mut ranks = one(rest);
    while take(rest, "AND") {
        let more = one(rest);
        ranks = ranks.zip(more).map(|(ranks, more)| &ranks | &more);
    }
    ranks
}

fn one(rest: &mut &[&str]) -> Option<Ranks> {
    if take(rest, "(") {
        let inner = any(rest);
        let is_closed = take(rest, ")");
        return inner.filter(|_| is_closed);
    }
    let (name, behind) = rest.split_first()?;
    *rest = behind;
    // An exception changes the licence, so the licence without it is not the one offered.
    if take(rest, "WITH") {
        *rest = rest.get(1..)?;
        return None;
    }
    ALLOWED.iter().position(|allowed| allowed == name).map(|rank| Ranks::from([rank]))
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    let is_next = rest.first() == Some(&word);
    if is_next {
        *rest = &rest[1..];
    }
    is_next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(expression: &str) -> Option<String> {
        chosen(expression).map(|names| names.into_iter().collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn the_preferred_licence_is_chosen() {
        for (expression, choice) in [
            ("MIT", "MIT"),
            ("Apache-2.0 OR MIT", "MIT"),
            ("MIT/Apache-2.0", "MIT"),
            ("Unlicense/MIT", "MIT"),
            ("Apache-2.0 OR BSL-1.0", "Apache-2.0"),
            ("Apache-2.0 AND ISC", "Apache-2.0, ISC"),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", "MIT, Unicode-3.0"),
            ("MIT AND BSD-3-Clause OR Zlib", "Zlib"),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", "MIT"),
            ("(GPL-3.0-only OR MPL-2.0) OR ISC", "ISC"),
        ] {
            assert_eq!(named(expression).as_deref(), Some(choice), "{expression}");
        }
    }

    #[test]
    fn other_licences_and_broken_expressions_are_refused() {
        for expression in [
            "",
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "(MIT OR Apache-2.0) AND MPL-2.0",
            "GPL-2.0-only WITH Classpath-exception-2.0",
            "(MIT",
            "MIT Apache-2.0",
        ] {
            assert_eq!(named(expression), None, "{expression}");
        }
    }
}
