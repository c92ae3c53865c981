//! The fleets that the board shows in these tests, and the addresses of its pages.

use anyhow::{Context, Result, ensure};
use e2e::demo_fleet;
use e2e::fleet::{Fleet, Install};
use e2e::sandbox::Sandbox;
use serde_json::json;

/// Customer_refs that attack a page: markup, a link that runs a script, terminal escapes, bidi marks, and 5,000 characters without
/// a space.
pub fn hostile() -> Vec<String> {
    vec![
        "<script>window.hacked = 1</script>".to_owned(),
        "\"><img src=x onerror=\"window.hacked = 1\">".to_owned(),
        "javascript:window.hacked=1".to_owned(),
        "</table></div><style>* { display: none }</style>".to_owned(),
        "\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}".to_owned(),
        "\u{202e}txt.exe\u{2066}\u{200f}".to_owned(),
        "..".to_owned(),
        "a/b?c=d&e#f %00".to_owned(),
        "x".repeat(5000),
    ]
}

fn start(sandbox_args: &[&str]) -> Result<Fleet> {
    let args = [&["--list-status", "--speed", "60"], sandbox_args].concat();
    let fleet = Fleet::installed(Install::Extension, Sandbox::start(&args)?, &[])?;
    fleet.fleet_yaml(
        "  limits: { provision: 10/1s, proxy: 120/1s, other: 120/1s }
tenants: { table: public.tenants, wanted: status = 'active' }
",
    )?;
    Ok(fleet)
}

/// A bound table without a tenant, and no observation.
pub fn empty() -> Result<Fleet> {
    let fleet = start(&[])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, status text, bridge_id bigint, bridge_status text);
         SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''')",
    )?;
    Ok(fleet)
}

/// The fleet of the demo after an apply, with drift again.
pub async fn demo() -> Result<Fleet> {
    let fleet = start(&[])?;
    demo_fleet::create(&fleet).await?;
    fleet.sql(demo_fleet::BIND)?;
    fleet.sql(demo_fleet::NO_GRACE)?;
    fleet.observe().await?;
    live_in(&fleet)?;
    for bridge in fleet.sandbox.bridges().await?.iter().take(5) {
        fleet
            .sandbox
            .change(bridge["id"].as_i64().context("no id")?, json!({"status": "disconnected"}))
            .await?;
    }
    fleet.observe().await?;
    Ok(fleet)
}

/// 10,000 tenants: 20 have no bridge, 1,000 wait for a scan, about 530 lost their phones.
pub async fn full() -> Result<Fleet> {
    let fleet = start(&["--seed", "10000", "--limit-other", "0"])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL, bridge_id bigint, bridge_status text);
         INSERT INTO tenants SELECT 'cust_' || lpad(n::text, greatest(4, length(n::text)), '0'), CASE WHEN n % 200 = 3 THEN 'cancelled' ELSE 'active' END
         FROM generate_series(11, 10010) n",
    )?;
    fleet.sql(demo_fleet::BIND)?;
    fleet.sql(demo_fleet::NO_GRACE)?;
    fleet.observe().await?;
    live_in(&fleet)?;
    fleet
        .sql("INSERT INTO tenants (id, status) SELECT 'new_' || n, 'active' FROM generate_series(1, 20) n")?;
    fleet.observe().await?;
    Ok(fleet)
}

/// Every kind of text in which the provider, a tenant or a colleague could attack a page.
pub async fn attacked() -> Result<Fleet> {
    let fleet = empty()?;
    fleet.sql(demo_fleet::NO_GRACE)?;
    for text in hostile() {
        fleet.sql(&format!(
            "INSERT INTO tenants (id, status) VALUES ({0}, 'active'); SELECT wab_enqueue_provision({0})",
            literal(&text)
        ))?;
        fleet.sandbox.add(json!([{ "customer_ref": text, "status": text }])).await?;
        fleet.sandbox.add(json!([{ "customer_ref": text, "status": "disconnected" }])).await?;
    }
    fleet.observe().await?;
    live_in(&fleet)?;
    for text in hostile() {
        fleet.sql(&format!(
            "SELECT wab_nudged({0}, left({0}, 100)), wab_snooze({0}, 'disconnected', now() + interval '1 day', {0});
             SELECT wab_acknowledge(i.incident_id, {0}) FROM wab_incidents i;
             UPDATE wab_queue SET last_error = {0};
             UPDATE wab_operations SET detail = {0}",
            literal(&text)
        ))?;
    }
    Ok(fleet)
}

/// Runs an apply, and leaves traces on every page.
fn live_in(fleet: &Fleet) -> Result<()> {
    let said = fleet.wab(&["apply", "--auto-approve"])?;
    ensure!(said.code == 0, "{}{}", said.stdout, said.stderr);
    fleet.sql(
        "UPDATE wab_incident_policy SET begins_after = '0';
         SELECT count(wab_enqueue_provision(t.id)) FROM (SELECT id FROM tenants LIMIT 3) t;
         SELECT wab_ingest_event(t.id, '{\"event\": \"connected\", \"phone\": \"15550000009\"}') FROM (SELECT id FROM tenants LIMIT 3) t",
    )?;
    Ok(())
}

/// The addresses of all pages of this fleet.
pub fn pages(fleet: &Fleet) -> Result<Vec<String>> {
    let mut pages: Vec<String> = [
        "/",
        "/tenants",
        "/tenants?q=1&status=paired&kind=missing",
        "/incidents",
        "/drift",
        "/repair",
        "/nudge",
    ]
    .into_iter()
    .chain(["/costs", "/queue", "/runs", "/no-such-page", "/tenants?after_bridge=x"])
    .map(str::to_owned)
    .collect();
    let run = fleet.sql("SELECT run_id FROM wab_runs LIMIT 1")?;
    pages.extend((!run.is_empty()).then(|| format!("/runs/{run}")));
    let tenant = fleet
        .sql("SELECT wab_url_encode(customer_ref) FROM wab_to_repair WHERE customer_ref <> '..' LIMIT 1")?;
    pages.extend((!tenant.is_empty()).then(|| format!("/tenants/{tenant}")));
    Ok(pages)
}

/// A text as a literal of SQL.
pub fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
