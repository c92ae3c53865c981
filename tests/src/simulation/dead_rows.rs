//! Bounds the dead rows of a day: a change makes a few, and a list that changes nothing makes none.

use anyhow::Result;

use crate::simulation::mismatch::{Mismatch, mismatch};
use crate::simulation::moment::Moment;
use crate::simulation::stage::Stage;

/// Dead rows that one event or job leaves in one table at most, with the webhook and the list that tell of it.
const OF_A_TASK: usize = 6;
/// The same of each bridge on a day on which all of them change, such as that of a new status word.
const OF_A_BRIDGE: usize = 3;

/// Compares the dead rows that this day's tasks left in each table with the bound, and begins to count anew.
pub async fn compare(stage: &mut Stage, bridges: usize, tasks: usize, at: Moment) -> Result<Vec<Mismatch>> {
    let bound = OF_A_TASK * tasks + OF_A_BRIDGE * bridges;
    stage.run("SELECT pg_stat_force_next_flush()").await?;
    let dead = stage
        .table("SELECT s.relname::text, (s.n_tup_upd + s.n_tup_del)::text FROM pg_stat_user_tables s")
        .await?;
    stage.run("SELECT pg_stat_reset()").await?;
    let mut found = Vec::new();
    for (table, dead) in dead {
        if dead.parse::<usize>()? > bound {
            found.push(mismatch("dead rows", at, table, Some(format!("at most {bound}")), Some(dead)));
        }
    }
    Ok(found)
}
