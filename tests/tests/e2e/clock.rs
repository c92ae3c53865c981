//! Tests that times in the future, which a clock that was set back leaves behind, are said and not believed.

use anyhow::Result;
use serde_json::json;

use crate::world;

#[tokio::test]
async fn after_the_clock_was_set_back_a_bridge_that_vanished_is_missing_and_the_clock_is_said() -> Result<()>
{
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    assert_eq!(fleet.wab(&["apply", "-y"])?.code, 0);
    fleet.cluster.restart_with_clock("-1h")?;
    fleet.sandbox.remove(3).await?;
    fleet.sandbox.change(4, json!({"status": "disconnected"})).await?;

    let said = fleet.wab(&["plan"])?;
    assert!(
        said.stdout.starts_with("Plan: 1 to provision, 1 status to write."),
        "{}{}",
        said.stdout,
        said.stderr
    );
    assert!(said.stdout.contains("the database's clock was set back"), "{}", said.stdout);
    let status = fleet.wab(&["status"])?.stdout;
    assert!(status.contains("clock was set back") && !status.contains("Observed 0 s ago"), "{status}");
    let doctor = fleet.wab(&["doctor"])?;
    assert!(doctor.stdout.contains("clock was set back"), "{}{}", doctor.stdout, doctor.stderr);

    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sql("SELECT bridge_id > 20 FROM tenants WHERE id = 'cust_03'")?, "t");
    assert_eq!(fleet.sql("SELECT bridge_status FROM tenants WHERE id = 'cust_04'")?, "disconnected");
    assert!(fleet.wab(&["plan"])?.stdout.starts_with("Nothing to do"));
    // The same listing again, a bridge written by hand in between, and a listing that puts it right.
    fleet.sql("UPDATE wab_bridges SET state = 'odd' WHERE bridge_id = 5")?;
    fleet.observe().await?;
    assert_eq!(fleet.sql("SELECT state FROM wab_bridges WHERE bridge_id = 5")?, "running");
    assert_eq!(fleet.sql("SELECT observation_age BETWEEN '0' AND '1 minute' FROM wab_status")?, "t");
    for view in ["wab_fleet_summary", "wab_fleet_health"] {
        let is_recent =
            format!("SELECT age(clock_timestamp(), observed_at) BETWEEN '0' AND '1 minute' FROM {view}");
        assert_eq!(fleet.sql(&is_recent)?, "t", "{view}");
    }
    // Whether a listing was whole is asked of the newest one that is believed.
    fleet.sql("UPDATE wab_observations SET malformed = 1 WHERE observed_at > clock_timestamp()")?;
    assert_eq!(fleet.sql("SELECT listing_is_whole FROM _wab_cutoffs()")?, "t");
    Ok(())
}
