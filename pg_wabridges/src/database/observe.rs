//! Stores observations: the part of a listing that differs from wab_bridges, and statuses that sessions reported.

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{BOOLOID, INT8OID, TEXTOID, TIMESTAMPTZOID};
use pgrx::prelude::*;
use wabridges::{Bridge, Comparison, CustomerRef, Difference, Known, Listing, Polled, Touched};

use super::phones::observe_phones;
use super::statement::{Row, in_our_schema, one, read_one, rows, rows_unlocked};
use crate::answers::Listed;
use crate::error::Raise;
use crate::scan;
use crate::server::{POSTGRES_EPOCH, count, timestamp};

/// Whether to store an empty listing, and one that shrank by more than `wab_policy.max_shrink`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ShrinkPolicy {
    /// Raise 55000.
    Refuse,
    /// Store it, because the caller passed `force`.
    Allow,
}

/// One row of `wab_refresh()`.
pub struct Observation {
    pub observed_at: Option<TimestampWithTimeZone>,
    pub bridges: Option<i32>,
    pub appeared: i32,
    pub changed: i32,
    pub disappeared: i32,
    pub skipped: bool,
}

impl Observation {
    /// The row of a skipped refresh before the first observation.
    pub const NONE: Self =
        Self { observed_at: None, bridges: None, appeared: 0, changed: 0, disappeared: 0, skipped: true };

    fn of(row: &Row) -> Result<Self, Raise> {
        Ok(Self {
            observed_at: row.get(1)?,
            bridges: row.get(2)?,
            appeared: row.get(3)?.unwrap_or(0),
            changed: row.get(4)?.unwrap_or(0),
            disappeared: row.get(5)?.unwrap_or(0),
            skipped: row.get(6)?.unwrap_or(false),
        })
    }
}

/// The observation that was stored, and the bridges whose drift it may have changed.
pub struct Stored {
    pub observation: Observation,
    pub touched: Touched,
}

/// Takes the refresh lock until the transaction ends; false if another session holds it.
pub fn try_lock_refresh() -> Result<bool, Raise> {
    let sql = "SELECT pg_catalog.pg_try_advisory_xact_lock(@extschema@._wab_lock_id('refresh'))";
    read_one(sql, &[], |row| Ok(row.get(1)?.unwrap_or(false)))
}

/// The last observation if it is younger than `max_age`, as the row of a skipped refresh.
pub fn recent_observation(max_age: Option<Interval>) -> Result<Option<Observation>, Raise> {
    let sql = "SELECT o.observed_at, o.bridges FROM @extschema@._wab_last_observation($1) o";
    let found = rows_unlocked(sql, &[max_age.into()], |row| {
        Ok(Observation { observed_at: row.get(1)?, bridges: row.get(2)?, ..Observation::NONE })
    })?;
    Ok(found.into_iter().next())
}

/// Stores a listing: one row if wab_bridges already holds it, otherwise the bridges that differ.
pub fn observe(listed: &Listed, source: &str, shrink: ShrinkPolicy) -> Result<Stored, Raise> {
    let Listed { listing, listing_sha256, listed_at } = listed;
    if listing.malformed.is_empty() {
        let args = [listing_sha256.as_str().into(), (*listed_at).into(), source.into()];
        let again = rows("SELECT * FROM @extschema@._wab_observe_again($1, $2, $3)", &args, Observation::of)?;
        if let Some(observation) = again.into_iter().next() {
            return Ok(Stored { observation, touched: Touched::Bridges(Vec::new()) });
        }
    }
    let difference = difference(listing)?;
    let statuses = listing.bridges.iter().filter(|bridge| bridge.raw_status.is_some()).count();
    let mut args = columns(&difference.listed);
    args.extend([
        difference.absent.as_slice().into(),
        count(listing.bridges.len()).into(),
        count(statuses).into(),
        listing_sha256.as_str().into(),
        (*listed_at).into(),
        source.into(),
        count(listing.malformed.len()).into(),
        (shrink == ShrinkPolicy::Allow).into(),
    ]);
    let store = "SELECT * FROM @extschema@._wab_store_listing($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    let observation = one(store, &args, Observation::of)?;
    Ok(Stored { observation, touched: difference.touched() })
}

/// Takes the observe lock, under which `wab_bridges` and the episodes of drift are written, until the transaction ends. A
/// transaction that also writes tenant rows takes it before them, as the functions that record a call do: in the other order
/// two of them would wait for each other.
pub fn lock_observing() -> Result<(), Raise> {
    one("SELECT pg_catalog.pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'))", &[], |_| Ok(()))
}

/// The part of the listing that differs from `wab_bridges`, which no other session writes until the transaction ends.
fn difference(listing: &Listing) -> Result<Difference<'_>, Raise> {
    lock_observing()?;
    let mut comparison = Comparison::of(listing);
    // Where wab_bridges has no column status_listed, before ALTER EXTENSION UPDATE, the name means the null.
    let known = "SELECT b.* FROM (SELECT NULL::pg_catalog.bool AS status_listed) n CROSS JOIN LATERAL (
        SELECT k.bridge_id, k.customer_ref, k.state, k.raw_status, k.created_at, status_listed FROM @extschema@.wab_bridges k) b";
    let types = [INT8OID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, BOOLOID];
    scan::each_row(
        in_our_schema(known)?,
        types,
        |[id, customer_ref, state, raw_status, created_at, listed]| {
            // SAFETY: the columns have these types, and their values live as long as this call.
            unsafe {
                let text = |datum: Option<pg_sys::Datum>| {
                    <&str>::from_datum(datum.unwrap_or(0.into()), datum.is_none())
                };
                comparison.know(Known {
                    id: id.map_or(0, |id| id.value() as i64),
                    customer_ref: text(customer_ref),
                    state: text(state),
                    raw_status: text(raw_status),
                    created_at: created_at.map(|at| (at.value() as i64).saturating_add(POSTGRES_EPOCH)),
                    status_listed: listed.map(|listed| listed.value() as u8 != 0),
                });
            }
        },
    )?;
    Ok(comparison.end())
}

/// One array per column of these bridges.
fn columns(bridges: &[&Bridge]) -> Vec<DatumWithOid<'static>> {
    vec![
        bridges.iter().map(|b| b.id.get()).collect::<Vec<_>>().into(),
        bridges.iter().map(|b| b.customer_ref.as_ref().map(CustomerRef::as_str)).collect::<Vec<_>>().into(),
        bridges.iter().map(|b| b.state.as_deref()).collect::<Vec<_>>().into(),
        bridges.iter().map(|b| b.raw_status.as_deref()).collect::<Vec<_>>().into(),
        bridges.iter().map(|b| timestamp(b.created_at)).collect::<Vec<_>>().into(),
    ]
}

/// Stores polled statuses with `_wab_observe_statuses()`, and the phones; returns how many statuses changed.
pub fn observe_statuses(polled: &Polled, asked_at: TimestampWithTimeZone) -> Result<i32, Raise> {
    let ids: Vec<_> = polled.answers.iter().map(|(id, _)| id.get()).collect();
    let statuses = polled.column(|session| Some(&session.raw_status));
    let sql = "SELECT @extschema@._wab_observe_statuses($1, $2, $3)";
    let args = [ids.into(), statuses.into(), asked_at.into()];
    let changed = one(sql, &args, |row| Ok(row.get(1)?.unwrap_or(0)))?;
    observe_phones(polled, asked_at)?;
    Ok(changed)
}
