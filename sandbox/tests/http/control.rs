//! Tests the control calls, except those about faults and webhooks.

use serde_json::{Value, json};

use crate::sandbox::{Sandbox, client, read};

#[tokio::test]
async fn control_calls_add_change_and_remove_bridges() {
    let sandbox = Sandbox::start(&[]);
    let rows = json!([
        {"customer_ref": "dup", "status": "connected", "created_at": "2026-01-02T03:04:05Z", "id": 7},
        {"customer_ref": "dup", "state": "stopped", "webhook_url": "http://127.0.0.1:9/h"},
        {"customer_ref": null, "status": "banned"},
    ]);
    let added = sandbox.control("POST", "bridges", rows).await;
    assert_eq!([&added[0]["id"], &added[1]["id"], &added[2]["id"]], [7, 8, 9]);
    assert_eq!(added, sandbox.control("GET", "bridges", "").await);
    assert_eq!(added[1]["webhook_url"], "http://127.0.0.1:9/h");
    let list = sandbox.get("/api/instances").await.json();
    assert_eq!(
        (&list[0]["created_at"], &list[2]["customer_ref"]),
        (&json!("2026-01-02T03:04:05Z"), &json!(null))
    );
    assert_eq!(sandbox.get("/api/instances/dup/proxy/status").await.json()["status"], "connected");
    assert_eq!(sandbox.post("/api/instances", json!({"customer_ref": "dup"})).await.json()["id"], 7);
    assert_eq!(sandbox.get("/api/instances/8").await.json()["manager"]["health"], "unhealthy");
    let summary = json!({
        "bridges": 3, "refs": 1,
        "by_status": {"banned": 1, "connected": 1, "qr": 1}, "by_state": {"running": 2, "stopped": 1},
    });
    assert_eq!(sandbox.control("GET", "summary", "").await, summary);

    let patched =
        sandbox.control("PATCH", "bridges/9", json!({"customer_ref": "x", "state": "stopped"})).await;
    assert_eq!((&patched["customer_ref"], &patched["status"]), (&json!("x"), &json!("banned")));
    let patched = sandbox.control("PATCH", "bridges/9", json!({"customer_ref": null})).await;
    assert_eq!(patched["customer_ref"], json!(null));
    assert_eq!(sandbox.control("DELETE", "bridges/7", "").await["id"], 7);
    assert_eq!(sandbox.control("DELETE", "bridges", "").await, json!({"removed": 2}));
    assert_eq!(sandbox.get("/api/instances").await.json(), json!([]));
}

#[tokio::test]
async fn seeding_skips_refs_that_are_taken() {
    let sandbox = Sandbox::start(&["--seed", "2"]);
    let more = sandbox.control("POST", "bridges", json!({"seed": 2})).await;
    assert_eq!([&more[0]["customer_ref"], &more[1]["customer_ref"]], ["cust_0003", "cust_0004"]);
    let other = sandbox.control("POST", "bridges", json!({"seed": 1, "prefix": "ü/"})).await;
    assert_eq!(other[0]["customer_ref"], "ü/0001");
}

