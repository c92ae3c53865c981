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

/// Every call that writes one bridge announces at once how its drift changed.
#[tokio::test]
async fn a_call_about_one_bridge_is_notified_at_once() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(
        "INSERT INTO tenants (id) VALUES ('cust_21'), ('cust_22'), ('cust_23'); SELECT _wab_record_drift()",
    )?;
    let heard = heard(
        &fleet,
        &[
            r#"SELECT wab_ingest_event('cust_05', '{"event": "disconnected"}')"#,
            r#"SELECT wab_ingest_event('cust_05', '{"event": "connected"}')"#,
            "SELECT _wab_record_session('cust_06', 'closed')",
            "SELECT _wab_record_provision('cust_21', 21, 'running', 'qr')",
            "SELECT _wab_record_provision('cust_20', 22, 'running')",
            "SELECT _wab_record_delete(22, 'cust_20')",
            "SELECT _wab_record_delete(7, 'cust_07')",
            "INSERT INTO tenants (id) VALUES ('8'); SELECT _wab_record_drift()",
            r#"SELECT wab_ingest_event('cust_08', '{"event": "disconnected"}')"#,
        ],
    )?;
    let said = |nth: usize| -> Vec<(Value, Value)> {
        heard[nth].iter().map(|said| (said["began"].clone(), said["ended"].clone())).collect()
    };
    let one = |began: Value, ended: Value| vec![(began, ended)];
    assert_eq!(said(0), one(json!({"status_drift": 1}), json!({})));
    assert_eq!(said(1), one(json!({}), json!({"status_drift": 1})));
    assert_eq!(said(2), one(json!({"status_drift": 1}), json!({})));
    assert_eq!(said(3), one(json!({}), json!({"missing": 1})));
    assert_eq!(said(4), one(json!({"duplicate": 1}), json!({})));
    assert_eq!(said(5), one(json!({"unbound": 1}), json!({"duplicate": 1})));
    assert_eq!(said(6), one(json!({"missing": 1}), json!({})));
    // A tenant may have the number of a bridge as its id.
    assert_eq!(said(8), one(json!({"status_drift": 1}), json!({})));
    assert_eq!(fleet.sql("SELECT _wab_record_drift()")?, "0", "all drift was recorded already");
    Ok(())
}

#[tokio::test]
async fn a_job_that_fails_in_any_way_is_in_wab_status_and_raises_its_whole_error() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(
        "CREATE FUNCTION boo() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
           RAISE 'boo' USING ERRCODE = 'P7777', DETAIL = 'why', HINT = 'what', COLUMN = 'co', CONSTRAINT = 'cn', DATATYPE = 'dt',
               TABLE = 'ta', SCHEMA = 'sc'; END $$;
         CREATE FUNCTION must() RETURNS void LANGUAGE plpgsql AS $$ BEGIN ASSERT false, 'never'; END $$;
         ALTER DATABASE app SET statement_timeout = '2s'",
    )?;
    for (command, state, error) in [
        ("SELECT boo()", "P7777", "boo: why"),
        ("SELECT must()", "P0004", "never"),
        ("SELECT pg_sleep(60)", "57014", "canceling statement due to statement timeout"),
        (
            "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)",
            "57014",
            "canceling statement due to user request",
        ),
        ("SELECT 1/0", "22012", "division by zero"),
    ] {
        let job = format!("CALL wab_run_job('mine', '{command}')");
        let (said, message) = fleet.sql_error(&job)?;
        assert_eq!(said, state, "{message}");
        let status = "SELECT failing_job, last_error_sqlstate, last_error FROM wab_status";
        assert_eq!(fleet.sql(status)?, format!("mine|{state}|{error}"));
        assert!(
            message.contains(&format!("SQL statement \"{command}\"")),
            "the context must stay: {message}"
        );
        if state == "P7777" {
            for part in [
                "DETAIL:  why",
                "HINT:  what",
                "function boo()",
                "COLUMN NAME:  co",
                "CONSTRAINT NAME:  cn",
                "DATATYPE NAME:  dt",
                "TABLE NAME:  ta",
                "SCHEMA NAME:  sc",
            ] {
                assert!(message.contains(part), "{part}: {message}");
            }
        }
    }
    fleet.sql("CALL wab_run_job('mine', 'SELECT 1')")?;
    assert_eq!(fleet.sql("SELECT failing_job FROM wab_status")?, "");
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
    let board: Value = serde_json::from_str(include_str!("../../../monitoring/fleet.json"))?;
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

