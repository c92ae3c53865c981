//! Measures the write-ahead log of one real `wab_refresh()`, of an unchanged fleet and of one in which 1 % changed.

use anyhow::Result;
use e2e::fleet::Fleet;
use serde_json::json;

use crate::table::markdown;

/// So many refreshes of each kind are measured; the median counts.
const ROUNDS: usize = 9;

/// The table of both kinds, each while its pages were written since the last checkpoint, and for the first time after one.
pub async fn measure(fleet: &Fleet, bridges: u32) -> Result<String> {
    let mut rows = String::new();
    for (name, changed) in [("nothing changed", 0), ("1 % changed", bridges / 100)] {
        let (mut warm, mut cold) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            change(fleet, changed, "disconnected").await?;
            fleet.sql("CHECKPOINT")?;
            cold.push(refresh(fleet)?);
            change(fleet, changed, "connected").await?;
            warm.push(refresh(fleet)?);
        }
        rows += &format!("{name}|{}|{}\n", median(warm), median(cold));
    }
    Ok(markdown(&["`wab_refresh()`", "bytes of WAL", "the first after a checkpoint"], &rows))
}

/// Gives so many bridges this status at the provider.
async fn change(fleet: &Fleet, bridges: u32, status: &str) -> Result<()> {
    for id in (1..).step_by(100).take(bridges as usize) {
        fleet.sandbox.change(id, json!({ "status": status })).await?;
    }
    Ok(())
}

/// The WAL of one refresh.
fn refresh(fleet: &Fleet) -> Result<u64> {
    let before = fleet.sql("SELECT pg_current_wal_insert_lsn()")?;
    fleet.sql("SELECT * FROM wab_refresh()")?;
    Ok(fleet.sql(&format!("SELECT pg_current_wal_insert_lsn() - '{before}'::pg_lsn"))?.parse()?)
}

fn median(mut bytes: Vec<u64>) -> u64 {
    bytes.sort_unstable();
    bytes[bytes.len() / 2]
}
