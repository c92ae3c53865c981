//! What of an existing account is adopted, and how: a pure function. It reads drift and never compares for itself.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use wabridges::Listing;

use crate::config::{Fleet, Keep};
use crate::model::{Adoption, Found, Kind, Stray, Why};

/// Takes in what can be: tenants' bridges by their rows, nobody's bridges by `bridges.keep`.
pub fn adopt(fleet: Fleet, found: Found, listing: &Listing, day: NaiveDate) -> Adoption {
    let buried: BTreeSet<_> = fleet.remove.iter().map(|item| item.customer_ref.clone()).collect();
    let expired: BTreeSet<_> = fleet.keep.iter().map(|item| item.customer_ref.clone()).collect();
    let mut kept: Vec<Stray> = Vec::new();
    let (mut rows, mut strangers, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for stray in found.strays {
        let has = |kind| stray.drift.contains(&kind);
        if has(Kind::Unbound) || has(Kind::StatusDrift) {
            rows.push(stray.clone());
        }
        let why = match &stray.customer_ref {
            _ if has(Kind::Duplicate) => Why::Duplicate,
            _ if has(Kind::Churned) => Why::Churned,
            _ if stray.kept => {
                strangers.push(stray);
                continue;
            }
            _ if !has(Kind::Orphaned) => continue,
            None => Why::NoRef,
            Some(customer_ref) if buried.contains(customer_ref) => Why::Buried,
            Some(customer_ref) if expired.contains(customer_ref) => Why::Expired,
            // They come by customer_ref, so an earlier bridge of the same is the last one kept.
            same if kept.last().is_some_and(|last| last.customer_ref == *same) => Why::Duplicate,
            Some(_) => {
                kept.push(stray);
                continue;
            }
        };
        left.push((why, stray));
    }
    left.sort_by_key(|(why, _)| *why);
    let reason = format!("adopted by wab export on {day}");
    let keeps = kept.iter().filter_map(|stray| {
        let customer_ref = stray.customer_ref.clone()?;
        Some(Keep { customer_ref, reason: reason.clone(), until: None })
    });
    let mut fleet = fleet;
    fleet.keep.extend(keeps);
    strangers.append(&mut kept);
    Adoption {
        day,
        listed: listing.bridges.len(),
        malformed: listing.malformed.len(),
        missing: found.missing,
        monthly_cost: found.monthly_cost,
        fleet,
        rows,
        strangers,
        left,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rust_decimal::Decimal;
    use wabridges::{BridgeId, CustomerRef};

    use super::*;

    fn stray(id: i64, customer_ref: &str, drift: &[Kind]) -> Stray {
        Stray {
            bridge_id: BridgeId::new(id).unwrap(),
            customer_ref: CustomerRef::listed(customer_ref).ok(),
            status: None,
            drift: drift.to_vec(),
            kept: false,
        }
    }

    fn adopted(fleet: &str, strays: Vec<Stray>) -> Adoption {
        let fleet = Fleet::parse(&format!("version: 1\n{fleet}"), Path::new("fleet.yaml")).unwrap();
        let found = Found { missing: 0, strays, monthly_cost: Decimal::ZERO };
        adopt(fleet, found, &Listing::default(), "2026-11-23".parse().unwrap())
    }

    fn why(adoption: &Adoption) -> Vec<(Why, i64)> {
        adoption.left.iter().map(|(why, stray)| (*why, stray.bridge_id.get())).collect()
    }

    #[test]
    fn rows_are_written_and_nobodys_bridges_kept() {
        let adoption = adopted(
            "",
            vec![
                stray(1, "a", &[Kind::Unbound, Kind::StatusDrift]),
                stray(2, "b", &[Kind::StatusDrift, Kind::State]),
                stray(3, "c", &[Kind::Orphaned]),
                stray(4, "d", &[Kind::Disconnected]),
            ],
        );
        assert_eq!(adoption.rows.iter().map(|row| row.bridge_id.get()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(adoption.strangers.len(), 1);
        assert_eq!(adoption.fleet.keep[0].customer_ref.as_str(), "c");
        assert_eq!(adoption.fleet.keep[0].reason, "adopted by wab export on 2026-11-23");
        assert!(adoption.left.is_empty());
    }

    #[test]
    fn what_was_kept_before_is_a_stranger_and_not_kept_twice() {
        let kept = Stray { kept: true, ..stray(1, "demo", &[Kind::State]) };
        let adoption = adopted("bridges: { keep: [{ customer_ref: demo, reason: x }] }", vec![kept]);
        assert_eq!((adoption.strangers.len(), adoption.fleet.keep.len(), adoption.left.len()), (1, 1, 0));
    }

    #[test]
    fn what_a_file_cannot_say_twice_or_at_all_is_left() {
        let adoption = adopted(
            "bridges:
  keep: [{ customer_ref: old, reason: x, until: 2020-01-01 }]
  remove: [{ customer_ref: gone, bridge_id: 2, reason: x }]",
            vec![
                stray(1, "", &[Kind::Orphaned]),
                stray(2, "gone", &[Kind::Orphaned]),
                stray(3, "old", &[Kind::Orphaned]),
                stray(4, "left", &[Kind::Unbound, Kind::Churned]),
                stray(5, "two", &[Kind::Duplicate]),
                stray(6, "twice", &[Kind::Orphaned]),
                stray(7, "twice", &[Kind::Orphaned]),
            ],
        );
        let left = [
            (Why::NoRef, 1),
            (Why::Buried, 2),
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
