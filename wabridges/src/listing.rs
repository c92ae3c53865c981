//! The list of the whole fleet: complete or an error, and one bad row does not lose it; what a row is, `row` knows.

use serde_json::value::RawValue;

use crate::error::excerpt;
use crate::row;
use crate::{Bridge, Listing, MalformedRow};

/// Reads the rows of one complete JSON array.
pub(crate) fn listing(rows: &[&RawValue]) -> Listing {
    let mut listing = Listing { bridges: Vec::with_capacity(rows.len()), malformed: Vec::new() };
    let mut refuse = |index: usize, raw: &RawValue, reason| {
        listing.malformed.push(MalformedRow { index, reason, excerpt: excerpt(raw.get().as_bytes()) });
    };
    let mut read = Vec::with_capacity(rows.len());
    for (index, raw) in rows.iter().enumerate() {
        match row::bridge(raw.get()) {
            Ok(bridge) => read.push((index, bridge)),
            Err(reason) => refuse(index, raw, reason),
        }
    }
    // Stable, so that of two rows with one id the first is taken.
    read.sort_by_key(|(_, bridge)| bridge.id);
    for (index, bridge) in read {
        match listing.bridges.last() {
            Some(Bridge { id, .. }) if *id == bridge.id => {
                refuse(index, rows[index], format!("bridge {id} is listed twice"));
            }
            _ => listing.bridges.push(bridge),
        }
    }
    listing.malformed.sort_by_key(|row| row.index);
    listing
}
