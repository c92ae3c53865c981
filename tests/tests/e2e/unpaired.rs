//! Tests that a bridge which was never paired waits to be scanned, whatever the provider reports once its QR code expires, and
//! that one which lost its phone is disconnected.

use anyhow::Result;
use e2e::fleet::Fleet;

/// Bridge 1 is in the first listing, bridge 2 appears paired in a later one, and 3 appears there without a status.
const FLEET: &str = "
    CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
    INSERT INTO tenants VALUES ('a', 1), ('b', 2), ('c', 3);
    CREATE FUNCTION at(hour integer) RETURNS timestamptz LANGUAGE sql RETURN date_trunc('day', now()) - interval '30 days' + make_interval(hours => hour);
    CREATE FUNCTION listed(hour integer, VARIADIC statuses text[]) RETURNS integer LANGUAGE sql
    RETURN (SELECT o.changed FROM wab_observe(
        (SELECT array_agg(n) FROM generate_series(1, cardinality(statuses)) n), ('{a,b,c}'::text[])[1:cardinality(statuses)],
        array_fill('running'::text, ARRAY[cardinality(statuses)]), statuses,
        (SELECT array_agg(at(CASE n WHEN 1 THEN -100 ELSE 1 END)) FROM generate_series(1, cardinality(statuses)) n), at(hour)) o);
    SELECT * FROM wab_bind_tenants('tenants')";

const STATUSES: &str = "SELECT string_agg(b.status, ' ' ORDER BY b.bridge_id) FROM wab_bridges b";

/// The hour of a time of bridge 3 and the spans of its history in hours.
const SINCE: &str =
    "SELECT extract(epoch FROM unpaired_since - at(0)) / 3600 FROM wab_bridges WHERE bridge_id = 3";
const SPANS: &str = "
    SELECT string_agg(h.status || ' ' || (extract(epoch FROM h.since - at(0)) / 3600)::integer, ', ' ORDER BY h.since)
    FROM wab_status_history h WHERE h.bridge_id = 3";

fn fleet() -> Result<Fleet> {
    let fleet = Fleet::start(&[])?;
    fleet.sql(FLEET)?;
    Ok(fleet)
}

