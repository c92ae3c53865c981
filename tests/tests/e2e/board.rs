//! Tests that each page of `wab serve` shows what its view says, as HTML and as CSV.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use e2e::fleet::{DATABASE, Install};
use e2e::served::{Served, answer};
use e2e::wait;
use serde_json::{Value, json};

use crate::world;

/// Every list, and the number of its rows in SQL.
const LISTS: [(&str, &str); 8] = [
    ("/tenants", "SELECT count(*) FROM wab_fleet"),
    ("/incidents", "SELECT count(*) FROM wab_incidents"),
    ("/drift", "SELECT count(*) FROM wab_drift"),
    ("/repair", "SELECT count(*) FROM wab_to_repair"),
    ("/nudge", "SELECT count(*) FROM wab_to_nudge"),
    ("/costs", "SELECT count(*) FROM wab_costs"),
    ("/queue", "SELECT count(*) FROM wab_queue"),
    ("/runs", "SELECT count(*) FROM wab_runs"),
];

fn rows(csv: &str) -> usize {
    csv.lines().count().saturating_sub(1)
}

#[tokio::test]
async fn every_list_has_the_rows_of_its_view() -> Result<()> {
    let fleet = world::lived_in(Install::Extension).await?;
    let board = Served::open(&fleet)?;
    for (path, sql) in LISTS {
        let wanted: usize = fleet.sql(sql)?.parse()?;
        ensure!(wanted > 0, "{path} has no row, so this proves nothing");
        let csv = board.page(&format!("{path}.csv")).await?;
        assert_eq!(rows(&csv), wanted, "{path}: {csv}");
        let page = board.page(path).await?;
        assert_eq!(page.matches("<tr>").count(), wanted + 1, "{path}");
        let accepts = board.request("GET", path)?.header("accept", "text/csv");
        assert_eq!(answer(accepts).await?.body, csv, "{path}");
    }
    let overview = board.page("/").await?;
    for (wanted, name) in [
        (fleet.sql("SELECT paired FROM wab_fleet_summary")?, "Paired"),
        (fleet.sql("SELECT disconnected FROM wab_fleet_summary")?, "Disconnected"),
    ] {
        assert!(overview.contains(&format!("<strong>{wanted}</strong> {name}")), "{overview}");
    }
    let cost = fleet.sql("SELECT monthly_cost FROM wab_fleet_summary")?;
    assert!(overview.contains(&format!("${cost}")), "{overview}");
    assert!(overview.contains("Fleet observed <strong>"), "{overview}");
    Ok(())
}