#[tokio::test]
async fn mistakes_in_control_calls_are_refused_with_the_reason() {
    let sandbox = Sandbox::start(&["--seed", "1"]);
    let cases = [
        ("POST", "bridges", "nonsense", 400, "not JSON"),
        ("POST", "bridges", r#"[{"customer_ref":"a","colour":1}]"#, 400, "index 0: unknown field `colour`"),
        ("POST", "bridges", r#"[{"customer_ref":"a","id":1}]"#, 400, "already taken"),
        ("PATCH", "bridges/1", r#"{"colour":1}"#, 400, "unknown field `colour`"),
        ("PATCH", "bridges/1", r#"{"status":7}"#, 400, "invalid type"),
        ("PATCH", "bridges/1", r#"["connected"]"#, 400, "JSON object"),
        ("PATCH", "bridges/99", "{}", 404, "no bridge"),
        ("DELETE", "bridges/x", "", 404, "no bridge"),
        ("POST", "faults", r#"{"kind":"hang","colour":1}"#, 400, "unknown field `colour`"),
        ("GET", "nothing", "", 404, "no such control call"),
        ("PUT", "bridges", "", 405, "method not allowed"),
    ];
    for (method, path, body, code, reason) in cases {
        let reply = sandbox.send(method, &format!("/_sandbox/{path}"), body).await;
        let why = reply.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(reply.code, code, "{method} {path} {body}: {why}");
        assert!(why.contains(reason), "{method} {path} {body}: {why}");
    }
    assert_eq!(sandbox.control("GET", "summary", "").await["bridges"], 1);
}

#[tokio::test]
async fn the_ledger_holds_every_call_in_order() {
    let sandbox = Sandbox::start(&["--seed", "1", "--limit-provision", "1"]);
    sandbox.post("/api/instances", json!({"customer_ref": "n/1"})).await;
    sandbox.post("/api/instances", json!({"customer_ref": "n/2"})).await;
    sandbox.post("/api/instances", "nonsense").await;
    sandbox.get("/api/instances/n%2F1/proxy/status?x=1").await;
    sandbox.delete("/api/instances/1").await;
    sandbox.get("/elsewhere").await;
    read(client().get(format!("{}/api/instances", sandbox.url))).await.unwrap();

    let ledger = sandbox.control("GET", "ledger", "").await;
    let seen: Vec<_> = ledger
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            let field = |name: &str| e[name].as_str().unwrap_or("-").to_owned();
            (field("method"), field("path"), field("class"), e["status"].as_u64(), field("customer_ref"))
        })
        .collect();
    let expected = [
        ("POST", "/api/instances", "provision", 200, "n/1"),
        ("POST", "/api/instances", "provision", 429, "n/2"),
        ("POST", "/api/instances", "provision", 429, "-"),
        ("GET", "/api/instances/n%2F1/proxy/status", "proxy", 200, "n/1"),
        ("DELETE", "/api/instances/1", "other", 204, "-"),
        ("GET", "/elsewhere", "floor", 404, "-"),
        ("GET", "/api/instances", "other", 401, "-"),
    ]
    .map(|(m, p, c, s, r)| (m.to_owned(), p.to_owned(), c.to_owned(), Some(s), r.to_owned()));
    assert_eq!(seen, expected);
    let at = ledger[0]["at"].as_str().unwrap();
    assert!(at.len() == "2026-01-01T00:00:00.000000Z".len() && at.ends_with('Z'), "{at}");

    let summary = sandbox.control("GET", "ledger/summary", "").await;
    assert_eq!(summary["by_call"]["POST provision"], 3);
    assert_eq!(summary["by_code"], json!({"200": 2, "204": 1, "401": 1, "404": 1, "429": 2}));
    assert_eq!(sandbox.control("DELETE", "ledger", "").await, json!({"cleared": 7}));
    assert_eq!(sandbox.control("GET", "ledger", "").await, json!([]));
}

#[tokio::test]
async fn the_record_tells_when_each_status_began_by_a_clock_that_can_be_set() {
    let sandbox = Sandbox::start(&[]);
    let set = async |now: &str| sandbox.control("POST", "clock", json!({ "now": now })).await;
    set("2026-01-01T00:00:00Z").await;
    sandbox.control("POST", "bridges", json!([{"customer_ref": "a", "status": "connected"}])).await;
    assert_eq!(sandbox.get("/api/instances/1").await.json()["created_at"], "2026-01-01T00:00:00Z");
    set("2026-01-02T00:00:01Z").await;
    sandbox.delete("/api/instances/a/proxy/logout").await;
    set("2026-01-01T12:00:00Z").await;
    sandbox.control("PATCH", "bridges/1", json!({"customer_ref": "b"})).await;
    sandbox.delete("/api/instances/1").await;
    let change = |at: &str, customer_ref: &str, status: Option<&str>| json!({"at": format!("2026-01-{at}.000000Z"), "id": 1, "customer_ref": customer_ref, "status": status});
    assert_eq!(
        sandbox.control("GET", "statuses", "").await,
        json!([
            change("01T00:00:00", "a", Some("connected")),
            change("02T00:00:01", "a", Some("disconnected")),
            change("01T12:00:00", "b", Some("disconnected")),
            change("01T12:00:00", "b", None),
        ])
    );
    assert_eq!(sandbox.send("POST", "/_sandbox/clock", r#"{"now": "soon"}"#).await.code, 400);
}

#[tokio::test]
async fn the_key_and_the_statuses_of_the_list_can_change() {
    let sandbox = Sandbox::start(&[]);
    sandbox.control("POST", "bridges", json!([{"customer_ref": "a", "status": "connected"}])).await;
    assert_eq!(sandbox.get("/api/instances").await.json()[0]["status"], Value::Null);
    let shown = sandbox.control("POST", "settings", json!({"list_status": true})).await;
    assert_eq!(shown, json!({"list_status": true}));
    for path in ["/api/instances", "/api/instances/1"] {
        let answer = sandbox.get(path).await.json();
        let bridge = answer.get(0).unwrap_or(&answer);
        assert_eq!(bridge["status"], "connected", "{path}");
    }
    sandbox.control("POST", "settings", json!({"list_status": false})).await;
    assert_eq!(sandbox.get("/api/instances").await.json()[0]["status"], Value::Null);
    sandbox.control("POST", "settings", json!({"key": "another"})).await;
    assert_eq!(sandbox.get("/api/instances").await.code, 401);
    assert_eq!(sandbox.send("POST", "/_sandbox/settings", r#"{"colour": "red"}"#).await.code, 400);
}
