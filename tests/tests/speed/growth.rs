//! Tests that the time of a statement grows no faster than the rows that it is about.

use anyhow::{Result, ensure};
use e2e::fleet::Fleet;
use e2e::sandbox::Sandbox;

use super::{fastest, passes, seconds};

/// A fleet of this many tenants, each with its bridge.
fn fleet_of(tenants: u32) -> Result<Fleet> {
    let fleet = Fleet::with(Sandbox::start(&[])?, &[("autovacuum", "off")])?;
    fleet.sql(&format!(
        "CREATE TABLE tenants (id text PRIMARY KEY, active boolean NOT NULL DEFAULT true, bridge_id bigint, bridge_status text);
         SELECT * FROM wab_bind_tenants('tenants', wanted => 'active');
         INSERT INTO tenants SELECT 'cust_' || n, true, n, 'paired' FROM generate_series(1, {tenants}) n;
         INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, first_seen_at)
         SELECT n, 'cust_' || n, 'running', 'paired', now() FROM generate_series(1, {tenants}) n;
         INSERT INTO wab_observations VALUES (now(), 'sql', '', {tenants}, 0, 0, 0, 0);
         ANALYZE"
    ))?;
    Ok(fleet)
}

/// A change of one bridge finds its tenant and its drift by index.
#[test]
fn a_single_bridge_is_recorded_without_a_pass_over_the_tenants() -> Result<()> {
    const SIZE: u32 = 20_000;
    let fleet = fleet_of(SIZE)?;
    let provision = "INSERT INTO tenants VALUES ('x'); SELECT _wab_record_provision('x', 999999, 'running')";
    assert_eq!(passes(&fleet, provision, SIZE)?, "\npasses|0");
    assert_eq!(passes(&fleet, "SELECT _wab_record_delete(7, 'cust_7')", SIZE)?, "\npasses|0");
    assert_eq!(fleet.sql("SELECT kind FROM wab_drift WHERE customer_ref = 'cust_7'")?, "missing");
    assert_eq!(
        fleet.sql("SELECT kind, customer_ref FROM wab_drift_episodes WHERE ended_at IS NULL")?,
        "missing|cust_7"
    );
    fleet.sql("UPDATE tenants SET active = false WHERE id = 'cust_8'")?;
    assert_eq!(passes(&fleet, "SELECT _wab_record_delete(8, 'cust_8')", SIZE)?, "\npasses|0");
    assert_eq!(fleet.sql("SELECT bridge_id FROM tenants WHERE id = 'cust_8'")?, "");
    Ok(())
}

/// Also if the planner expects no present incident, because its statistics are from a time when all had ended.
#[test]
fn alerts_take_time_in_proportion_to_the_incidents() -> Result<()> {
    let due = |incidents: u32| -> Result<(f64, f64)> {
        let fleet = fleet_of(1)?;
        fleet.sql(&format!(
            "SELECT _wab_begin_alerts();
             INSERT INTO wab_drift_episodes (kind, subject, bridge_id, customer_ref, wasted, began_at, ended_at)
             SELECT 'disconnected', n, n, 'cust_' || n, false, at, at FROM generate_series(1, 20000) n, (SELECT now() - interval '9 days') AS t(at);
             INSERT INTO wab_alerts SELECT 'disconnected-' || episode_id, began_at, ended_at FROM wab_drift_episodes;
             ANALYZE;
             INSERT INTO wab_drift_episodes (kind, subject, bridge_id, customer_ref, wasted, began_at)
             SELECT 'disconnected', n, n, 'cust_' || n, false, now() - interval '2 days' FROM generate_series(1, {incidents}) n;
             INSERT INTO wab_alerts SELECT incident_id, now() FROM wab_incidents"
        ))?;
        let due = |ended: u32| {
            fastest(|| {
                let found = fleet.sql("SELECT cardinality(ended) FROM _wab_due_alerts()")?;
                ensure!(found == ended.to_string(), "{found}");
                Ok(())
            })
        };
        let lasting = due(0)?;
        fleet.sql(
            "UPDATE wab_drift_episodes SET ended_at = now() - interval '1 day' WHERE ended_at IS NULL",
        )?;
        Ok((lasting, due(incidents)?))
    };
    let (few, many) = (due(2_000)?, due(10_000)?);
    let ratios = (many.0 / few.0, many.1 / few.1);
    println!("five times as many take {:.1} times as long, and {:.1} when they ended", ratios.0, ratios.1);
    assert!(ratios.0 < 10.0 && ratios.1 < 10.0, "{ratios:.1?}");
    Ok(())
}

/// A claim refuses all entries of unknown tenants before it, and looks at no finished entry.
#[test]
fn a_claim_takes_time_in_proportion_to_the_entries_that_it_refuses() -> Result<()> {
    let claim = |entries: u32| -> Result<f64> {
        let fleet = fleet_of(1)?;
        // As one transaction would enqueue them that states the time.
        fleet.sql(&format!(
            "INSERT INTO wab_queue (customer_ref, enqueued_at) SELECT 'gone_' || n, now() FROM generate_series(1, {entries}) n"
        ))?;
        let time = seconds(|| {
            ensure!(fleet.sql("SELECT count(*) FROM _wab_claim_queued()")? == "0");
            Ok(())
        })?;
        let refused = fleet.sql("SELECT count(*) FROM wab_queue WHERE outcome = 'refused'")?;
        ensure!(refused == entries.to_string(), "{refused}");
        Ok(time)
    };
    let ratio = claim(10_000)? / claim(2_000)?;
    println!("five times as many entries take {ratio:.1} times as long");
    assert!(ratio < 10.0, "{ratio:.1}");
    Ok(())
}

