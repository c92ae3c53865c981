//! Runs the steps of `wab_refresh()` and `wab_reconcile()`.
//!
//! For speed, it reads the drift of the stored rows while the provider is answering. Afterwards it reads again only the drift
//! of bridges that the answer changed, and that which would begin or end: a webhook or a call may have recorded other drift of
//! these bridges meanwhile.

use std::collections::HashSet;
use std::time::Duration;

use pgrx::prelude::*;
use wabridges::Touched;

use crate::database::{self, Drift, Observation, ShrinkPolicy, Stored};
use crate::error::Raise;
use crate::poll::ask;
use crate::{list, server};

/// So many bridges and tenants are read again one by one; if it would be more, all are.
const READ_AGAIN: usize = 200;

/// Asks the provider for the whole fleet and stores it. Skipped if the last observation is younger than `max_age`, or another
/// refresh is running.
pub fn refresh(max_age: Interval, shrink: ShrinkPolicy) -> Result<Observation, Raise> {
    if let Some(recent) = database::recent_observation(Some(max_age))? {
        return Ok(recent);
    }
    if !database::try_lock_refresh()? {
        return Ok(database::recent_observation(None)?.unwrap_or(Observation::NONE));
    }
    let awaited = list::begin()?;
    let stored = database::standing_drift()?;
    let listed = awaited.wait()?;
    let Stored { observation, touched } = database::observe(&listed, "wab_refresh", shrink)?;
    match brought_up_to_date(stored, &touched)? {
        Some(drift) => database::note_drift(&drift)?,
        // The observation is kept although the drift cannot be read.
        None => database::record_drift()?,
    }
    Ok(observation)
}

/// Asks the provider for the whole fleet, and sessions for the statuses that the list did not carry, for at most `max_time`.
/// Stores both, and writes the statuses on the tenant rows. Returns the remaining drift. If another refresh is running, only
/// the stored statuses are written.
pub fn reconcile(max_calls: i32, max_time: Duration) -> Result<Vec<Drift>, Raise> {
    if !database::try_lock_refresh()? {
        database::lock_observing()?;
        if database::drift(&Touched::Anyone)?.is_none() {
            return unreadable();
        }
        database::write_statuses(&Touched::Anyone)?;
        return noted(database::drift(&Touched::Anyone)?);
    }
    let awaited = list::begin()?;
    let stored = database::standing_drift()?;
    let listed = awaited.wait()?;
    let without_status = listed.listing.without_status();
    let candidates = match without_status[..] {
        [] => Vec::new(),
        _ => database::poll_candidates(max_calls, Some(&without_status))?,
    };
    let asked_at = server::now();
    let polled = ask(candidates, max_time)?;
    let Stored { mut touched, .. } = database::observe(&listed, "wab_reconcile", ShrinkPolicy::Refuse)?;
    if !polled.answers.is_empty() {
        database::observe_statuses(&polled, asked_at)?;
    }
    if let Touched::Bridges(ids) = &mut touched {
        ids.extend(polled.answers.iter().map(|(id, _)| id.get()));
        // Writing the statuses changes the drift of these bridges.
        let written = stored.iter().flatten().filter(|row| row.is_status());
        ids.extend(written.filter_map(|row| row.bridge_id));
    }
    if stored.is_none() && database::drift(&Touched::Anyone)?.is_none() {
        return unreadable();
    }
    database::write_statuses(&touched)?;
    noted(brought_up_to_date(stored, &touched)?)
}

/// Keeps the observation, with a WARNING that says why the drift cannot be read: an expression of the binding fails.
fn unreadable() -> Result<Vec<Drift>, Raise> {
    database::record_drift()?;
    Ok(Vec::new())
}

/// Clears rows that hold bridges that are gone, records the drift, and returns it sorted.
fn noted(drift: Option<Vec<Drift>>) -> Result<Vec<Drift>, Raise> {
    let Some(mut drift) = drift else { return unreadable() };
    if drift.iter().any(Drift::is_stale) {
        database::unlink_bridges()?;
        let Some(now) = database::drift(&Touched::Anyone)? else { return unreadable() };
        drift = now;
    }
    database::note_drift(&drift)?;
    drift.sort_by(|a, b| {
        let key = |row: &Drift| (row.customer_ref.is_none(), row.bridge_id);
        (&a.kind, key(a).0, &a.customer_ref, key(a).1).cmp(&(&b.kind, key(b).0, &b.customer_ref, key(b).1))
    });
    Ok(drift)
}

/// The present drift: `stored` with the rows of the touched bridges read again; `None` if it cannot be read.
fn brought_up_to_date(stored: Option<Vec<Drift>>, touched: &Touched) -> Result<Option<Vec<Drift>>, Raise> {
    let (Some(mut drift), Some(ids)) = (stored, touched.bridges()) else {
        return database::drift(&Touched::Anyone);
    };
    let among: HashSet<i64> = ids.iter().copied().collect();
    if !ids.is_empty() {
        drift.retain(|row| !row.bridge_id.is_some_and(|id| among.contains(&id)));
        let Some(now) = database::drift(touched)? else { return Ok(None) };
        drift.extend(now);
        if drift.iter().any(compares_bridges) {
            return database::drift(&Touched::Anyone);
        }
    }
    let Some(mut moving) = database::moving(&drift)? else { return database::drift(&Touched::Anyone) };
    moving.bridges.retain(|id| !among.contains(id));
    if moving.bridges.is_empty() && moving.customer_refs.is_empty() {
        return Ok(Some(drift));
    }
    if moving.bridges.len() + moving.customer_refs.len() > READ_AGAIN {
        return database::drift(&Touched::Anyone);
    }
    drift.retain(|row| !moving.have(row));
    let Some(now) = database::drift_of(&moving)? else { return Ok(None) };
    if now.iter().any(compares_bridges) {
        return database::drift(&Touched::Anyone);
    }
    drift.extend(now);
    Ok(Some(drift))
}

/// Whether drift of this kind compares bridges with each other, so that one touched bridge changes the others' rows.
fn compares_bridges(drift: &Drift) -> bool {
    ["unmapped_status", "phone_shared"].contains(&drift.kind.as_str())
}
