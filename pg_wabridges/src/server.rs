//! Reads the server's state without a query: its clock, and whether this session may write.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pgrx::PgSqlErrorCode;
use pgrx::prelude::*;

use crate::error::Raise;

/// Microseconds from the Unix epoch to PostgreSQL's, 2000-01-01.
pub const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// The database's clock, as `clock_timestamp()`.
pub fn now() -> TimestampWithTimeZone {
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    TimestampWithTimeZone::try_from(now).unwrap_or_else(|_| TimestampWithTimeZone::positive_infinity())
}

/// Converts a time of the provider; `None` if it lies outside PostgreSQL's range.
pub fn timestamp(at: Option<DateTime<Utc>>) -> Option<TimestampWithTimeZone> {
    at.and_then(|at| at.timestamp_micros().checked_sub(POSTGRES_EPOCH))
        .and_then(|micros| TimestampWithTimeZone::try_from(micros).ok())
}

/// Converts a length to an SQL integer, at most 2^31 - 1.
pub fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// Raises 25006 unless this transaction may write. Called before any provider call.
pub fn require_writable(function: &'static std::ffi::CStr) {
    // SAFETY: both raise or return; the name is a static string.
    unsafe {
        pg_sys::PreventCommandDuringRecovery(function.as_ptr());
        pg_sys::PreventCommandIfReadOnly(function.as_ptr());
    }
}

/// Whether this transaction may write now.
pub fn may_write() -> bool {
    // SAFETY: reads flags of this process.
    unsafe { !pg_sys::XactReadOnly && !pg_sys::RecoveryInProgress() && !pg_sys::IsInParallelMode() }
}

/// The time until statement_timeout cancels this statement; `None` if that is not set.
pub fn statement_time_left() -> Option<Duration> {
    // SAFETY: reads a setting, the clock, and when the statement began.
    let (timeout, began, now) = unsafe {
        (pg_sys::StatementTimeout, pg_sys::GetCurrentStatementStartTimestamp(), pg_sys::GetCurrentTimestamp())
    };
    let timeout = u64::try_from(timeout).ok().filter(|timeout| *timeout > 0)?;
    let spent = Duration::from_micros(u64::try_from(now.saturating_sub(began)).unwrap_or(0));
    Some(Duration::from_millis(timeout).saturating_sub(spent))
}

/// Raises 25006 on a standby, because an answer could not be stored there.
pub fn require_primary() -> Result<(), Raise> {
    // SAFETY: reads a flag of this process or of shared memory.
    if !unsafe { pg_sys::RecoveryInProgress() } {
        return Ok(());
    }
    Err(Raise::new(
        PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
        "the provider is not called from a standby",
    )
    .with_hint("Connect to the primary. The stored fleet can be read here: SELECT * FROM wab_fleet;"))
}
