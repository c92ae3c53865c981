//! Everything that a run asks of the database. A request that fails because the server went away is made again after the
//! failover (`failover.rs`), so that no caller needs to know of one.

use std::time::{Duration, Instant};

use wabridges::{BridgeId, CustomerRef};

use crate::db::apply_lock::ApplyLock;
use crate::db::session::OnLoss;
use crate::db::store::Store;
use crate::model::{Error, Report, RunEnd, Step, StepReport, chain};
use crate::run::deed::Deed;
use crate::run::evaluate::Basis;
use crate::run::events::Events;
use crate::run::step_outcome::StepOutcome;
use crate::run::stop::Stop;
use crate::run::trail::{Attempt, Trail};

/// How often one request is made. A second failover during one request is rare, but a statement may end its server process
/// each time.
const TRIES: usize = 3;

/// A server that shuts down ends its processes within this time.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// The database, and what this run did.
pub struct Recorder<'a> {
    /// The database.
    pub store: &'a mut Store,
    /// The lock, without which no step is started.
    pub lock: &'a mut ApplyLock,
    /// What was stored before the first step.
    pub basis: Basis<'a>,
    /// What the run did.
    pub trail: Trail<'a>,
    /// The steps of a saved plan that are not tried.
    pub skipped: Vec<StepReport>,
    /// Receives the run's events.
    pub events: &'a dyn Events,
    /// The stop request.
    pub stop: Stop,
    /// How long to wait for a server that accepts writes.
    pub patience: Duration,
    /// How long the run has waited for such a server so far.
    pub away: Duration,
    /// Why the run cannot go on; `None` as long as it can.
    pub end: Option<RunEnd>,
}

impl<'a> Recorder<'a> {
    /// Makes a request that may be repeated: one that reads, or that changes nothing if it was successful before.
    async fn ask<T>(
        &mut self,
        request: impl AsyncFn(&mut Store, &Trail<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        for _ in 1..TRIES {
            match self.ask_once(&request).await {
                Err(error) if error.is_lost() => self.fail_over(error).await?,
                result => return result,
            }
        }
        self.ask_once(&request).await
    }

    /// Makes the request once. It may take as long as it needs, for other sessions' locks for instance, but not on a server that
    /// stands still.
    async fn ask_once<T>(
        &mut self,
        request: &impl AsyncFn(&mut Store, &Trail<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            result = request(self.store, &self.trail) => result,
            error = self.lock.silence() => Err(error),
        }
    }

    /// Writes the start of the run into the run log. From now on a lost connection is noticed, because a new one may lead to
    /// another server.
    pub async fn begin_run(&mut self) -> Result<(), Error> {
        self.store.on_loss(OnLoss::Fail);
        self.ask(async |store, trail| trail.journal.begin_run(store, trail.plan).await).await
    }

    /// Writes the end of the run into the run log, on a server that has everything that the run did; returns the report.
    pub async fn finish_run(&mut self, end: RunEnd) -> Report {
        let outcome = self.report(end.clone()).outcome();
        let finish =
            async |store: &mut Store, trail: &Trail<'a>| trail.journal.finish_run(store, outcome).await;
        let finished = self.ask(finish).await;
        self.store.on_loss(OnLoss::Reconnect);
        let mut report = self.report(end);
        // Without its last line the run counts as interrupted. The next run starts from a new observation, so
        // nothing is lost.
        if let Err(error) = finished
            && report.end == RunEnd::Finished
        {
            report.end = RunEnd::LogLost(chain(&error));
        }
        report
    }

    fn report(&self, end: RunEnd) -> Report {
        Report {
            run_id: Some(self.trail.journal.run_id().to_string()),
            end: self.end.clone().unwrap_or(end),
            steps: self.trail.reports().collect(),
            skipped: self.skipped.clone(),
        }
    }

    /// Fails if the lock was lost, unless it was lost with its server and could be taken again on the next one. Lost alone,
    /// because a person ended its session or this process was stopped for long, it ends the run. If the store was led to another
    /// server, it cannot be asked either, and the run follows it.
    pub async fn require_lock(&mut self) -> Result<(), Error> {
        let Err(error) = self.lock.require().await else { return Ok(()) };
        tokio::time::sleep(SHUTDOWN).await;
        match self.ask_once(&async |store: &mut Store, _: &Trail<'a>| store.server_since().await).await {
            Ok(_) => Err(error),
            Err(_) => self.fail_over(error).await,
        }
    }

    /// Writes the line of the run log before the steps of the batch.
    pub async fn begin_step(&mut self, batch: &'a [Step]) -> Result<(), Error> {
        self.trail.begin(batch);
        self.of_last(async |attempt, store, trail| attempt.log_begin(&trail.journal, store).await).await
    }

    /// Records what the batch did, and writes the outcome into the run log.
    pub async fn finish_step(&mut self, deed: Result<Deed, Error>) -> Result<(), Error> {
        let outcomes = match deed {
            Ok(deed) => self.record(deed).await,
            Err(error) => vec![StepOutcome::failed(&error)],
        };
        if let Some(attempt) = self.trail.attempts.last_mut() {
            (attempt.outcomes, attempt.ended) = (outcomes, Some(Instant::now()));
        }
        self.of_last(async |attempt, store, trail| attempt.log_end(&trail.journal, store).await).await
    }

    async fn record(&mut self, deed: Deed) -> Vec<StepOutcome> {
        if let Some(attempt) = self.trail.attempts.last_mut() {
            attempt.deed = Some(deed);
        }
        match self.of_last(async |attempt, store, _| attempt.record(store).await).await {
            Ok(outcomes) => outcomes,
            Err(error) => self.trail.attempts.last().map_or_else(Vec::new, |last| last.unrecorded(&error)),
        }
    }

    /// Makes a request about the batch under way.
    async fn of_last<T: Default>(
        &mut self,
        request: impl AsyncFn(&Attempt<'a>, &mut Store, &Trail<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.ask(async |store, trail| match trail.attempts.last() {
            Some(attempt) => request(attempt, store, trail).await,
            None => Ok(T::default()),
        })
        .await
    }

    /// Fails unless the tenant is still wanted and its row could take the bridge.
    pub async fn require_bridgeable(&mut self, customer_ref: &CustomerRef) -> Result<(), Error> {
        self.ask(async |store, _| store.require_bridgeable(customer_ref).await).await
    }

    /// Fails if the bridge is needed again.
    pub async fn require_unneeded(&mut self, id: BridgeId) -> Result<(), Error> {
        self.ask(async |store, _| store.require_unneeded(id).await).await
    }
}