/// The status that nothing confirmed for longest is 52 minutes old; 3,000 bridges at 60 calls a minute take 50 minutes.
#[tokio::test]
async fn the_age_of_the_oldest_status_is_shown() -> Result<()> {
    let fleet = Fleet::start(&["--speed", "60"])?;
    world::fill(&fleet).await?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql("CREATE ROLE grafana LOGIN; GRANT wab_reader, pg_monitor TO grafana")?;
    fleet.fleet_yaml(world::YAML)?;
    let metrics = metrics()?;
    let metric = metrics.iter().find(|metric| metric["name"] == "wab_oldest_status_age_seconds");
    let metric = metric.and_then(|metric| metric["query"].as_str()).context("no such metric")?.to_owned();
    let minutes = || -> Result<(String, String)> {
        Ok((
            fleet.sql(
                "SET ROLE grafana; SELECT round(extract(epoch FROM oldest_status_age) / 60) FROM wab_status",
            )?,
            fleet.sql(&format!("SET ROLE grafana; SELECT round(seconds / 60) FROM ({metric}) m"))?,
        ))
    };
    let ages = |age: &str| (age.to_owned(), age.to_owned());
    // A status that was never learnt is as old as the bridge is known.
    fleet.sql("UPDATE wab_bridges SET first_seen_at = now() - interval '3 days'; UPDATE wab_bridges SET first_seen_at = now() - interval '4 days' WHERE bridge_id = 4")?;
    assert_eq!(minutes()?, ages("5760"));
    fleet.sql(
        "UPDATE wab_bridges SET status = 'paired', raw_status = 'connected', status_observed_at = now() - interval '7 minutes';
         UPDATE wab_bridges SET status_observed_at = now() - interval '52 minutes' WHERE bridge_id = 9;
         UPDATE wab_bridges SET status_observed_at = now() - interval '9 days', status_listed = true WHERE bridge_id = 10;
         UPDATE wab_bridges SET status_observed_at = now() - interval '9 days', customer_ref = NULL WHERE bridge_id = 11;
         INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, raw_status, first_seen_at, status_observed_at)
         SELECT n, 'more_' || n, 'running', 'paired', 'connected', now(), now() FROM generate_series(21, 3002) n",
    )?;
    assert_eq!(minutes()?, ages("52"), "a listing confirms what it carries, and no poll can ask bridge 11");
    let statuses = || -> Result<Value> {
        let said = fleet.wab(&["doctor", "--json"])?;
        let document: Value = serde_json::from_str(&said.stdout).with_context(|| said.stderr.clone())?;
        let check = document["checks"]
            .as_array()
            .and_then(|all| all.iter().find(|check| check["check"] == "statuses"));
        check.cloned().context("no check of statuses")
    };
    let check = statuses()?;
    let says = check["says"].as_str().unwrap_or_default();
    assert!(
        says.contains("the oldest status is 52m")
            && says.ends_with("3000 bridges at 60 calls a minute take 50m"),
        "{check}"
    );
    assert_eq!(check["verdict"], "ok", "{check}");
    fleet.sql(
        "UPDATE wab_bridges SET status_observed_at = now() - interval '80 minutes' WHERE bridge_id = 9",
    )?;
    assert_eq!(statuses()?["verdict"], "warning");
    // An event confirms a status too.
    fleet.sql(r#"SELECT wab_ingest_event('cust_09', '{"event": "connected"}')"#)?;
    assert_eq!(minutes()?, ages("7"));
    let status: Value = serde_json::from_str(&fleet.wab(&["status", "--json"])?.stdout)?;
    assert_eq!(
        (status["oldest_status_seconds"].as_i64().map(|s| s / 60), &status["polled"]),
        (Some(7), &json!(3000)),
        "{status}"
    );
    Ok(())
}

