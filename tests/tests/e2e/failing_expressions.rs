//! Tests that an expression of the binding that fails for one tenant holds up nothing else: listings and events are stored, calls
//! are recorded, and the queue goes on.

use anyhow::Result;
use e2e::fleet::Fleet;
use serde_json::json;

use crate::world;

/// Twenty tenants that are wanted while they have a subscription, and two subscriptions for cust_01.
async fn twice_subscribed() -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    fleet
        .cluster
        .expect_in_log(&["the drift could not be recorded", "it cannot be read which of them are wanted"]);
    fleet.sql(
        "CREATE TABLE subs (tenant_id text, status text); INSERT INTO subs SELECT id, 'active' FROM tenants;
         SELECT * FROM wab_bind_tenants(
             wanted => $$(SELECT s.status FROM subs s WHERE s.tenant_id = tenants.id) = 'active'$$);
         INSERT INTO subs VALUES ('cust_01', 'trial')",
    )?;
    Ok(fleet)
}

#[tokio::test]
async fn listings_and_events_are_stored() -> Result<()> {
    let fleet = twice_subscribed().await?;
    let status = |id: u32| fleet.sql(&format!("SELECT status FROM wab_bridges WHERE bridge_id = {id}"));
    for (id, call) in [(2, "wab_refresh()"), (3, "wab_reconcile()")] {
        fleet.sandbox.change(id.into(), json!({"status": "disconnected"})).await?;
        fleet.sql(&format!("SELECT FROM {call}"))?;
        assert_eq!(status(id)?, "disconnected", "{call}");
    }
    let event = "'{\"event\": \"disconnected\"}'";
    fleet.sql(&format!("SELECT wab_ingest_event('cust_01', {event})"))?;
    fleet.sql(&format!("SELECT _wab_ingest_events('{{cust_04,cust_05}}', ARRAY[{event}, {event}])"))?;
    for id in [1, 4, 5] {
        assert_eq!(status(id)?, "disconnected");
    }
    fleet.sql("SELECT * FROM wab_logout('cust_06')")?;
    assert_eq!(status(6)?, "disconnected");
    fleet.sql("DELETE FROM subs WHERE status = 'trial'; SELECT FROM wab_refresh()")?;
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift WHERE kind = 'status_drift'")?, "3");
    Ok(())
}

#[tokio::test]
async fn the_queue_goes_on() -> Result<()> {
    let fleet = twice_subscribed().await?;
    fleet.sandbox.remove(1).await?;
    fleet.sql(
        "INSERT INTO tenants (id) VALUES ('new_1'); INSERT INTO subs VALUES ('new_1', 'active');
         SELECT wab_enqueue_provision(id) FROM (VALUES ('cust_01'), ('new_1')) AS t(id)",
    )?;
    let (state, message) = fleet.sql_error("CALL wab_work_queue()")?;
    assert!(state == "21000" && message.contains("tenant_id: cust_01"), "{state}: {message}");
    assert_eq!(fleet.sql("SELECT failing_job FROM wab_status")?, "work_queue");
    let queue = "SELECT customer_ref, outcome, last_error FROM wab_queue ORDER BY enqueued_at, customer_ref";
    assert_eq!(
        fleet.sql(queue)?,
        "cust_01||more than one row returned by a subquery used as an expression\nnew_1|provisioned|"
    );
    Ok(())
}

#[tokio::test]
async fn no_signup_fails() -> Result<()> {
    let fleet = twice_subscribed().await?;
    fleet.sql(include_str!("../../../sql/signup.sql"))?;
    fleet.sandbox.remove(2).await?;
    fleet.sql(
        "SELECT FROM wab_refresh();
         INSERT INTO subs VALUES ('new_1', 'active'), ('new_1', 'trial'), ('new_2', 'active'), ('cust_02', 'trial');
         INSERT INTO tenants (id) VALUES ('new_1'), ('new_2');
         UPDATE tenants SET bridge_id = NULL WHERE id = 'cust_02'",
    )?;
    assert_eq!(
        fleet.sql("SELECT string_agg(customer_ref, ' ' ORDER BY customer_ref) FROM wab_queue")?,
        "cust_02 new_1 new_2"
    );
    Ok(())
}
