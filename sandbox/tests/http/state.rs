//! Tests the start, the end and the state file.

use std::process::Output;

use serde_json::{Value, json};

use crate::sandbox::{Sandbox, command, wait_until};

/// Runs a sandbox that must exit with an error.
fn failing(flags: &[&str]) -> Output {
    let output = command(flags).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    output
}

#[tokio::test]
async fn the_world_survives_a_clean_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let flags = ["--seed", "3", "--state", file.to_str().unwrap()];
    for signal in ["-TERM", "-INT"] {
        let sandbox = Sandbox::start(&flags);
        let row = json!([{"customer_ref": signal, "webhook_url": "http://127.0.0.1:9/"}]);
        sandbox.control("POST", "bridges", row).await;
        assert!(sandbox.stop(signal).await.success());
    }
    let sandbox = Sandbox::start(&flags);
    let kept = sandbox.control("GET", "bridges", "").await;
    assert_eq!(kept.as_array().unwrap().len(), 5);
    assert_eq!(
        (&kept[4]["customer_ref"], &kept[4]["webhook_url"]),
        (&json!("-INT"), &json!("http://127.0.0.1:9/"))
    );
    sandbox.delete("/api/instances/5").await;
    assert!(sandbox.stop("-TERM").await.success());
    let sandbox = Sandbox::start(&flags);
    let next = sandbox.post("/api/instances", json!({"customer_ref": "new"})).await.json();
    assert_eq!(next["id"], 6, "an id is never used twice");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_change_reaches_the_file_and_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let flags = ["--state", file.to_str().unwrap()];
    let sandbox = Sandbox::start(&flags);
    for customer_ref in ["a", "b", "c"] {
        sandbox.post("/api/instances", json!({"customer_ref": customer_ref})).await;
    }
    wait_until("the file", async || {
        let state: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        (state["bridges"].as_array().unwrap().len() == 3).then_some(())
    })
    .await;
    assert!(!sandbox.stop("-KILL").await.success());
    let list = Sandbox::start(&flags).get("/api/instances").await.json();
    assert_eq!(list.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_hanging_call_does_not_delay_the_end() {
    let sandbox = Sandbox::start(&[]);
    sandbox.control("POST", "faults", json!({"kind": "hang"})).await;
    let call = tokio::spawn(sandbox.request("GET", "/api/instances").send());
    wait_until("the call", async || {
        let ledger = sandbox.control("GET", "ledger", "").await;
        (!ledger.as_array().unwrap().is_empty()).then_some(())
    })
    .await;
    assert!(sandbox.stop("-TERM").await.success());
    assert!(call.await.unwrap().is_err());
}

#[test]
fn a_damaged_state_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    std::fs::write(&file, "{\"bridges\":[").unwrap();
    let message = String::from_utf8(failing(&["--state", file.to_str().unwrap()]).stderr).unwrap();
    assert!(message.contains("damaged; move it away"), "{message}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"bridges\":[");
}

#[test]
fn a_failed_start_prints_its_reason() {
    let sandbox = Sandbox::start(&[]);
    let taken = sandbox.url.strip_prefix("http://").unwrap();
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_sandbox")).args(["--listen", taken]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && message.contains(taken) && message.contains("--listen"), "{message}");
    let message = String::from_utf8(failing(&["--state", "/nonexistent/folder/s.json"]).stderr).unwrap();
    assert!(message.contains("/nonexistent/folder"), "{message}");
    failing(&["--speed", "0"]);
    failing(&["--key", ""]);
}

#[test]
fn the_access_log_is_silent_unless_asked_for() {
    for (flags, lines) in [(&[][..], 0), (&["--verbose"][..], 1)] {
        let mut child = command(flags)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        let address = line.trim_end().strip_prefix("sandbox listening on http://").unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut stream, b"GET /api/instances HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        child.kill().unwrap();
        let log = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
        assert_eq!(log.lines().count(), lines, "{log}");
        assert!(lines == 0 || log.starts_with("GET /api/instances 401 other "), "{log}");
    }
}
