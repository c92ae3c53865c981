//! This and the files below are the only ones with SQL text: typed calls of the functions in `sql/`, every name qualified. No decisions here.

mod drift;
mod observe;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use pgrx::PgSqlErrorCode;
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::spi::SpiHeapTupleData;
use wabridges::{BridgeId, CustomerRef};

use crate::error::Raise;
use crate::glimpse::glimpse;
use crate::provider::Provisioned;

pub use drift::{Drift, drift, drift_moved, record_drift, standing_drift, write_statuses};
pub use observe::{
    Believe, Needed, Observation, Stored, Touched, earlier_answer, observe, observe_statuses,
    recent_observation,
};

/// Microseconds from the Unix epoch to PostgreSQL's, 2000-01-01.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// The database's clock.
pub fn now() -> TimestampWithTimeZone {
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    TimestampWithTimeZone::try_from(now).unwrap_or_else(|_| TimestampWithTimeZone::positive_infinity())
}

/// A time of the provider's as a PostgreSQL one; none if it lies outside what PostgreSQL knows.
pub fn timestamp(at: Option<DateTime<Utc>>) -> Option<TimestampWithTimeZone> {
    at.and_then(|at| at.timestamp_micros().checked_sub(POSTGRES_EPOCH))
        .and_then(|micros| TimestampWithTimeZone::try_from(micros).ok())
}

/// Takes the lock that one refresh at a time holds, until the transaction ends; false if another holds it.
pub fn try_lock_refresh() -> Result<bool, Raise> {
    let sql = format!("SELECT pg_catalog.pg_try_advisory_xact_lock({}.wab_lock_id('refresh'))", schema()?);
    one(&sql, &[], |row| Ok(row.get(1)?.unwrap_or(false)))
}

/// Which of these bridges to ask for their status; of all observed ones when none are given.
pub fn poll_candidates(
    max_calls: i32,
    among: Option<&[(BridgeId, CustomerRef)]>,
) -> Result<Vec<(BridgeId, CustomerRef)>, Raise> {
    let ids = among.map(|all| all.iter().map(|(id, _)| id.get()).collect::<Vec<_>>());
    let refs = among.map(|all| all.iter().map(|(_, customer_ref)| customer_ref.as_str()).collect::<Vec<_>>());
    let sql =
        format!("SELECT c.bridge_id, c.customer_ref FROM {}.wab_poll_candidates($1, $2, $3) c", schema()?);
    let found = rows_unlocked(&sql, &[max_calls.into(), ids.into(), refs.into()], |row| {
        Ok((row.get::<i64>(1)?, row.get::<String>(2)?))
    })?;
    Ok(found
        .into_iter()
        .filter_map(|(id, customer_ref)| Some((BridgeId::new(id?)?, CustomerRef::new(customer_ref?).ok()?)))
        .collect())
}

/// Live bridges whose status was never learnt, though it could be asked for.
pub fn never_polled() -> Result<i64, Raise> {
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM {}.wab_bridges b \
         WHERE b.status_observed_at IS NULL AND b.customer_ref IS NOT NULL AND NOT b.duplicated",
        schema()?
    );
    one(&sql, &[], |row| Ok(row.get(1)?.unwrap_or(0)))
}

/// The provider's texts as statuses. The mapping's one home is `wab_normalize_status()`; the texts are few.
pub fn normalize(raw_statuses: &[&str]) -> Result<HashMap<String, String>, Raise> {
    let sql = format!(
        "SELECT r.raw, {}.wab_normalize_status(r.raw) FROM pg_catalog.unnest($1) AS r(raw)",
        schema()?
    );
    let pairs = rows_in_any_query(&sql, &[raw_statuses.to_vec().into()], |row| {
        Ok(row.get::<String>(1)?.zip(row.get::<String>(2)?))
    })?;
    Ok(pairs.into_iter().flatten().collect())
}

/// The webhook_url wanted for a tenant; raises for an unknown or unwanted one.
pub fn wanted_webhook_url(customer_ref: &CustomerRef) -> Result<Option<String>, Raise> {
    let sql = format!("SELECT {}.wab_wanted_webhook_url($1)", schema()?);
    one_unlocked(&sql, &[customer_ref.as_str().into()], |row| row.get(1))
}

/// The bridge_id that the tenant row holds.
pub fn stored_bridge_id(customer_ref: &CustomerRef) -> Result<Option<i64>, Raise> {
    let sql = format!("SELECT {}.wab_stored_bridge_id($1)", schema()?);
    one_unlocked(&sql, &[customer_ref.as_str().into()], |row| row.get(1))
}

/// Raises 25006 unless this transaction may write: before any call.
pub fn require_writable(function: &'static std::ffi::CStr) {
    // SAFETY: both raise or return; the name is a static string.
    unsafe {
        pg_sys::PreventCommandDuringRecovery(function.as_ptr());
        pg_sys::PreventCommandIfReadOnly(function.as_ptr());
    }
}

