//! Names what a run was doing when it ended. Nothing is judged here.

use anyhow::Result;

use crate::scene::Scene;

/// What the run was doing when it ended, as trail, rows and ledger tell.
pub async fn phase(scene: &Scene) -> Result<String> {
    let sql = |sql: &str| scene.fleet.sql(sql);
    let ledger = scene.fleet.sandbox.ledger().await?;
    let runs = sql("SELECT CASE WHEN finished_at IS NULL THEN 'open' ELSE 'ended' END FROM wab_runs")?;
    if runs.is_empty() {
        let list = ledger.iter().find(|call| call["path"] == "/api/instances");
        return Ok(match list {
            None => "1 before the listing",
            Some(list) if list["status"].is_null() => "2 listing in flight",
            Some(_) => "3 planning, nothing on record",
        }
        .to_owned());
    }
    if runs == "ended" {
        return Ok("9 after its end".to_owned());
    }
    let open = sql(
        "SELECT kind, coalesce(customer_ref, ''), coalesce(bridge_id, 0) FROM wab_operations WHERE finished_at IS NULL",
    )?;
    let mut columns = open.split('|');
    let (kind, tenant) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
    let bridge = columns.next().unwrap_or_default();
    if kind.is_empty() {
        return Ok("8 between two steps".to_owned());
    }
    let (method, recorded) = match kind {
        "provision" => {
            ("POST", !sql(&format!("SELECT bridge_id FROM tenants WHERE id = '{tenant}'"))?.is_empty())
        }
        "delete" => {
            ("DELETE", sql(&format!("SELECT 1 FROM wab_bridges WHERE bridge_id = {bridge}"))?.is_empty())
        }
        _ => return Ok(format!("4 {kind}")),
    };
    let path = format!("/api/instances/{bridge}");
    let call = ledger.iter().find(|call| {
        call["method"] == method && (call["customer_ref"] == tenant || call["path"] == path.as_str())
    });
    let number = if method == "POST" { 5 } else { 6 };
    Ok(match call {
        None => format!("{number} {method} on record, not sent"),
        Some(call) if call["status"].is_null() => format!("{number} {method} in flight"),
        Some(_) if recorded => format!("{number} {method} recorded, step open"),
        Some(_) => format!("{number} {method} answered, not recorded"),
    })
}
