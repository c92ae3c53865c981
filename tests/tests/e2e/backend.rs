//! Tests what the extension does inside one backend: loading, snapshots, transaction ids, memory and types.

use anyhow::Result;
use e2e::fleet::Fleet;

use crate::world;

#[tokio::test]
async fn the_library_can_be_loaded_during_a_parallel_query() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(
        "CREATE TABLE big AS SELECT g FROM generate_series(1, 1000) g;
         ALTER TABLE big SET (parallel_workers = 2);
         CREATE FUNCTION late() RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED AS 'BEGIN RETURN wab_version(); END';
         CREATE FUNCTION later() RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED AS
             'BEGIN RETURN (SELECT count(*) FROM wab_list_instances()); END'",
    )?;
    let parallel =
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;";
    let plan = fleet.sql(&format!("{parallel} EXPLAIN (COSTS OFF) SELECT late(), count(*) FROM big"))?;
    assert!(plan.contains("Gather"), "{plan}");
    let listed = fleet.sql(&format!(
        "{parallel} SELECT late() IS NOT NULL, count(*) FROM big; SELECT count(*) FROM wab_list_instances()"
    ))?;
    assert_eq!(listed, "t|1000\n20");
    let work_mem = fleet.sql(&format!(
        "{parallel} SELECT late() IS NOT NULL, count(*) FROM big; SELECT current_setting('wab.api_url') = ''"
    ))?;
    assert_eq!(work_mem, "t|1000\nf");
    let (code, message) = fleet.sql_error(&format!("{parallel} SELECT later(), count(*) FROM big"))?;
    assert_eq!(code, "55000", "{message}");
    assert!(message.contains("Run the statement again"), "{message}");
    let again = format!("{parallel} SELECT late(), count(*) FROM big; SELECT later()");
    assert!(fleet.sql(&again)?.ends_with("20"));
    Ok(())
}

#[tokio::test]
async fn a_call_that_stores_nothing_takes_no_transaction_id() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    for call in ["wab_refresh('1 hour')", "wab_list_instances()", "wab_get_instance(1)", "wab_poll_status(0)"]
    {
        let said = fleet.sql(&format!("BEGIN; SELECT * FROM {call}; SELECT 'id ' || coalesce(pg_current_xact_id_if_assigned()::text, 'none')"))?;
        assert!(said.ends_with("id none"), "{call}: {said}");
    }
    // A refresh is skipped while another session refreshes.
    let mut other = fleet.connect().await?;
    sqlx::raw_sql("BEGIN; SELECT pg_advisory_xact_lock(_wab_lock_id('refresh'))").execute(&mut other).await?;
    let said = fleet
        .sql("BEGIN; SELECT skipped FROM wab_refresh(); SELECT pg_current_xact_id_if_assigned() IS NULL")?;
    assert_eq!(said, "t\nt");
    Ok(())
}

#[tokio::test]
async fn a_table_of_other_types_is_an_error() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sandbox.add_one("cust_99", "qr").await?;
    let columns = "customer_ref, state, raw_status, created_at, status_listed";
    for (other, words) in [
        ("bridge_id::text", "type text instead of bigint"),
        ("bridge_id::integer", "type integer instead of bigint"),
    ] {
        let (code, message) = fleet.sql_error(&format!(
            "BEGIN; ALTER TABLE wab_bridges RENAME TO kept;
             CREATE TABLE wab_bridges AS SELECT {other} AS bridge_id, {columns}, now() AS observed_at, false AS duplicated, now() AS first_seen_at FROM kept;
             SELECT * FROM wab_refresh()"
        ))?;
        assert_eq!(code, "42804", "{message}");
        assert!(message.contains(words), "{message}");
    }
    fleet.sql("SELECT * FROM wab_refresh()")?;
    Ok(())
}

/// jsonb holds at most 256 MB. A longer text of a row is null, so that the other rows can be read.
#[tokio::test]
async fn a_row_too_large_for_jsonb_is_null() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    for (length, held) in [(100_000, "t"), (268_435_440, "f"), (268_435_456, "f")] {
        let sql = format!(
            "SELECT _wab_row_json('{{\"a\":1,\"b\":\"' || repeat('x', {length}) || '\"}}') IS NOT NULL"
        );
        assert_eq!(fleet.sql(&sql)?, held, "{length}");
    }
    Ok(())
}