#[tokio::test]
async fn a_tenant_has_its_whole_story() -> Result<()> {
    let fleet = world::lived_in(Install::Extension).await?;
    let board = Served::open(&fleet)?;
    let page = board.page("/tenants/cust_05").await?;
    for part in [
        "Uptime",
        "Phone",
        "Drift",
        "Incidents",
        "Cost",
        "Pairing",
        "History",
        "snoozed",
        "on holiday",
        "wab link 'cust_05'",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(board.page("/tenants/cust_09").await?.contains("15550000010"), "the phone of cust_09");
    let history = answer(board.request("GET", "/tenants/cust_05")?.header("accept", "text/csv")).await?;
    let wanted: usize = fleet.sql("SELECT count(*) FROM wab_tenant_history('cust_05')")?.parse()?;
    assert_eq!(rows(&history.body), wanted);
    assert_eq!(board.page("/tenants/cust_05/history.csv").await?, history.body);
    assert!(page.contains("href=\"/tenants/cust_05/history.csv\""), "{page}");
    // Only an orphan, and only a tenant row.
    for (customer_ref, says) in [("nobody", "orphaned"), ("cust_22", "provisioned")] {
        let page = board.page(&format!("/tenants/{customer_ref}")).await?;
        assert!(page.contains(says), "{customer_ref}: {page}");
    }
    assert_eq!(board.get("/tenants/no%20such").await?.code, 404);
    let run = fleet.sql("SELECT run_id FROM wab_runs")?;
    let steps: usize = fleet.sql("SELECT count(*) FROM wab_operations")?.parse()?;
    let page = board.page(&format!("/runs/{run}")).await?;
    assert_eq!(page.matches("<tr>").count(), steps + 3, "{page}");
    assert_eq!(board.get("/runs/nothing").await?.code, 404);
    assert_eq!(rows(&board.page(&format!("/runs/{run}.csv")).await?), steps);
    let nobody = board.request("GET", "/tenants/no%20such")?.header("accept", "text/csv");
    assert_eq!(answer(nobody).await?.code, 404);
    // An id that ends like a file is an id.
    fleet.sql("INSERT INTO tenants (id) VALUES ('a.csv')")?;
    assert!(board.page("/tenants/a.csv").await?.contains("Tenant a.csv"));
    assert_eq!(board.get("/tenants/no%20such/history.csv").await?.code, 404);
    assert!(board.page("/drift?kind=silent").await?.contains("There is no drift of this kind."));
    Ok(())
}

/// The link of the page to the next one.
fn next(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("rel=\"next\" href=\"")?;
    Some(rest.split_once('"')?.0.replace("&amp;", "&"))
}

#[tokio::test]
async fn pages_of_tenants_have_each_row_once_in_order() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    fleet.sql(
        "INSERT INTO tenants SELECT 'more ' || n || '/é', 'active', NULL, NULL FROM generate_series(1, 230) n;
         INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, first_seen_at, duplicated)
         SELECT 5000 + n, CASE WHEN n % 2 = 0 THEN 'twin' END, 'running', 'unknown', now(), n % 2 = 0
         FROM generate_series(1, 240) n",
    )?;
    let board = Served::open(&fleet)?;
    let (mut address, mut seen, mut pages) = ("/tenants".to_owned(), Vec::new(), 0);
    loop {
        let page = board.page(&address).await?;
        let body = page.split_once("<tbody>").and_then(|(_, rest)| rest.split_once("</tbody>"));
        let rows = body.context("no table")?.0.split("<tr>").skip(1).map(str::to_owned);
        seen.extend(rows);
        pages += 1;
        match next(&page) {
            Some(next) => address = next,
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (20 + 230 + 240, 5));
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "a row is on two pages");
    for (query, count) in [
        ("status=paired", 20),
        ("status=unknown", 240),
        ("kind=missing", 230),
        ("q=MORE", 230),
        ("q=more+7%2F", 1),
        ("q=17", 2 + 3),
        ("q=5001", 1),
        ("q=%25", 0),
        ("kind=silent", 0),
    ] {
        let csv = board.page(&format!("/tenants.csv?{query}")).await?;
        let wanted = if query == "q=17" { rows(&csv) } else { count };
        assert_eq!(rows(&csv), wanted, "{query}");
    }
    for bad in ["q=a%00", "after_bridge=x", "kind=%00", "status=nothing", "kind=disconected"] {
        assert_eq!(board.get(&format!("/tenants?{bad}")).await?.code, 400, "{bad}");
    }
    let bad = board.get("/drift.csv?kind=disconected").await?;
    assert_eq!(bad.code, 400);
    assert!(bad.body.contains("disconnected"), "{}", bad.body);
    Ok(())
}

#[tokio::test]
async fn foreign_text_is_text_on_every_page() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    let hostile = "<script>alert(1)</script>\"'&\u{1b}[2J\u{202e}x";
    fleet.sandbox.add_one(hostile, "<img src=x onerror=alert(2)>").await?;
    fleet.sandbox.add_one("a/../b?c#d%2F", "qr").await?;
    fleet.sandbox.add_one(&"long".repeat(1000), "qr").await?;
    fleet.observe().await?;
    let sql = hostile.replace('\'', "''");
    fleet.sql(&format!(
        "UPDATE wab_incident_policy SET begins_after = '0'; SELECT wab_snooze('{sql}', NULL, now() + interval '1 day', '<b>why</b>');
         SELECT wab_enqueue_provision('{sql}'); SELECT _wab_record_drift()"
    ))?;
    let board = Served::open(&fleet)?;
    let link = "/tenants/%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22%27%26%1B%5B2J%E2%80%AEx";
    for path in LISTS.map(|(path, _)| path).into_iter().chain(["/", link]) {
        let page = board.page(path).await?;
        for bad in ["<script>alert", "<img src=x", "<b>why", "\u{1b}", "\u{202e}"] {
            assert!(!page.contains(bad), "{path} has {bad:?}");
        }
    }
    let list = board.page("/tenants").await?;
    assert!(list.contains(&format!("href=\"{link}\"")), "{list}");
    assert!(board.page("/tenants/a%2F..%2Fb%3Fc%23d%252F").await?.contains("orphaned"));
    assert_eq!(board.get(&format!("/tenants/{}", "long".repeat(1000))).await?.code, 200);
    let csv = board.page("/drift.csv").await?;
    assert!(!csv.contains('\u{1b}') && csv.contains("\\u{1b}[2J"), "{csv}");
    let metrics = board.page("/metrics").await?;
    assert!(!metrics.contains("script"), "no label of a metric names a tenant");
    Ok(())
}

