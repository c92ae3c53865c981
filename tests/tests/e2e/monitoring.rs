//! Tests monitoring: notifications when drift changed, the row of wab_status, the dashboard and the metrics.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet};
use serde_json::{Value, json};

use crate::world;

/// The notifications that a listening session gets for each of these statements, which another session runs.
fn heard(fleet: &Fleet, statements: &[&str]) -> Result<Vec<Vec<Value>>> {
    let mut psql = fleet.cluster.program("psql", DATABASE);
    psql.args(["-X", "-q", "-A", "-t"]);
    let mut listener = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut say = listener.stdin.take().context("no stdin")?;
    let (sender, lines) = mpsc::channel();
    let output = BufReader::new(listener.stdout.take().context("no stdout")?);
    std::thread::spawn(move || {
        output.lines().map_while(|line| line.ok()).try_for_each(|line| sender.send(line))
    });
    // psql prints notifications before the result of the next statement.
    let mut until_marked = |statement: &str| -> Result<Vec<Value>> {
        writeln!(say, "{statement}; SELECT 'mark';")?;
        let mut said = Vec::new();
        loop {
            let line =
                lines.recv_timeout(Duration::from_secs(10)).context("the listening psql printed no line")?;
            if line == "mark" {
                return Ok(said);
            }
            if let Some((_, payload)) = line.split_once("with payload \"") {
                let (payload, _) = payload.rsplit_once("\" received").context("no end")?;
                said.push(serde_json::from_str(payload)?);
            }
        }
    };
    until_marked("LISTEN wab_drift")?;
    let mut all = Vec::new();
    for statement in statements {
        fleet.sql(statement)?;
        // psql prints a notification that arrives with a result after that result, so a second statement is needed.
        let mut said = until_marked("SELECT 1 WHERE false")?;
        said.extend(until_marked("SELECT 1 WHERE false")?);
        all.push(said);
    }
    drop(say);
    listener.wait()?;
    Ok(all)
}

#[tokio::test]
async fn a_change_of_drift_is_notified_and_nothing_else_is() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let heard = heard(
        &fleet,
        &[
            "SELECT * FROM wab_refresh()",
            "INSERT INTO tenants (id) VALUES ('cust_21'), ('cust_22'); UPDATE tenants SET bridge_status = 'disconnected' WHERE id = 'cust_01'",
            "SELECT * FROM wab_refresh()",
            "SELECT * FROM wab_refresh()",
            "BEGIN; DELETE FROM tenants WHERE id = 'cust_22'; SELECT * FROM wab_refresh(); ROLLBACK",
            "SELECT * FROM wab_reconcile()",
            "SELECT * FROM wab_reconcile()",
            "DELETE FROM tenants WHERE id IN ('cust_02', 'cust_22'); SELECT * FROM wab_refresh()",
        ],
    )?;
    let none: Vec<Value> = Vec::new();
    let said =
        |nth: usize, key: &str| heard.get(nth).and_then(|said| said.first()).map(|said| said[key].clone());
    assert_eq!((&heard[0], &heard[1], &heard[3], &heard[4], &heard[6]), (&none, &none, &none, &none, &none));
    assert_eq!(said(2, "began"), Some(json!({"missing": 2, "status_drift": 1})), "{heard:?}");
    assert_eq!(said(2, "drift"), said(2, "began"));
    assert_eq!(said(5, "ended"), Some(json!({"status_drift": 1})), "{heard:?}");
    assert_eq!(said(7, "began"), Some(json!({"orphaned": 1})));
    assert_eq!(
        (said(7, "ended"), said(7, "drift")),
        (Some(json!({"missing": 1})), Some(json!({"missing": 1, "orphaned": 1})))
    );
    Ok(())
}

#[tokio::test]
async fn pg_monitor_sees_the_status_and_no_bridge() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher")?;
    assert_eq!(
        fleet.sql("SET ROLE watcher; SELECT version, bridges, drift, observation_age < '1 minute', failing_job FROM wab_status")?,
        format!("{}|20|0|t|", env!("CARGO_PKG_VERSION"))
    );
    for relation in ["wab_bridges", "wab_fleet", "wab_jobs", "wab_queue", "wab_drift_episodes", "wab_costs"] {
        assert_eq!(
            fleet.sql_error(&format!("SET ROLE watcher; SELECT * FROM {relation}"))?.0,
            "42501",
            "{relation}"
        );
    }
    Ok(())
}

/// A fleet with all kinds of drift, some history, and a role with the rights that the dashboard asks for.
async fn watched() -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    world::break_everything(&fleet).await?;
    fleet.sql("SELECT wab_log_summary()")?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql("CREATE ROLE grafana LOGIN; GRANT wab_reader, pg_monitor TO grafana")?;
    Ok(fleet)
}

#[tokio::test]
async fn every_panel_of_the_dashboard_shows_something() -> Result<()> {
    let fleet = watched().await?;
    let board: Value = serde_json::from_str(include_str!("../../../grafana/fleet.json"))?;
    let panels = board["panels"].as_array().context("no panels")?;
    assert!(panels.len() >= 10);
    for panel in panels {
        let sql = panel["targets"][0]["rawSql"].as_str().context("no SQL")?;
        let sql = sql.replace("$__timeFrom()", "'2026-01-01T00:00:00Z'");
        let rows = fleet.sql(&format!("SET ROLE grafana; {sql}"))?;
        assert!(!rows.is_empty(), "{}: {sql}", panel["title"]);
    }
    Ok(())
}

#[tokio::test]
async fn every_metric_has_the_values_and_labels_it_names() -> Result<()> {
    let fleet = watched().await?;
    let collector: Value = serde_yaml::from_str(include_str!("../../../grafana/wab.collector.yml"))?;
    let metrics = collector["metrics"].as_array().context("no metrics")?;
    assert!(metrics.len() >= 7);
    for metric in metrics {
        let columns = [&metric["key_labels"], &metric["values"]];
        let columns: Vec<&str> =
            columns.iter().filter_map(|list| list.as_array()).flatten().filter_map(Value::as_str).collect();
        let query = metric["query"].as_str().context("no query")?;
        let rows = fleet.sql(&format!("SET ROLE grafana; SELECT {} FROM ({query}) q", columns.join(", ")))?;
        assert!(!rows.is_empty(), "{}", metric["metric_name"]);
    }
    Ok(())
}
