//! Decides which bridges of an existing account are adopted. It uses the drift from the views and compares
//! nothing itself.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use wabridges::Listing;

use crate::config::{Fleet, Keep};
use crate::model::{Adoption, Found, FoundBridge, Kind, Why};

/// `wab export` keeps an adopted bridge for so long. Then the bridge is drift again, and a person decides about it.
const KEPT: Days = Days::new(90);

/// Links bridges to their tenant rows, and keeps bridges without a tenant row through `bridges.keep`.
pub fn adopt(fleet: Fleet, found: Found, listing: &Listing, day: NaiveDate) -> Adoption {
    let removed: BTreeSet<_> = fleet.remove.iter().map(|item| item.customer_ref.clone()).collect();
    let expired: BTreeSet<_> = fleet.keep.iter().map(|item| item.customer_ref.clone()).collect();
    let mut kept: Vec<FoundBridge> = Vec::new();
    let (mut rows, mut unowned, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for bridge in found.bridges {
        let has = |kind| bridge.drift.contains(&kind);
        if has(Kind::Unbound) || has(Kind::StatusDrift) {
            rows.push(bridge.clone());
        }
        let why = match &bridge.customer_ref {
            _ if has(Kind::Duplicate) => Why::Duplicate,
            _ if has(Kind::Churned) => Why::Churned,
            _ if bridge.kept => {
                unowned.push(bridge);
                continue;
            }
            _ if !has(Kind::Orphaned) => continue,
            None => Why::NoRef,
            Some(customer_ref) if removed.contains(customer_ref) => Why::Removed,
            Some(customer_ref) if expired.contains(customer_ref) => Why::Expired,
            // The bridges are sorted by customer_ref, so a bridge with the same one is the last that was
            // kept.
            same if kept.last().is_some_and(|last| last.customer_ref == *same) => Why::Duplicate,
            Some(_) => {
                kept.push(bridge);
                continue;
            }
        };
        left.push((why, bridge));
    }
    left.sort_by_key(|(why, _)| *why);
    let reason = format!("adopted by wab export on {day}");
    // Without a last day, `wab` would never again report a bridge that nobody needs.
    let until = day.checked_add_days(KEPT);
    let keeps = kept.iter().filter_map(|bridge| {
        let customer_ref = bridge.customer_ref.clone()?;
        Some(Keep { customer_ref, reason: reason.clone(), until })
    });
    let mut fleet = fleet;
    fleet.keep.extend(keeps);
    unowned.append(&mut kept);
    Adoption {
        day,
        listed: listing.bridges.len(),
        malformed: listing.malformed.len(),
        missing: found.missing,
        monthly_cost: found.monthly_cost,
        fleet,
        rows,
        unowned,
        left,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rust_decimal::Decimal;
    use wabridges::{BridgeId, CustomerRef};

    use super::*;

    fn bridge(id: i64, customer_ref: &str, drift: &[Kind]) -> FoundBridge {
        FoundBridge {
            bridge_id: BridgeId::new(id).unwrap(),
            customer_ref: CustomerRef::listed(customer_ref).ok(),
            status: None,
            drift: drift.to_vec(),
            kept: false,
        }
    }

    fn adopted(fleet: &str, bridges: Vec<FoundBridge>) -> Adoption {
        let fleet = Fleet::parse(&format!("version: 1\n{fleet}"), Path::new("fleet.yaml")).unwrap();
        let found = Found { missing: 0, bridges, monthly_cost: Decimal::ZERO };
        adopt(fleet, found, &Listing::default(), "2026-11-23".parse().unwrap())
    }

    fn why(adoption: &Adoption) -> Vec<(Why, i64)> {
        adoption.left.iter().map(|(why, bridge)| (*why, bridge.bridge_id.get())).collect()
    }

    #[test]
    fn tenants_rows_are_written_and_other_bridges_kept() {
        let adoption = adopted(
            "",
            vec![
                bridge(1, "a", &[Kind::Unbound, Kind::StatusDrift]),
                bridge(2, "b", &[Kind::StatusDrift, Kind::State]),
                bridge(3, "c", &[Kind::Orphaned]),
                bridge(4, "d", &[Kind::Disconnected]),
            ],
        );
        assert_eq!(adoption.rows.iter().map(|row| row.bridge_id.get()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(adoption.unowned.len(), 1);
        assert_eq!(adoption.fleet.keep[0].customer_ref.as_str(), "c");
        assert_eq!(adoption.fleet.keep[0].reason, "adopted by wab export on 2026-11-23");
        assert_eq!(adoption.fleet.keep[0].until, "2027-02-21".parse().ok());
        assert!(adoption.left.is_empty());
    }

    #[test]
    fn a_bridge_that_was_kept_before_is_not_kept_twice() {
        let kept = FoundBridge { kept: true, ..bridge(1, "demo", &[Kind::State]) };
        let adoption = adopted("bridges: { keep: [{ customer_ref: demo, reason: x }] }", vec![kept]);
        assert_eq!((adoption.unowned.len(), adoption.fleet.keep.len(), adoption.left.len()), (1, 1, 0));
    }

    #[test]
    fn bridges_without_a_unique_customer_ref_are_left() {
        let adoption = adopted(
            "bridges:
  keep: [{ customer_ref: old, reason: x, until: 2020-01-01 }]
  remove: [{ customer_ref: gone, bridge_id: 2, reason: x }]",
            vec![
                bridge(1, "", &[Kind::Orphaned]),
                bridge(2, "gone", &[Kind::Orphaned]),
                bridge(3, "old", &[Kind::Orphaned]),
                bridge(4, "left", &[Kind::Unbound, Kind::Churned]),
                bridge(5, "two", &[Kind::Duplicate]),
                bridge(6, "twice", &[Kind::Orphaned]),
                bridge(7, "twice", &[Kind::Orphaned]),
            ],
        );
        let left = [
            (Why::NoRef, 1),
            (Why::Removed, 2),
            (Why::Expired, 3),
            (Why::Duplicate, 5),
            (Why::Duplicate, 7),
            (Why::Churned, 4),
        ];
        assert_eq!(why(&adoption), left);
        assert_eq!(adoption.rows.len(), 1, "a tenant that is no longer wanted still has its row written");
        let keep: Vec<_> = adoption.fleet.keep.iter().map(|keep| keep.customer_ref.as_str()).collect();
        assert_eq!(keep, ["old", "twice"]);
    }
}
