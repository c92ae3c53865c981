//! Polls sessions: chooses them, asks for their status, and stores the answers.

use std::time::Duration;

use pgrx::{PgLogLevel, PgSqlErrorCode};
use wabridges::{BridgeId, CustomerRef, PollBudget, Polled};

use crate::error::Raise;
use crate::{database, provider, server};

/// Asks up to `max_calls` observed bridges for at most `max_time` and stores their answers. Returns also how many statuses
/// changed.
pub fn poll(max_calls: i32, max_time: Duration) -> Result<(Polled, i32), Raise> {
    let candidates = database::poll_candidates(max_calls, None)?;
    let asked_at = server::now();
    let polled = ask(candidates, max_time)?;
    if polled.answers.is_empty() {
        // An error if no request reached a session, so that pg_cron records a failure. A session that does not answer is no error.
        return polled.first_failure.map_or_else(|| Ok((Polled::default(), 0)), |error| Err(error.into()));
    }
    let changed = database::observe_statuses(&polled, asked_at)?;
    database::record_drift()?;
    Ok((polled, changed))
}

/// Asks these bridges for their status, for at most `max_time` and only until shortly before statement_timeout, because what is
/// learnt must still be stored. Warns if some did not answer.
pub fn ask(candidates: Vec<(BridgeId, CustomerRef)>, max_time: Duration) -> Result<Polled, Raise> {
    if candidates.is_empty() {
        return Ok(Polled::default());
    }
    let time = server::statement_time_left().map_or(max_time, |left| max_time.min(left / 10 * 9));
    let budget = PollBudget::Within(time);
    let polled = provider::call(|client| async move { client.reader().poll(candidates, budget).await })?;
    if let Some(error) = &polled.first_failure {
        Raise::new(PgSqlErrorCode::ERRCODE_WARNING, "some bridges did not report their status")
            .with_detail(format!("{} of {}; the first: {error}", polled.failed(), polled.answers.len()))
            .with_hint("Their stored statuses are kept. The next poll asks them again.")
            .report(PgLogLevel::WARNING);
    }
    Ok(polled)
}
