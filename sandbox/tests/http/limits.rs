//! Tests the four rate limits over HTTP. The tests in `src/limits/tests.rs` cover the exact edges of the windows.

use std::net::IpAddr;

use serde_json::json;

use crate::sandbox::{KEY, Sandbox, read, wait_until};

/// Counts the calls that pass before the first 429, and checks that answer.
async fn until_limited(sandbox: &Sandbox, method: &str, path: &str) -> usize {
    for passed in 0..400 {
        let reply = sandbox.send(method, path, json!({"customer_ref": "a", "phone": "15550001234"})).await;
        if reply.code == 429 {
            assert_eq!(reply.json(), json!({"error": "rate limit exceeded"}));
            let seconds: u64 = reply.header("retry-after").parse().unwrap();
            assert!((1..=60).contains(&seconds), "{seconds}");
            return passed;
        }
    }
    panic!("no call was answered with 429");
}

#[tokio::test]
async fn each_class_has_its_documented_limit() {
    let sandbox = Sandbox::start(&["--seed", "1"]);
    assert_eq!(until_limited(&sandbox, "POST", "/api/instances").await, 10);
    assert_eq!(until_limited(&sandbox, "GET", "/api/instances/cust_0001/proxy/status").await, 120);
    assert_eq!(until_limited(&sandbox, "GET", "/api/instances/1").await, 120);
    // 253 calls so far, including the refused ones, leave 47 of the 300 of this address.
    assert_eq!(until_limited(&sandbox, "GET", "/").await, 47);
    assert_eq!(sandbox.control("GET", "ledger/summary", "").await["by_code"]["429"], 4);
}

#[tokio::test]
async fn limits_can_be_set_and_lifted() {
    let flags = ["--limit-provision", "1", "--limit-proxy", "2", "--limit-other", "3", "--limit-floor", "0"];
    let sandbox = Sandbox::start(&flags);
    assert_eq!(until_limited(&sandbox, "POST", "/api/instances").await, 1);
    assert_eq!(until_limited(&sandbox, "GET", "/api/instances/a/proxy/status").await, 2);
    assert_eq!(until_limited(&sandbox, "GET", "/api/instances").await, 3);
    for _ in 0..350 {
        assert_eq!(sandbox.get("/").await.code, 404);
    }
}

#[tokio::test]
async fn unauthorized_calls_count_for_the_address_only() {
    let sandbox = Sandbox::start(&["--limit-other", "1", "--limit-floor", "4"]);
    let stranger = |address: &str| {
        let address: IpAddr = address.parse().unwrap();
        let client = reqwest::Client::builder().no_proxy().local_address(address).build().unwrap();
        client.get(format!("{}/api/instances", sandbox.url))
    };
    for _ in 0..3 {
        assert_eq!(read(stranger("127.0.0.1")).await.unwrap().code, 401);
    }
    assert_eq!(sandbox.get("/api/instances").await.code, 200);
    assert_eq!(read(stranger("127.0.0.1")).await.unwrap().code, 429);
    assert_eq!(read(stranger("127.0.0.2")).await.unwrap().code, 401);
    assert_eq!(read(stranger("127.0.0.2").bearer_auth(KEY)).await.unwrap().code, 429);
}

#[tokio::test]
async fn a_window_ends_and_speed_shortens_it() {
    let sandbox = Sandbox::start(&["--speed", "60", "--limit-other", "1", "--limit-floor", "0"]);
    let windows = sandbox.control("GET", "windows", "").await;
    assert_eq!(windows["window_ms"], 1000);
    let limited = wait_until("a 429", async || {
        let reply = sandbox.get("/api/instances").await;
        (reply.code == 429).then_some(reply)
    })
    .await;
    assert_eq!(limited.header("retry-after"), "1");
    wait_until("the next window", async || (sandbox.get("/api/instances").await.code == 200).then_some(()))
        .await;
}

#[tokio::test]
async fn the_alignment_can_be_shifted() {
    let sandbox = Sandbox::start(&["--limit-other", "1"]);
    assert_eq!(sandbox.get("/api/instances").await.code, 200);
    assert_eq!(sandbox.get("/api/instances").await.code, 429);
    let windows = sandbox.control("POST", "windows", json!({"elapsed_ms": 30_000})).await;
    assert_eq!((&windows["elapsed_ms"], &windows["used"]["other"]), (&json!(30_000), &json!(0)));
    assert_eq!(sandbox.get("/api/instances").await.code, 200);
    let limited = sandbox.get("/api/instances").await;
    let seconds: u64 = limited.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    for wrong in [json!({"elapsed_ms": 60_000}), json!({"elapsed_ms": -1}), json!({}), json!({"shift": 1})] {
        assert_eq!(sandbox.post("/_sandbox/windows", wrong).await.code, 400);
    }
}
