//! Turns the text of fleet.yaml into a fleet, or into all its problems with their places.

use std::path::Path;

use chrono::NaiveDate;

use crate::config::document::Document;
use crate::config::fleet::Fleet;
use crate::config::problem::{Problem, Wrong, placed};
use crate::config::reader::{self, PRIVATE};
use crate::config::source::Source;
use crate::config::{check, shape};

/// The result of reading the file.
pub struct Inspection {
    /// The fleet; `None` if there are problems.
    pub fleet: Option<Fleet>,
    /// The problems, in the order of the file.
    pub problems: Vec<Problem>,
    document: Option<Document>,
    source: Source,
}

/// Reads and checks a text. Relative file names in it start at the folder of `path`.
pub fn inspect(text: &str, path: &Path) -> Inspection {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut source = Source::new(text);
    let mut document = match reader::read(text, &source) {
        Ok(document) => document,
        Err(wrong) => {
            source.hide_behind(&PRIVATE, wrong.begins());
            let problems = placed(vec![wrong], &mut source);
            return Inspection { fleet: None, problems, document: None, source };
        }
    };
    let mut wrong = std::mem::take(&mut document.wrong);
    let file = shape::read(&document, &mut wrong);
    let fleet = check::check(file, path.parent().unwrap_or(Path::new("")), &document, &mut wrong);
    source.hide(document.private.drain(..));
    Inspection { fleet, problems: placed(wrong, &mut source), document: Some(document), source }
}

impl Inspection {
    /// Notes on a valid file: each `bridges.keep` entry that has expired by this day.
    pub fn notes(&mut self, today: NaiveDate) -> Vec<Problem> {
        let (Some(fleet), Some(document)) = (&self.fleet, &self.document) else { return Vec::new() };
        let expired = fleet.keep.iter().enumerate().filter_map(|(nth, keep)| {
            let until = keep.until.filter(|until| *until < today)?;
            let at = format!("bridges.keep[{nth}].until");
            let what = format!(
                "{} is no longer kept: {until} has passed, so it is reported as drift again",
                keep.customer_ref
            );
            Some(Wrong::new(document.span(&at), at, what))
        });
        placed(expired.collect(), &mut self.source)
    }
}
