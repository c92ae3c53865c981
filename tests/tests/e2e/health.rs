//! Tests that the shares of wab_fleet_health claim only what was observed, and that pruning leaves them right.

use anyhow::Result;
use e2e::fleet::Fleet;

use crate::world;

const SHARES: &str =
    "SELECT paired_share_1d, coverage_1d, paired_share_30d, coverage_30d FROM wab_fleet_health";

/// Moves everything that was observed so far into the past.
fn age(fleet: &Fleet, by: &str) -> Result<()> {
    fleet
        .sql(&format!(
            "UPDATE wab_observations SET observed_at = observed_at - interval '{by}';
             UPDATE wab_bridge_events SET at = at - interval '{by}', since = since - interval '{by}';
             UPDATE wab_bridges SET first_seen_at = first_seen_at - interval '{by}', status_since = status_since - interval '{by}',
                                    status_observed_at = status_observed_at - interval '{by}'"
        ))
        .map(drop)
}

#[tokio::test]
async fn one_observation_long_ago_claims_no_share_of_the_last_days() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    age(&fleet, "40 days")?;
    assert_eq!(fleet.sql(SHARES)?, "|0.0000||0.0000");
    // Two more observations, of which the gap between is not seen, but the time after the second is.
    fleet.observe().await?;
    age(&fleet, "12 hours")?;
    fleet.observe().await?;
    age(&fleet, "36 minutes")?;
    assert_eq!(fleet.sql(SHARES)?, "1.0000|0.0250|1.0000|0.0008");
    assert_eq!(fleet.sql("SELECT bridges, paired_share FROM wab_fleet_health")?, "20|1.0000");
    Ok(())
}

#[tokio::test]
async fn a_bridge_without_a_later_event_stays_in_the_history_after_pruning() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    age(&fleet, "500 days")?;
    fleet.observe().await?;
    let history = "SELECT bridge_id, status, since FROM wab_status_history WHERE until IS NULL ORDER BY 1";
    let before = fleet.sql(history)?;
    assert_eq!(before.lines().count(), 20);
    let shares = fleet.sql(SHARES)?;
    fleet.sql("SELECT wab_prune_history(); SELECT wab_prune_history()")?;
    assert_eq!((fleet.sql(history)?, fleet.sql(SHARES)?), (before, shares));
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_costs")?, "1", "months before the horizon are incomplete");
    Ok(())
}
