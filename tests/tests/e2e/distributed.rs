//! Tests the product on a tenants table of which PostgreSQL refuses what Citus refuses of a distributed one: every write
//! through a view, and triggers.

use anyhow::Result;
use e2e::fleet::{Fleet, Install};
use e2e::sandbox::Sandbox;
use serde_json::Value;

use crate::world;

/// Refuses as Citus does, while it plans: a rule's IMMUTABLE function runs before any row is read, so that an UPDATE of no
/// row is refused too.
const DISTRIBUTED: &str = "
    CREATE FUNCTION refuse() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        RAISE 'cannot modify views when the query contains citus tables' USING ERRCODE = '0A000'; END $$;
    CREATE RULE no_insert AS ON INSERT TO wab_tenants DO INSTEAD SELECT refuse();
    CREATE RULE no_update AS ON UPDATE TO wab_tenants DO INSTEAD SELECT refuse();
    CREATE RULE no_delete AS ON DELETE TO wab_tenants DO INSTEAD SELECT refuse();
    CREATE FUNCTION refuse_trigger() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE 'triggers are not supported on distributed tables' USING ERRCODE = 'XX000'; END $$;
    CREATE EVENT TRIGGER no_triggers ON ddl_command_start WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION refuse_trigger()";

/// A provider that makes more than ten bridges a minute.
const UNLIMITED: &[&str] =
    &["--list-status", "--speed", "60", "--limit-provision", "0", "--limit-floor", "0"];

/// Twenty healthy tenants, `cust_01` … `cust_20`, in such a table.
async fn distributed(install: Install) -> Result<Fleet> {
    let fleet = Fleet::installed(install, Sandbox::start(UNLIMITED)?, &[])?;
    world::fill(&fleet).await?;
    fleet.sql(DISTRIBUTED)?;
    require_refusal(&fleet)?;
    Ok(fleet)
}

/// The view still refuses: nothing took the rules away.
fn require_refusal(fleet: &Fleet) -> Result<()> {
    let (code, message) = fleet.sql_error("UPDATE wab_tenants SET bridge_id = 1 WHERE false")?;
    assert_eq!(code, "0A000", "{message}");
    Ok(())
}

/// The kinds of the steps in the report of an apply, each once.
fn kinds(report: &str) -> Result<Vec<String>> {
    let report: Value = serde_json::from_str(report)?;
    let steps = report["run"]["steps"].as_array().into_iter().flatten();
    let mut kinds: Vec<_> = steps.map(|step| step["kind"].as_str().unwrap_or_default().to_owned()).collect();
    kinds.dedup();
    Ok(kinds)
}

#[tokio::test]
async fn apply_does_every_kind_of_step() -> Result<()> {
    for install in [Install::Extension, Install::SqlOnly] {
        let fleet = distributed(install).await?;
        world::break_everything(&fleet).await?;
        fleet.fleet_yaml(
            "tenants: { table: public.tenants, wanted: status = 'active' }
bridges:
  extra: [ { tenant_id: ops, reason: our own alerts } ]
  remove: [ { customer_ref: cust_03, bridge_id: 3, reason: churned } ]
policy: { max_deletes: 1 }
",
        )?;
        let said = fleet.wab(&["apply", "-y", "--json"])?;
        assert_eq!(said.code, 0, "{install:?}: {}{}", said.stdout, said.stderr);
        assert_eq!(kinds(&said.stdout)?, ["unlink", "link", "set_status", "provision", "delete"]);
        let said = fleet.wab(&["plan"])?;
        assert!(said.stdout.starts_with("Nothing to do"), "{install:?}: {}{}", said.stdout, said.stderr);
        let rows =
            "SELECT string_agg(concat_ws(' ', id, bridge_id, bridge_status), ', ' ORDER BY id) FROM tenants
                    WHERE id IN ('cust_02', 'cust_03', 'cust_05', 'cust_23')";
        assert_eq!(fleet.sql(rows)?, "cust_02 2 paired, cust_03, cust_05 5 disconnected, cust_23");
        assert_eq!(fleet.sql("SELECT count(*) FROM tenants WHERE id = 'cust_22' AND bridge_id > 20")?, "1");
        assert_eq!(
            fleet
                .sql("SELECT count(*) FROM wab_drift_episodes WHERE kind = 'missing' AND ended_at IS NULL")?,
            "0"
        );
        require_refusal(&fleet)?;
    }
    Ok(())
}

