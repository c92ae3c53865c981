//! Requests pairing codes one after the other, within the provider's limits. Each request is recorded before its call.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use wabridges::{Class, Client, Error as ProviderError, Phone};

use crate::db::store::Store;
use crate::model::{CodeOutcome, CodeRow, Error, RunEnd, ToPair, chain};
use crate::run::observe::PATIENCE;
use crate::run::stop::Stop;

/// After so many failed calls in a row the run gives up: the next one would probably fail too.
const FAILURES_IN_A_ROW: usize = 5;

/// The resources of the run.
pub struct Pairer<'a> {
    /// The provider.
    pub client: &'a Client,
    /// The database.
    pub store: &'a mut Store,
    /// The stop request.
    pub stop: Stop,
    /// Who runs it.
    pub who: String,
}

/// The result of one tenant: its row, or why the run ends before there is one.
enum Turn {
    Row(CodeRow),
    /// The row, after which the run ends.
    Last(CodeRow, RunEnd),
    Stopped(RunEnd),
}

impl Pairer<'_> {
    /// Hands each row to `keep` as soon as there is one. An error of `keep` ends the run.
    pub async fn pair_all(
        &mut self,
        all: &[ToPair],
        mut keep: impl FnMut(CodeRow) -> Result<(), Error>,
    ) -> Result<RunEnd, Error> {
        let mut failures = 0;
        for to_pair in all {
            let row = match self.turn(to_pair).await {
                Turn::Row(row) => row,
                Turn::Last(row, end) => {
                    keep(row)?;
                    return Ok(end);
                }
                Turn::Stopped(end) => return Ok(end),
            };
            failures = match row.outcome {
                CodeOutcome::Failed | CodeOutcome::Unknown => failures + 1,
                CodeOutcome::NoPhone | CodeOutcome::InvalidPhone => failures,
                CodeOutcome::Code | CodeOutcome::Paired | CodeOutcome::HasCode => 0,
            };
            keep(row)?;
            if failures == FAILURES_IN_A_ROW {
                return Ok(RunEnd::GaveUp);
            }
        }
        Ok(RunEnd::Finished)
    }

    async fn turn(&mut self, to_pair: &ToPair) -> Turn {
        let phone = match &to_pair.phone {
            None => {
                return row(to_pair, CodeOutcome::NoPhone, "the list of phones does not name this tenant");
            }
            Some(Err(error)) => return row(to_pair, CodeOutcome::InvalidPhone, error.to_string()),
            Some(Ok(phone)) => phone,
        };
        match self.request(to_pair, phone).await {
            Ok(turn) => turn,
            Err(error) => Turn::Stopped(RunEnd::Database(chain(&error))),
        }
    }

    /// The error is the database's: the run ends with it.
    async fn request(&mut self, to_pair: &ToPair, phone: &Phone) -> Result<Turn, Error> {
        let customer_ref = &to_pair.customer_ref;
        let mut patience = PATIENCE;
        loop {
            if let Some(end) = self.wait_for_slot().await {
                return Ok(Turn::Stopped(end));
            }
            let Some(claim) = self.store.claim_code(customer_ref, &self.who).await? else {
                let detail = "a code that was requested before is still valid: run it again in three minutes";
                return Ok(row(to_pair, CodeOutcome::HasCode, detail));
            };
            let asked = Instant::now();
            let error = match self.client.pair(customer_ref, phone).await {
                Ok(code) => {
                    let row = made(to_pair, code.as_str(), claim.valid_until);
                    // The code is not lost with the database.
                    return Ok(match self.store.record_shown_code(customer_ref, asked).await {
                        Ok(()) => Turn::Row(row),
                        Err(error) => Turn::Last(row, RunEnd::Database(chain(&error))),
                    });
                }
                Err(error) => error,
            };
            if error.is_ambiguous() {
                return Ok(row(to_pair, CodeOutcome::Unknown, chain(&error)));
            }
            self.store.release_code(claim).await?;
            match error {
                ProviderError::RateLimited { retry_after } => match patience.checked_sub(retry_after) {
                    Some(left) => patience = left,
                    None => return Ok(row(to_pair, CodeOutcome::Failed, chain(&error))),
                },
                ProviderError::Auth { .. } => {
                    let row = CodeRow::without_code(to_pair, CodeOutcome::Failed, chain(&error));
                    return Ok(Turn::Last(row, RunEnd::Auth));
                }
                error => return self.refused(to_pair, &error).await,
            }
        }
    }

    /// A refused call: the bridge may be paired already.
    async fn refused(&mut self, to_pair: &ToPair, error: &ProviderError) -> Result<Turn, Error> {
        let asked = Instant::now();
        if let ProviderError::Refused { .. } = error
            && let Ok(session) = self.client.reader().session(&to_pair.customer_ref).await
            && session.is_paired()
        {
            self.store.record_session(&to_pair.customer_ref, &session.raw_status, asked).await?;
            return Ok(row(to_pair, CodeOutcome::Paired, ""));
        }
        Ok(row(to_pair, CodeOutcome::Failed, chain(error)))
    }

    /// Waits until the limits allow a call; or says why the run ends.
    async fn wait_for_slot(&self) -> Option<RunEnd> {
        loop {
            let wait: Duration = self.client.reader().duration_for(Class::Proxy, 1);
            if self.stop.is_requested() {
                return Some(self.stop.end());
            }
            if self.stop.is_too_late_for(wait) {
                return Some(RunEnd::Deadline);
            }
            if wait.is_zero() {
                return None;
            }
            tokio::select! { () = tokio::time::sleep(wait) => {}, () = self.stop.requested() => {} }
        }
    }
}

fn row(to_pair: &ToPair, outcome: CodeOutcome, detail: impl Into<String>) -> Turn {
    Turn::Row(CodeRow::without_code(to_pair, outcome, detail))
}

fn made(to_pair: &ToPair, code: &str, valid_until: DateTime<Utc>) -> CodeRow {
    let row = CodeRow::without_code(to_pair, CodeOutcome::Code, "");
    CodeRow { code: code.to_owned(), valid_until: Some(valid_until), ..row }
}