#[test]
fn ended_snoozes_cost_the_incidents_little() -> Result<()> {
    let fleet = fleet_of(3_000)?;
    fleet.sql(
        "INSERT INTO wab_drift_episodes (kind, subject, bridge_id, customer_ref, wasted, began_at)
         SELECT 'disconnected', n, n, 'cust_' || n, false, now() - interval '2 days' FROM generate_series(1, 3000) n; ANALYZE",
    )?;
    let read = |snoozed: u32| {
        fastest(|| {
            let read = fleet
                .sql("SELECT count(*), count(snoozed_until) FROM wab_incidents WHERE kind <> 'unobserved'")?;
            ensure!(read == format!("3000|{snoozed}"), "{read}");
            Ok(())
        })
    };
    let without = read(0)?;
    fleet.sql(
        "INSERT INTO wab_snoozes (customer_ref, kind, until, reason, snoozed_at)
         SELECT CASE WHEN n % 2 = 0 THEN 'cust_' || n % 3000 END, 'disconnected', now() - interval '1 hour', 'why', now() - interval '1 day'
         FROM generate_series(1, 20000) n; ANALYZE wab_snoozes",
    )?;
    let ratio = read(0)? / without;
    println!("with 20,000 ended snoozes the incidents take {ratio:.1} times as long");
    assert!(ratio < 3.0, "{ratio:.1}");
    fleet.sql("SELECT wab_snooze(NULL, 'disconnected', now() + interval '1 hour', 'all')")?;
    read(3_000)?;
    Ok(())
}

/// The planner makes no plan per link: that takes longer than all look-ups of its state.
#[test]
fn the_state_of_a_link_is_planned_once() -> Result<()> {
    let fleet = fleet_of(5_000)?;
    fleet.sql(
        "INSERT INTO wab_pairing_links (token_sha256, customer_ref, bridge_id, valid_until)
         SELECT sha256(n::text::bytea), 'cust_' || n, n, now() + interval '1 day' FROM generate_series(1, 5000) n; ANALYZE",
    )?;
    let states = || {
        let states = fleet.sql("SELECT count(state) FROM wab_links")?;
        ensure!(states == "5000", "{states}");
        Ok(())
    };
    // Like the state, it calls a function per row that searches by index.
    let searches =
        || fleet.sql("SELECT count(_wab_wanted_webhook_url(customer_ref)) FROM wab_bridges").map(drop);
    let ratio = fastest(states)? / fastest(searches)?;
    println!("the states of links take {ratio:.1} times as long as a search per row");
    assert!(ratio < 1.5, "{ratio:.1}");
    Ok(())
}

#[test]
fn a_delete_takes_no_longer_in_a_larger_fleet() -> Result<()> {
    let delete = |tenants: u32| -> Result<f64> {
        let fleet = fleet_of(tenants)?;
        fleet.sql(
            "INSERT INTO wab_phones (bridge_id, customer_ref, phone_hash, phone_since, seen_at)
             SELECT bridge_id, customer_ref, bridge_id, now(), now() FROM wab_bridges;
             INSERT INTO wab_activity SELECT bridge_id, now() FROM wab_bridges;
             UPDATE tenants SET active = false WHERE bridge_id <= 50; UPDATE wab_policy SET mass_bridges = 1000; ANALYZE",
        )?;
        let time = seconds(|| {
            fleet.sql("SELECT _wab_record_delete(n, 'cust_' || n) FROM generate_series(1, 50) n").map(drop)
        })?;
        for table in ["wab_bridges", "wab_phones", "wab_activity"] {
            let left = fleet.sql(&format!("SELECT count(*) FROM {table}"))?;
            ensure!(left == (tenants - 50).to_string(), "{table}: {left}");
        }
        Ok(time)
    };
    let ratio = delete(20_000)? / delete(2_000)?;
    println!("in a fleet ten times as large, 50 deletes take {ratio:.1} times as long");
    assert!(ratio < 3.0, "{ratio:.1}");
    Ok(())
}

/// The page of a tenant in `wab serve` reads the history of the tenant's bridges only.
#[test]
fn the_statuses_of_a_tenant_are_found_by_index() -> Result<()> {
    let fleet = fleet_of(5_000)?;
    fleet.sql(
        "INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since)
         SELECT now() - n * interval '1 min', n % 5000 + 1, 'cust_' || n % 5000 + 1, 'status', 'paired', 'disconnected', NULL
         FROM generate_series(1, 20000) n; ANALYZE",
    )?;
    let statement = include_str!("../../../reconciler/src/db/board/tenant_statuses.sql")
        .replace("@extschema@", "public")
        .replace("$1", "'cust_7'");
    let plan = fleet.sql(&format!("EXPLAIN (COSTS OFF) {statement}"))?;
    for table in ["wab_bridge_events", "wab_bridges"] {
        assert!(!plan.contains(&format!("Seq Scan on {table} ")), "{plan}");
    }
    Ok(())
}
