//! The order of events of polling: choose sessions, ask them, store what they said.

use pgrx::{PgLogLevel, PgSqlErrorCode};
use wabridges::{BridgeId, CustomerRef, Polled};

use crate::error::Raise;
use crate::{database, provider, server};

/// Asks up to so many observed bridges and stores what they said; returns also how many statuses changed.
pub fn poll(max_calls: i32) -> Result<(Polled, i32), Raise> {
    let candidates = database::poll_candidates(max_calls, None)?;
    let asked_at = server::now();
    let polled = ask(candidates)?;
    // Where no session could even be asked, it is an error, for pg_cron to record. Sessions that do not answer are none.
    if polled.answers.is_empty()
        && let Some(error) = polled.first_failure
    {
        return Err(error.into());
    }
    let changed = database::observe_statuses(&polled, asked_at)?;
    database::record_drift()?;
    Ok((polled, changed))
}

/// Asks these bridges, and warns where some did not answer.
pub fn ask(candidates: Vec<(BridgeId, CustomerRef)>) -> Result<Polled, Raise> {
    if candidates.is_empty() {
        return Ok(Polled::default());
    }
    let polled = provider::call(|client| async move { client.reader().poll(candidates).await })?;
    if let Some(error) = &polled.first_failure {
        Raise::new(PgSqlErrorCode::ERRCODE_WARNING, "some bridges did not tell their status")
            .with_detail(format!("{} of {}; the first: {error}", polled.failed(), polled.answers.len()))
            .with_hint("What was learnt before stays; they are asked again next time.")
            .report(PgLogLevel::WARNING);
    }
    Ok(polled)
}
