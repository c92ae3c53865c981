//! Measures the tables after the month, and what pruning them gives back.

use std::time::Instant;

use anyhow::Result;
use e2e::fleet::Fleet;

use crate::table::markdown;

/// The tables that grow.
const GROWING: &str =
    "'{wab_bridges,wab_bridge_events,wab_observations,wab_drift_episodes,wab_summaries,wab_jobs}'";

/// One row per table: its rows, its size, and how much of its file is not in use.
pub fn tables(fleet: &Fleet) -> Result<String> {
    let rows = fleet.sql(&format!(
        "SELECT '`' || c.relname || '`', s.tuple_count, pg_size_pretty(s.table_len), pg_size_pretty(pg_indexes_size(c.oid)),
                round((pg_relation_size(c.oid) + pg_indexes_size(c.oid))::numeric / nullif(s.tuple_count, 0)),
                s.dead_tuple_count, round((s.free_percent + s.dead_tuple_percent)::numeric), u.autovacuum_count
         FROM pg_class c JOIN pg_stat_user_tables u ON u.relid = c.oid, growth.pgstattuple(c.oid::regclass) s
         WHERE c.relname = ANY ({GROWING}) AND c.relnamespace = 'public'::regnamespace ORDER BY pg_total_relation_size(c.oid) DESC"
    ))?;
    let heads =
        ["table", "rows", "table", "indexes", "bytes per row", "dead rows", "% not in use", "autovacuums"];
    Ok(markdown(&heads, &rows))
}

/// Deletes the older half of the history, then vacuums: plainly, and by writing the tables anew.
pub fn prune(fleet: &Fleet, days: u32) -> Result<String> {
    let sizes = |when: &str| {
        fleet.sql(&format!(
            "SELECT '{when}', pg_size_pretty(sum(pg_total_relation_size(c.oid))),
                    pg_size_pretty(sum(s.free_space + s.dead_tuple_len)::bigint)
             FROM pg_class c, growth.pgstattuple(c.oid::regclass) s
             WHERE c.relname = ANY ({GROWING}) AND c.relnamespace = 'public'::regnamespace"
        ))
    };
    let mut rows = vec![sizes("before")?];
    let began = Instant::now();
    // The clock is still fast: days are told by the rows, not by now().
    let deleted = fleet.sql(&format!(
        "SELECT wab_prune_history(now() - (SELECT min(observed_at) FROM wab_observations) - interval '{} days')",
        days.div_ceil(2)
    ))?;
    let took = began.elapsed().as_millis();
    rows.push(sizes(&format!("after `wab_prune_history()` of the older half: {deleted} rows in {took} ms"))?);
    fleet.sql("VACUUM")?;
    rows.push(sizes("after VACUUM")?);
    fleet.sql("VACUUM FULL")?;
    rows.push(sizes("after VACUUM FULL")?);
    Ok(markdown(&["", "tables and indexes", "free in the tables"], &rows.join("\n")))
}
