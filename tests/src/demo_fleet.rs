//! The fleet of the demo: 300 tenants and their bridges, with every kind of drift.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::fleet::Fleet;

/// The statement that binds its tenants table.
pub const BIND: &str = "SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''',\n    \
                        webhook_url => '''https://app.example.com/hooks/'' || wab_url_encode(id)')";

/// The statement that reports unpaired numbers of a fleet that is seconds old.
pub const NO_GRACE: &str =
    "UPDATE wab_policy SET disconnected_after = '0', awaiting_scan_after = '0', state_after = '0'";

/// fleet.yaml after its account section.
pub const YAML: &str = "tenants:
  table: public.tenants
  wanted: status = 'active'
bridges:
  webhook_url: https://app.example.com/hooks/{tenant_id}
  extra:
    - { tenant_id: ops-alerts, reason: our own alerts }
  keep:
    - { customer_ref: demo-booth, reason: sales demo }
policy:
  max_creates: 10%
  max_monthly_cost: 1000.00
";

/// Creates the table and the bridges.
pub async fn create(fleet: &Fleet) -> Result<()> {
    let mut bridges: Vec<Value> = Vec::new();
    for n in (1..=300).filter(|n| !(41..=48).contains(n)) {
        let status = match n {
            _ if n % 29 == 0 => "disconnected",
            _ if n % 23 == 0 => "qr",
            _ => "connected",
        };
        let state = if n == 77 { "stopped" } else { "running" };
        bridges.push(json!({"customer_ref": format!("cust_{n:04}"), "status": status, "state": state}));
    }
    for orphan in ["trial-0917", "trial-1004", "old-import-3", "demo-booth"] {
        bridges.push(json!({"customer_ref": orphan, "status": "connected"}));
    }
    bridges.push(json!({"customer_ref": "cust_0100", "status": "qr"}));
    let added = fleet.sandbox.add(Value::Array(bridges)).await?;
    let mut rows = String::new();
    for bridge in added.as_array().context("the sandbox returned no list")? {
        rows.push_str(&format!(
            "({}, '{}'),",
            bridge["id"],
            bridge["customer_ref"].as_str().unwrap_or_default()
        ));
    }
    rows.pop();
    fleet.sql(&format!(
        "CREATE TABLE tenants (id text PRIMARY KEY, name text NOT NULL, status text NOT NULL DEFAULT 'active',
                               bridge_id bigint, bridge_status text);
         INSERT INTO tenants (id, name) SELECT 'cust_' || lpad(n::text, 4, '0'), 'Customer ' || n FROM generate_series(1, 300) n;
         UPDATE tenants t SET bridge_id = b.id, bridge_status = 'paired'
           FROM (SELECT min(v.id) AS id, v.ref FROM (VALUES {rows}) v(id, ref) GROUP BY v.ref) b WHERE b.ref = t.id;
         UPDATE tenants SET bridge_id = NULL, bridge_status = NULL WHERE id IN ('cust_0007', 'cust_0119', 'cust_0203');
         UPDATE tenants SET status = 'cancelled' WHERE id IN ('cust_0012', 'cust_0055', 'cust_0160', 'cust_0290');"
    ))?;
    Ok(())
}
