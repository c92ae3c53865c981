//! Tests that no bridge is proposed for deletion, or deleted, that may be in use: one that the row of a wanted tenant holds,
//! and the paired one of two duplicates; and that a deletion is recorded only if the bridge is gone.

use anyhow::Result;
use serde_json::json;

use crate::world;

/// A tombstone for this bridge, and the allowance.
fn tombstone(customer_ref: &str, bridge_id: u32) -> String {
    format!(
        "{}bridges: {{ remove: [ {{ customer_ref: {customer_ref}, bridge_id: {bridge_id}, reason: left }} ] }}\n",
        world::YAML.replace("max_creates: 50", "max_creates: 50, max_deletes: 1")
    )
}

#[tokio::test]
async fn a_bridge_that_the_row_of_a_renamed_tenant_holds_stays() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    fleet.sql("UPDATE tenants SET id = 'acme' WHERE id = 'cust_08'")?;
    let proposed = fleet.wab(&["removals"])?;
    assert!(
        proposed.stdout.contains("Left out: bridge 8: the row of the tenant acme holds it"),
        "{}",
        proposed.stdout
    );
    assert!(!proposed.stdout.contains("bridge_id: 8"), "{}", proposed.stdout);
    fleet.fleet_yaml(&tombstone("cust_08", 8))?;
    let said = fleet.wab(&["apply", "-y", "--target", "cust_08"])?;
    assert!(said.stdout.contains("not deleted: the row of the tenant acme holds it"), "{}", said.stdout);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0);
    // The apply gives acme a bridge of its own. The next one may delete bridge 8.
    fleet.fleet_yaml(
        &tombstone("cust_08", 8).replace("max_creates: 50", "max_creates: 50, renamed_tenants: 1"),
    )?;
    assert_eq!(fleet.wab(&["apply", "-y"])?.code, 0);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0, "the row held it when the plan was made");
    assert_eq!(fleet.wab(&["apply", "-y"])?.code, 0);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 1);
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift")?, "0");
    Ok(())
}

#[tokio::test]
async fn a_bridge_that_a_tenant_row_takes_meanwhile_stays() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    fleet.sandbox.add(json!([{"id": 40, "customer_ref": "gone", "status": "connected"}])).await?;
    fleet.fleet_yaml(&tombstone("gone", 40))?;
    assert_eq!(fleet.wab(&["plan", "--out", "plan.json"])?.code, 0);
    fleet.sql("INSERT INTO tenants (id, bridge_id) VALUES ('acme', 40)")?;
    let said = fleet.wab(&["apply", "plan.json"])?;
    assert_ne!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0);
    Ok(())
}

#[tokio::test]
async fn of_two_duplicates_the_only_paired_one_stays() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    fleet.sandbox.change(5, json!({"status": "qr"})).await?;
    fleet.sandbox.add(json!([{"id": 41, "customer_ref": "cust_05", "status": "connected"}])).await?;
    let proposed = fleet.wab(&["removals"])?;
    assert!(proposed.stdout.contains("Left out: bridge 41: it is paired"), "{}", proposed.stdout);
    fleet.fleet_yaml(&tombstone("cust_05", 41))?;
    let said = fleet.wab(&["apply", "-y"])?;
    assert!(said.stdout.contains("not deleted: it is paired"), "{}", said.stdout);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0);
    // The person finds that 41 is in use.
    fleet.sql("UPDATE tenants SET bridge_id = 41 WHERE id = 'cust_05'")?;
    fleet.fleet_yaml(&tombstone("cust_05", 5))?;
    assert_eq!(fleet.wab(&["apply", "-y"])?.code, 0);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 1);
    assert_eq!(
        fleet.sql("SELECT bridge_id, status FROM wab_fleet WHERE customer_ref = 'cust_05'")?,
        "41|paired"
    );
    Ok(())
}

#[tokio::test]
async fn a_404_of_a_gateway_is_no_deletion() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    fleet.sandbox.add(json!([{"id": 40, "customer_ref": "gone", "status": "connected"}])).await?;
    fleet.fleet_yaml(&tombstone("gone", 40))?;
    let page = json!("<html>maintenance</html>");
    for method in ["GET", "DELETE"] {
        let path = "/api/instances/40";
        fleet
            .sandbox
            .fault(json!({"method": method, "path": path, "kind": "status", "code": 404, "body": page}))
            .await?;
        let said = fleet.wab(&["apply", "-y"])?;
        assert_ne!(said.code, 0, "{}{}", said.stdout, said.stderr);
        assert_eq!(fleet.sql("SELECT count(*) FROM wab_bridges WHERE bridge_id = 40")?, "1");
        fleet.sandbox.heal().await?;
    }
    assert_eq!(fleet.wab(&["apply", "-y"])?.code, 0);
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_bridges WHERE bridge_id = 40")?, "0");
    Ok(())
}
