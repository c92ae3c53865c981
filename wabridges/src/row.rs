//! Parses one JSON object of an answer. It accepts absent fields, null, and numbers as customer_ref, which the API allows.

use std::borrow::Cow;

use bytestring::ByteString;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::flat::{self, Scalar};
use crate::{Bridge, BridgeId, CustomerRef, Manager};

/// Why an object cannot be parsed, as half a sentence that names the field.
pub(crate) type Reason = String;

/// The fields as raw JSON, so that an error can name the wrong one. Unknown fields are skipped.
#[derive(Deserialize)]
struct BridgeFields<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    customer_ref: Option<&'a RawValue>,
    #[serde(borrow, default)]
    state: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    created_at: Option<&'a RawValue>,
    #[serde(borrow, default)]
    manager: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ManagerFields<'a> {
    #[serde(borrow, default)]
    health: Option<&'a RawValue>,
    #[serde(borrow, default)]
    started_at: Option<&'a RawValue>,
    #[serde(borrow, default)]
    fail_count: Option<&'a RawValue>,
}

/// Parses a row of the list, or the answer for one bridge.
pub(crate) fn bridge(raw: &ByteString) -> Result<Bridge, Reason> {
    let fields: BridgeFields<'_> = object(raw)?;
    Ok(Bridge {
        id: bridge_id(fields.id)?,
        customer_ref: customer_ref(fields.customer_ref)?,
        state: text("state", fields.state)?.map(Into::into),
        raw_status: text("status", fields.status)?.map(Into::into),
        created_at: time("created_at", fields.created_at)?,
        raw: raw.clone(),
    })
}

/// Parses a row at the start of `rest`, a part of `body`, and returns it with its text. It handles only the usual flat rows:
/// for any other row it returns `None`, and [`bridge`] must parse it or give the reason.
pub(crate) fn flat<'a>(body: &ByteString, rest: &'a str) -> Option<(&'a str, Bridge)> {
    let (mut id, mut customer_ref, mut state, mut status, mut created_at) = (None, None, None, None, None);
    let mut twice = false;
    let length = flat::object(rest, |key, value| {
        let field = match key {
            "id" => &mut id,
            "customer_ref" => &mut customer_ref,
            "state" => &mut state,
            "status" => &mut status,
            "created_at" => &mut created_at,
            _ => return,
        };
        twice |= field.replace(value).is_some();
    })?;
    let raw = &rest[..length];
    let Some(Scalar::Integer(id)) = id else { return None };
    let bridge = Bridge {
        id: BridgeId::new(id)?,
        customer_ref: match plain(customer_ref)? {
            None | Some("") => None,
            Some(text) => Some(CustomerRef::listed(text).ok()?),
        },
        state: plain(state)?.map(Into::into),
        raw_status: plain(status)?.map(Into::into),
        created_at: match plain(created_at)? {
            None => None,
            Some(text) => Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()),
        },
        raw: body.slice_ref(raw),
    };
    if twice { None } else { Some((raw, bridge)) }
}

/// `Some(None)` for an absent or null value, `None` for a value that is not a string.
fn plain(value: Option<Scalar<'_>>) -> Option<Option<&str>> {
    match value {
        None | Some(Scalar::Null) => Some(None),
        Some(Scalar::Text(text)) => Some(Some(text)),
        Some(Scalar::Bool(_) | Scalar::Integer(_)) => None,
    }
}

/// Parses the `manager` of the answer for one bridge, if there is one.
pub(crate) fn manager(raw: &str) -> Result<Option<Manager>, Reason> {
    let fields: BridgeFields<'_> = object(raw)?;
    let Some(manager) = fields.manager else { return Ok(None) };
    let fields: ManagerFields<'_> = object(manager.get()).map_err(|reason| format!("manager: {reason}"))?;
    Ok(Some(Manager {
        health: text("manager.health", fields.health)?.map(Cow::into_owned),
        started_at: time("manager.started_at", fields.started_at)?,
        fail_count: match fields.fail_count {
            None => None,
            Some(count) => {
                Some(count.get().parse().map_err(|_| wrong("manager.fail_count", count, "a whole number"))?)
            }
        },
    }))
}

/// Parses a JSON object. The error has no line number, because a row is not a file.
pub(crate) fn object<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, Reason> {
    if !raw.trim_start().starts_with('{') {
        return Err("it is not a JSON object".to_owned());
    }
    serde_json::from_str(raw).map_err(|error| {
        let text = error.to_string();
        text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
    })
}

pub(crate) fn bridge_id(field: Option<&RawValue>) -> Result<BridgeId, Reason> {
    let field = field.ok_or("`id` is missing")?;
    let id = field.get().parse().ok().and_then(BridgeId::new);
    id.ok_or_else(|| wrong("id", field, "a whole number greater than zero"))
}

/// A number becomes its text. Absent, null and `""` mean that the bridge has no customer_ref.
pub(crate) fn customer_ref(field: Option<&RawValue>) -> Result<Option<CustomerRef>, Reason> {
    match text_or_number("customer_ref", field)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => CustomerRef::listed(text).map(Some).map_err(|error| error.to_string()),
    }
}

/// A string; absent and null are `None`.
pub(crate) fn text<'a>(name: &str, field: Option<&'a RawValue>) -> Result<Option<Cow<'a, str>>, Reason> {
    let Some(field) = field else { return Ok(None) };
    match (Kind::of(field), unescaped(field.get())) {
        (Kind::Text, Some(text)) if text.contains('\0') => {
            Err(format!("`{name}` contains a NUL character, which no database text can hold"))
        }
        (Kind::Text, Some(text)) => Ok(Some(text)),
        _ => Err(wrong(name, field, "a string")),
    }
}

/// A string, or a number as it is written; absent and null are `None`.
pub(crate) fn text_or_number<'a>(
    name: &str,
    field: Option<&'a RawValue>,
) -> Result<Option<Cow<'a, str>>, Reason> {
    match field {
        Some(number) if Kind::of(number) == Kind::Number => Ok(Some(number.get().into())),
        _ => text(name, field),
    }
}

fn time(name: &str, field: Option<&RawValue>) -> Result<Option<DateTime<Utc>>, Reason> {
    let Some(text) = text(name, field)? else { return Ok(None) };
    match DateTime::parse_from_rfc3339(&text) {
        Ok(time) => Ok(Some(time.to_utc())),
        Err(_) => Err(format!("`{name}` is not a time in RFC 3339, such as 2026-01-31T12:00:00Z")),
    }
}

/// The text of a JSON string literal; `None` for a lone surrogate. A literal without escapes is not parsed again.
fn unescaped(literal: &str) -> Option<Cow<'_, str>> {
    if literal.contains('\\') {
        return serde_json::from_str(literal).ok().map(Cow::Owned);
    }
    literal.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Bool,
    Array,
    Object,
}

impl Kind {
    /// The kind of a value that is not null, by its first character.
    fn of(value: &RawValue) -> Self {
        match value.get().as_bytes().first() {
            Some(b'"') => Self::Text,
            Some(b't' | b'f') => Self::Bool,
            Some(b'[') => Self::Array,
            Some(b'{') => Self::Object,
            _ => Self::Number,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

fn wrong(name: &str, value: &RawValue, wanted: &str) -> Reason {
    let kind = Kind::of(value);
    if kind.name() == wanted || kind == Kind::Number {
        return format!("`{name}` is not {wanted}");
    }
    format!("`{name}` is {}, not {wanted}", kind.name())
}

#[cfg(test)]
mod tests;
