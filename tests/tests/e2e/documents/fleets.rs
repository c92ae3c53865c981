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
