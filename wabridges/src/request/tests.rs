//! Tests requests and the reading of answers against fixtures. It never opens a socket.

use http::{StatusCode, header};

use super::*;
use crate::ApiUrl;
use crate::call::{Answer, Repeat};
use crate::error;

const URL: &str = "https://wabridges.example/prefix/";

fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Answer { status: StatusCode::from_u16(status).unwrap(), location: None, body: body.into() }
}

fn customer(text: &str) -> CustomerRef {
    CustomerRef::new(text).unwrap()
}

fn id(id: i64) -> BridgeId {
    BridgeId::new(id).unwrap()
}

fn sent<T>(call: &Call<T>) -> (String, String, Class, Repeat) {
    let request = call.to_request(&ApiUrl::parse(URL).unwrap()).unwrap();
    let body = String::from_utf8(request.body().to_vec()).unwrap();
    let has_type = request.headers().contains_key(header::CONTENT_TYPE);
    assert_eq!(has_type, !body.is_empty(), "a body has a type");
    (format!("{} {}", request.method(), request.uri()), body, call.class, call.repeat())
}

fn what<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::BadAnswer { what, .. }) => what,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("the answer was accepted"),
    }
}

#[test]
fn every_call_is_sent_as_the_api_describes_it() {
    let base = "https://wabridges.example/prefix/api/instances";
    let (user, phone) = (customer("user-123"), Phone::new("15550001234").unwrap());
    let none = String::new;
    let (other, proxy) = (Class::Other, Class::Proxy);
    assert_eq!(sent(&list()), (format!("GET {base}"), none(), other, Repeat::Safe));
    assert_eq!(sent(&get(id(42))), (format!("GET {base}/42"), none(), other, Repeat::Safe));
    assert_eq!(sent(&delete(id(42))), (format!("DELETE {base}/42"), none(), other, Repeat::Never));
    let url = format!("GET {base}/user-123/proxy/status");
    assert_eq!(sent(&session(&user).unwrap()), (url, none(), proxy, Repeat::Safe));
    assert_eq!(
        sent(&qr(&user).unwrap()),
        (format!("GET {base}/user-123/proxy/qr"), none(), proxy, Repeat::Safe)
    );
    let url = format!("DELETE {base}/user-123/proxy/logout");
    assert_eq!(sent(&logout(&user).unwrap()), (url, none(), proxy, Repeat::Never));
    let (url, body) = (format!("POST {base}/user-123/proxy/pair"), r#"{"phone":"15550001234"}"#.to_owned());
    assert_eq!(sent(&pair(&user, &phone).unwrap()), (url, body, proxy, Repeat::Never));
    let body = r#"{"customer_ref":"user-123","webhook_url":"https://x.example/\"é"}"#.to_owned();
    let call = provision(&user, Some("https://x.example/\"é")).unwrap();
    assert_eq!(sent(&call), (format!("POST {base}"), body, Class::Provision, Repeat::Never));
    assert_eq!(sent(&provision(&user, None).unwrap()).1, r#"{"customer_ref":"user-123"}"#);
}

#[test]
fn a_customer_ref_stays_one_path_segment() {
    for (text, segment) in [
        ("a/../b", "a%2F..%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("50% é\n", "50%25%20%C3%A9%0A"),
        ("%2e%2e", "%252e%252e"),
        ("a\\b", "a%5Cb"),
    ] {
        let url = format!("GET https://wabridges.example/prefix/api/instances/{segment}/proxy/status");
        assert_eq!(sent(&session(&customer(text)).unwrap()).0, url);
    }
    assert!(session(&customer(&"é".repeat(5_000))).unwrap().to_request(&ApiUrl::parse(URL).unwrap()).is_ok());
}

#[test]
fn the_list_is_read_and_sorted() {
    let listing = list().read(&answer(200, &include_bytes!("../../fixtures/list.json")[..])).unwrap();
    assert_eq!(listing.malformed, []);
    let ids: Vec<i64> = listing.bridges.iter().map(|bridge| bridge.id.get()).collect();
    assert_eq!(ids, [42, 43, 44]);
    assert_eq!(listing.bridges[0].raw_status.as_deref(), Some("connected"));
    assert!(listing.bridges[0].raw.contains(r#""region": "eu""#));
    assert_eq!(listing.bridges[2].customer_ref, None);
    assert_eq!(list().read(&answer(200, " [ ]\n")).unwrap(), Listing::default());
}

#[test]
fn one_bad_row_does_not_lose_the_list() {
    let body = &include_bytes!("../../fixtures/list_with_bad_rows.json")[..];
    let listing = list().read(&answer(200, body)).unwrap();
    let ids: Vec<i64> = listing.bridges.iter().map(|bridge| bridge.id.get()).collect();
    assert_eq!(ids, [41, 42]);
    assert_eq!(listing.bridges[0].customer_ref.as_ref().map(CustomerRef::as_str), Some("7"));
    assert_eq!(listing.bridges[1].customer_ref.as_ref().map(CustomerRef::as_str), Some("user-123"));
    let bad: Vec<(usize, &str)> = listing.malformed.iter().map(|row| (row.index, &*row.reason)).collect();
    assert_eq!(
        bad,
        [
            (1, "`id` is missing"),
            (2, "it is not a JSON object"),
            (3, "bridge 42 is listed twice"),
            (5, "`state` is not a string"),
        ]
    );
    assert_eq!(listing.malformed[1].excerpt, "\"not an object\"");
}

#[test]
fn an_excerpt_is_short_and_harmless() {
    let body = format!(r#"[{{"x":"{}{}"}}]"#, "é".repeat(97), "\u{9b}[2J".repeat(9));
    let listing = list().read(&answer(200, body)).unwrap();
    let excerpt = &listing.malformed[0].excerpt;
    assert_eq!(excerpt.len(), 200);
    assert!(excerpt.starts_with(r#"{"x":"éé"#));
    assert_eq!(error::excerpt(b"a\x1b[31m\r\n\xff"), "a\\u{1b}[31m\\r\\n\u{fffd}");
    assert!(error::excerpt("é\u{1b}".repeat(80).as_bytes()).len() <= 200);
    assert_eq!(error::excerpt(format!("{}é", "x".repeat(199)).as_bytes()), "x".repeat(199));
}

#[test]
fn absence_counts_only_in_a_complete_list() {
    let whole = include_str!("../../fixtures/list.json").trim_end();
    for cut in 1..whole.len() {
        let what = what(list().read(&answer(200, &whole.as_bytes()[..cut])));
        assert_eq!(what, format!("the JSON is cut off after {cut} bytes"));
    }
    for (body, expected) in [
        ("", "the body is empty"),
        (" \n", "the body is empty"),
        ("null", "not a JSON array"),
        (r#"{"error":"rate limit exceeded"}"#, "not a JSON array"),
        ("[] []", "not JSON: trailing characters at line 1 column 4"),
        ("[{\"id\":1},]", "not JSON: expected value at line 1 column 11"),
        (include_str!("../../fixtures/error_page.html"), "not JSON but a web page"),
    ] {
        assert_eq!(what(list().read(&answer(200, body))), expected, "{body}");
    }
    assert_eq!(what(list().read(&answer(200, &b"[\"\xff\"]"[..]))), "not JSON: not UTF-8 at byte 2");
    assert_eq!(what(list().read(&answer(200, &b"[\"\xc3"[..]))), "the JSON is cut off after 3 bytes");
    for status in [201, 204, 206] {
        assert_eq!(what(list().read(&answer(status, "[]"))), "only status 200 is expected");
    }
}

#[test]
fn one_bridge_comes_with_its_manager() {
    let body = &include_bytes!("../../fixtures/bridge.json")[..];
    let detail = get(id(42)).read(&answer(200, body)).unwrap();
    let manager = detail.manager.unwrap();
    assert_eq!((manager.health.as_deref(), manager.fail_count), (Some("healthy"), Some(3)));
    assert_eq!(manager.started_at.unwrap().to_rfc3339(), "2026-02-01T00:00:00+00:00");
    assert_eq!(what(get(id(7)).read(&answer(200, body))), "it describes bridge 42, not bridge 7");
    assert_eq!(what(get(id(7)).read(&answer(200, "[]"))), "it is not a JSON object");
}

#[test]
fn a_provisioning_is_about_the_customer_asked_for() {
    let body = &include_bytes!("../../fixtures/provision.json")[..];
    let (user, other) = (customer("user-123"), customer("user-124"));
    for status in [200, 201] {
        let provisioned = provision(&user, None).unwrap().read(&answer(status, body)).unwrap();
        assert_eq!((provisioned.id, provisioned.customer_ref), (id(42), user.clone()));
        assert_eq!(provisioned.state.as_deref(), Some("running"));
    }
    let call = provision(&other, None).unwrap();
    let mismatch = r#"its customer_ref is "user-123", not "user-124" as asked"#;
    assert_eq!(what(call.read(&answer(200, body))), mismatch);
    let none = r#"its customer_ref is none, not "user-124" as asked"#;
    assert_eq!(what(call.read(&answer(200, r#"{"id":1}"#))), none);
    let number = provision(&customer("7"), None).unwrap();
    assert!(number.read(&answer(200, r#"{"id":1,"customer_ref":7}"#)).is_ok());
}

#[test]
fn a_session_is_read() {
    let user = customer("user-123");
    let connected = &include_bytes!("../../fixtures/session_connected.json")[..];
    let read = session(&user).unwrap().read(&answer(200, connected)).unwrap();
    assert_eq!((read.raw_status.as_str(), read.phone.as_deref()), ("connected", Some("15550001234")));
    assert_eq!(
        (read.jid.as_deref(), read.name.as_deref()),
        (Some("15550001234@s.whatsapp.net"), Some("Alice"))
    );
    let waiting = &include_bytes!("../../fixtures/session_awaiting_scan.json")[..];
    let read = session(&user).unwrap().read(&answer(200, waiting)).unwrap();
    assert_eq!((read.raw_status.as_str(), read.phone, read.jid, read.name), ("qr", None, None, None));
    assert_eq!(what(session(&user).unwrap().read(&answer(200, "{}"))), "`status` is missing");
}

#[test]
fn pictures_codes_and_empty_answers_are_read() {
    let (user, phone) = (customer("user-123"), Phone::new("15550001234").unwrap());
    let png = b"\x89PNG\r\n\x1a\nrest";
    assert_eq!(qr(&user).unwrap().read(&answer(200, &png[..])).unwrap(), png);
    assert_eq!(what(qr(&user).unwrap().read(&answer(200, "\u{89}PNG"))), "not a PNG image");
    let pairing = pair(&user, &phone).unwrap();
    let body = &include_bytes!("../../fixtures/pair.json")[..];
    assert_eq!(pairing.read(&answer(200, body)).unwrap().to_string(), "ABCD-EFGH");
    assert_eq!(what(pairing.read(&answer(200, r#"{"code":""}"#))), "`code` is missing");
    for status in [200, 202, 204] {
        assert!(delete(id(42)).read(&answer(status, "")).is_ok());
        assert!(logout(&user).unwrap().read(&answer(status, "{}")).is_ok());
    }
    for page in ["<html>Back soon</html>", "[]", "true", "{", "OK"] {
        assert!(delete(id(42)).read(&answer(200, page)).is_err(), "a page of a proxy: {page}");
        assert!(logout(&user).unwrap().read(&answer(200, page)).is_err(), "{page}");
    }
}

#[test]
fn a_status_says_what_the_caller_can_do() {
    let user = customer("user-123");
    for status in [401, 403] {
        assert!(
            matches!(list().read(&answer(status, "{}")), Err(Error::Auth { status: s, .. }) if s == status)
        );
    }
    for (error, expected) in [
        (get(id(42)).read(&answer(404, "")).unwrap_err(), "the provider has no bridge 42"),
        (delete(id(42)).read(&answer(404, "")).unwrap_err(), "the provider has no bridge 42"),
        (
            logout(&user).unwrap().read(&answer(404, "")).unwrap_err(),
            "the provider has no bridge with customer_ref \"user-123\"",
        ),
    ] {
        assert!(matches!(error, Error::NotFound { .. }));
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(what(list().read(&answer(404, "[]"))), "this path does not exist: check the API URL");
    for status in [400, 409, 422] {
        let refused = format!("the provider refused the request (HTTP {status})");
        for (body, expected) in [
            ("", refused.clone()),
            (r#"{"error": "invalid phone", "code": 7}"#, format!("{refused}: invalid phone")),
            (r#"{"error":"with\u0020escapes"}"#, format!(r#"{refused}: {{"error":"with\u0020escapes"}}"#)),
            ("no JSON\n", format!("{refused}: no JSON")),
        ] {
            let error = list().read(&answer(status, body)).unwrap_err();
            assert!(matches!(error, Error::Refused { status: s, .. } if s == status));
            assert_eq!(error.to_string(), expected);
        }
    }
    let page = include_str!("../../fixtures/error_page.html");
    let error = list().read(&answer(502, page)).unwrap_err();
    assert!(matches!(&error, Error::Server { status: 502, excerpt } if excerpt.contains("Bad Gateway")));
    let moved = Answer { location: Some("https://elsewhere.example/".to_owned()), ..answer(301, "[]") };
    assert!(what(list().read(&moved)).starts_with("a redirect to https://elsewhere.example/"));
}

/// It takes 0.5 s unoptimized. The bound of 5 s allows for a busy machine, and fails on quadratic behaviour.
#[test]
fn a_large_fleet_is_read_in_linear_time() {
    let rows: Vec<String> = (1..=100_000)
        .rev()
        .map(|n| format!(r#"{{"id":{n},"customer_ref":"customer-{n}","state":"running","created_at":"2026-01-31T12:00:00Z"}}"#))
        .collect();
    let answer = answer(200, format!("[{}]", rows.join(",")));
    let started = std::time::Instant::now();
    let listing = list().read(&answer).unwrap();
    let took = started.elapsed();
    println!("{} bytes in {took:?}", answer.body.len());
    assert_eq!((listing.bridges.len(), listing.malformed.len()), (100_000, 0));
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_webhook_that_is_no_web_address_is_refused_before_anything_is_sent() {
    let customer_ref = CustomerRef::new("cust_1").unwrap();
    for url in ["", "s3cret", "javascript:alert(1)", "ftp://x/", "https://", "http://x/\n", "https://x/a b"] {
        let refused = provision(&customer_ref, Some(url)).map(drop).unwrap_err();
        assert!(matches!(refused, Error::Config { .. }) && !refused.to_string().contains("s3cret"), "{url}");
    }
    for url in ["https://app.example.com/hooks/cust_1?k=1", "http://[::1]:8080/", "https://x/%20"] {
        assert!(provision(&customer_ref, Some(url)).is_ok(), "{url}");
    }
}

#[test]
fn a_ref_that_fits_no_path_is_refused_before_anything_is_sent() {
    let phone = Phone::new("15550001234").unwrap();
    for text in [".", "..", &"x".repeat(10_001)] {
        let listed = CustomerRef::listed(text).unwrap();
        for refused in [
            session(&listed).map(drop),
            qr(&listed).map(drop),
            pair(&listed, &phone).map(drop),
            logout(&listed).map(drop),
            provision(&listed, None).map(drop),
        ] {
            assert!(matches!(refused, Err(Error::Config { .. })), "{refused:?}");
        }
    }
}

#[test]
fn an_echoed_signature_is_replaced() {
    let customer_ref = CustomerRef::new("a").unwrap();
    let call = provision(&customer_ref, Some("https://x.test/?s=0a1b2c")).unwrap().hiding(Some("0a1b2c"));
    let answer = Answer {
        status: StatusCode::BAD_REQUEST,
        location: Some("https://x.test/0a1b2c".into()),
        body: r#"{"error":"bad url https://x.test/?s=0a1b2c"}"#.into(),
    };
    let answer = call.without_secret(answer);
    assert_eq!(answer.location.as_deref(), Some("https://x.test/[redacted]"));
    let shown = call.read(&answer).unwrap_err().to_string();
    assert!(shown.contains("[redacted]") && !shown.contains("0a1b2c"), "{shown}");
}
