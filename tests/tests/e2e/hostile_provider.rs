//! Tests faulty answers of the provider: each gives a clear error, keeps the last observation and invents no drift.

use anyhow::Result;
use e2e::fleet::{Fleet, Install};
use e2e::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::world;

/// Faults of the list, the SQLSTATE that each causes, and words that its message must contain.
fn faults() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (json!({"kind": "status", "code": 401}), "28000", "refused the API key"),
        (json!({"kind": "status", "code": 403}), "28000", "refused the API key"),
        (json!({"kind": "status", "code": 500}), "58000", "HTTP 500"),
        (json!({"kind": "status", "code": 429, "retry_after": 3600}), "53400", "rate limit"),
        (json!({"kind": "html"}), "58000", "cannot be read"),
        (json!({"kind": "garbage"}), "58000", "cannot be read"),
        (json!({"kind": "cut_json"}), "58000", "cannot be read"),
        (json!({"kind": "truncated"}), "08006", "broke"),
        (json!({"kind": "reset"}), "08006", "broke"),
        (
            json!({"kind": "redirect", "location": "https://elsewhere.example.com/"}),
            "58000",
            "elsewhere.example.com",
        ),
        (json!({"kind": "empty_list"}), "55000", "has no bridges"),
        (json!({"kind": "half_list"}), "55000", "shrank too much"),
        (json!({"kind": "huge", "bytes": 3_000_000}), "54000", "too large"),
    ]
}

fn on_the_list(mut fault: Value) -> Value {
    fault["path"] = json!("/api/instances");
    fault["method"] = json!("GET");
    fault
}

async fn fleet() -> Result<Fleet> {
    let sandbox = Sandbox::start(&["--list-status", "--speed", "60"])?;
    let fleet = Fleet::with(sandbox, &[("wab.max_response_size", "2MB")])?;
    world::fill(&fleet).await?;
    Ok(fleet)
}

#[tokio::test]
async fn sql_functions_report_the_fault_and_change_nothing() -> Result<()> {
    let fleet = fleet().await?;
    let before = world::observed(&fleet)?;
    for (fault, state, words) in faults() {
        fleet.sandbox.heal().await?;
        fleet.sandbox.fault(on_the_list(fault.clone())).await?;
        for call in ["wab_refresh()", "wab_reconcile()"] {
            let (code, message) = fleet.sql_error(&format!("SELECT * FROM {call}"))?;
            assert_eq!(code, state, "{call} under {fault}: {message}");
            assert!(message.contains(words), "{call} under {fault}: {message}");
            assert!(message.contains("HINT:"), "{call} under {fault}: {message}");
            assert!(!message.contains("panicking"), "a backtrace: {message}");
        }
        assert_eq!(world::observed(&fleet)?, before, "under {fault}");
        assert_eq!(world::kinds(&fleet)?, Vec::<String>::new(), "under {fault}");
    }
    Ok(())
}

#[tokio::test]
async fn wab_exits_3_on_auth_5_on_absence_and_1_on_the_rest_and_changes_nothing() -> Result<()> {
    let fleet = fleet().await?;
    fleet.fleet_yaml(world::YAML)?;
    let before = world::observed(&fleet)?;
    for (fault, state, _) in faults() {
        // `wab` accepts an answer of 3 MB.
        if state == "54000" {
            continue;
        }
        fleet.sandbox.heal().await?;
        fleet.sandbox.fault(on_the_list(fault.clone())).await?;
        for verb in
            [&["plan"][..], &["plan", "--detailed-exitcode"], &["drift"], &["apply", "--auto-approve"]]
        {
            let said = fleet.wab(verb)?;
            assert_eq!(
                said.code,
                match state {
                    "28000" => 3,
                    // A guard refuses an empty or much shorter list.
                    "55000" => 5,
                    _ => 1,
                },
                "{verb:?} under {fault}: {}{}",
                said.stdout,
                said.stderr
            );
            assert!(said.stderr.contains("error: "), "{verb:?} under {fault}: {}", said.stderr);
            assert!(said.stderr.contains("\nhint: "), "{verb:?} under {fault}: {}", said.stderr);
        }
        assert_eq!(world::observed(&fleet)?, before, "under {fault}");
    }
    Ok(())
}

