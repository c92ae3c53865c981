//! Feeds any body to the reader of any call: it never panics, loses no row of a list, and returns no value that the body does
//! not contain.

use std::fmt::Debug;

use bytes::Bytes;
use http::StatusCode;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::call::{Answer, Call};
use crate::request;
use crate::{ApiKey, Bridge, BridgeId, CustomerRef, Error, Listing, Phone};

const KEY: &str = "sk_fuzz";
const OTHER_STATUSES: [u16; 12] = [201, 202, 204, 206, 301, 400, 401, 404, 409, 429, 500, 503];

#[test]
fn fuzz_answers() -> std::io::Result<()> {
    fuzz::target("answers", is_read)
}

fn is_read(body: &[u8]) {
    let body = redacted(body);
    match str::from_utf8(&body) {
        Ok(text) => means_what_it_says(text.trim()),
        Err(_) => assert!(read(&request::list(), 200, &body).is_err()),
    }
    let (id, user) = (BridgeId::new(42).unwrap(), CustomerRef::new("user-123").unwrap());
    for call in [request::delete(id), request::logout(&user).unwrap()] {
        let is_accepted = read(&call, 200, &body).is_ok();
        let text = String::from_utf8_lossy(&body);
        let text = text.trim();
        assert!(!is_accepted || text.is_empty() || (text.starts_with('{') && text.ends_with('}')));
    }
    let qr = read(&request::qr(&user).unwrap(), 200, &body);
    assert_eq!(qr.ok().as_deref(), body.starts_with(b"\x89PNG\r\n\x1a\n").then_some(&*body));
    for status in OTHER_STATUSES {
        assert!(read(&request::list(), status, &body).is_err(), "{status} is no list");
        assert!(read(&request::get(id), status, &body).is_err(), "{status} is no bridge");
        let provisioned = read(&request::provision(&user, None).unwrap(), status, &body);
        assert!(provisioned.is_err() || (200..300).contains(&status));
    }
}

/// The body after the client has replaced the key.
fn redacted(body: &[u8]) -> Bytes {
    let redacted = ApiKey::new(KEY).unwrap().redact(Bytes::copy_from_slice(body));
    match str::from_utf8(body) {
        Ok(text) => assert_eq!(redacted, text.replace(KEY, "[redacted]")),
        Err(_) => assert!(!redacted.windows(KEY.len()).any(|piece| piece == KEY.as_bytes())),
    }
    redacted
}

/// Reads an answer. The result can be displayed, and does not contain the key unless the body spells it with escapes.
fn read<T: Debug>(call: &Call<T>, status: u16, body: &[u8]) -> Result<T, Error> {
    let answer = Answer {
        status: StatusCode::from_u16(status).unwrap(),
        location: Some(String::from_utf8_lossy(body).into_owned()),
        body: Bytes::copy_from_slice(body),
    };
    let read = call.read(&answer);
    assert!(body.contains(&b'\\') || !format!("{read:?}").contains(KEY));
    if let Err(error) = &read {
        let shown = error.to_string();
        assert!(!shown.is_empty() && !shown.contains(char::is_control), "{shown:?}");
        if let Error::BadAnswer { excerpt, .. }
        | Error::Server { excerpt, .. }
        | Error::Refused { said: excerpt, .. }
        | Error::Auth { said: excerpt, .. } = error
        {
            assert!(excerpt.len() <= 200 && !excerpt.contains(char::is_control), "{excerpt:?}");
        }
    }
    read
}

fn means_what_it_says(text: &str) {
    let user = CustomerRef::new("user-123").unwrap();
    list_is_whole(text);
    let value = serde_json::from_str::<Value>(text).ok();
    let is_in_body = |name: &str, ours: Option<&str>| {
        // A body that is too deep or too large for a Value cannot be compared.
        let Some(value) = &value else { return };
        assert_eq!(value.get(name).and_then(Value::as_str), ours, "{name} of {text}");
    };
    let id = BridgeId::new(42).unwrap();
    if let Some(detail) = whole(&request::get(id), text) {
        assert_eq!((detail.bridge.id, &*detail.bridge.raw), (id, text));
        assert_eq!(listed(&format!("[{text}]")).map(|listing| listing.bridges), Some(vec![detail.bridge]));
    }
    if let Some(provisioned) = whole(&request::provision(&user, None).unwrap(), text) {
        assert_eq!(provisioned.customer_ref, user);
        is_in_body("customer_ref", Some(user.as_str()));
        is_in_body("state", provisioned.state.as_deref());
        assert!(provisioned.id.get() > 0);
    }
    if let Some(session) = whole(&request::session(&user).unwrap(), text) {
        is_in_body("status", Some(&session.raw_status));
        is_in_body("jid", session.jid.as_deref());
        is_in_body("name", session.name.as_deref());
    }
    let phone = Phone::new("15550001234").unwrap();
    if let Some(code) = whole(&request::pair(&user, &phone).unwrap(), text) {
        assert!(!code.as_str().is_empty());
        is_in_body("code", Some(code.as_str()));
    }
}

