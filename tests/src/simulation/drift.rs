//! The differences that can be known, by docs/drift.md.

use crate::simulation::kind::{Drift, Kind};
use crate::simulation::known::Known;
use crate::simulation::model::{Model, Row};
use crate::simulation::moment::{DAY, HOUR, MINUTE, Moment};
use crate::simulation::words::Status;

/// All drift at this time.
pub fn drift(model: &Model, now: Moment) -> Vec<Drift> {
    let mut all = Vec::new();
    for customer_ref in model.rows.keys() {
        of_customer(model, customer_ref, now, &mut all);
    }
    for customer_ref in model.known.refs().filter(|customer_ref| !model.rows.contains_key(*customer_ref)) {
        of_customer(model, customer_ref, now, &mut all);
    }
    let bare = |customer_ref: &&String| {
        !model.rows.contains_key(*customer_ref) && model.known.of(customer_ref).is_empty()
    };
    for customer_ref in model.extra.iter().filter(bare) {
        of_customer(model, customer_ref, now, &mut all);
    }
    all
}

/// The drift of the tenant and of the bridges with this customer_ref.
pub fn of_customer(model: &Model, customer_ref: &str, now: Moment, found: &mut Vec<Drift>) {
    let row = model.rows.get(customer_ref);
    let is_extra = model.extra.contains(customer_ref);
    let wanted = row.is_some_and(|row| row.wanted) || is_extra;
    let bridges = model.known.of(customer_ref);
    let serving = model.serving(customer_ref);
    if bridges.is_empty() {
        let missing = || is_extra.then(|| Drift::of(Kind::Missing, Some(customer_ref), None));
        found.extend(row.map_or_else(missing, |row| without_bridge(model, customer_ref, row)));
    }
    let kept = model.kept.get(customer_ref).is_some_and(|until| now.date() <= *until);
    for id in bridges {
        let Some(bridge) = model.known.get(id) else { continue };
        let serves = serving == Some(id);
        let one = |kind| Drift::of(kind, Some(customer_ref), Some(id));
        if let Some(row) = row.filter(|_| serves) {
            if row.bridge_id != Some(id) {
                let stored = row.bridge_id.map(|id| id.to_string());
                found.push(Drift { stored, observed: Some(id.to_string()), ..one(Kind::Unbound) });
            }
            let status = bridge.session.status.map(|status| status.as_str().to_owned());
            if status.is_some() && status != row.status {
                found.push(Drift { stored: row.status.clone(), observed: status, ..one(Kind::StatusDrift) });
            }
        }
        let unneeded = match row {
            None if !kept && !is_extra => Some(Kind::Orphaned),
            Some(_) if !wanted && !kept && serves => Some(Kind::Churned),
            _ if !serves && (row.is_some() || kept || is_extra) => Some(Kind::Duplicate),
            _ => None,
        };
        found.extend(unneeded.map(|kind| Drift { observed: Some(id.to_string()), ..one(kind) }));
        if wanted && serves {
            found.extend(of_session(bridge, now).map(|(kind, since)| {
                let observed = bridge.session.word.clone();
                Drift { observed, since, ..one(kind) }
            }));
        }
        if bridge.session.word.is_some() && bridge.session.status() == Status::Unknown {
            let (observed, since) = (bridge.session.word.clone(), bridge.session.since);
            found.push(Drift { observed, since, ..one(Kind::UnmappedStatus) });
        }
        if bridge.state != "running" && now - bridge.state_since > 5 * MINUTE {
            let (observed, since) = (Some(bridge.state.clone()), Some(bridge.state_since));
            found.push(Drift { observed, since, ..one(Kind::State) });
        }
    }
}

fn without_bridge(model: &Model, customer_ref: &str, row: &Row) -> Option<Drift> {
    let stored = row.bridge_id.map(|id| id.to_string());
    if row.wanted {
        let carried = row.bridge_id.and_then(|id| model.known.get(id)?.customer_ref.clone());
        return Some(Drift {
            stored,
            observed: carried,
            ..Drift::of(Kind::Missing, Some(customer_ref), None)
        });
    }
    if !model.is_whole {
        return None;
    }
    let status = row.status.clone().filter(|status| status != Status::Unknown.as_str());
    let stored = stored.or(status)?;
    Some(Drift { stored: Some(stored), ..Drift::of(Kind::StaleBinding, Some(customer_ref), None) })
}

/// What is wrong with the session of a wanted tenant.
fn of_session(bridge: &Known, now: Moment) -> impl Iterator<Item = (Kind, Option<Moment>)> {
    let session = &bridge.session;
    let waits = session.waits_since.or(session.since);
    let shows_code = session.status == Some(Status::AwaitingScan);
    let may_have_been = session.history.first() == Some(&(bridge.first_seen, Status::Disconnected));
    let was_paired = session
        .waits_since
        .is_some_and(|since| since > bridge.first_seen || (since == bridge.first_seen && may_have_been));
    let lost_phone = session.status == Some(Status::Disconnected) || (shows_code && was_paired);
    let lasts = |since: Option<Moment>, grace| since.is_some_and(|since| now - since > grace);
    let down = lost_phone && lasts(waits, 15 * MINUTE);
    let unscanned = shows_code && !was_paired && lasts(waits, DAY);
    let lately = session.changes_since(now - HOUR);
    [
        down.then_some((Kind::Disconnected, waits)),
        unscanned.then_some((Kind::AwaitingScan, waits)),
        (lately >= 5).then_some((Kind::Flapping, None)),
    ]
    .into_iter()
    .flatten()
}