/// 25006 on a standby.
pub fn require_primary() -> Result<(), Raise> {
    // SAFETY: reads a flag of this process or of shared memory.
    if !unsafe { pg_sys::RecoveryInProgress() } {
        return Ok(());
    }
    Err(Raise::new(
        PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
        "the provider is not called from a standby",
    )
    .with_hint("Connect to the primary. What is stored can be read here: SELECT * FROM wab_fleet;"))
}

/// Raises 42501 unless this role may record what a call that cannot be taken back does.
pub fn require_recording() -> Result<(), Raise> {
    one_unlocked(&format!("SELECT {}.wab_require_recording()", schema()?), &[], |_| Ok(()))
}

/// `wab_record_provision()`; the webhook_url only where we set it.
pub fn record_provision(
    customer_ref: &CustomerRef,
    bridge: &Provisioned,
    webhook_url: Option<&str>,
) -> Result<(), Raise> {
    let sql = format!("SELECT {}.wab_record_provision($1, $2, $3, $4, $5)", schema()?);
    let args = [
        customer_ref.as_str().into(),
        bridge.id.get().into(),
        bridge.state.as_deref().into(),
        bridge.raw_status.as_deref().into(),
        webhook_url.into(),
    ];
    one(&sql, &args, |_| Ok(()))
}

/// `wab_record_delete()`.
pub fn record_delete(id: BridgeId, customer_ref: &CustomerRef) -> Result<(), Raise> {
    let sql = format!("SELECT {}.wab_record_delete($1, $2)", schema()?);
    one(&sql, &[id.get().into(), customer_ref.as_str().into()], |_| Ok(()))
}

/// Raises unless a tenants table is bound.
pub fn require_binding() -> Result<(), Raise> {
    one_unlocked(&format!("SELECT {}.wab_require_binding()", schema()?), &[], |_| Ok(()))
}

/// Whether the objects in the database have this function: they may be older than this library.
fn has(function: &str) -> Result<bool, Raise> {
    let name = format!("{}.{function}", schema()?);
    one("SELECT pg_catalog.to_regprocedure($1) IS NOT NULL", &[name.as_str().into()], |row| {
        Ok(row.get(1)?.unwrap_or(false))
    })
}

/// Stores what a tenant's session was just asked for; returns it in our words.
pub fn record_session(customer_ref: &CustomerRef, raw_status: Option<&str>) -> Result<String, Raise> {
    let sql = format!("SELECT {}.wab_record_session($1, $2)", schema()?);
    one(&sql, &[customer_ref.as_str().into(), raw_status.into()], |row| {
        Ok(row.get(1)?.unwrap_or_else(|| "unknown".to_owned()))
    })
}

/// The schema the extension was created in, quoted.
fn schema() -> Result<String, Raise> {
    let sql = "SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e \
               JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace \
               WHERE e.extname OPERATOR(pg_catalog.=) 'pg_wabridges'";
    let found = rows_in_any_query(sql, &[], |row| row.get::<String>(1))?;
    found
        .into_iter()
        .next()
        .flatten()
        .ok_or_else(|| Raise::unexpected("the extension has no schema", "pg_extension has no row for it"))
}

/// A length as PostgreSQL's integer.
pub fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// A row while it is read.
struct Row<'a>(SpiHeapTupleData<'a>);

impl Row<'_> {
    fn get<T: IntoDatum + FromDatum>(&self, column: usize) -> Result<Option<T>, Raise> {
        Ok(self.0.get(column)?)
    }
}

/// Most functions called here may write, so the statements run as ones that may.
fn rows<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<Vec<T>, Raise> {
    Spi::connect_mut(|spi| spi.update(sql, None, args)?.map(|row| read(&Row(row))).collect())
}

/// As `rows`, for what only reads, and may do so within a parallel query, where nothing can be written.
fn rows_in_any_query<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<Vec<T>, Raise> {
    Spi::connect(|spi| spi.select(sql, None, args)?.map(|row| read(&Row(row))).collect())
}

/// As `rows`, for what is read before a call: a lock on a table of ours or of yours would last as long as the call.
fn rows_unlocked<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<Vec<T>, Raise> {
    glimpse(|| rows(sql, args, read))
}

fn one<T>(sql: &str, args: &[DatumWithOid], read: impl Fn(&Row) -> Result<T, Raise>) -> Result<T, Raise> {
    rows(sql, args, read)?
        .pop()
        .ok_or_else(|| Raise::unexpected("a statement of pg_wabridges returned no row", sql))
}

fn one_unlocked<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<T, Raise> {
    glimpse(|| one(sql, args, read))
}