#[tokio::test]
async fn wab_says_that_it_waits_for_the_list() -> Result<()> {
    let fleet = fleet().await?;
    fleet.fleet_yaml(world::YAML)?;
    let busy = json!({"kind": "status", "code": 429, "retry_after": 3, "times": 2});
    fleet.sandbox.fault(on_the_list(busy)).await?;
    let said = fleet.wab(&["plan"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(said.stderr.matches("rate limit is used up (429)").count(), 1, "{}", said.stderr);
    Ok(())
}

#[tokio::test]
async fn a_provider_that_is_down_is_an_error() -> Result<()> {
    let fleet = fleet().await?;
    fleet.fleet_yaml(world::YAML)?;
    let before = world::observed(&fleet)?;
    let yaml = std::fs::read_to_string(fleet.fleet_yaml(world::YAML)?)?;
    // No program listens on port 1, so the connection is refused.
    fleet.write("fleet.yaml", &yaml.replace(fleet.sandbox.url(), "http://127.0.0.1:1"))?;
    let said = fleet.wab(&["plan"])?;
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert!(said.stderr.contains("cannot connect"), "{}", said.stderr);
    if fleet.install == Install::Extension {
        fleet.cluster.configure(&[("wab.api_url", "http://127.0.0.1:1")])?;
        fleet.cluster.reload()?;
        e2e::wait::until("the setting is in effect", || async {
            Ok((fleet.sql("LOAD 'pg_wabridges'; SHOW wab.api_url")? == "http://127.0.0.1:1").then_some(()))
        })
        .await?;
        let (code, message) = fleet.sql_error("SELECT * FROM wab_refresh()")?;
        assert_eq!(code, "08001", "{message}");
    }
    assert_eq!(world::observed(&fleet)?, before);
    Ok(())
}

#[tokio::test]
async fn a_malformed_row_costs_neither_the_list_nor_a_bridge() -> Result<()> {
    let fleet = fleet().await?;
    fleet.cluster.expect_in_log(&["some listed bridges could not be read"]);
    fleet.fleet_yaml(world::YAML)?;
    for kind in ["malformed_row", "duplicate_row"] {
        fleet.sandbox.heal().await?;
        fleet.sandbox.fault(on_the_list(json!({"kind": kind}))).await?;
        if fleet.install == Install::Extension {
            assert_eq!(fleet.sql("SELECT disappeared, skipped FROM wab_refresh()")?, "0|f", "{kind}");
            assert_eq!(world::kinds(&fleet)?, Vec::<String>::new(), "{kind}");
            assert_eq!(
                fleet.sql("SELECT malformed FROM wab_observations ORDER BY observed_at DESC LIMIT 1")?,
                "1",
                "{kind}"
            );
        }
        let said = fleet.wab(&["plan", "--detailed-exitcode"])?;
        assert_eq!(
            said.code, 1,
            "an incomplete list must give exit code 1, not 0 or 2: {}{}",
            said.stdout, said.stderr
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_lost_answer_that_cannot_be_looked_up_is_reported_as_unknown() -> Result<()> {
    let fleet = fleet().await?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_21')")?;
    fleet
        .sandbox
        .fault(json!({"method": "POST", "path": "/api/instances", "kind": "lost_reply", "times": 1}))
        .await?;
    fleet.sandbox.fault(on_the_list(json!({"kind": "status", "code": 502, "after": 1}))).await?;
    let (code, message) = fleet.sql_error("SELECT * FROM wab_provision('cust_21')")?;
    assert_eq!(code, "08006", "{message}");
    assert!(
        message.contains("it is not known whether") && !message.contains("Nothing was changed"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn a_lost_answer_to_a_post_is_looked_up_not_repeated() -> Result<()> {
    let fleet = fleet().await?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_21'), ('cust_22')")?;
    let lost = json!({"method": "POST", "path": "/api/instances", "kind": "lost_reply", "times": 1});
    fleet.sandbox.fault(lost.clone()).await?;
    assert_eq!(fleet.sql("SELECT * FROM wab_provision('cust_21')")?, "cust_21|21|running|created");
    fleet.sandbox.fault(lost).await?;
    fleet.fleet_yaml(world::YAML)?;
    let said = fleet.wab(&["apply", "--auto-approve"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sandbox.calls("POST").await?, 2, "one each: {:?}", fleet.sandbox.ledger().await?);
    assert_eq!(
        fleet.sql("SELECT id, bridge_id FROM tenants WHERE id > 'cust_20' ORDER BY 1")?,
        "cust_21|21\ncust_22|22"
    );
    Ok(())
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_is_looked_up() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("UPDATE tenants SET status = 'left' WHERE id = 'cust_03'")?;
    fleet.sandbox.fault(json!({"kind": "lost_reply", "method": "DELETE", "times": 1})).await?;
    assert_eq!(fleet.sql("SELECT outcome FROM wab_delete_instance(3, 'cust_03')")?, "deleted");
    assert_eq!(fleet.sql("SELECT call, bridge_id, outcome FROM wab_calls")?, "delete|3|deleted");
    assert_eq!(fleet.sql("SELECT bridge_id IS NULL FROM tenants WHERE id = 'cust_03'")?, "t");
    // It was not carried out: the bridge is there, and the error says that it is not known.
    fleet.sandbox.fault(json!({"kind": "status", "code": 500, "method": "DELETE"})).await?;
    let (state, message) = fleet.sql_error("SELECT * FROM wab_delete_instance(4, 'cust_04')")?;
    assert_eq!(state, "08006", "{message}");
    Ok(())
}
