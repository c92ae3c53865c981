//! Makes the bridges that a sandbox starts with; the same number and time give the same fleet.

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::bridge::{CONNECTED, DISCONNECTED, NewBridge, QR, RUNNING};

/// The default prefix of seeded customer_refs.
pub const PREFIX: &str = "cust_";
/// The creation times of seeded bridges spread over this many days before now.
const DAYS: i64 = 90;

/// The first `count` bridges of `<prefix>0001`, `<prefix>0002`, … that are not in `taken`.
///
/// Every 10th waits for its QR code, every 17th is disconnected, the others are connected. The last one is created now.
pub fn bridges(count: u32, prefix: &str, taken: &BTreeSet<&str>, now: DateTime<Utc>) -> Vec<NewBridge> {
    let now = now.trunc_subsecs(0);
    let age = |place: u32| {
        let left = i64::from(count - place);
        TimeDelta::seconds(DAYS * 86_400 * left / i64::from(count))
    };
    (1_u64..)
        .map(|number| (number, format!("{prefix}{number:04}")))
        .filter(|(_, customer_ref)| !taken.contains(customer_ref.as_str()))
        .zip(1..=count)
        .map(|((number, customer_ref), place)| NewBridge {
            customer_ref: Some(customer_ref),
            status: status(number).to_owned(),
            state: RUNNING.to_owned(),
            webhook_url: None,
            created_at: Some(now - age(place)),
            id: None,
        })
        .collect()
}

fn status(number: u64) -> &'static str {
    match number {
        n if n % 10 == 0 => QR,
        n if n % 17 == 0 => DISCONNECTED,
        _ => CONNECTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeding_is_deterministic_and_skips_taken_refs() {
        let now = DateTime::from_timestamp(1_800_000_000, 5).unwrap();
        let seeded = bridges(20, PREFIX, &BTreeSet::from(["cust_0002"]), now);
        let refs: Vec<_> = seeded.iter().filter_map(|b| b.customer_ref.as_deref()).collect();
        assert_eq!(refs[..3], ["cust_0001", "cust_0003", "cust_0004"]);
        assert_eq!(seeded.len(), 20);
        assert_eq!((seeded[8].status.as_str(), seeded[15].status.as_str()), (QR, DISCONNECTED));
        assert_eq!(seeded[19].created_at, DateTime::from_timestamp(1_800_000_000, 0));
        assert!(seeded[0].created_at.unwrap() >= now - TimeDelta::days(DAYS));
        assert!(seeded.is_sorted_by_key(|b| b.created_at));
    }

    #[test]
    fn seeding_nothing_is_nothing() {
        assert!(bridges(0, PREFIX, &BTreeSet::new(), DateTime::UNIX_EPOCH).is_empty());
    }
}
