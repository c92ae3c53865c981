//! Names the phase in which a run ended.

use anyhow::Result;

use crate::scene::Scene;

/// Finds the phase from the recorded operations, the tenants table and the ledger.
pub async fn phase(scene: &Scene) -> Result<String> {
    let sql = |sql: &str| scene.fleet.sql(sql);
    let ledger = scene.fleet.sandbox.ledger().await?;
    let runs = sql("SELECT CASE WHEN finished_at IS NULL THEN 'open' ELSE 'ended' END FROM wab_runs")?;
    if runs.is_empty() {
        let list = ledger.iter().find(|call| call["path"] == "/api/instances");
        return Ok(match list {
            None => "1 before the list call",
            Some(list) if list["status"].is_null() => "2 list call not answered",
            Some(_) => "3 planning, no operation recorded",
        }
        .to_owned());
    }
    if runs == "ended" {
        return Ok("9 after the run ended".to_owned());
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
        None => format!("{number} {method} recorded, not sent"),
        Some(call) if call["status"].is_null() => format!("{number} {method} sent, not answered"),
        Some(_) if recorded => format!("{number} {method} result stored, step not finished"),
        Some(_) => format!("{number} {method} answered, result not stored"),
    })
}
