//! Tests `--poll-status`, with which `wab` asks the sessions for statuses that the list lacks.

use std::process::Stdio;

use anyhow::Result;
use e2e::fleet::Fleet;
use e2e::wait;
use serde_json::{Value, json};

use crate::world;

/// Twenty tenants with unknown statuses; the session of one of them is disconnected.
async fn silent() -> Result<Fleet> {
    let fleet = Fleet::start(&["--speed", "60"])?;
    world::fill(&fleet).await?;
    fleet.sandbox.change(20, json!({"status": "disconnected"})).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sandbox.clear_ledger().await?;
    Ok(fleet)
}

const STATUSES: &str =
    "SELECT count(*) FILTER (WHERE status = 'paired'), count(*) FILTER (WHERE status = 'disconnected'),
                               count(status_asked_at) FROM wab_bridges";

async fn sessions_asked(fleet: &Fleet) -> Result<usize> {
    let calls = fleet.sandbox.ledger().await?;
    let asked = |call: &&Value| call["path"].as_str().is_some_and(|path| path.ends_with("/proxy/status"));
    Ok(calls.iter().filter(asked).count())
}

#[tokio::test]
async fn drift_stores_what_it_polls_and_asks_others_next() -> Result<()> {
    let fleet = silent().await?;
    fleet.sql("UPDATE wab_policy SET disconnected_after = '0'")?;
    let tenants = "SELECT t::text FROM tenants t ORDER BY 1";
    let before = (fleet.sql(tenants)?, fleet.sql("SELECT bound_at FROM wab_tenant_binding")?);
    let disconnected = |max: &str| fleet.wab(&["drift", "--poll-status", max, "--fail-on", "disconnected"]);
    for asked in [8, 16, 20] {
        let said = disconnected("8")?;
        assert_eq!(
            fleet.sql("SELECT count(status_asked_at) FROM wab_bridges")?,
            asked.to_string(),
            "{}",
            said.stderr
        );
        assert!(said.stderr.contains(" of 20 bridges"), "{}", said.stderr);
    }
    assert_eq!(fleet.sql(STATUSES)?, "19|1|20");
    let said = fleet.wab(&["drift", "--fail-on", "disconnected"])?;
    assert_eq!(said.code, 2, "a later run must know what was learnt: {}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sql("SELECT kind FROM wab_drift_episodes ORDER BY 1")?, "disconnected\nstatus_drift");
    assert_eq!((fleet.sql(tenants)?, fleet.sql("SELECT bound_at FROM wab_tenant_binding")?), before);
    Ok(())
}

#[tokio::test]
async fn a_plan_stores_no_polled_status_and_says_so() -> Result<()> {
    let fleet = silent().await?;
    let before = world::observed(&fleet)?;
    let said = fleet.wab(&["plan", "--poll-status", "20"])?;
    assert!(said.stdout.contains("paired → disconnected"), "{}{}", said.stdout, said.stderr);
    let said = fleet.wab(&["plan", "--poll-status", "8"])?;
    assert!(said.stderr.contains("asked 8 of 20 bridges"), "{}", said.stderr);
    assert_eq!(world::observed(&fleet)?, before);
    let help = fleet.wab(&["plan", "--help"])?.stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("wab plan is a dry run and does not"), "{help}");
    Ok(())
}

#[tokio::test]
async fn drift_shows_polled_statuses() -> Result<()> {
    let fleet = silent().await?;
    assert_eq!(fleet.wab(&["drift"])?.code, 0, "an unknown status must not be drift");
    assert_eq!(sessions_asked(&fleet).await?, 0, "without --poll-status no session may be asked");
    let said = fleet.wab(&["drift", "--poll-status", "100", "--json"])?;
    assert_eq!(said.code, 2, "{}{}", said.stdout, said.stderr);
    let drift: Value = serde_json::from_str(&said.stdout)?;
    assert_eq!(drift["drift"][0]["kind"], "status_drift", "{drift}");
    assert_eq!((&drift["drift"][0]["customer_ref"], &drift["drift"][1]), (&json!("cust_20"), &Value::Null));
    assert_eq!(sessions_asked(&fleet).await?, 20);
    Ok(())
}

#[tokio::test]
async fn an_apply_polls_the_given_number_and_stores_the_statuses() -> Result<()> {
    let fleet = silent().await?;
    let said = fleet.wab(&["apply", "-y", "--poll-status", "5"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!((sessions_asked(&fleet).await?, fleet.sql(STATUSES)?), (5, "5|0|5".to_owned()));
    fleet
        .sandbox
        .fault(json!({"path": "/api/instances/cust_07/proxy/status", "kind": "status", "code": 404}))
        .await?;
    let said = fleet.wab(&["apply", "-y", "--poll-status", "100"])?;
    assert_eq!(said.code, 0, "one failing session must not stop the others: {}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("14 of 15 sessions returned their status"), "{}", said.stderr);
    assert_eq!((sessions_asked(&fleet).await?, fleet.sql(STATUSES)?), (20, "18|1|20".to_owned()));
    assert_eq!(fleet.sql("SELECT id FROM tenants WHERE bridge_status = 'disconnected'")?, "cust_20");
    let said = fleet.wab(&["apply", "-y", "--poll-status", "100"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(
        sessions_asked(&fleet).await?,
        20,
        "a session that was asked within a minute must not be asked again"
    );
    Ok(())
}

#[tokio::test]
async fn a_refused_key_or_a_signal_ends_the_poll() -> Result<()> {
    let fleet = silent().await?;
    let before = world::observed(&fleet)?;
    let refused = json!({"path": "/api/instances/cust_09/proxy/status", "kind": "status", "code": 401});
    fleet.sandbox.fault(refused).await?;
    let said = fleet.wab(&["apply", "-y", "--poll-status", "100"])?;
    assert_eq!(said.code, 3, "{}{}", said.stdout, said.stderr);
    fleet.sandbox.heal().await?;

    fleet.sandbox.fault(json!({"path_prefix": "/api/instances/", "kind": "hang"})).await?;
    fleet.sandbox.clear_ledger().await?;
    let mut wab = fleet
        .wab_command(&["apply", "-y", "--poll-status", "100"])?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    wait::until("sessions are asked", || async { Ok((sessions_asked(&fleet).await? > 0).then_some(())) })
        .await?;
    e2e::process::must(std::process::Command::new("kill").args(["-INT", &wab.id().to_string()]))?;
    assert_eq!(wab.wait()?.code(), Some(8));
    assert_eq!(world::observed(&fleet)?, before);
    Ok(())
}

#[tokio::test]
async fn sessions_that_hang_are_abandoned_and_asked_last_next_time() -> Result<()> {
    let fleet = silent().await?;
    fleet.fleet_yaml(&format!("  request_timeout: 500ms\n{}", world::YAML))?;
    for n in 1..=9 {
        let path = format!("/api/instances/cust_0{n}/proxy/status");
        fleet.sandbox.fault(json!({"path": path, "kind": "hang"})).await?;
    }
    let said = fleet.wab(&["apply", "-y", "--poll-status", "9"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("0 of 9 sessions"), "{}", said.stderr);
    assert_eq!(
        fleet.sql(STATUSES)?,
        "0|0|5",
        "the poll must stop after five sessions and record that it asked them"
    );
    let said = fleet.wab(&["apply", "-y", "--poll-status", "100"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sql(STATUSES)?, "10|1|20", "the other sessions must be asked next");
    Ok(())
}
