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

/// How long the server that was found may take for the lock, beside the time to connect twice.
const LOCK: Duration = Duration::from_secs(10);

/// How long a server may take at least for what it lacks, also at the end of the patience. It is longer than the wait for one
/// COMMIT, because the error of that wait says more.
const RESTORE: Duration = Duration::from_secs(30);

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
        self.store.abandon();
        if self.end.is_some() || self.patience.is_zero() {
            return Err(error);
        }
        let (began, stop) = (Instant::now(), self.stop.clone());
        self.events.emit(Event::DatabaseAway { error: &error, patience: self.patience });
        let attempted = tokio::select! {
            attempted = self.attempts(began) => attempted,
            () = stop.requested() => {
                self.store.abandon();
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
                // The last line of the run log must not wait for what the attempt waited for.
                self.store.abandon();
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
            match self.take_over(self.patience.saturating_sub(began.elapsed())).await {
                Err(Failure::Away(_)) if began.elapsed() < self.patience => pause = LONGEST.min(pause * 2),
                result => return result,
            }
        }
    }

    /// One attempt. Each part has a limit of its own and not just the time that is left, so that the last attempt too says why it
    /// failed.
    async fn take_over(&mut self, left: Duration) -> Result<usize, Failure> {
        let limit = self.time_to_find().map_err(Failure::Final)?;
        in_time(limit, self.find_server()).await.map_err(|error| match error {
            Error::Locked { .. } => Failure::Final(error),
            other => Failure::Away(other),
        })?;
        in_time(left.max(RESTORE), self.restore()).await.map_err(|error| match error.is_retryable() {
            true => Failure::Away(error),
            false => Failure::Final(error),
        })
    }

    /// How long `find_server` may take: each of its two connections tries the hosts one after the other.
    fn time_to_find(&self) -> Result<Duration, Error> {
        let connection = self.store.config().connection()?;
        let hosts = u32::try_from(connection.hosts.len()).unwrap_or(u32::MAX);
        Ok((2 * connection.finite_deadline()).saturating_mul(hosts).saturating_add(LOCK))
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
        if kept.is_some() {
            journal.require_commit(store).await?;
        } else {
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

/// A server may accept a connection and then answer nothing.
async fn in_time<T>(limit: Duration, part: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let unanswered = |_| Error::unanswered("cannot go on at the next server", limit);
    tokio::time::timeout(limit, part).await.map_err(unanswered)?
}
