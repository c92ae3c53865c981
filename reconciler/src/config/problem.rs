//! What is wrong with fleet.yaml and where; how it is shown is in `render`.

use std::fmt;
use std::ops::Range;

use crate::config::source::{Place, Source, without_secrets};

/// One thing in fleet.yaml that cannot be meant, or should be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field's path, such as `bridges.remove[2].customer_ref`; empty: the file as a whole.
    pub at: String,
    /// What is wrong with it and what is expected.
    pub what: String,
    /// Where it stands.
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

/// The same before its place is looked up.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    span: Range<usize>,
    at: String,
    what: String,
    /// What stands there and is not shown.
    hidden: Range<usize>,
}

impl Wrong {
    /// What is wrong with these characters of the file.
    pub fn new(span: Range<usize>, at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { span, at: at.into(), what: what.into(), hidden: 0..0 }
    }

    /// These characters are not shown: nobody knows what they are, so they may be a secret.
    pub fn hiding(self, hidden: Range<usize>) -> Self {
        Self { hidden, ..self }
    }

    /// Where it begins.
    pub fn begins(&self) -> usize {
        self.span.start
    }

    /// With its place in the file, and without secrets.
    fn placed(self, source: &Source) -> Problem {
        Problem {
            at: without_secrets(&self.at),
            what: without_secrets(&self.what),
            place: source.place(&self.span),
        }
    }
}

/// All of them in the file's order.
pub fn placed(mut wrong: Vec<Wrong>, source: &mut Source) -> Vec<Problem> {
    source.hide(wrong.iter().map(|wrong| wrong.hidden.clone()));
    wrong.sort_by(|a, b| (a.span.start, a.span.end, &a.at).cmp(&(b.span.start, b.span.end, &b.at)));
    wrong.into_iter().map(|wrong| wrong.placed(source)).collect()
}
