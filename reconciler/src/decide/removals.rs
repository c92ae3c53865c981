//! Proposes entries of bridges.remove from the drift, and finds those that were applied.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use wabridges::CustomerRef;

use crate::config::{Fleet, Tombstone};
use crate::model::{Kind, PlanInput, Removal, Removals};

/// Which bridges to propose.
#[derive(Clone, Debug)]
pub struct Choice<'a> {
    /// These kinds; empty: every kind that wastes money.
    pub kinds: &'a [Kind],
    /// Only drift that is older than this.
    pub older_than: Option<Duration>,
    /// The time of the observation.
    pub now: DateTime<Utc>,
}

impl Choice<'_> {
    fn covers(&self, kind: Kind) -> bool {
        kind.wastes() && (self.kinds.is_empty() || self.kinds.contains(&kind))
    }

    /// Whether the drift is old enough; `None` if its age is not known.
    fn is_old(&self, since: Option<DateTime<Utc>>) -> Option<bool> {
        let Some(older_than) = self.older_than else { return Some(true) };
        Some(self.now.signed_duration_since(since?).to_std().is_ok_and(|age| age >= older_than))
    }
}

/// An entry for each bridge that no tenant needs or uses, and the choice covers.
pub fn propose(input: &PlanInput, fleet: &Fleet, choice: &Choice<'_>) -> Removals {
    let mut proposed = Removals::default();
    for row in input.drift.iter().filter(|row| choice.covers(row.kind)) {
        let Some(bridge_id) = row.bridge_id else { continue };
        if fleet.remove.iter().any(|tombstone| tombstone.bridge_id == bridge_id) {
            proposed.declared += 1;
            continue;
        }
        match choice.is_old(row.since) {
            Some(true) => {}
            Some(false) => continue,
            None => {
                proposed.ageless += 1;
                continue;
            }
        }
        if let Some(by) = input.uses.get(&bridge_id) {
            proposed.used.push((bridge_id, by.clone()));
            continue;
        }
        let Some(customer_ref) = row.customer_ref.as_deref().and_then(|text| CustomerRef::listed(text).ok())
        else {
            proposed.nameless.push(bridge_id);
            continue;
        };
        let since = row.since.map(|since| since.format(" since %Y-%m-%d").to_string()).unwrap_or_default();
        let reason = format!("{}{since}: {}", row.kind, row.detail);
        proposed.entries.push(Removal {
            is_kept: fleet.keep.iter().any(|keep| keep.customer_ref == customer_ref),
            tombstone: Tombstone { customer_ref, bridge_id, reason },
            monthly_cost: row.monthly_cost,
        });
    }
    proposed
}

/// The numbers of the tombstones whose bridges are gone. The input must come from a complete listing.
pub fn applied(tombstones: &[Tombstone], input: &PlanInput) -> BTreeSet<usize> {
    let is_gone = |tombstone: &Tombstone| !input.live.contains_key(&tombstone.bridge_id);
    tombstones.iter().enumerate().filter(|(_, it)| is_gone(it)).map(|(nth, _)| nth).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rust_decimal::Decimal;
    use wabridges::BridgeId;

    use super::*;
    use crate::model::Drift;

    fn drift(kind: Kind, id: i64, customer_ref: Option<&str>, days: Option<i64>) -> Drift {
        Drift {
            kind,
            severity: "warning".into(),
            tenant_id: None,
            bridge_id: BridgeId::new(id),
            customer_ref: customer_ref.map(str::to_owned),
            stored: None,
            observed: None,
            since: days.map(|days| now() - chrono::TimeDelta::days(days)),
            detail: "no tenant owns it".into(),
            monthly_cost: Decimal::new(300, 2),
            webhook_url: None,
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn fleet() -> Fleet {
        let yaml = "version: 1\nbridges:\n  keep: [ { customer_ref: kept, reason: x, until: 2020-01-01 } ]\n  \
                    remove: [ { customer_ref: listed, bridge_id: 9, reason: x } ]\n";
        Fleet::parse(yaml, Path::new("fleet.yaml")).unwrap()
    }

    #[test]
    fn only_waste_of_the_chosen_kinds_and_age_is_proposed() {
        let rows = [
            drift(Kind::Missing, 1, Some("a"), Some(90)),
            drift(Kind::Orphaned, 2, Some("b"), Some(90)),
            drift(Kind::Orphaned, 3, Some("kept"), Some(29)),
            drift(Kind::Orphaned, 4, None, Some(90)),
            drift(Kind::Churned, 5, Some("d"), None),
            drift(Kind::Duplicate, 6, Some("e"), Some(31)),
            drift(Kind::Duplicate, 8, Some("f"), Some(31)),
            drift(Kind::Orphaned, 9, Some("listed"), Some(90)),
        ];
        let ids = |removals: &Removals| -> Vec<i64> {
            removals.entries.iter().map(|entry| entry.tombstone.bridge_id.get()).collect()
        };
        let used = (BridgeId::new(8).unwrap(), "it is paired".to_owned());
        let input = PlanInput { uses: [used.clone()].into(), ..PlanInput::of(rows.to_vec()) };
        let all = propose(&input, &fleet(), &Choice { kinds: &[], older_than: None, now: now() });
        assert_eq!(ids(&all), [2, 3, 5, 6]);
        assert_eq!(all.used, [used]);
        assert_eq!((all.declared, all.ageless), (1, 0));
        assert_eq!(all.nameless, [BridgeId::new(4).unwrap()]);
        assert_eq!(
            all.entries.iter().map(|entry| entry.is_kept).collect::<Vec<_>>(),
            [false, true, false, false]
        );
        assert_eq!(all.entries[0].tombstone.reason, "orphaned since 2026-10-17: no tenant owns it");
        assert_eq!(all.entries[2].tombstone.reason, "churned: no tenant owns it");
        let month = Some(Duration::from_secs(30 * 86_400));
        let old = propose(&input, &fleet(), &Choice { kinds: &[], older_than: month, now: now() });
        assert_eq!((ids(&old), old.ageless), (vec![2, 6], 1));
        let some = [Kind::Churned, Kind::Duplicate];
        let some = propose(&input, &fleet(), &Choice { kinds: &some, older_than: None, now: now() });
        assert_eq!((ids(&some), some.nameless.len()), (vec![5, 6], 0));
    }
}
