//! Tests the effect of every fault on a client. The tests in `src/faults.rs` cover the calls that a fault strikes.

use std::error::Error;
use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::sandbox::{Reply, Sandbox, read};

const LIST: &str = "/api/instances";
/// The kinds tested below; a test compares them with the kinds that the sandbox knows.
const TESTED: [&str; 18] = [
    "delay",
    "drip",
    "hang",
    "hang_after_headers",
    "reset",
    "status",
    "html",
    "truncated",
    "cut_json",
    "garbage",
    "huge",
    "empty_list",
    "half_list",
    "lost_reply",
    "duplicate_row",
    "malformed_row",
    "redirect",
    "gzip_bomb",
];

/// A sandbox with four bridges and one active fault.
async fn with(fault: Value) -> Sandbox {
    let sandbox = Sandbox::start(&["--seed", "4"]);
    let ordered = sandbox.control("POST", "faults", &fault).await;
    assert_eq!((&ordered["id"], &ordered["hits"], &ordered["kind"]), (&json!(1), &json!(0), &fault["kind"]));
    sandbox
}

/// The code of the last call in the ledger, and the fault that struck it.
async fn last(sandbox: &Sandbox) -> (Value, Value) {
    let ledger = sandbox.control("GET", "ledger", "").await;
    let entry = ledger.as_array().unwrap().last().unwrap();
    (entry["status"].clone(), entry["fault"].clone())
}

fn ids(reply: &Reply) -> Vec<Value> {
    reply.json().as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
}

/// The I/O error at the root of a failed call.
fn root(error: &reqwest::Error) -> Option<ErrorKind> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(broken) = inner.downcast_ref::<io::Error>() {
            return Some(broken.kind());
        }
        source = inner.source();
    }
    None
}

#[tokio::test]
async fn every_kind_is_tested_here() {
    let sandbox = Sandbox::start(&[]);
    let refusal = sandbox.post("/_sandbox/faults", json!({"kind": "nonsense"})).await.json();
    let names: Vec<_> = refusal["error"].as_str().unwrap().split('`').skip(3).step_by(2).collect();
    assert_eq!(names, TESTED);
}

#[tokio::test]
async fn faults_change_the_list() {
    let cases = [
        (json!({"kind": "empty_list"}), json!([])),
        (json!({"kind": "half_list"}), json!([1, 2])),
        (json!({"kind": "duplicate_row"}), json!([1, 2, 3, 4, 1])),
        (json!({"kind": "malformed_row"}), json!(["not-a-number", 2, 3, 4])),
        (json!({"kind": "malformed_row", "index": 2}), json!([1, 2, "not-a-number", 4])),
    ];
    for (fault, expected) in cases {
        let sandbox = with(fault.clone()).await;
        let reply = sandbox.get(LIST).await;
        assert_eq!((reply.code, json!(ids(&reply))), (200, expected), "{fault}");
        assert_eq!(sandbox.get("/api/instances/1").await.json()["id"], 1, "{fault}");
        sandbox.control("DELETE", "faults", "").await;
        assert_eq!(ids(&sandbox.get(LIST).await), [1, 2, 3, 4]);
    }
}

#[tokio::test]
async fn a_fault_can_answer_without_doing_the_work() {
    let cases = [
        (json!({"kind": "html"}), 200, "text/html; charset=utf-8"),
        (json!({"kind": "garbage"}), 200, "application/json"),
        (json!({"kind": "status", "code": 503}), 503, "application/json"),
        (json!({"kind": "redirect", "location": "http://127.0.0.1:1/x"}), 302, "application/json"),
    ];
    for (fault, code, content_type) in cases {
        let sandbox = with(fault.clone()).await;
        let reply = sandbox.delete("/api/instances/1").await;
        assert_eq!((reply.code, reply.header("content-type")), (code, content_type), "{fault}");
        assert_eq!(last(&sandbox).await, (json!(code), fault["kind"].clone()));
        assert_eq!(sandbox.control("GET", "summary", "").await["bridges"], 4, "{fault}");
    }
    let sandbox = with(json!({"kind": "garbage"})).await;
    assert!(serde_json::from_slice::<Value>(&sandbox.get(LIST).await.body).is_err());
    let sandbox = with(json!({"kind": "redirect", "location": "http://127.0.0.1:1/x"})).await;
    assert_eq!(sandbox.get(LIST).await.header("location"), "http://127.0.0.1:1/x");
}

