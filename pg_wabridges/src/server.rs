//! What the server says without a query: its clock, and whether this session may write.

use chrono::{DateTime, Utc};
use pgrx::PgSqlErrorCode;
use pgrx::prelude::*;

use crate::error::Raise;

/// Microseconds from the Unix epoch to PostgreSQL's, 2000-01-01.
pub const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

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

/// A length as PostgreSQL's integer.
pub fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// Raises 25006 unless this transaction may write: before any call.
pub fn require_writable(function: &'static std::ffi::CStr) {
    // SAFETY: both raise or return; the name is a static string.
    unsafe {
        pg_sys::PreventCommandDuringRecovery(function.as_ptr());
        pg_sys::PreventCommandIfReadOnly(function.as_ptr());
    }
}

/// 25006 on a standby: an answer could not be stored there.
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
