//! `wab_help()` lists what a user calls or queries, and fits a terminal of 100 columns.

use anyhow::Result;
use e2e::fleet::DATABASE;

use crate::world;

/// What is called by other objects of ours only.
const INTERNAL: [&str; 42] = [
    "wab_bind_bridges",
    "wab_call_provision",
    "wab_check_column",
    "wab_check_expression",
    "wab_check_tenant_ids",
    "wab_claim_queued",
    "wab_comment_views",
    "wab_create_tenants_view",
    "wab_create_views",
    "wab_drift_rows",
    "wab_end_job",
    "wab_event_time",
    "wab_fleet_levels",
    "wab_insert_status",
    "wab_last_observation",
    "wab_list_rows",
    "wab_lock_id",
    "wab_mark_duplicates",
    "wab_normalize_status",
    "wab_note_drift",
    "wab_note_job",
    "wab_observe_again",
    "wab_observe_statuses",
    "wab_percent_encode",
    "wab_policy_replace",
    "wab_poll_candidates",
    "wab_record_delete",
    "wab_record_drift",
    "wab_record_provision",
    "wab_record_session",
    "wab_release_queued",
    "wab_require_binding",
    "wab_require_recording",
    "wab_row_json",
    "wab_serves",
    "wab_status_began",
    "wab_store_listing",
    "wab_stored_bridge_id",
    "wab_unmirror",
    "wab_wanted_webhook_url",
    "wab_write_statuses",
    "wab_write_statuses_of",
];

#[tokio::test]
async fn the_list_is_what_is_not_internal() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let ours = fleet.sql(
        "SELECT p.proname FROM pg_proc p WHERE p.proname LIKE 'wab\\_%'
         UNION SELECT c.relname FROM pg_class c WHERE c.relname LIKE 'wab\\_%' AND c.relkind = 'v'
         ORDER BY 1",
    )?;
    let helped = fleet.sql("SELECT h.name FROM wab_help() h ORDER BY 1")?;
    let public: Vec<&str> = ours.lines().filter(|name| !INTERNAL.contains(name)).collect();
    assert_eq!(public.join("\n"), helped);
    Ok(())
}

#[tokio::test]
async fn it_fits_a_hundred_columns() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let shown = e2e::process::run(fleet.cluster.program("psql", DATABASE).args([
        "-X",
        "-c",
        "SELECT * FROM wab_help()",
    ]))?
    .stdout;
    for line in shown.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(shown.lines().count() > 50, "{shown}");
    Ok(())
}
