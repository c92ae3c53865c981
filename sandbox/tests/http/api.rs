//! Tests the calls of the provider's API without faults.

use std::io::Read;

use serde_json::{Value, json};

use crate::sandbox::{KEY, Sandbox, client, read};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_key_is_needed() {
    let sandbox = Sandbox::start(&[]);
    for path in ["/api/instances", "/api/nothing", "/api/instances/a/proxy/status"] {
        let address = format!("{}{path}", sandbox.url);
        let plain = client().get(&address);
        for request in [plain.try_clone().unwrap(), plain.try_clone().unwrap().bearer_auth("sk_wrong"), {
            plain.header("authorization", format!("Basic {KEY}"))
        }] {
            let reply = read(request).await.unwrap();
            assert_eq!((reply.code, reply.json()), (401, json!({"error": "unauthorized"})), "{path}");
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_get_a_json_error() {
    let sandbox = Sandbox::start(&["--seed", "1"]);
    let cases = [
        ("GET", "/", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/api/instances/99", 404),
        ("GET", "/api/instances/abc", 404),
        ("DELETE", "/api/instances/99", 404),
        ("GET", "/api/instances/nobody/proxy/status", 404),
        ("GET", "/api/instances/nobody/proxy/qr", 404),
        ("DELETE", "/api/instances/nobody/proxy/logout", 404),
        ("PUT", "/api/instances", 405),
        ("PATCH", "/api/instances/1", 405),
        ("POST", "/api/instances/cust_0001/proxy/status", 405),
    ];
    for (method, path, code) in cases {
        let reply = sandbox.attempt(method, path).await.unwrap();
        assert_eq!(reply.code, code, "{method} {path}");
        assert!(reply.json()["error"].is_string(), "{method} {path}: {reply:?}");
    }
    assert_eq!(sandbox.attempt("PUT", "/api/instances").await.unwrap().header("allow"), "GET, POST");
}

#[tokio::test]
async fn malformed_bodies_are_refused() {
    let sandbox = Sandbox::start(&["--limit-provision", "0"]);
    for body in [
        "",
        "x",
        "[]",
        "{}",
        "[\"a\",null]",
        r#"{"customer_ref":""}"#,
        r#"{"customer_ref":7}"#,
        r#"{"customer_ref":"a","webhook_url":7}"#,
    ] {
        let reply = sandbox.post("/api/instances", body).await;
        assert_eq!(reply.code, 400, "{body}");
        assert!(reply.json()["error"].is_string());
    }
    sandbox.post("/api/instances", json!({"customer_ref": "a"})).await;
    for body in ["", "{}", r#"{"phone":"+1555"}"#, r#"{"phone":"123456"}"#] {
        assert_eq!(sandbox.post("/api/instances/a/proxy/pair", body).await.code, 400, "{body}");
    }
    assert_eq!(sandbox.post("/api/instances", " ".repeat(2 << 20)).await.code, 413);
    assert_eq!(sandbox.get("/api/instances").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bridge_lives_from_provisioning_to_deletion() {
    let sandbox = Sandbox::start(&[]);
    let wish = json!({"customer_ref": "user-123", "webhook_url": "https://app.example.com/h", "future": 1});
    let first = sandbox.post("/api/instances", &wish).await;
    assert_eq!(first.code, 200);
    assert_eq!(first.json(), json!({"id": 1, "customer_ref": "user-123", "state": "running"}));
    assert_eq!(sandbox.post("/api/instances", &wish).await.json(), first.json());

    let list = sandbox.get("/api/instances").await.json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(keys(&list[0]), ["created_at", "customer_ref", "id", "state"]);
    let created = list[0]["created_at"].as_str().unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(created).is_ok(), "{created}");

    let detail = sandbox.get("/api/instances/1").await.json();
    assert_eq!(keys(&detail), ["created_at", "customer_ref", "id", "manager", "state"]);
    assert_eq!(keys(&detail["manager"]), ["fail_count", "health", "started_at"]);

    let gone = sandbox.delete("/api/instances/1").await;
    assert_eq!((gone.code, gone.body.len()), (204, 0));
    assert_eq!(sandbox.delete("/api/instances/1").await.code, 404);
    assert_eq!(sandbox.get("/api/instances").await.json(), json!([]));
    assert_eq!(sandbox.post("/api/instances", &wish).await.json()["id"], 2);
}

#[tokio::test]
async fn status_is_listed_only_when_asked_for() {
    let sandbox = Sandbox::start(&["--list-status", "--seed", "170"]);
    let list = sandbox.get("/api/instances").await.json();
    let status = |number: usize| list[number - 1]["status"].as_str().unwrap().to_owned();
    assert_eq!([status(1), status(10), status(17), status(170)], ["connected", "qr", "disconnected", "qr"]);
    assert_eq!(list[0]["customer_ref"], "cust_0001");
    assert_eq!(sandbox.get("/api/instances/17").await.json()["status"], "disconnected");
}

#[tokio::test]
async fn a_session_is_paired_and_logged_out() {
    let sandbox = Sandbox::start(&[]);
    let wild = "a/b \"ü\" ?#%41";
    let encoded = "a%2Fb%20%22%C3%BC%22%20%3F%23%2541";
    sandbox.post("/api/instances", json!({"customer_ref": wild})).await;
    let at = |verb: &str| format!("/api/instances/{encoded}/proxy/{verb}");

    assert_eq!(sandbox.get(&at("status")).await.json(), json!({"status": "qr"}));
    let image = sandbox.get(&at("qr")).await;
    assert_eq!((image.code, image.header("content-type")), (200, "image/png"));
    let decoder = png::Decoder::new(std::io::Cursor::new(image.body));
    assert!(decoder.read_info().unwrap().info().width > 80);
    let code = sandbox.post(&at("pair"), json!({"phone": "15550001234"})).await.json();
    assert_eq!(code["code"].as_str().unwrap().len(), "ABCD-EFGH".len());

    sandbox.control("PATCH", "bridges/1", json!({"status": "connected"})).await;
    let session = sandbox.get(&at("status")).await.json();
    assert_eq!((&session["status"], &session["phone"]), (&json!("connected"), &json!("15550001234")));
    assert_eq!(session["jid"], "15550001234@s.whatsapp.net");
    assert!(session["name"].is_string());
    for reply in
        [sandbox.get(&at("qr")).await, sandbox.post(&at("pair"), json!({"phone": "15550001234"})).await]
    {
        assert_eq!((reply.code, reply.json()), (409, json!({"error": "already paired"})));
    }

    assert_eq!(sandbox.delete(&at("logout")).await.code, 204);
    assert_eq!(sandbox.get(&at("status")).await.json(), json!({"status": "disconnected"}));
    assert_eq!(sandbox.get(&at("qr")).await.code, 200);
    let refs = sandbox.control("GET", "ledger", "").await;
    assert!(refs.as_array().unwrap().iter().all(|entry| entry["customer_ref"] == wild), "{refs}");
}

#[tokio::test]
async fn the_list_follows_every_change_and_is_compressed_on_request() {
    let sandbox = Sandbox::start(&["--gzip", "--seed", "50", "--limit-other", "0"]);
    let inflated = async || {
        let reply =
            read(sandbox.request("GET", "/api/instances").header("accept-encoding", "br, gzip;q=0.9"))
                .await
                .unwrap();
        assert_eq!(reply.header("content-encoding"), "gzip");
        let mut text = String::new();
        flate2::read::GzDecoder::new(reply.body.as_slice()).read_to_string(&mut text).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let plain = sandbox.get("/api/instances").await;
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(inflated().await, plain.json());
    sandbox.delete("/api/instances/1").await;
    assert_eq!(inflated().await.as_array().unwrap().len(), 49);
    sandbox.control("PATCH", "bridges/2", json!({"state": "stopped"})).await;
    assert_eq!(inflated().await[0]["state"], "stopped");
    assert_eq!(sandbox.get("/api/instances").await.json(), inflated().await);
}
