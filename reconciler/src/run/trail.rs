//! What this run has done so far, in memory: each batch of steps with what it did and its outcomes. The run log in the
//! database is written from it, and can be written again from it on another server.

use std::time::Instant;

use crate::db::journal::{Entry, Journal, StepEnd};
use crate::db::store::Store;
use crate::model::{Error, Plan, Step, StepReport};
use crate::run::deed::Deed;
use crate::run::step_outcome::{StepOutcome, together};

/// The plan of the run, its log, and the batches that it has begun, in order.
#[derive(Debug)]
pub struct Trail<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The run log.
    pub journal: Journal,
    /// The last one may be under way.
    pub attempts: Vec<Attempt<'a>>,
}

/// One batch of steps that was begun.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The number of its first step in the plan, from 1, under which the run log has it.
    pub number: i32,
    /// The steps.
    pub batch: &'a [Step],
    /// What it did; `None` before that, and if there is nothing to record.
    pub deed: Option<Deed>,
    /// The outcome of each step; empty as long as they are not known.
    pub outcomes: Vec<StepOutcome>,
    began: Instant,
    /// When the outcomes were known.
    pub ended: Option<Instant>,
}

impl<'a> Trail<'a> {
    /// The trail of a new run.
    pub fn new(plan: &'a Plan) -> Self {
        Self { plan, journal: Journal::new(), attempts: Vec::new() }
    }

    /// Begins the next batch.
    pub fn begin(&mut self, batch: &'a [Step]) {
        let first = self.attempts.iter().map(|attempt| attempt.batch.len()).sum::<usize>() + 1;
        let number = i32::try_from(first).unwrap_or(i32::MAX);
        let (began, outcomes) = (Instant::now(), Vec::new());
        self.attempts.push(Attempt { number, batch, deed: None, outcomes, began, ended: None });
    }

    /// The outcomes of the last batch.
    pub fn last_outcomes(&self) -> &[StepOutcome] {
        self.attempts.last().map_or(&[], |attempt| &attempt.outcomes)
    }

    /// The steps of the last batch.
    pub fn last_reports(&self) -> Vec<StepReport> {
        self.attempts.last().into_iter().flat_map(Attempt::reports).collect()
    }

    /// The steps that were tried, in order.
    pub fn reports(&self) -> impl Iterator<Item = StepReport> {
        self.attempts.iter().flat_map(Attempt::reports)
    }
}

impl Attempt<'_> {
    /// The steps that were tried.
    pub fn reports(&self) -> impl Iterator<Item = StepReport> {
        let first = usize::try_from(self.number).unwrap_or(0);
        let numbered = self.batch.iter().zip(&self.outcomes).enumerate();
        numbered.map(move |(nth, (step, of))| StepReport {
            step: first + nth,
            kind: step.kind(),
            customer_ref: step.customer_ref().clone(),
            bridge_id: of.bridge_id.or(step.bridge_id()),
            outcome: of.outcome,
            detail: of.detail.clone(),
        })
    }

    /// Writes the line of the run log before the call.
    pub async fn log_begin(&self, journal: &Journal, store: &mut Store) -> Result<(), Error> {
        let kind = self.batch[0].kind();
        let (customer_ref, bridge_id) = match self.batch {
            [step] => (Some(step.customer_ref().as_str()), step.bridge_id()),
            _ => (None, None),
        };
        let entry = Entry { step: self.number, kind, customer_ref, bridge_id, began: self.began };
        journal.begin_step(store, &entry).await
    }

    /// Records what the batch did, and returns the outcomes.
    pub async fn record(&self, store: &mut Store) -> Result<Vec<StepOutcome>, Error> {
        match &self.deed {
            Some(deed) => deed.record(self.batch, store).await,
            None => Ok(Vec::new()),
        }
    }

    /// The outcomes if it could not be recorded.
    pub fn unrecorded(&self, error: &Error) -> Vec<StepOutcome> {
        self.deed.as_ref().map_or_else(Vec::new, |deed| deed.unrecorded(self.batch, error))
    }

    /// Records it on another server. Its outcomes are then those of this attempt; a batch that had nothing to record keeps its
    /// own. Fails only if a later attempt may succeed.
    pub async fn record_again(&mut self, store: &mut Store) -> Result<(), Error> {
        if self.deed.is_some() {
            self.outcomes = match self.record(store).await {
                Err(error) if error.is_retryable() => return Err(error),
                recorded => recorded.unwrap_or_else(|error| self.unrecorded(&error)),
            };
        }
        Ok(())
    }

    /// Writes the outcome into the run log, once it is known.
    pub async fn log_end(&self, journal: &Journal, store: &mut Store) -> Result<(), Error> {
        let Some(ended) = self.ended else { return Ok(()) };
        let (outcome, detail) = together(self.batch, &self.outcomes);
        let bridge_id = self.outcomes.first().and_then(|first| first.bridge_id);
        let end = StepEnd { outcome: outcome.as_str(), detail: &detail, bridge_id, ended };
        journal.finish_step(store, self.number, &end).await
    }
}
