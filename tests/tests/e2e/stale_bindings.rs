//! Tests that the row of a tenant that left does not keep its bridge: however the bridge was deleted, the row is cleared.

use anyhow::Result;
use e2e::fleet::{Fleet, Install};

use crate::world;

/// The rows of the tenants that were cancelled.
const CANCELLED: &str =
    "SELECT id, bridge_id, bridge_status FROM tenants WHERE status = 'cancelled' ORDER BY id";

/// A healthy fleet in which these tenants are cancelled.
async fn cancelled(ids: &[&str]) -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    for id in ids {
        fleet.sql(&format!("UPDATE tenants SET status = 'cancelled' WHERE id = '{id}'"))?;
    }
    fleet.fleet_yaml(world::YAML)?;
    Ok(fleet)
}

fn code(fleet: &Fleet, args: &[&str], code: i32) -> Result<String> {
    let said = fleet.wab(args)?;
    let text = format!("{}{}", said.stdout, said.stderr);
    assert_eq!(said.code, code, "{args:?}: {text}");
    Ok(text)
}

#[tokio::test]
async fn the_row_of_a_tenant_that_left_is_cleared_however_its_bridge_was_deleted() -> Result<()> {
    let fleet = cancelled(&["cust_01", "cust_02", "cust_03"]).await?;
    // By a tombstone.
    let tombstone = "bridges: { remove: [ { customer_ref: cust_01, bridge_id: 1, reason: left } ] }\n";
    fleet.fleet_yaml(&format!("{}{tombstone}", world::YAML.replace("max_creates: 50", "max_deletes: 1")))?;
    code(&fleet, &["apply", "-y"], 0)?;
    assert_eq!(fleet.sql(CANCELLED)?, "cust_01||\ncust_02|2|paired\ncust_03|3|paired");
    fleet.fleet_yaml(world::YAML)?;
    code(&fleet, &["plan", "--detailed-exitcode"], 0)?;
    // In the dashboard; a tenant that is wanted misses its bridge instead.
    fleet.sandbox.remove(2).await?;
    fleet.sandbox.remove(5).await?;
    let plan = code(&fleet, &["plan", "--detailed-exitcode"], 2)?;
    assert!(plan.contains("1 to provision, 1 to unlink"), "{plan}");
    assert!(plan.contains("not wanted, and its row still holds bridge 2, which is gone"), "{plan}");
    code(&fleet, &["apply", "-y"], 0)?;
    assert_eq!(fleet.sql(CANCELLED)?, "cust_01||\ncust_02||\ncust_03|3|paired");
    assert_eq!(fleet.sql("SELECT bridge_id FROM tenants WHERE id = 'cust_05'")?, "21");
    code(&fleet, &["plan", "--detailed-exitcode"], 0)?;
    Ok(())
}

#[tokio::test]
async fn sql_clears_the_row_after_a_deletion_too() -> Result<()> {
    let fleet = cancelled(&["cust_01", "cust_02", "cust_03"]).await?;
    fleet.sql("SELECT * FROM wab_delete_instance(1, 'cust_01')")?;
    assert_eq!(fleet.sql(CANCELLED)?, "cust_01||\ncust_02|2|paired\ncust_03|3|paired");
    fleet.sandbox.remove(2).await?;
    fleet.sql("SELECT * FROM wab_refresh()")?;
    let stale = "SELECT kind, severity, customer_ref, stored, observed, since IS NOT NULL FROM wab_drift WHERE kind = 'stale_binding'";
    assert_eq!(fleet.sql(stale)?, "stale_binding|info|cust_02|2||t");
    assert_eq!(fleet.sql("SELECT kind FROM wab_reconcile()")?, "churned");
    assert_eq!(fleet.sql(CANCELLED)?, "cust_01||\ncust_02||\ncust_03|3|paired");
    // Within one call, and for a status without an id.
    fleet.sandbox.remove(3).await?;
    fleet.sql("UPDATE tenants SET bridge_status = 'disconnected' WHERE id = 'cust_01'")?;
    assert_eq!(fleet.sql("SELECT kind FROM wab_reconcile()")?, "");
    assert_eq!(fleet.sql(CANCELLED)?, "cust_01||\ncust_02||\ncust_03||");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift_episodes WHERE ended_at IS NULL")?, "0");
    Ok(())
}

#[tokio::test]
async fn a_row_that_cannot_be_cleared_is_named_with_the_reason() -> Result<()> {
    let fleet = cancelled(&["cust_01", "cust_02"]).await?;
    fleet.cluster.expect_in_log(&["of the tenant rows could not be written"]);
    fleet.sql("ALTER TABLE tenants ALTER bridge_id SET NOT NULL")?;
    fleet.sandbox.remove(1).await?;
    fleet.sandbox.remove(2).await?;
    let said = code(&fleet, &["apply", "-y"], 4)?;
    assert!(
        said.contains("null value in column \"bridge_id\"") && said.contains("not-null constraint"),
        "{said}"
    );
    if fleet.install == Install::Extension {
        let said =
            fleet.cluster.psql(e2e::fleet::DATABASE, "SELECT kind, customer_ref FROM wab_reconcile()")?;
        assert_eq!(said.stdout.trim(), "stale_binding|cust_01\nstale_binding|cust_02", "{}", said.stderr);
        assert!(
            said.stderr.contains("WARNING:  2 of the tenant rows could not be written"),
            "{}",
            said.stderr
        );
        assert!(said.stderr.contains("null value in column \"bridge_id\""), "{}", said.stderr);
    }
    // A status that may not be null becomes unknown, which is no drift.
    fleet.sql("ALTER TABLE tenants ALTER bridge_id DROP NOT NULL, ALTER bridge_status SET NOT NULL")?;
    code(&fleet, &["apply", "-y"], 0)?;
    assert_eq!(fleet.sql(CANCELLED)?, "cust_01||unknown\ncust_02||unknown");
    code(&fleet, &["plan", "--detailed-exitcode"], 0)?;
    Ok(())
}

#[tokio::test]
async fn an_id_that_lives_on_under_another_customer_ref_is_cleared_too() -> Result<()> {
    let fleet = cancelled(&[]).await?;
    fleet.sql("INSERT INTO tenants VALUES ('old_08', 'cancelled', 8, 'paired')")?;
    let plan = code(&fleet, &["plan", "--detailed-exitcode"], 2)?;
    assert!(plan.contains("holds bridge 8, which is live under the customer_ref cust_08"), "{plan}");
    code(&fleet, &["apply", "-y"], 0)?;
    assert_eq!(
        fleet.sql("SELECT id, bridge_id, bridge_status FROM tenants WHERE id LIKE '%08' ORDER BY id")?,
        "cust_08|8|paired\nold_08||"
    );
    code(&fleet, &["plan", "--detailed-exitcode"], 0)?;
    Ok(())
}
