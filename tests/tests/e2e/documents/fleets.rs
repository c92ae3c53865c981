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
        return bare().await;
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

/// A tenants table and an account that have drifted apart, in a database where nothing of ours is yet.
async fn bare() -> Result<Fleet> {
    let fleet = Fleet::installed(Install::Nothing, Sandbox::start(&SANDBOX)?, &[])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL DEFAULT 'active', bridge_id bigint, bridge_status text);
         INSERT INTO tenants SELECT 'cust_' || lpad(n::text, 2, '0'), 'active', n, 'paired' FROM generate_series(1, 20) n;
         INSERT INTO tenants (id) VALUES ('cust_21');
         UPDATE tenants SET status = 'cancelled' WHERE id = 'cust_03'",
    )?;
    let status = |n| if n == 5 { "disconnected" } else { "connected" };
    let bridges: Vec<_> = (1..=20)
        .map(|n| json!({"id": n, "customer_ref": format!("cust_{n:02}"), "status": status(n)}))
        .collect();
    fleet.sandbox.add(json!(bridges)).await?;
    fleet.sandbox.add_one("trial-0917", "connected").await?;
    fleet.sandbox.add_one("cust_04", "connected").await?;
    Ok(fleet)
}
