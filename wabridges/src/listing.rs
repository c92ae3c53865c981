//! The list of the whole fleet: complete or an error, and one bad row does not lose it; what a row is, `row` knows.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::error::excerpt;
use crate::row;
use crate::{Bridge, Listing, MalformedRow};

/// Reads the rows of one complete JSON array.
pub(crate) fn listing(rows: &[&RawValue]) -> Listing {
    let mut listing = Listing { bridges: Vec::with_capacity(rows.len()), malformed: Vec::new() };
    let mut seen = HashSet::with_capacity(rows.len());
    for (index, raw) in rows.iter().enumerate() {
        match row::bridge(raw.get()).and_then(|bridge| once(bridge, &mut seen)) {
            Ok(bridge) => listing.bridges.push(bridge),
            Err(reason) => {
                let excerpt = excerpt(raw.get().as_bytes());
                listing.malformed.push(MalformedRow { index, reason, excerpt });
            }
        }
    }
    listing.bridges.sort_by_key(|bridge| bridge.id);
    listing
}

fn once(bridge: Bridge, seen: &mut HashSet<i64>) -> Result<Bridge, row::Reason> {
    if seen.insert(bridge.id.get()) {
        Ok(bridge)
    } else {
        Err(format!("bridge {} is listed twice", bridge.id))
    }
}
