//! The order of events of `wab_refresh()` and `wab_reconcile()`: what is stored is looked at while the provider answers, and
//! afterwards only what the answer changed.

use std::collections::HashSet;

use pgrx::prelude::*;
use wabridges::{BridgeId, CustomerRef, Error, Listed, Listing};

use crate::database::{self, Believe, Drift, Needed, Observation, Stored, Touched};
use crate::error::Raise;
use crate::functions::{ask, warn_of_malformed_rows};
use crate::http::Pending;
use crate::provider;

/// Asks for the whole fleet and stores it, unless that was done or is being done.
pub fn refresh(max_age: Interval, believe: Believe) -> Result<Observation, Raise> {
    if let Some(recent) = database::recent_observation(Some(max_age))? {
        return Ok(recent);
    }
    if !database::try_lock_refresh()? {
        let nothing = Observation {
            observed_at: None,
            bridges: None,
            appeared: 0,
            changed: 0,
            disappeared: 0,
            skipped: true,
        };
        return Ok(database::recent_observation(None)?.unwrap_or(nothing));
    }
    let (listed_at, pending) = begin_to_list(Needed::Nothing)?;
    // While the provider answers: if the list turns out to be the one that is stored, this is what there is to know.
    let drift_moved = database::drift_moved()?;
    let listed = pending.wait()??;
    if let Some(listing) = listed.if_read() {
        warn_of_malformed_rows(listing);
    }
    let Stored { observation, touched } = database::observe(&listed, listed_at, "wab_refresh", believe)?;
    if drift_moved {
        database::record_drift(&Touched::Anyone)?;
    } else if observation.is_news() {
        database::record_drift(&touched)?;
    }
    Ok(observation)
}

/// Asks for the whole fleet and for the statuses that the list does not bring, stores both, writes statuses on tenant rows.
/// Returns the drift that is left.
pub fn reconcile(max_calls: i32) -> Result<Vec<Drift>, Raise> {
    let (listed_at, pending) = begin_to_list(Needed::Statusless)?;
    let standing = database::standing_drift()?;
    let listed = pending.wait()??;
    let mut without_status = Vec::new();
    if let Some(listing) = listed.if_read() {
        warn_of_malformed_rows(listing);
        without_status = statusless(listing);
    }
    let candidates = match without_status[..] {
        [] => Vec::new(),
        _ => database::poll_candidates(max_calls, Some(&without_status))?,
    };
    let asked_at = database::now();
    let polled = ask(candidates)?;
    let Stored { touched, .. } = database::observe(&listed, listed_at, "wab_reconcile", Believe::Plausible)?;
    if !polled.answers.is_empty() {
        database::observe_statuses(&polled, asked_at)?;
    }
    let (Some(standing), Touched::Bridges(mut ids)) = (standing, touched) else {
        database::write_statuses(&Touched::Anyone)?;
        database::record_drift(&Touched::Anyone)?;
        return Ok(sorted(database::drift(&Touched::Anyone)?));
    };
    // Whose drift is another now: who was listed or polled as something new, and whose tenant's row is written.
    ids.extend(polled.answers.iter().map(|(id, _)| id.get()));
    ids.extend(standing.drift.iter().filter(|row| row.is_status()).filter_map(|row| row.bridge_id));
    let among: HashSet<i64> = ids.iter().copied().collect();
    let touched = Touched::Bridges(among.iter().copied().collect());
    database::write_statuses(&touched)?;
    let now = database::drift(&touched)?;
    if standing.moved_beyond(&among) {
        database::record_drift(&Touched::Anyone)?;
    } else if standing.moved_among(&among, &now) {
        database::record_drift(&touched)?;
    }
    let mut drift = standing.drift;
    drift.retain(|row| !row.is_among(&among));
    drift.extend(now);
    Ok(sorted(drift))
}

fn sorted(mut drift: Vec<Drift>) -> Vec<Drift> {
    drift.sort_by(|a, b| {
        let key = |row: &Drift| (row.customer_ref.is_none(), row.bridge_id);
        (&a.kind, key(a).0, &a.customer_ref, key(a).1).cmp(&(&b.kind, key(b).0, &b.customer_ref, key(b).1))
    });
    drift
}

/// Lists the fleet; the time is the database's, of before the call.
fn begin_to_list(needed: Needed) -> Result<(TimestampWithTimeZone, Pending<Result<Listed, Error>>), Raise> {
    let earlier = database::earlier_answer(needed)?;
    let listed_at = database::now();
    Ok((listed_at, provider::begin(|client| provider::list(client, earlier))?))
}

/// The listed bridges whose status has to be asked for. Not those whose customer_ref several carry: whose session would answer
/// is not known.
fn statusless(listing: &Listing) -> Vec<(BridgeId, CustomerRef)> {
    let bridges = listing.bridges.iter().filter(|bridge| bridge.raw_status.is_none());
    let mut bridges: Vec<_> =
        bridges.filter_map(|bridge| Some((bridge.id, bridge.customer_ref.clone()?))).collect();
    bridges.sort_by(|(_, a), (_, b)| a.cmp(b));
    bridges.chunk_by(|(_, a), (_, b)| a == b).filter(|same| same.len() == 1).flatten().cloned().collect()
}
