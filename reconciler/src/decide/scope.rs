//! The scope of a plan: `--target` and `--exclude`, by customer_ref.

use wildmatch::WildMatch;

/// Patterns of customer_refs, in which `*` matches any text and `?` any character.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    targets: Vec<WildMatch>,
    excludes: Vec<WildMatch>,
}

impl Scope {
    /// Covers what a target matches, or everything if there is no target; then leaves out what an exclude
    /// matches.
    pub fn new(targets: &[String], excludes: &[String]) -> Self {
        let patterns = |texts: &[String]| texts.iter().map(|text| WildMatch::new(text)).collect();
        Self { targets: patterns(targets), excludes: patterns(excludes) }
    }

    /// Whether the scope covers this customer_ref. A bridge without one is covered if there are no targets.
    pub fn covers(&self, customer_ref: Option<&str>) -> bool {
        let matches = |patterns: &[WildMatch]| {
            customer_ref.is_some_and(|text| patterns.iter().any(|pattern| pattern.matches(text)))
        };
        (self.targets.is_empty() || matches(&self.targets)) && !matches(&self.excludes)
    }

    /// The patterns that none of these customer_refs matches, each after its flag. One that no tenant and no bridge matches at
    /// all is a typing error; but an exclude with `*` or `?` may stand in a job for tenants to come.
    pub fn unmatched<'r>(
        &self,
        customer_refs: impl Iterator<Item = &'r str> + Clone,
    ) -> Vec<(&'static str, String)> {
        let targets = self.targets.iter().map(|pattern| ("--target", pattern));
        let excludes = self.excludes.iter().map(|pattern| ("--exclude", pattern));
        targets
            .chain(excludes)
            .filter(|(_, pattern)| !customer_refs.clone().any(|text| pattern.matches(text)))
            .map(|(flag, pattern)| (flag, pattern.to_string()))
            .filter(|(flag, text)| *flag == "--target" || !text.contains(['*', '?']))
            .collect()
    }

    /// A note with the number of drift rows that were left out.
    pub fn note(&self, left_out: usize) -> Option<String> {
        let narrowed = !(self.targets.is_empty() && self.excludes.is_empty());
        narrowed.then(|| {
            let all: Vec<String> = self
                .targets
                .iter()
                .map(|pattern| format!("--target {pattern}"))
                .chain(self.excludes.iter().map(|pattern| format!("--exclude {pattern}")))
                .collect();
            format!("{}: {left_out} rows of drift are out of scope and left out", all.join(" "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_choose_and_excludes_take_away() {
        let scope = |targets: &[&str], excludes: &[&str]| {
            Scope::new(&targets.map_to_strings(), &excludes.map_to_strings())
        };
        for (scope, covered, left_out) in [
            (scope(&[], &[]), vec![Some("a"), None], vec![]),
            (scope(&["a"], &[]), vec![Some("a")], vec![Some("b"), Some("ab"), None]),
            (scope(&["eu-*"], &["eu-9"]), vec![Some("eu-1")], vec![Some("eu-9"), Some("us-1")]),
            (scope(&[], &["test?"]), vec![Some("test"), Some("test10"), None], vec![Some("test1")]),
        ] {
            assert!(covered.iter().all(|text| scope.covers(*text)), "{scope:?}");
            assert!(!left_out.iter().any(|text| scope.covers(*text)), "{scope:?}");
        }
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_named() {
        let scope = Scope::new(&["a*", "b", "c"].map_to_strings(), &["x", "y*", "z?", "c"].map_to_strings());
        let unmatched = [("--target", "b".to_owned()), ("--exclude", "x".to_owned())];
        assert_eq!(scope.unmatched(["ab", "c"].into_iter()), unmatched);
        assert_eq!(Scope::default().unmatched([].into_iter()), []);
    }

    trait Strings {
        fn map_to_strings(&self) -> Vec<String>;
    }

    impl Strings for [&str] {
        fn map_to_strings(&self) -> Vec<String> {
            self.iter().map(|text| (*text).to_owned()).collect()
        }
    }
}