#[tokio::test]
async fn a_status_can_carry_any_body_and_retry_after() {
    let sandbox = with(json!({"kind": "status", "code": 429, "body": "slow down", "retry_after": 7})).await;
    let reply = sandbox.get(LIST).await;
    assert_eq!(
        (reply.code, reply.header("retry-after"), reply.body.as_slice()),
        (429, "7", &b"slow down"[..])
    );
    let date = "Wed, 21 Oct 2026 07:28:00 GMT";
    let sandbox = with(json!({"kind": "status", "code": 503, "body": {"a": 1}, "retry_after": date})).await;
    let reply = sandbox.get(LIST).await;
    assert_eq!((reply.header("retry-after"), reply.json()), (date, json!({"a": 1})));
}

#[tokio::test]
async fn delay_and_drip_arrive_late_and_whole() {
    for fault in
        [json!({"kind": "delay", "ms": 150}), json!({"kind": "drip", "ms_per_chunk": 10, "chunk": 20})]
    {
        let sandbox = with(fault.clone()).await;
        let started = Instant::now();
        let reply = sandbox.get(LIST).await;
        assert!(started.elapsed() >= Duration::from_millis(150), "{fault}: {:?}", started.elapsed());
        assert_eq!(ids(&reply), [1, 2, 3, 4], "{fault}");
        assert_eq!(reply.header("content-length"), reply.body.len().to_string());
        assert_eq!(sandbox.delete("/api/instances/1").await.code, 204, "{fault}");
    }
}

#[tokio::test]
async fn delay_does_the_work_at_once() {
    let sandbox = with(json!({"kind": "delay", "ms": 60_000})).await;
    let call = sandbox.request("DELETE", "/api/instances/1").timeout(Duration::from_millis(300));
    assert!(read(call).await.unwrap_err().is_timeout());
    assert_eq!(sandbox.control("GET", "summary", "").await["bridges"], 3);
    assert_eq!(last(&sandbox).await, (Value::Null, json!("delay")));
}

#[tokio::test]
async fn hang_never_answers() {
    let sandbox = with(json!({"kind": "hang"})).await;
    let call = sandbox.request("DELETE", "/api/instances/1").timeout(Duration::from_millis(300));
    assert!(read(call).await.unwrap_err().is_timeout());
    assert_eq!(last(&sandbox).await, (Value::Null, json!("hang")));
    assert_eq!(sandbox.control("GET", "summary", "").await["bridges"], 4);
}

#[tokio::test]
async fn hang_after_headers_sends_a_head_and_no_body() {
    let sandbox = with(json!({"kind": "hang_after_headers"})).await;
    for (method, path) in [("GET", LIST), ("DELETE", "/api/instances/1")] {
        let call = sandbox.request(method, path).timeout(Duration::from_millis(500));
        let answer = call.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        assert!(answer.content_length().unwrap() > 1);
        assert!(answer.bytes().await.unwrap_err().is_timeout());
    }
}

#[tokio::test]
async fn reset_breaks_the_connection_and_does_nothing() {
    let sandbox = with(json!({"kind": "reset"})).await;
    let error = sandbox.attempt("DELETE", "/api/instances/1").await.unwrap_err();
    assert_eq!(root(&error), Some(ErrorKind::ConnectionReset), "{error:?}");
    assert_eq!(last(&sandbox).await, (Value::Null, json!("reset")));
    assert_eq!(sandbox.control("GET", "summary", "").await["bridges"], 4);
}