/// Prometheus scrapes the board as the example says, and the alert rules find the incidents in what it scraped.
#[tokio::test]
async fn prometheus_scrapes_it_and_the_rules_fire() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    fleet.sql(
        "INSERT INTO tenants (id) VALUES ('cust_21'); UPDATE wab_incident_policy SET begins_after = '0'",
    )?;
    fleet.observe().await?;
    let token = "0123456789abcdef0123456789abcdef";
    let file = fleet.cluster.write_secret("token", token)?;
    let serve = ["serve", "--listen", "127.0.0.1:0", "--token-file", &file.display().to_string()];
    let board = Served::start(fleet.wab_command(&serve)?)?;
    let folder = tempfile::tempdir()?;
    let example = include_str!("../../../monitoring/prometheus.example.yml");
    let place = |text: &str| folder.path().join(text).display().to_string();
    for (needle, value) in [
        ("127.0.0.1:8787", board.url().trim_start_matches("http://")),
        ("/etc/prometheus/wab-token", &place("token")),
        ("interval: 1m", "interval: 1s"),
    ] {
        ensure!(example.contains(needle), "the example does not name {needle}");
        let text = std::fs::read_to_string(place("prometheus.yml")).unwrap_or_else(|_| example.to_owned());
        std::fs::write(place("prometheus.yml"), text.replace(needle, value))?;
    }
    std::fs::write(place("token"), token)?;
    std::fs::copy(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../monitoring/prometheus.rules.yml"),
        place("prometheus.rules.yml"),
    )?;
    let free = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = free.local_addr()?.to_string();
    drop(free);
    let mut prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", place("prometheus.yml")))
        .arg(format!("--storage.tsdb.path={}", place("data")))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let alerts = wait::until("the rules have found the incident", || async {
        let Ok(answer) = reqwest::get(format!("http://{address}/api/v1/alerts")).await else {
            return Ok(None);
        };
        // While it starts, it answers with a sentence.
        let alerts: Value = serde_json::from_str(&answer.text().await?).unwrap_or_default();
        let all = alerts["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let firing: Vec<Value> = all.into_iter().filter(|alert| alert["state"] == "firing").collect();
        Ok((!firing.is_empty()).then_some(firing))
    })
    .await;
    prometheus.kill()?;
    prometheus.wait()?;
    let alerts = alerts?;
    let labels = json!({"alertname": "WabCritical", "severity": "critical", "kind": "missing"});
    assert!(alerts.iter().all(|alert| alert["labels"] == labels), "{alerts:?}");
    Ok(())
}

/// What it says is what Debian's sql_exporter says, but for the prefix.
#[tokio::test]
async fn the_metrics_are_those_of_the_views() -> Result<()> {
    let fleet = world::lived_in(Install::Extension).await?;
    let board = Served::open(&fleet)?;
    let page = board.page("/metrics").await?;
    let value = |sample: &str| page.lines().find_map(|line| line.strip_prefix(sample)).map(str::trim);
    for (sample, sql) in [
        ("wab_bridges{col=\"paired\"}", "SELECT paired FROM wab_fleet_summary"),
        (
            "wab_drift{col=\"differences\",kind=\"orphaned\"}",
            "SELECT count(*) FROM wab_drift WHERE kind = 'orphaned'",
        ),
        ("wab_monthly_dollars{col=\"cost\"}", "SELECT monthly_cost FROM wab_fleet_summary"),
        (
            "wab_incidents{col=\"incidents\",kind=\"state\",severity=\"critical\",state=\"open\"}",
            "SELECT count(*) FROM wab_incidents WHERE kind = 'state' AND state = 'open'",
        ),
    ] {
        assert_eq!(value(sample).map(str::to_owned), Some(fleet.sql(sql)?), "{sample}: {page}");
    }
    let said = e2e::process::run(
        Command::new("sh").args(["-c", &format!("curl -s {}/metrics | promtool check metrics", board.url())]),
    )?;
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{}", said.stderr);
    let names = page.lines().filter(|line| line.starts_with("# TYPE ")).count();
    let defined = include_str!("../../../monitoring/sql_exporter.yml").matches("- name: wab_").count();
    assert_eq!(names, defined);
    assert!(fleet.cluster.url(DATABASE).contains(DATABASE));
    Ok(())
}
