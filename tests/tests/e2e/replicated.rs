//! Tests that every table of the product can be replicated: it has a key, and a publication of all tables hinders no function.

use anyhow::Result;
use e2e::fleet::{Fleet, Install};
use e2e::sandbox::Sandbox;
use serde_json::json;

use crate::world;

#[tokio::test]
async fn every_table_has_a_primary_key() -> Result<()> {
    for install in [Install::Extension, Install::SqlOnly] {
        let fleet = Fleet::installed(install, Sandbox::start(&[])?, &[])?;
        let of_ours =
            "SELECT c.relname FROM pg_class c WHERE c.relname ~ '^_?wab_' AND c.relkind IN ('r', 'p')";
        assert!(fleet.sql(of_ours)?.lines().count() > 5);
        let without_key = fleet.sql(&format!(
            "{of_ours} AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) ORDER BY 1"
        ))?;
        assert_eq!(without_key, "", "{install:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_publication_for_all_tables_hinders_nothing() -> Result<()> {
    let sandbox = Sandbox::start(&["--speed", "60"])?;
    let fleet = Fleet::with(sandbox, &[("wal_level", "logical")])?;
    fleet.sql("CREATE PUBLICATION everything FOR ALL TABLES")?;
    world::fill(&fleet).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sandbox.add_one("nobody", "qr").await?;
    fleet.observe().await?;
    fleet.sandbox.remove(20).await?;
    fleet.sandbox.remove(21).await?;
    fleet.observe().await?;
    fleet.sandbox.change(4, json!({"status": "disconnected"})).await?;
    let event = "SELECT wab_ingest_event('cust_05', format('{\"event\": \"%s\", \"timestamp\": \"%s\"}', e, t)::jsonb)
                 FROM (VALUES ('disconnected', now() - interval '1 second'), ('connected', now() - interval '2 seconds')) AS v(e, t)";
    fleet.sql(event)?;
    fleet.sql(
        "INSERT INTO tenants (id) VALUES ('cust_21'), ('cust_22'); SELECT wab_enqueue_provision('cust_21');
         UPDATE tenants SET status = 'cancelled' WHERE id = 'cust_03'; UPDATE wab_policy SET max_shrink = 0.3;
         SELECT wab_log_summary(), _wab_note_job('refresh')",
    )?;
    if fleet.install == Install::Extension {
        for call in [
            "SELECT * FROM wab_poll_status()",
            "SELECT * FROM wab_reconcile()",
            "SELECT * FROM wab_provision('cust_22')",
            "CALL wab_work_queue()",
            "SELECT * FROM wab_delete_instance(3, 'cust_03')",
            "CALL wab_run_job('refresh', 'SELECT * FROM wab_refresh()')",
        ] {
            fleet.sql(call)?;
        }
    }
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    fleet.sql("SELECT * FROM wab_bind_tenants()")?;
    let pruned = fleet.sql("SELECT wab_prune_history('0')")?;
    assert!(pruned.parse::<i64>()? > 20, "{pruned}");
    Ok(())
}