#[tokio::test]
async fn lost_reply_does_the_work_and_closes() {
    let sandbox = with(json!({"kind": "lost_reply", "method": "POST", "path": LIST, "times": 1})).await;
    let wish = json!({"customer_ref": "new"});
    let error = read(sandbox.request("POST", LIST).body(wish.to_string())).await.unwrap_err();
    assert!(error.is_request() && root(&error) != Some(ErrorKind::ConnectionReset), "{error:?}");
    assert_eq!(last(&sandbox).await, (Value::Null, json!("lost_reply")));
    assert_eq!(sandbox.post(LIST, wish).await.json()["id"], 5);
    assert_eq!(sandbox.get(LIST).await.json().as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn truncated_announces_more_bytes_than_it_sends() {
    let sandbox = with(json!({"kind": "truncated"})).await;
    for (method, path) in [("GET", LIST), ("DELETE", "/api/instances/1")] {
        let mut answer = sandbox.request(method, path).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let announced = answer.content_length().unwrap();
        let mut received = 0;
        let error = loop {
            match answer.chunk().await {
                Ok(chunk) => received += chunk.expect("the body must end with an error").len() as u64,
                Err(error) => break error,
            }
        };
        assert!(error.is_body() || error.is_decode(), "{error:?}");
        assert!(received < announced, "{received} of {announced}");
        assert_eq!(received > 0, method == "GET", "{received} of {announced}");
    }
}

#[tokio::test]
async fn cut_json_is_a_complete_answer_that_stops_in_the_middle() {
    let sandbox = with(json!({"kind": "cut_json"})).await;
    let reply = sandbox.get(LIST).await;
    assert_eq!((reply.code, reply.header("content-length")), (200, reply.body.len().to_string().as_str()));
    assert_eq!(reply.body[0], b'[');
    assert!(serde_json::from_slice::<Value>(&reply.body).unwrap_err().is_eof());
}

#[tokio::test]
async fn huge_streams_without_a_length() {
    let sandbox = with(json!({"kind": "huge", "bytes": 3_000_000})).await;
    let reply = sandbox.get(LIST).await;
    assert_eq!((reply.code, reply.header("content-length"), reply.body.len()), (200, "", 3_000_000));
    assert!(reply.body.starts_with(b"[{\"id\":1,"));
    assert!(serde_json::from_slice::<Value>(&reply.body).unwrap_err().is_eof());
}

#[tokio::test]
async fn a_gzip_bomb_is_small_until_it_is_inflated() {
    let sandbox = with(json!({"kind": "gzip_bomb", "bytes": 20_000_000})).await;
    let reply = sandbox.get(LIST).await;
    assert_eq!((reply.code, reply.header("content-encoding")), (200, "gzip"));
    assert!(reply.body.len() < 100_000, "{}", reply.body.len());
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(reply.body.as_slice()).read_to_end(&mut inflated).unwrap();
    assert_eq!(inflated.len(), 20_000_000);
}

#[tokio::test]
async fn faults_are_listed_with_their_hits_and_strike_matching_calls_only() {
    let sandbox = with(json!({"kind": "html", "path_prefix": "/api/", "after": 1, "times": 1})).await;
    let stranger = crate::sandbox::client().get(format!("{}{LIST}", sandbox.url));
    assert_eq!(read(stranger).await.unwrap().code, 401);
    let types: Vec<String> = [sandbox.get(LIST).await, sandbox.get(LIST).await, sandbox.get(LIST).await]
        .iter()
        .map(|reply| reply.header("content-type").to_owned())
        .collect();
    assert_eq!(types, ["application/json", "text/html; charset=utf-8", "application/json"]);
    let listed = &sandbox.control("GET", "faults", "").await[0];
    assert_eq!((&listed["hits"], &listed["seen"], &listed["times"]), (&json!(1), &json!(2), &json!(1)));
    assert_eq!(sandbox.control("DELETE", "faults", "").await, json!({"cleared": 1}));
    assert_eq!(sandbox.control("GET", "faults", "").await, json!([]));
}
