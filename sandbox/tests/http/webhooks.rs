//! Tests webhook calls from the receiver's side.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::sandbox::{Sandbox, wait_until};

/// Receives one call, answers it with `code` and returns its path and JSON body.
async fn receive(listener: &TcpListener, code: u16) -> (String, Value) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    let mut chunk = [0; 4096];
    loop {
        let length = stream.read(&mut chunk).await.unwrap();
        assert_ne!(length, 0, "cut off: {text}");
        text.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if let Ok(body) = serde_json::from_str(body) {
            let path = head.strip_prefix("POST ").unwrap().split(' ').next().unwrap().to_owned();
            let answer = format!("HTTP/1.1 {code} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            return (path, body);
        }
    }
}

async fn outcomes(sandbox: &Sandbox, count: usize) -> Vec<String> {
    wait_until("every outcome", async || {
        let all = sandbox.control("GET", "webhooks", "").await;
        let all: Vec<String> =
            all.as_array().unwrap().iter().map(|d| d["outcome"].as_str().unwrap().to_owned()).collect();
        (all.len() == count && all.iter().all(|outcome| outcome != "pending")).then_some(all)
    })
    .await
}

#[tokio::test]
async fn a_change_of_status_causes_one_call() {
    let sandbox = Sandbox::start(&[]);
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hook = format!("http://{}/hooks/a", receiver.local_addr().unwrap());
    sandbox.post("/api/instances", json!({"customer_ref": "a", "webhook_url": hook})).await;

    sandbox.control("PATCH", "bridges/1", json!({"status": "connected"})).await;
    let (path, body) = receive(&receiver, 200).await;
    assert_eq!(path, "/hooks/a");
    assert_eq!(body, json!({"event": "connected", "customer_ref": "a", "phone": "15550000001"}));

    sandbox.control("PATCH", "bridges/1", json!({"status": "connected"})).await;
    sandbox.delete("/api/instances/a/proxy/logout").await;
    let (_, body) = receive(&receiver, 500).await;
    assert_eq!(body, json!({"event": "disconnected", "customer_ref": "a"}));
    assert_eq!(outcomes(&sandbox, 2).await, ["delivered 200", "refused 500"]);
    let first = &sandbox.control("GET", "webhooks", "").await[0];
    assert_eq!((&first["event"], &first["url"]), (&json!("connected"), &json!(hook)));
}

#[tokio::test]
async fn calls_that_fail_or_are_not_sent_are_recorded() {
    let sandbox = Sandbox::start(&[]);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let rows = json!([
        {"customer_ref": "a", "webhook_url": format!("http://{closed}/")},
        {"customer_ref": "b", "webhook_url": "https://app.example.com/hooks/b"},
        {"customer_ref": "c"},
    ]);
    sandbox.control("POST", "bridges", rows).await;
    for id in 1..=3 {
        sandbox.control("PATCH", &format!("bridges/{id}"), json!({"status": "disconnected"})).await;
    }
    let outcomes = outcomes(&sandbox, 2).await;
    assert!(outcomes[0].starts_with("failed: ") && outcomes[0].contains("refused"), "{outcomes:?}");
    assert!(outcomes[1].starts_with("not sent: "), "{outcomes:?}");
}
