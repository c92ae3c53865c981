//! The fleet on which a page's blocks run, as its first lines ask for it.

use anyhow::Result;
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::sandbox::Sandbox;
use serde_json::json;

use super::page::Page;
use crate::world;

const SANDBOX: [&str; 3] = ["--list-status", "--speed", "60"];

/// Starts it. A page that asks for no fleet gets one that is bound and has every kind of drift.
pub async fn start(page: &Page) -> Result<Fleet> {
    if page.says("fleet: bare") {
        return bare(Ids::Text).await;
    }
    if page.says("fleet: monday") {
        return monday().await;
    }
    if page.says("fleet: healthy") {
        return world::healthy(&[]).await;
    }
    let fleet = if page.says("fleet: cron") {
        let cron = [("shared_preload_libraries", "pg_cron"), ("cron.database_name", DATABASE)];
        let fleet = Fleet::with(Sandbox::start(&SANDBOX)?, &cron)?;
        fleet.sql("CREATE EXTENSION pg_cron")?;
        fleet
    } else {
        Fleet::start(&SANDBOX)?
    };
    world::fill(&fleet).await?;
    world::break_everything(&fleet).await?;
    Ok(fleet)
}

/// 400 tenants after a weekend: 40 disconnected, 30 that never scanned, 10 that left, 3 that flap, 2 with one phone; and 25 bridges
/// without a tenant.
async fn monday() -> Result<Fleet> {
    let fleet = Fleet::start(&SANDBOX)?;
    let status = |n| match n {
        1..=40 => "disconnected",
        41..=70 => "qr",
        _ => "connected",
    };
    let customer_ref = |n| if n <= 400 { format!("cust_{n:03}") } else { format!("old_{n}") };
    let bridges: Vec<_> =
        (1..=425).map(|n| json!({"id": n, "customer_ref": customer_ref(n), "status": status(n)})).collect();
    fleet.sandbox.add(json!(bridges)).await?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, phone text, status text NOT NULL DEFAULT 'active', bridge_id bigint,
                               bridge_status text);
         INSERT INTO tenants SELECT 'cust_' || lpad(n::text, 3, '0'), '+1555' || lpad(n::text, 7, '0'),
                                    CASE WHEN n BETWEEN 71 AND 80 THEN 'left' ELSE 'active' END, n
         FROM generate_series(1, 400) n;
         SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''')",
    )?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.observe().await?;
    // All were observed 40 days ago, those that never scanned 2 days ago, and what else is wrong began over the weekend.
    fleet.sql(
        "UPDATE wab_bridges SET first_seen_at = first_seen_at - interval '40 days', created_at = first_seen_at - interval '40 days',
             status_since = now() - interval '9 hours';
         UPDATE wab_bridges SET first_seen_at = first_seen_at + interval '38 days', created_at = created_at + interval '38 days',
             unpaired_since = unpaired_since - interval '2 days' WHERE unpaired_since IS NOT NULL;
         UPDATE wab_bridge_events SET at = at - interval '40 days';
         UPDATE tenants t SET bridge_status = b.status FROM wab_bridges b WHERE b.bridge_id = t.bridge_id",
    )?;
    for minutes in [50, 40, 30, 20, 10, 5] {
        let event = if minutes % 20 == 10 { "disconnected" } else { "connected" };
        fleet.sql(&format!(
            "SELECT wab_ingest_event('cust_08' || n, '{{\"event\": \"{event}\"}}', now() - interval '{minutes} minutes')
             FROM generate_series(1, 3) n"
        ))?;
    }
    fleet.sql(
        "SELECT wab_ingest_event('cust_08' || n, '{\"event\": \"connected\", \"phone\": \"15550000084\"}')
         FROM generate_series(4, 5) n;
         SELECT _wab_record_drift();
         UPDATE wab_drift_episodes SET began_at = began_at - interval '40 days' WHERE kind IN ('orphaned', 'churned')",
    )?;
    Ok(fleet)
}

/// The type of the tenants' ids.
#[derive(Clone, Copy)]
pub enum Ids {
    Text,
    Bigint,
}

/// A tenants table and an account that have drifted apart, in a database where nothing of ours is yet.
pub async fn bare(ids: Ids) -> Result<Fleet> {
    let fleet = Fleet::installed(Install::Nothing, Sandbox::start(&SANDBOX)?, &[])?;
    let id = |n: i32| match ids {
        Ids::Text => format!("cust_{n:02}"),
        Ids::Bigint => (9_000_000_000 + i64::from(n)).to_string(),
    };
    let id_type = match ids {
        Ids::Text => "text",
        Ids::Bigint => "bigint",
    };
    let rows: Vec<String> = (1..=20).map(|n| format!("('{}', 'active', {n}, 'paired')", id(n))).collect();
    fleet.sql(&format!(
        "CREATE TABLE tenants (id {id_type} PRIMARY KEY, status text NOT NULL DEFAULT 'active', bridge_id bigint, bridge_status text);
         INSERT INTO tenants VALUES {};
         INSERT INTO tenants (id) VALUES ('{}');
         UPDATE tenants SET status = 'cancelled' WHERE id = '{}'",
        rows.join(", "),
        id(21),
        id(3)
    ))?;
    let status = |n| if n == 5 { "disconnected" } else { "connected" };
    let bridges: Vec<_> =
        (1..=20).map(|n| json!({"id": n, "customer_ref": id(n), "status": status(n)})).collect();
    fleet.sandbox.add(json!(bridges)).await?;
    fleet.sandbox.add_one("trial-0917", "connected").await?;
    fleet.sandbox.add_one(&id(4), "connected").await?;
    Ok(fleet)
}
