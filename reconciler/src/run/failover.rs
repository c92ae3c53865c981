//! Goes on after a failover: waits for a server that accepts writes, and brings it to where the old one was.
//!
//! A standby that followed asynchronously may lack the last transactions of the old server. It has all before them, in order,
//! so the run log tells what is missing: a step that has an outcome there was recorded there. All later ones are recorded
//! again from memory, and if the run itself is missing, so is the observation that it was planned on. The provider is not
//! called, so no call is made twice.
//!
//! The lock comes first. If another run holds it, or ran meanwhile, this plan is out of date, and the run ends. From the lock on,
//! each transaction of the run checks that it is on the server of the lock (`db/session.rs`): the old server may still run, and a
//! pooler or a proxy may lead one connection there and the other one to the new server. Servers are told apart by the moment at
//! which they started, because a promoted standby has the system identifier of its primary.

use std::time::{Duration, Instant};

use crate::ground::span;
use crate::model::{Error, RunEnd, chain};
use crate::run::events::Event;
use crate::run::recorder::Recorder;
use crate::run::trail::Trail;

/// The first pause between two attempts, which doubles, and the longest one.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// Why an attempt failed.
enum Failure {
    /// No server accepts writes yet, or it went away again, or another session is in the way.
    Away(Error),
    /// Waiting does not help.
    Final(Error),
}

impl Recorder<'_> {
    /// Returns once a server has everything that this run did. Fails if the run must end; `self.end` says why. `error` is
    /// the failure by which the old server counts as lost.
    pub(super) async fn fail_over(&mut self, error: Error) -> Result<(), Error> {
        if self.end.is_some() || self.patience.is_zero() {
            return Err(error);
        }
        let (began, stop) = (Instant::now(), self.stop.clone());
        self.events.emit(Event::DatabaseAway { error: &error, patience: self.patience });
        let attempted = tokio::select! {
            attempted = self.attempts(began) => attempted,
            () = stop.requested() => {
                self.end = Some(stop.end());
                return Err(error);
            }
        };
        let away = began.elapsed();
        self.away += away;
        let (end, error) = match attempted {
            Ok(rewritten) => {
                self.events.emit(Event::DatabaseBack { away, rewritten });
                return Ok(());
            }
            Err(Failure::Away(last)) => {
                let why = format!(
                    "{}; no server accepted writes within {}: {}",
                    chain(&error),
                    span(self.patience),
                    chain(&last)
                );
                (RunEnd::Database(why), error)
            }
            Err(Failure::Final(last @ (Error::Locked { .. } | Error::Superseded { .. }))) => {
                (RunEnd::Locked(chain(&last)), last)
            }
            Err(Failure::Final(last)) => (RunEnd::Database(chain(&last)), last),
        };
        self.end = Some(end);
        Err(error)
    }

    /// Attempts it until the patience ends; returns how many steps were written again.
    async fn attempts(&mut self, began: Instant) -> Result<usize, Failure> {
        let mut pause = FIRST;
        loop {
            tokio::time::sleep(pause).await;
            match self.take_over().await {
                Err(Failure::Away(_)) if began.elapsed() < self.patience => pause = LONGEST.min(pause * 2),
                result => return result,
            }
        }
    }

    async fn take_over(&mut self) -> Result<usize, Failure> {
        self.find_server().await.map_err(|error| match error {
            Error::Locked { .. } => Failure::Final(error),
            other => Failure::Away(other),
        })?;
        self.restore().await.map_err(|error| match error.is_retryable() {
            true => Failure::Away(error),
            false => Failure::Final(error),
        })
    }

    /// Connects to a server that accepts writes, and holds the lock there.
    async fn find_server(&mut self) -> Result<(), Error> {
        self.store.reconnect().await?;
        let server = self.store.server_since().await?;
        self.lock.take_again(self.store.config(), server).await?;
        // By now a pooler may lead to yet another server.
        self.store.stay_on(self.lock.server_since());
        Ok(())
    }

    /// Writes what the server lacks; returns how many steps that were. The order is that of the run, so that the run log
    /// would tell the next server the same.
    async fn restore(&mut self) -> Result<usize, Error> {
        let Self { store, lock, basis, trail: Trail { plan, journal, attempts }, .. } = self;
        journal.require_latest(store, lock.taken_at()).await?;
        let kept = journal.kept(store).await?;
        if kept.is_none() {
            basis.store_again(store).await?;
            journal.begin_run(store, plan).await?;
        }
        let kept = kept.unwrap_or_default();
        let mut rewritten = 0;
        for attempt in attempts.iter_mut().filter(|attempt| !kept.contains(&attempt.number)) {
            attempt.log_begin(journal, store).await?;
            // What is still under way is done again by its caller.
            if attempt.ended.is_some() {
                attempt.record_again(store).await?;
                attempt.log_end(journal, store).await?;
                rewritten += attempt.batch.len();
            }
        }
        Ok(rewritten)
    }
}
