//! Collects the problems of a file while its values are read.

use std::fmt::Display;

use wabridges::CustomerRef;

use crate::config::document::Document;
use crate::config::problem::Wrong;
use crate::config::scalar::{Id, Scalar};

/// The problems found so far, and the document that knows their places.
pub struct Problems<'a> {
    pub document: &'a Document,
    pub found: &'a mut Vec<Wrong>,
}

impl Problems<'_> {
    pub fn add(&mut self, at: impl Into<String>, what: impl Into<String>) {
        let at = at.into();
        self.found.push(Wrong::new(self.document.span(&at), at, what));
    }

    /// Reads a value with `read`; an error is added to the problems.
    pub fn read<T, E: Display>(
        &mut self,
        at: impl Into<String>,
        value: Option<Scalar>,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = value?;
        read(value.0.trim()).map_err(|error| self.add(at, error.to_string())).ok()
    }

    /// Reads an id exactly as written: a space may be a part of it.
    pub fn id(&mut self, at: String, id: Option<Id>, limit: Extent) -> Option<CustomerRef> {
        let Id(text) = id?;
        if self.document.find(&at).1.is_ambiguous_number() {
            self.add(at, "YAML parsers read this number in different ways: put it in quotes");
            return None;
        }
        let read = match limit {
            Extent::InPath => CustomerRef::new(text),
            Extent::Listed => CustomerRef::listed(text),
        };
        read.map_err(|error| self.add(at, error.to_string())).ok()
    }
}

/// The rule that an id must follow.
#[derive(Clone, Copy)]
pub enum Extent {
    /// It appears in the path of calls.
    InPath,
    /// A live bridge may carry it.
    Listed,
}

/// A text that says something.
pub fn text(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("must not be empty"),
        _ if text.contains('\0') => Err("must not contain a NUL character"),
        _ => Ok(text.to_owned()),
    }
}
