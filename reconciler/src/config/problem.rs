//! A problem in fleet.yaml and its place. The rendering is in `render::problems`.

use std::fmt;
use std::ops::Range;

use crate::config::source::{Place, Source, without_secrets};

/// A mistake in fleet.yaml, or a note on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field's path, such as `bridges.remove[2].customer_ref`; empty: the file as a whole.
    pub at: String,
    /// What is wrong, and what is expected.
    pub what: String,
    /// Its place.
    pub place: Place,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.place.line, self.place.column)?;
        if !self.at.is_empty() {
            write!(f, "{}: ", self.at)?;
        }
        f.write_str(&self.what)
    }
}

/// A problem whose place was not looked up yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    span: Range<usize>,
    at: String,
    what: String,
    /// Characters at this place that are not shown.
    hidden: Range<usize>,
}

impl Wrong {
    /// A problem with these characters of the file.
    pub fn new(span: Range<usize>, at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { span, at: at.into(), what: what.into(), hidden: 0..0 }
    }

    /// Hides these characters: their meaning is unknown, so they may be a secret.
    pub fn hiding(self, hidden: Range<usize>) -> Self {
        Self { hidden, ..self }
    }

    /// The index of its first character.
    pub fn begins(&self) -> usize {
        self.span.start
    }

    /// Adds the place, and removes secrets.
    fn placed(self, source: &Source) -> Problem {
        Problem {
            at: without_secrets(&self.at),
            what: without_secrets(&self.what),
            place: source.place(&self.span),
        }
    }
}

/// Sorts the problems in the order of the file and looks up their places.
pub fn placed(mut wrong: Vec<Wrong>, source: &mut Source) -> Vec<Problem> {
    source.hide(wrong.iter().map(|wrong| wrong.hidden.clone()));
    wrong.sort_by(|a, b| (a.span.start, a.span.end, &a.at).cmp(&(b.span.start, b.span.end, &b.at)));
    wrong.into_iter().map(|wrong| wrong.placed(source)).collect()
}