#[test]
fn a_bridge_that_was_never_paired_is_no_outage() -> Result<()> {
    let fleet = fleet()?;
    fleet.sql("SELECT listed(0, 'closed'); SELECT listed(2, 'closed', 'connected', NULL)")?;
    assert_eq!(
        fleet.sql(STATUSES)?,
        "disconnected paired unknown",
        "a first listing does not tell what was before"
    );
    // Its session, the list, and an event report that the QR code expired; between them a new one is shown.
    for report in [
        "SELECT _wab_observe_statuses('{3}', '{disconnected}', at(3))",
        "SELECT _wab_observe_statuses('{3}', '{qr}', at(4))",
        "SELECT listed(5, 'closed', 'closed', 'closed')",
        "SELECT listed(6, 'closed', 'closed', 'qr')",
        "SELECT wab_ingest_event('c', '{\"event\": \"disconnected\"}', at(7))",
    ] {
        fleet.sql(report)?;
        assert!(fleet.sql(STATUSES)?.ends_with("awaiting_scan"), "{report}");
        assert_eq!(fleet.sql(SINCE)?.parse::<f64>()?, 1.0, "{report}: the clock counts from its creation");
    }
    assert_eq!(fleet.sql(STATUSES)?, "disconnected disconnected awaiting_scan");
    assert_eq!(fleet.sql(SPANS)?, "unknown 2, awaiting_scan 3");
    assert_eq!(
        fleet.sql("SELECT kind, bridge_id, since = CASE bridge_id WHEN 1 THEN at(0) WHEN 2 THEN at(5) ELSE at(1) END
                   FROM wab_drift WHERE kind IN ('disconnected', 'awaiting_scan') ORDER BY 2")?,
        "disconnected|1|t\ndisconnected|2|t\nawaiting_scan|3|t"
    );
    assert_eq!(
        fleet.sql("SELECT longest_disconnected_bridge_id, reconnections_30d FROM wab_fleet_health")?,
        "1|0"
    );
    // An unknown word changes neither.
    fleet.sql("SELECT _wab_observe_statuses('{3}', '{odd}', at(8)), _wab_observe_statuses('{3}', '{closed}', at(9))")?;
    assert_eq!(fleet.sql(STATUSES)?, "disconnected disconnected awaiting_scan");
    Ok(())
}

#[test]
fn a_new_bridge_that_is_first_seen_disconnected_was_never_paired() -> Result<()> {
    for report in [
        "SELECT listed(2, 'closed', 'connected', 'closed')",
        "SELECT listed(2, 'closed', 'connected', NULL); SELECT wab_ingest_event('c', '{\"event\": \"logged_out\"}', at(3))",
        "SELECT listed(2, 'closed', 'connected'); SELECT _wab_record_provision('c', 3, 'running', 'closed')",
    ] {
        let fleet = fleet()?;
        fleet.sql(&format!("SELECT listed(0, 'closed'); {report}"))?;
        assert_eq!(fleet.sql(STATUSES)?, "disconnected paired awaiting_scan", "{report}");
    }
    // The same without any earlier listing.
    let fleet = fleet()?;
    fleet.sql("SELECT _wab_record_provision('c', 3, 'running'), _wab_observe_statuses('{3}', '{closed}')")?;
    assert_eq!(fleet.sql(STATUSES)?, "awaiting_scan");
    // A bridge that comes back is not new.
    fleet.sql("SELECT bridges FROM wab_observe('{1}', '{a}', '{running}', '{connected}', '{2026-01-01}', force => true);
               SELECT bridges FROM wab_observe('{2}', '{b}', '{running}', '{connected}', '{2026-01-01}', force => true);
               SELECT bridges FROM wab_observe('{1,2}', '{a,b}', '{running,running}', '{closed,connected}', '{2026-01-01,2026-01-01}')")?;
    assert_eq!(fleet.sql(STATUSES)?, "disconnected paired");
    Ok(())
}

#[test]
fn a_bridge_that_lost_its_phone_waits_since_then() -> Result<()> {
    let fleet = fleet()?;
    fleet.sql("SELECT listed(0, 'connected', 'connected', 'connected'); SELECT _wab_observe_statuses('{3}', '{closed}', at(3))")?;
    assert_eq!(
        (fleet.sql(STATUSES)?.as_str(), fleet.sql(SINCE)?.as_str()),
        ("paired paired disconnected", "")
    );
    fleet.sql("SELECT listed(5, 'connected', 'connected', 'qr'); SELECT listed(7, 'connected', 'connected', 'closed')")?;
    assert_eq!(fleet.sql(STATUSES)?, "paired paired awaiting_scan");
    assert_eq!(fleet.sql(SINCE)?.parse::<f64>()?, 3.0, "it stopped being paired when it was disconnected");
    assert_eq!(fleet.sql(SPANS)?, "paired 0, disconnected 3, awaiting_scan 5");
    fleet.sql("SELECT _wab_observe_statuses('{3}', '{connected}', at(9)), _wab_observe_statuses('{3}', '{qr}', at(11))")?;
    assert_eq!(fleet.sql(SINCE)?.parse::<f64>()?, 11.0);
    Ok(())
}

#[test]
fn a_late_event_tells_that_it_was_an_outage_after_all() -> Result<()> {
    let fleet = fleet()?;
    let said = |event: &str, hour: u32| {
        fleet.sql(&format!("SELECT wab_ingest_event('c', '{{\"event\": \"{event}\"}}', at({hour}))"))
    };
    fleet.sql("SELECT listed(0, 'closed'); SELECT listed(2, 'closed', 'connected', NULL)")?;
    said("disconnected", 6)?;
    assert_eq!(fleet.sql(SPANS)?, "unknown 2, awaiting_scan 6");
    assert_eq!(said("connected", 4)?, "late");
    assert_eq!(fleet.sql(SPANS)?, "unknown 2, paired 4, disconnected 6");
    assert_eq!(
        (fleet.sql(STATUSES)?.as_str(), fleet.sql(SINCE)?.as_str()),
        ("disconnected paired disconnected", "")
    );
    fleet.sql("SELECT _wab_observe_statuses('{3}', '{qr}', at(8))")?;
    assert_eq!(fleet.sql(SINCE)?.parse::<f64>()?, 6.0);
    said("disconnected", 5)?;
    assert_eq!(fleet.sql(SINCE)?.parse::<f64>()?, 5.0);
    // The QR code of hour 10 expired at hour 12; that the bridge was paired in between is learnt last.
    fleet.sql("SELECT _wab_observe_statuses('{3}', '{closed}', at(12))")?;
    assert_eq!(fleet.sql(STATUSES)?, "disconnected paired awaiting_scan");
    said("connected", 11)?;
    assert_eq!(fleet.sql(STATUSES)?, "disconnected paired disconnected");
    assert_eq!(
        fleet.sql(SPANS)?,
        "unknown 2, paired 4, disconnected 5, awaiting_scan 8, paired 11, disconnected 12"
    );
    assert_eq!(
        fleet.sql("SELECT extract(epoch FROM status_since - at(0))::integer / 3600 FROM wab_bridges WHERE bridge_id = 3")?,
        "12"
    );
    Ok(())
}

/// Bridge b was paired before; bridge a was disconnected when it was first seen, so it may have been paired. Support requests a
/// code for each, so that both sessions show a QR code, and no customer scans it.
#[test]
fn a_bridge_that_lost_its_phone_is_drift_until_it_is_paired_again() -> Result<()> {
    let fleet = fleet()?;
    fleet.sql("SELECT listed(0, 'closed'); SELECT listed(2, 'closed', 'connected', 'qr')")?;
    fleet.sql("SELECT listed(5, 'closed', 'closed', 'qr')")?;
    fleet.sql("UPDATE wab_policy SET awaiting_scan_after = '1000 days'")?;
    let down = "SELECT string_agg(bridge_id || ' ' || extract(epoch FROM since - at(0))::integer / 3600, ', ' ORDER BY bridge_id)
                FROM wab_drift WHERE kind = 'disconnected'";
    for report in [
        "SELECT 1",
        "SELECT _wab_record_session('a', 'qr'), _wab_record_session('b', 'qr')",
        "SELECT wab_observe('{1,2,3}', '{a,b,c}', '{running,running,running}', '{closed,closed,closed}', array_fill(at(1), '{3}'))",
        "SELECT wab_ingest_event('b', '{\"event\": \"logged_out\"}')",
    ] {
        fleet.sql(report)?;
        assert_eq!(fleet.sql(down)?, "1 0, 2 5", "{report}");
    }
    assert_eq!(
        fleet.sql("SELECT string_agg(customer_ref, ' ' ORDER BY bridge_id) FROM wab_to_repair")?,
        "a b"
    );
    assert_eq!(fleet.sql(STATUSES)?, "awaiting_scan awaiting_scan awaiting_scan");
    fleet.sql("SELECT _wab_record_session('a', 'connected'), _wab_record_session('b', 'connected')")?;
    assert_eq!(fleet.sql(down)?, "");
    Ok(())
}
