//! The parts of an address: checks what a client sent, and writes links.

use std::collections::HashMap;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded;

use crate::serve::fault::Fault;

/// What a part of a path may not hold as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest text to look for.
const LONGEST: usize = 200;
/// The longest id: the provider's addresses hold no longer one.
const LONGEST_ID: usize = 10_000;

/// The parameters behind the question mark.
#[derive(Debug, Default)]
pub struct Params(pub HashMap<String, String>);

impl Params {
    /// The text of this parameter; `None` if it is missing or empty.
    pub fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        self.short(name, LONGEST)
    }

    /// The text of this parameter, which must be one of these.
    pub fn one_of(&self, name: &str, known: &[&str]) -> Result<Option<String>, Fault> {
        match self.text(name)? {
            Some(text) if !known.contains(&text.as_str()) => {
                Err(Fault::BadRequest(format!("{name} is one of {}, not {text}", known.join(", "))))
            }
            text => Ok(text),
        }
    }

    /// The id of this parameter, which may be long. An empty id is one too.
    pub fn id(&self, name: &str) -> Result<Option<String>, Fault> {
        self.0.get(name).map(|id| checked(name, id, LONGEST_ID)).transpose()
    }

    /// The whole number of this parameter, as a text.
    pub fn number(&self, name: &str) -> Result<Option<String>, Fault> {
        match self.text(name)? {
            Some(text) if text.parse::<i64>().is_err() => {
                Err(Fault::BadRequest(format!("{name} is a whole number")))
            }
            text => Ok(text),
        }
    }

    fn short(&self, name: &str, longest: usize) -> Result<Option<String>, Fault> {
        match self.0.get(name).map(|text| text.trim()) {
            None | Some("") => Ok(None),
            Some(text) => checked(name, text, longest).map(Some),
        }
    }
}

/// A text that PostgreSQL can hold.
pub fn checked(name: &str, text: &str, longest: usize) -> Result<String, Fault> {
    if text.contains('\0') || text.len() > longest {
        return Err(Fault::BadRequest(format!("{name} is a text of at most {longest} bytes, without NUL")));
    }
    Ok(text.to_owned())
}

/// An id in a path.
pub fn checked_id(name: &str, id: &str) -> Result<String, Fault> {
    checked(name, id, LONGEST_ID)
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// HTML.
    Page,
    /// CSV: every row.
    Csv,
}

/// CSV if the path ends so, or if the client accepts it and no HTML.
pub fn form(path: &str, headers: &HeaderMap) -> Form {
    if path.ends_with(".csv") { Form::Csv } else { accepted(headers) }
}

/// CSV if the client accepts it and no HTML: a path that ends in an id says nothing.
pub fn accepted(headers: &HeaderMap) -> Form {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match accept.contains("text/csv") && !accept.contains("text/html") {
        true => Form::Csv,
        false => Form::Page,
    }
}

/// A link: the path, and those of the parameters that have a value.
pub fn link(path: &str, params: &[(&str, Option<&str>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in params {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    match query.finish().as_str() {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// The page of a tenant.
pub fn tenant(customer_ref: &str) -> String {
    // Browsers take a path of dots for another folder.
    match customer_ref {
        "" | "." | ".." => link("/tenants", &[("q", Some(customer_ref))]),
        _ => format!("/tenants/{}", utf8_percent_encode(customer_ref, RESERVED)),
    }
}

/// The history of a tenant as CSV.
pub fn history(customer_ref: &str) -> String {
    format!("/tenants/{}/history.csv", utf8_percent_encode(customer_ref, RESERVED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_tenant_holds_any_id() {
        for (id, path) in [
            ("cust_01", "/tenants/cust_01"),
            ("a/b?c#d", "/tenants/a%2Fb%3Fc%23d"),
            ("é\u{1b}", "/tenants/%C3%A9%1B"),
            ("..", "/tenants?q=.."),
            ("", "/tenants?q="),
        ] {
            assert_eq!(tenant(id), path);
        }
    }

    #[test]
    fn parameters_are_checked() {
        let params = |name: &str, value: &str| Params([(name.to_owned(), value.to_owned())].into());
        assert_eq!(params("q", " a ").text("q").unwrap().as_deref(), Some("a"));
        assert_eq!(params("q", "").text("q").unwrap(), None);
        assert_eq!(params("after", "").id("after").unwrap().as_deref(), Some(""));
        assert!(params("q", "a\0").text("q").is_err());
        assert!(params("q", &"a".repeat(201)).text("q").is_err());
        assert!(params("n", "1x").number("n").is_err());
        assert_eq!(params("s", "a").one_of("s", &["a", "b"]).unwrap().as_deref(), Some("a"));
        assert_eq!(params("s", "").one_of("s", &["a", "b"]).unwrap(), None);
        assert!(params("s", "c").one_of("s", &["a", "b"]).is_err());
    }

    #[test]
    fn csv_is_asked_for_by_the_path_or_by_accept() {
        let accepts = |value: &'static str| HeaderMap::from_iter([(ACCEPT, value.parse().unwrap())]);
        assert_eq!(form("/drift.csv", &HeaderMap::new()), Form::Csv);
        assert_eq!(form("/drift", &accepts("text/csv")), Form::Csv);
        assert_eq!(form("/drift", &accepts("text/html,text/csv")), Form::Page);
        assert_eq!(form("/drift", &accepts("*/*")), Form::Page);
    }
}
