//! Feeds any text to the readers of headers, settings and ids: they never panic, and accepted values can be used and printed.

use chrono::DateTime;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::{Host, Url};

use std::time::Duration;

use crate::retry::retry_after;
use crate::{ApiKey, ApiUrl, CustomerRef, InvalidApiKey, Limit, Phone, request};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn fuzz_texts() -> std::io::Result<()> {
    fuzz::target("texts", |bytes| is_taken_or_refused(&String::from_utf8_lossy(bytes)))
}

fn is_taken_or_refused(text: &str) {
    let now = DateTime::from_timestamp(1_769_860_800, 0).unwrap();
    assert!(retry_after(text, now).is_none_or(|wait| (Duration::from_secs(1)..=DAY).contains(&wait)));
    if let Ok(phone) = Phone::new(text) {
        let digits = phone.as_str();
        assert!((7..=15).contains(&digits.len()) && digits.bytes().all(is_digit) && !digits.starts_with('0'));
        assert_eq!(Phone::new(digits), Ok(phone.clone()));
        assert!(text.bytes().filter(|b| is_digit(*b)).collect::<Vec<_>>().ends_with(digits.as_bytes()));
    }
    limit(text);
    api_key(text);
    api_url(text);
    customer_ref(text);
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn limit(text: &str) {
    let Ok(limit) = text.parse::<Limit>() else { return };
    assert!(limit.count > 0 && !limit.window.is_zero() && limit.window <= DAY);
    assert_eq!(limit.to_string().parse(), Ok(limit));
}

fn api_key(text: &str) {
    match ApiKey::new(text) {
        Ok(key) => {
            let header = key.header().unwrap();
            assert!(header.is_sensitive() && header.as_bytes().is_ascii());
            assert_eq!(header.as_bytes().strip_prefix(b"Bearer "), Some(text.trim().as_bytes()));
            assert_eq!(key.fingerprint().len(), 16);
            assert_eq!(format!("{key:?}"), "ApiKey(…)");
        }
        Err(InvalidApiKey::Quoted | InvalidApiKey::Assignment) => {}
        Err(_) => assert!(text.trim().is_empty() || !text.trim().bytes().all(|byte| byte.is_ascii_graphic())),
    }
}

/// The key is sent over https or to the same machine only, and only to the path of the API.
fn api_url(text: &str) {
    let Ok(url) = ApiUrl::parse(text) else { return };
    assert_eq!(ApiUrl::parse(url.as_str()).unwrap().as_str(), url.as_str());
    let sent = request::list().to_request(&url).unwrap().uri().to_string();
    let sent = Url::parse(&sent).unwrap();
    let is_here = match sent.host().unwrap() {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    assert!(sent.scheme() == "https" || (sent.scheme() == "http" && is_here), "{sent}");
    assert_eq!((sent.username(), sent.password(), sent.query(), sent.fragment()), ("", None, None, None));
    assert_eq!(sent.as_str(), format!("{url}/api/instances"));
}

/// A customer_ref is one segment of the path, and appears unchanged in the body.
fn customer_ref(text: &str) {
    let Ok(customer_ref) = CustomerRef::new(text) else {
        let refused = text.is_empty() || text.contains('\0') || text == "." || text == "..";
        return assert!(refused || text.len() > CustomerRef::MAX_BYTES);
    };
    let url = ApiUrl::parse("https://x.example/").unwrap();
    let sent = request::session(&customer_ref).unwrap().to_request(&url).unwrap().uri().to_string();
    let path = Url::parse(&sent).unwrap().path().to_owned();
    let segment = path.strip_prefix("/api/instances/").and_then(|rest| rest.strip_suffix("/proxy/status"));
    let decoded = percent_decode_str(segment.unwrap()).decode_utf8().unwrap();
    assert!(!segment.unwrap().contains('/') && decoded == text, "{path}");
    let body = |webhook_url| -> Option<Value> {
        let provision = request::provision(&customer_ref, webhook_url).ok()?.to_request(&url).unwrap();
        Some(serde_json::from_slice(provision.body()).unwrap())
    };
    assert_eq!(body(None).unwrap()["customer_ref"], text);
    // Only a web address is sent as a webhook_url, unchanged.
    if let Some(body) = body(Some(text)) {
        assert!(text.starts_with(['h', 'H']) && body["webhook_url"] == text, "{text}");
    }
}