/// The value that the call reads from the text. If it reads one, it must refuse every truncation of the text.
fn whole<T: Debug>(call: &Call<T>, text: &str) -> Option<T> {
    let whole = read(call, 200, text.as_bytes()).ok()?;
    for cut in (0..text.len()).step_by(text.len() / 12 + 1).chain([text.len() - 1]) {
        assert!(read(call, 200, &text.as_bytes()[..cut]).is_err(), "cut off after {cut} bytes: {text}");
    }
    Some(whole)
}

fn listed(text: &str) -> Option<Listing> {
    read(&request::list(), 200, text.as_bytes()).ok()
}

fn list_is_whole(text: &str) {
    let Some(listing) = whole(&request::list(), text) else {
        let is_array = serde_json::from_str::<Vec<IgnoredAny>>(text).is_ok();
        return assert!(!is_array, "a list was refused: {text}");
    };
    let rows = rows(text);
    assert_eq!(listing.bridges.len() + listing.malformed.len(), rows.len(), "{text}");
    assert!(listing.bridges.iter().all(|bridge| bridge.id.get() > 0));
    assert!(listing.bridges.is_sorted_by(|one, next| one.id < next.id));
    assert!(listing.malformed.is_sorted_by(|one, next| one.index < next.index));
    for bridge in &listing.bridges {
        assert_eq!(listed(&format!("[{}]", bridge.raw)).unwrap().bridges, std::slice::from_ref(bridge));
        is_as_written(bridge);
    }
    for row in &listing.malformed {
        assert!(row.excerpt.len() <= 200 && !row.excerpt.contains(char::is_control), "{row:?}");
        assert!(!row.reason.contains(char::is_control), "{row:?}");
        let alone = listed(&format!("[{}]", rows[row.index])).unwrap();
        match &*alone.bridges {
            [] => assert_eq!(alone.malformed[0].reason, row.reason),
            [twice, ..] => assert!(listing.bridges.iter().any(|bridge| bridge.id == twice.id)),
        }
    }
    let is_malformed = |nth| listing.malformed.iter().any(|row| row.index == nth);
    let mut kept: Vec<&str> =
        (0..rows.len()).filter(|nth| !is_malformed(*nth)).map(|nth| rows[nth]).collect();
    let mut raw: Vec<&str> = listing.bridges.iter().map(|bridge| &*bridge.raw).collect();
    kept.sort_unstable();
    raw.sort_unstable();
    assert_eq!(kept, raw, "each row is kept as it is written");
}

fn is_as_written(bridge: &Bridge) {
    let Ok(value) = serde_json::from_str::<Value>(&bridge.raw) else { return };
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    assert_eq!(value.get("id").and_then(Value::as_i64), Some(bridge.id.get()));
    assert_eq!((text("state"), text("status")), (bridge.state.as_deref(), bridge.raw_status.as_deref()));
    assert_eq!(text("created_at").is_some(), bridge.created_at.is_some());
    if value.get("customer_ref").is_none_or(|it| it.is_string() || it.is_null()) {
        let customer_ref = bridge.customer_ref.as_ref().map(CustomerRef::as_str);
        assert_eq!(text("customer_ref").filter(|text| !text.is_empty()), customer_ref);
    }
}

/// The rows of a JSON array, split by its brackets, quotes and commas only.
fn rows(array: &str) -> Vec<&str> {
    let inner = array.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap();
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let between = |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            ',' => return depth == 0,
            _ => {}
        }
        false
    };
    let rows: Vec<&str> = inner.split(between).map(str::trim).collect();
    if rows == [""] { Vec::new() } else { rows }
}