const EXPORTER: &str = include_str!("../../../monitoring/sql_exporter.yml");

/// The queries of the exporter's configuration.
fn metrics() -> Result<Vec<Value>> {
    let config: Value = serde_yaml::from_str(EXPORTER)?;
    Ok(config["jobs"][0]["queries"].as_array().context("no queries")?.clone())
}

/// Debian's sql_exporter runs the file as it is, but for the connection.
#[tokio::test]
async fn the_exporter_serves_every_metric_of_the_file() -> Result<()> {
    let fleet = watched().await?;
    let connection = format!(
        "postgres://grafana@/{DATABASE}?host={}&sslmode=disable",
        fleet.cluster.socket_dir().display()
    );
    let named = "postgres://grafana@localhost/app?sslmode=disable";
    let file = fleet.write("sql_exporter.yml", &EXPORTER.replace(named, &connection))?;
    let free = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = free.local_addr()?.to_string();
    drop(free);
    let mut exporter = std::process::Command::new("prometheus-sql-exporter")
        .arg("-config.file")
        .arg(file)
        .args(["-web.listen-address", &address])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let wanted = metrics()?;
    let page = e2e::wait::until("the exporter has every metric", || async {
        let Ok(answer) = reqwest::get(format!("http://{address}/metrics")).await else { return Ok(None) };
        let page = answer.text().await?;
        let has =
            |metric: &Value| page.contains(&format!("\nsql_{}{{", metric["name"].as_str().unwrap_or("?")));
        Ok(wanted.iter().all(has).then_some(page))
    })
    .await;
    exporter.kill()?;
    exporter.wait()?;
    let page = page?;
    let value = |name: &str, labels: &[&str]| {
        let line = page.lines().find(|line| {
            line.starts_with(&format!("sql_{name}{{")) && labels.iter().all(|label| line.contains(label))
        });
        line.and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
    };
    let incidents = ["kind=\"state\"", "severity=\"critical\"", "state=\"open\""];
    assert_eq!(value("wab_incidents", &incidents).as_deref(), Some("1"), "{page}");
    assert_eq!(value("wab_drift", &["kind=\"missing\""]).as_deref(), Some("1"), "{page}");
    assert_eq!(
        value("wab_bridges", &["col=\"paired\""]),
        Some(fleet.sql("SELECT paired FROM wab_fleet_summary")?)
    );
    Ok(())
}

/// Prometheus' and Alertmanager's own programs accept the files, and the unit tests of the rules pass.
#[test]
fn the_rules_and_the_routing_are_accepted() -> Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../monitoring");
    for command in [
        "promtool check rules prometheus.rules.yml",
        "promtool test rules prometheus.rules.test.yml",
        "promtool check config --syntax-only prometheus.example.yml",
        "amtool check-config alertmanager.example.yml",
    ] {
        let words: Vec<_> = command.split(' ').collect();
        let said =
            e2e::process::run(std::process::Command::new(words[0]).args(&words[1..]).current_dir(folder))?;
        anyhow::ensure!(said.code == 0, "{command}: {}{}", said.stdout, said.stderr);
    }
    let rules = include_str!("../../../monitoring/prometheus.rules.yml");
    let exported = metrics()?;
    let expressions: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    for expression in &expressions {
        let words = expression.split(|c: char| !c.is_alphanumeric() && c != '_');
        let names: Vec<_> = words.filter(|word| word.starts_with("wab_")).collect();
        anyhow::ensure!(!names.is_empty(), "{expression} has no metric");
        for name in names {
            // wab serve counts the webhooks itself.
            let is_known =
                name == "wab_webhooks_total" || exported.iter().any(|metric| metric["name"] == name);
            anyhow::ensure!(is_known, "no metric {name}");
        }
    }
    anyhow::ensure!(expressions.len() == rules.matches("- alert:").count(), "{expressions:?}");
    Ok(())
}