#[tokio::test]
async fn the_functions_write_its_rows_and_record_its_drift() -> Result<()> {
    let fleet = distributed(Install::Extension).await?;
    fleet.sql("SELECT * FROM wab_bind_tenants()")?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('new_1'), ('new_2'); SELECT _wab_record_drift()")?;
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift_episodes WHERE kind = 'missing'")?, "2");
    assert_eq!(fleet.sql("SELECT bridge_id, outcome FROM wab_provision('new_1')")?, "21|created");
    fleet.sql("SELECT wab_enqueue_provision('new_2')")?;
    fleet.sql("CALL wab_work_queue()")?;
    fleet.sandbox.change(4, serde_json::json!({"status": "disconnected"})).await?;
    fleet.sql("SELECT wab_ingest_event('cust_05', '{\"event\": \"disconnected\"}')")?;
    fleet.sql("SELECT count(*) FROM wab_reconcile()")?;
    let rows =
        "SELECT string_agg(concat_ws(' ', id, bridge_id, bridge_status), ', ' ORDER BY id) FROM tenants
                WHERE id IN ('cust_04', 'new_1', 'new_2')";
    assert_eq!(fleet.sql(rows)?, "cust_04 4 disconnected, new_1 21 awaiting_scan, new_2 22 awaiting_scan");
    fleet.sql("UPDATE tenants SET status = 'left' WHERE id = 'cust_06'")?;
    assert_eq!(fleet.sql("SELECT outcome FROM wab_delete_instance(6, 'cust_06')")?, "deleted");
    assert_eq!(fleet.sql("SELECT bridge_id IS NULL FROM tenants WHERE id = 'cust_06'")?, "t");
    fleet.sql("SELECT wab_log_summary(), * FROM wab_fleet_summary")?;
    assert_eq!(
        fleet.sql("SELECT count(*) FROM wab_drift_episodes WHERE kind = 'missing' AND ended_at IS NULL")?,
        "0"
    );
    require_refusal(&fleet)
}

#[tokio::test]
async fn a_scheduled_function_enqueues_signups_where_there_can_be_no_trigger() -> Result<()> {
    let fleet = distributed(Install::Extension).await?;
    let (code, message) = fleet.sql_error(include_str!("../../../sql/signup.sql"))?;
    assert_eq!(code, "0A000", "{message}");
    for part in [
        "tenants cannot have the signup triggers",
        "triggers are not supported on distributed tables",
        "public.wab_enqueue_missing()",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 12) n; INSERT INTO tenants VALUES ('left', 'left')")?;
    assert_eq!(
        fleet.sql("SELECT wab_enqueue_missing()")?,
        "9",
        "no more than the provider allows in a minute"
    );
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sql("SELECT wab_enqueue_missing()")?, "3");
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sql("SELECT wab_enqueue_missing()")?, "0");
    let queue = "SELECT count(*), count(*) FILTER (WHERE outcome = 'provisioned') FROM wab_queue";
    assert_eq!(fleet.sql(queue)?, "12|12");
    assert_eq!(
        fleet.sql("SELECT count(*) FROM tenants WHERE id LIKE 'new%' AND bridge_id IS NOT NULL")?,
        "12"
    );
    assert_eq!(fleet.sandbox.calls("POST").await?, 12);
    Ok(())
}

/// The tenants table itself refuses every UPDATE, also one of no row, as Citus does for a statement that it cannot plan.
#[tokio::test]
async fn no_bridge_is_made_if_every_update_of_the_table_is_refused() -> Result<()> {
    let fleet = distributed(Install::Extension).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sql(
        "CREATE RULE no_update AS ON UPDATE TO tenants DO INSTEAD SELECT refuse();
         INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 8) n",
    )?;
    fleet.sandbox.clear_ledger().await?;
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    for part in [
        "no call was made",
        "rows of public.tenants cannot be written",
        "cannot modify views",
        "SQLSTATE 0A000",
    ] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    let (code, message) = fleet.sql_error("SELECT * FROM wab_provision('new_1')")?;
    assert!(code == "55000" && message.contains("Nothing was sent"), "{code}: {message}");
    fleet.sql("SELECT wab_enqueue_provision('new_2')")?;
    let (code, message) = fleet.sql_error("CALL wab_work_queue()")?;
    assert!(code == "55000" && message.contains("cannot modify views"), "{code}: {message}");
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);
    // A bridge without a tenant row needs no UPDATE.
    fleet.fleet_yaml(&format!(
        "{}bridges: {{ extra: [ {{ tenant_id: ops, reason: our own alerts }} ] }}\n",
        world::YAML
    ))?;
    let said = fleet.wab(&["apply", "-y", "--target", "ops"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sandbox.calls("POST").await?, 1);
    fleet.sql("DROP RULE no_update ON tenants")?;
    assert_eq!(fleet.wab(&["apply", "-y"])?.code, 0);
    assert!(fleet.wab(&["plan"])?.stdout.starts_with("Nothing to do"));
    Ok(())
}
