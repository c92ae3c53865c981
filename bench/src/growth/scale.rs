//! Measures sizes that no simulated month reaches: the indexes of large fleets, and a history of 400 days.

use std::time::Instant;

use anyhow::Result;
use e2e::fleet::Fleet;

use crate::table::markdown;

/// The sizes of wab_bridges and its indexes at 100,000 and at 1,000,000 bridges, in a copy of the table.
pub fn indexes(fleet: &Fleet) -> Result<String> {
    let mut rows = Vec::new();
    for bridges in [100_000, 1_000_000] {
        rows.push(fleet.sql(&format!(
            "CREATE TABLE growth.large (LIKE wab_bridges INCLUDING ALL);
             INSERT INTO growth.large (bridge_id, customer_ref, state, status, raw_status, created_at, first_seen_at, status_since,
                                       status_observed_at, status_listed)
             SELECT n, 'cust_' || lpad(n::text, 7, '0'), 'running', 'paired', 'connected', now(), now(), now(), now(), true
             FROM generate_series(1, {bridges}) n;
             SELECT to_char({bridges}, 'FM9,999,999'), pg_size_pretty(pg_relation_size('growth.large')),
                    string_agg(pg_size_pretty(pg_relation_size(i.indexrelid)), '|' ORDER BY i.indisprimary DESC, am.amname DESC),
                    round(pg_total_relation_size('growth.large') / {bridges}.0)
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
             WHERE i.indrelid = 'growth.large'::regclass;
             DROP TABLE growth.large"
        ))?);
    }
    let heads = [
        "bridges",
        "table",
        "primary key",
        "customer_ref (hash)",
        "duplicated (partial)",
        "bytes per bridge",
    ];
    Ok(markdown(&heads, &rows.join("\n")))
}

/// Fills the history up to 400 days of two flips a week and bridge, and prunes one day of it, as the nightly job does.
pub fn history(fleet: &Fleet, bridges: u32) -> Result<String> {
    let a_day = bridges * 2 / 7;
    fleet.sql(&format!(
        "TRUNCATE wab_bridge_events;
         INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, became)
         SELECT now() - interval '400 days 12 hours' + n * (interval '400 days 12 hours' / ({a_day} * 401)), 1 + n * 7919 % {bridges}, 'cust_' || n % {bridges},
                'status', CASE n % 2 WHEN 0 THEN 'paired' ELSE 'disconnected' END, CASE n % 2 WHEN 0 THEN 'disconnected' ELSE 'paired' END
         FROM generate_series(1, {a_day} * 401::bigint) n"
    ))?;
    fleet.sql("VACUUM ANALYZE wab_bridge_events")?;
    let size = fleet.sql(
        "SELECT 'events: ' || count(*), pg_size_pretty(pg_relation_size('wab_bridge_events')) || ' and '
                || pg_size_pretty(pg_indexes_size('wab_bridge_events')) || ' of indexes' FROM wab_bridge_events",
    )?;
    let mut rows = vec![size];
    for (what, sql) in [
        ("`wab_prune_history('400 days')`", "SELECT wab_prune_history('400 days')"),
        ("history of one bridge", "SELECT count(*) FROM wab_status_history WHERE bridge_id = 8"),
        ("`wab_prune_history('300 days')`", "SELECT wab_prune_history('300 days')"),
    ] {
        let began = Instant::now();
        let found = fleet.sql(sql)?;
        rows.push(format!("{what}: {found} rows|{} ms", began.elapsed().as_millis()));
    }
    Ok(markdown(&["", ""], &rows.join("\n")))
}
