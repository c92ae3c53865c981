//! A difference between the model and the real things, and how two tables are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::simulation::moment::Moment;

/// Keys and values of one comparison, both as text.
pub type Table = BTreeMap<String, String>;

/// A difference between the model and the real things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The comparison that found it.
    pub check: &'static str,
    pub at: Moment,
    /// What it is about.
    pub object: String,
    pub model: Option<String>,
    pub real: Option<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_nothing = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let (day, model, real) = (self.at.nth_day(), or_nothing(&self.model), or_nothing(&self.real));
        write!(f, "day {day}, {}, {}: model: {model}; database: {real}", self.check, self.object)
    }
}

/// The rows that differ.
pub fn compare(check: &'static str, at: Moment, model: &Table, real: &Table) -> Vec<Mismatch> {
    let keys: BTreeSet<&String> = model.keys().chain(real.keys()).collect();
    let differ = keys.into_iter().filter(|key| model.get(*key) != real.get(*key));
    differ
        .map(|key| mismatch(check, at, key.clone(), model.get(key).cloned(), real.get(key).cloned()))
        .collect()
}

/// A difference that this comparison found.
pub fn mismatch(
    check: &'static str,
    at: Moment,
    object: String,
    model: Option<String>,
    real: Option<String>,
) -> Mismatch {
    Mismatch { check, at, object, model, real }
}
