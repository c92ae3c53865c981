//! Tests of single rows: what is read, and how a wrong one is explained.

use super::*;

/// Parses the row, and compares with [`flat`] if that handles the row.
fn bridge(raw: &str) -> Result<Bridge, Reason> {
    let text = ByteString::from(raw);
    let bridge = super::bridge(&text);
    if let Some((_, flat)) = flat(&text, &text) {
        assert_eq!(bridge.as_ref(), Ok(&flat));
    }
    bridge
}

fn reason(raw: &str) -> Reason {
    bridge(raw).unwrap_err()
}

#[test]
fn a_row_is_read_and_kept() {
    let raw = r#"{"id":42,"customer_ref":"caf\u00e9","state":"running","status":"connected","created_at":"2026-01-31T13:00:00+01:00","plan":{"x":[1]}}"#;
    let bridge = bridge(raw).unwrap();
    assert_eq!(bridge.id.get(), 42);
    assert_eq!(bridge.customer_ref.unwrap().as_str(), "café");
    assert_eq!((bridge.state.as_deref(), bridge.raw_status.as_deref()), (Some("running"), Some("connected")));
    assert_eq!(bridge.created_at.unwrap().to_rfc3339(), "2026-01-31T12:00:00+00:00");
    assert_eq!(&*bridge.raw, raw);
}

#[test]
fn optional_fields_may_be_absent_or_null() {
    for raw in [
        r#"{"id":1}"#,
        r#"{"id":1,"customer_ref":null,"state":null,"status":null,"created_at":null}"#,
        r#"{"id":1,"customer_ref":""}"#,
    ] {
        let text = ByteString::from(raw);
        assert!(flat(&text, &text).is_some(), "{raw}");
        let bridge = bridge(raw).unwrap();
        assert_eq!((bridge.customer_ref, bridge.state, bridge.created_at), (None, None, None));
    }
    // Rows that flat() does not handle: a number, a duplicate field, an escape.
    for raw in [r#"{"id":1,"customer_ref":5}"#, r#"{"id":1,"x":1,"id":1}"#, r#"{"id":1,"state":"a\n"}"#] {
        let text = ByteString::from(raw);
        assert!(flat(&text, &text).is_none(), "{raw}");
    }
    let dots = bridge(r#"{"id":1,"customer_ref":".."}"#).unwrap();
    assert_eq!(dots.customer_ref.unwrap().as_str(), "..");
    let number = bridge(r#"{"id":1,"customer_ref":12345678901234567890.50}"#).unwrap();
    assert_eq!(number.customer_ref.unwrap().as_str(), "12345678901234567890.50");
}

#[test]
fn a_wrong_row_is_explained() {
    for (raw, expected) in [
        ("[]", "it is not a JSON object"),
        ("null", "it is not a JSON object"),
        ("{}", "`id` is missing"),
        (r#"{"id":null}"#, "`id` is missing"),
        (r#"{"id":"42"}"#, "`id` is a string, not a whole number greater than zero"),
        (r#"{"id":0}"#, "`id` is not a whole number greater than zero"),
        (r#"{"id":-7}"#, "`id` is not a whole number greater than zero"),
        (r#"{"id":4.5}"#, "`id` is not a whole number greater than zero"),
        (r#"{"id":99999999999999999999}"#, "`id` is not a whole number greater than zero"),
        (r#"{"id":1,"id":2}"#, "duplicate field `id`"),
        (r#"{"id":1,"customer_ref":true}"#, "`customer_ref` is a boolean, not a string"),
        (r#"{"id":1,"customer_ref":["a"]}"#, "`customer_ref` is an array, not a string"),
        (r#"{"id":1,"customer_ref":"a\u0000"}"#, "`customer_ref` contains a NUL character"),
        (r#"{"id":1,"customer_ref":"\ud800"}"#, "`customer_ref` is not a string"),
        (r#"{"id":1,"state":{}}"#, "`state` is an object, not a string"),
        (r#"{"id":1,"status":5}"#, "`status` is not a string"),
        (r#"{"id":1,"created_at":"yesterday"}"#, "`created_at` is not a time in RFC 3339"),
        (r#"{"id":1,"created_at":1700000000}"#, "`created_at` is not a string"),
    ] {
        let reason = reason(raw);
        assert!(reason.starts_with(expected), "{raw}: {reason}");
    }
}

#[test]
fn the_manager_may_be_absent_or_wrong() {
    assert_eq!(manager(r#"{"id":1}"#), Ok(None));
    assert_eq!(manager(r#"{"id":1,"manager":null}"#), Ok(None));
    let empty = manager(r#"{"id":1,"manager":{}}"#).unwrap().unwrap();
    assert_eq!((empty.health, empty.started_at, empty.fail_count), (None, None, None));
    assert_eq!(manager(r#"{"id":1,"manager":7}"#), Err("manager: it is not a JSON object".to_owned()));
    let wrong = manager(r#"{"id":1,"manager":{"fail_count":"3"}}"#).unwrap_err();
    assert_eq!(wrong, "`manager.fail_count` is a string, not a whole number");
}
