//! Tests that a refresh and a reconcile, which evaluate only rows that a change can affect, miss no drift.

use anyhow::Result;
use e2e::fleet::Fleet;
use serde_json::{Value, json};

use crate::world;

/// Checks that wab_bridges equals the provider's list.
async fn assert_stored_as_listed(fleet: &Fleet, after: &str) -> Result<()> {
    let mut listed: Vec<Value> = serde_json::from_str(&fleet.sandbox.listing().await?)?;
    listed.sort_by_key(|bridge| bridge["id"].as_i64());
    let listed: Vec<_> =
        listed.iter().map(|b| json!([b["id"], b["customer_ref"], b["state"], b["status"]])).collect();
    let stored = fleet.sql(
        "SELECT jsonb_agg(jsonb_build_array(bridge_id, customer_ref, state, raw_status) ORDER BY bridge_id) FROM wab_bridges",
    )?;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&stored)?, listed, "{after}");
    Ok(())
}

/// A fleet with every kind of drift, and tenants with ids that look like bridge ids.
async fn world() -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    world::break_everything(&fleet).await?;
    // With a negative delay a status is drift from its first moment, so the result does not depend on the clock.
    fleet.sql(
        "UPDATE wab_policy SET disconnected_after = '0', awaiting_scan_after = '0', state_after = '0';
         INSERT INTO tenants (id) SELECT n::text FROM generate_series(1, 20) n;
         ALTER TABLE tenants ADD phone text; UPDATE tenants SET phone = '15550000099' WHERE id IN ('cust_02', 'cust_14', 'cust_16');
         SELECT * FROM wab_bind_tenants(phone => 'phone'); UPDATE wab_policy SET silent_after = '0';
         SELECT wab_ingest_event('cust_14', '{\"event\": \"connected\", \"phone\": \"15550000098\"}');
         -- Four pairs of bridges share a phone; some of them change below.
         SELECT wab_ingest_event(t.id, jsonb_build_object('event', 'connected', 'phone', '155500000' || CASE t.bridge_id
                    WHEN 15 THEN '01' WHEN 20 THEN '10' WHEN 13 THEN '12' WHEN 11 THEN '09' ELSE lpad(t.bridge_id::text, 2, '0') END))
         FROM tenants t WHERE t.bridge_id IN (1, 2, 9, 10, 11, 12, 13, 14, 15, 16, 20);
         SELECT * FROM wab_refresh()",
    )?;
    let phones = "SELECT kind, count(*) FROM wab_drift WHERE kind ~ '^phone' GROUP BY 1 ORDER BY 1";
    assert_eq!(fleet.sql(phones)?, "phone_changed|1\nphone_shared|8\nphone_unexpected|2");
    Ok(fleet)
}

/// Makes the nth change at the provider and returns its name, or `None` after the last one.
async fn happen(fleet: &Fleet, nth: usize) -> Result<Option<&'static str>> {
    let sandbox = &fleet.sandbox;
    Ok(Some(match nth {
        0 => sandbox.change(1, json!({"status": "closed"})).await.map(|()| "a status")?,
        1 => sandbox.change(8, json!({"state": "stopped"})).await.map(|()| "a state")?,
        2 => sandbox.change(1, json!({"status": "connected"})).await.map(|()| "the old status again")?,
        3 => sandbox
            .change(4, json!({"status": "qr"}))
            .await
            .map(|()| "the status of one of two duplicates")?,
        4 => sandbox.change(9, json!({"customer_ref": "cust_22"})).await.map(|()| "another customer_ref")?,
        5 => sandbox.remove(10).await.map(|()| "a removed bridge")?,
        6 => sandbox.add_one("cust_10", "connected").await.map(|_| "a new bridge")?,
        7 => sandbox.add_one("cust_11", "qr").await.map(|_| "a new duplicate")?,
        8 => {
            for id in 12..=19 {
                sandbox.change(id, json!({"status": "disconnected"})).await?;
            }
            "eight statuses at once"
        }
        9 => sandbox.change(2, json!({"status": "odd"})).await.map(|()| "an unmapped word")?,
        10 => {
            sandbox.change(3, json!({"status": "ODD"})).await.map(|()| "the same word on another bridge")?
        }
        11 => sandbox.change(2, json!({"status": "connected"})).await.map(|()| "one of the two less")?,
        12 => "nothing",
        _ => return Ok(None),
    }))
}

#[tokio::test]
async fn a_refresh_stores_every_change_and_records_all_drift() -> Result<()> {
    let fleet = world().await?;
    for nth in 0.. {
        let Some(what) = happen(&fleet, nth).await? else { break };
        let expected = if what == "nothing" { "f" } else { "t" };
        assert_eq!(
            fleet.sql("SELECT appeared + changed + disappeared > 0 FROM wab_refresh()")?,
            expected,
            "{what}"
        );
        assert_stored_as_listed(&fleet, what).await?;
        assert_eq!(fleet.sql("SELECT _wab_record_drift()")?, "0", "{what}");
        assert_eq!(
            fleet.sql("SELECT mirrored FROM wab_observations ORDER BY observed_at DESC LIMIT 1")?,
            "t"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_reconcile_returns_all_drift_and_writes_every_status() -> Result<()> {
    let drift = "SELECT kind, tenant_id, bridge_id, customer_ref, stored, observed, detail FROM wab_drift ORDER BY 1, 4, 3";
    let reconcile = "SELECT * FROM wab_reconcile()";
    let fleet = world().await?;
    // The refresh records this drift; the loop below adds drift that no refresh has recorded.
    fleet.sql(
        "UPDATE tenants SET bridge_status = 'unknown' WHERE bridge_id < 12; SELECT * FROM wab_refresh()",
    )?;
    for nth in 0.. {
        let Some(what) = happen(&fleet, nth).await? else { break };
        fleet.sql(&format!("UPDATE tenants SET bridge_status = 'unknown' WHERE bridge_id = {nth}"))?;
        let returned = fleet.sql(reconcile)?;
        assert!(!returned.contains("status_drift"), "{what}: {returned}");
        assert_eq!(returned, fleet.sql(drift)?, "{what}");
        assert_stored_as_listed(&fleet, what).await?;
        assert_eq!(fleet.sql("SELECT _wab_record_drift()")?, "0", "{what}");
    }
    // The reconcile must also see new and deleted tenants.
    fleet.sql("DELETE FROM tenants WHERE id = 'cust_13'; INSERT INTO tenants (id) VALUES ('cust_30')")?;
    assert_eq!(fleet.sql(reconcile)?, fleet.sql(drift)?);
    assert_eq!(fleet.sql("SELECT _wab_record_drift()")?, "0");
    Ok(())
}
