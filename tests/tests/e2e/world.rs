//! Makes a small fleet, with every kind of drift if a test wants it, and its fleet.yaml.

use anyhow::{Result, ensure};
use e2e::fleet::{Fleet, Install};
use e2e::sandbox::Sandbox;
use serde_json::json;

/// The kinds of drift that `break_everything` causes; phones.rs has the others.
pub const KINDS: [&str; 12] = [
    "awaiting_scan",
    "churned",
    "disconnected",
    "duplicate",
    "missing",
    "orphaned",
    "stale_binding",
    "state",
    "status_drift",
    "unbound",
    "unmapped_status",
    "webhook",
];

/// The part of a fleet.yaml after its account section.
pub const YAML: &str = "\
tenants: { table: public.tenants, wanted: status = 'active' }
policy: { max_creates: 50 }
";

/// Starts a fleet with a bound tenants table of twenty healthy tenants (`cust_01` … `cust_20`, bridge ids 1 … 20).
pub async fn healthy(sandbox_args: &[&str]) -> Result<Fleet> {
    let fleet = Fleet::start(&[&["--list-status", "--speed", "60"], sandbox_args].concat())?;
    fill(&fleet).await?;
    Ok(fleet)
}

/// Returns when the backend waits: `Extension` for the provider, `Lock` for another transaction.
pub async fn until_waiting(fleet: &Fleet, pid: i32, on: &str) -> Result<()> {
    let waits =
        format!("SELECT wait_event_type FROM pg_stat_activity WHERE pid = {pid} AND state = 'active'");
    e2e::wait::until(&format!("backend {pid} waits: {on}"), || async {
        Ok(Some(()).filter(|()| fleet.sql(&waits).is_ok_and(|event| event == on)))
    })
    .await
}

/// The same, with a fleet.yaml.
pub async fn healthy_with_yaml() -> Result<Fleet> {
    let fleet = healthy(&[]).await?;
    fleet.fleet_yaml(YAML)?;
    Ok(fleet)
}

/// Adds twenty healthy tenants and their bridges, binds the table and observes the fleet.
pub async fn fill(fleet: &Fleet) -> Result<()> {
    let table = "CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL DEFAULT 'active', bridge_id bigint, bridge_status text)";
    fill_table(fleet, table).await
}

/// The same, with a table that this statement creates.
pub async fn fill_table(fleet: &Fleet, create: &str) -> Result<()> {
    let bridges: Vec<_> = (1..=20)
        .map(|n| json!({"id": n, "customer_ref": format!("cust_{n:02}"), "status": "connected"}))
        .collect();
    fleet.sandbox.add(json!(bridges)).await?;
    fleet.sql(&format!(
        "{create};
         INSERT INTO tenants SELECT 'cust_' || lpad(n::text, 2, '0'), 'active', n, 'paired' FROM generate_series(1, 20) n;
         SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''')"
    ))?;
    fleet.observe().await
}

/// Causes each kind of drift in a healthy fleet, and observes it.
pub async fn break_everything(fleet: &Fleet) -> Result<()> {
    let sandbox = &fleet.sandbox;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_21')")?;
    fleet.provision("cust_21", "https://old.example.com/").await?;
    fleet.sql(
        "SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''', webhook_url => '''https://new.example.com/'' || id');
         UPDATE wab_policy SET disconnected_after = '0', awaiting_scan_after = '0';
         -- 0.2.0, from which upgrade.rs upgrades, has no such grace.
         DO $$ BEGIN UPDATE wab_policy SET state_after = '0'; EXCEPTION WHEN undefined_column THEN END $$;
         INSERT INTO tenants (id) VALUES ('cust_22');
         UPDATE tenants SET bridge_id = NULL WHERE id = 'cust_02';
         UPDATE tenants SET status = 'cancelled' WHERE id = 'cust_03';
         INSERT INTO tenants VALUES ('cust_23', 'cancelled', 99, 'paired')",
    )?;
    sandbox.add_one("nobody", "connected").await?;
    sandbox.add_one("cust_04", "connected").await?;
    sandbox.change(5, json!({"status": "disconnected"})).await?;
    sandbox.change(6, json!({"status": "qr"})).await?;
    sandbox.change(7, json!({"state": "stopped"})).await?;
    sandbox.change(8, json!({"status": "syncing"})).await?;
    fleet.observe().await
}

/// A fleet that has been used: it had all kinds of drift, an apply repaired those that it can, and every table has a row.
pub async fn lived_in(install: Install) -> Result<Fleet> {
    let fleet = Fleet::installed(install, Sandbox::start(&["--list-status", "--speed", "60"])?, &[])?;
    fill(&fleet).await?;
    break_everything(&fleet).await?;
    fleet.fleet_yaml(&lived_in_yaml("public.tenants"))?;
    let said = fleet.wab(&["apply", "-y"])?;
    ensure!(said.code == 0, "{}{}", said.stdout, said.stderr);
    fleet.sql(
        "SELECT wab_log_summary(), _wab_note_job('refresh'), wab_enqueue_provision('cust_01'),
                wab_nudged('cust_06', 'email'), _wab_note_code('cust_05');
         UPDATE wab_policy SET pairing_url = 'https://pair.example.com/p', board_url = 'https://board.example.com';
         SELECT FROM wab_pairing_link('cust_06'); SELECT wab_revoke_pairing_links('cust_06');
         INSERT INTO wab_status_words VALUES ('online', 'paired');
         UPDATE wab_incident_policy SET begins_after = '0';
         SELECT wab_snooze('cust_05', NULL, now() + interval '1 day', 'on holiday'),
                wab_acknowledge((SELECT min(incident_id) FROM wab_incidents), 'calling them'),
                _wab_begin_alerts(), _wab_alerts_sent(ARRAY['state-1'], '{}'),
                _wab_record_call('pair', 'cust_05', 5, now(), 'code');
         SELECT wab_ingest_event('cust_09', '{\"event\": \"message\"}');
         SELECT wab_ingest_event('cust_09', '{\"event\": \"connected\", \"phone\": \"15550000009\"}');
         SELECT wab_ingest_event('cust_09', '{\"event\": \"connected\", \"phone\": \"15550000010\"}');
         SELECT wab_ingest_event('cust_10', '{\"event\": \"disconnected\"}'); SELECT wab_ingest_event('cust_10', '{\"event\": \"connected\"}')",
    )?;
    Ok(fleet)
}

/// The fleet.yaml of `lived_in`, for this tenants table.
pub fn lived_in_yaml(table: &str) -> String {
    format!(
        "tenants: {{ table: {}, wanted: status = 'active' }}
bridges:
  extra: [ {{ tenant_id: ops, reason: our own alerts }} ]
  keep: [ {{ customer_ref: demo-2025, reason: sales demo, until: 2999-12-31 }} ]
",
        json!(table)
    )
}

/// The current kinds of drift, sorted.
pub fn kinds(fleet: &Fleet) -> Result<Vec<String>> {
    let kinds = fleet.sql("SELECT DISTINCT kind FROM wab_drift ORDER BY 1")?;
    Ok(kinds.lines().map(str::to_owned).collect())
}

/// All rows that an observation writes, to compare before and after.
pub fn observed(fleet: &Fleet) -> Result<String> {
    fleet.sql(
        "SELECT 'bridge', b::text FROM wab_bridges b UNION ALL SELECT 'observation', o::text FROM wab_observations o
         UNION ALL SELECT 'event', e::text FROM wab_bridge_events e UNION ALL SELECT 'tenant', t::text FROM tenants t ORDER BY 1, 2",
    )
}
