//! Executes a plan: runs the steps in order and writes a line of the run log before and after each.

use std::time::{Duration, Instant};

use crate::model::{Error, Outcome, Plan, Report, RunEnd, Step, chain};
use crate::run::deed::Deed;
use crate::run::events::Event;
use crate::run::executor::Executor;
use crate::run::step_outcome::{StepOutcome, together};

/// After so many failures in a row the run gives up: the next step would probably fail too. A failure that concerns only
/// one tenant does not count.
const FAILURES_IN_A_ROW: usize = 5;

/// Runs the plan's steps in order. A failed step does not stop independent steps.
pub async fn apply<'a>(plan: &'a Plan, mut run: Executor<'a>) -> Report {
    run.events.emit(Event::RunStarted(plan));
    let end = run.steps(plan).await.unwrap_or_else(|error| RunEnd::LogLost(chain(&error)));
    let report = run.recorder.finish_run(end).await;
    run.events.emit(Event::RunEnded(&report));
    report
}

impl<'a> Executor<'a> {
    /// Returns an error only if the run log cannot be written: no step is done without a log entry.
    async fn steps(&mut self, plan: &'a Plan) -> Result<RunEnd, Error> {
        self.recorder.begin_run().await?;
        let (mut begun, mut failures, mut longest) = (0, 0, Duration::ZERO);
        for batch in batches(&plan.steps) {
            let left = self.time_left(&plan.steps[begun..]);
            self.events.emit(Event::StepStarting { step: &batch[0], left });
            // A step that would end after the deadline is not started.
            if self.stop.is_too_late_for(self.slot_in(&batch[0]) + longest) {
                return Ok(RunEnd::Deadline);
            }
            self.wait_for_slot(&batch[0]).await;
            if self.stop.is_requested() {
                return Ok(self.stop.end());
            }
            if let Err(error) = self.recorder.require_lock().await {
                return Ok(RunEnd::Database(chain(&error)));
            }
            let (began, away) = (Instant::now(), self.recorder.away);
            begun += batch.len();
            self.recorded(batch, &plan.steps[begun..]).await?;
            if let Some(end) = &self.recorder.end {
                return Ok(end.clone());
            }
            // The wait for the database says nothing about the length of later steps.
            longest = longest.max(began.elapsed().saturating_sub(self.recorder.away - away));
            let outcomes = self.recorder.trail.last_outcomes();
            if let Some(end) = outcomes.iter().find_map(|outcome| outcome.end.clone()) {
                return Ok(end);
            }
            let all_done = outcomes.iter().all(StepOutcome::is_done);
            if self.stop.is_requested() && !all_done {
                return Ok(self.stop.end());
            }
            if outcomes.iter().any(StepOutcome::is_done) {
                failures = 0;
            } else if !outcomes.iter().all(|outcome| outcome.refused_by_row) {
                failures += 1;
            }
            if failures == FAILURES_IN_A_ROW && begun < plan.steps.len() {
                return Ok(RunEnd::GaveUp);
            }
        }
        Ok(RunEnd::Finished)
    }

    /// Tries the steps of the batch, records them, and writes a line of the run log before and after. `rest` are the steps
    /// after them.
    async fn recorded(&mut self, batch: &'a [Step], rest: &[Step]) -> Result<(), Error> {
        self.recorder.begin_step(batch).await?;
        let deed = self.attempt(batch).await;
        self.recorder.finish_step(deed).await?;
        let reports = self.recorder.trail.last_reports();
        self.events.emit(Event::StepsExecuted { steps: &reports, left: self.time_left(rest) });
        let (outcome, detail) = together(batch, self.recorder.trail.last_outcomes());
        if outcome != Outcome::Done {
            self.events.emit(Event::StepsFailed(&format!(
                "{} {}: {detail}",
                batch[0].kind(),
                subject(batch)
            )));
        }
        Ok(())
    }

    /// What the batch did, to be recorded.
    async fn attempt(&mut self, batch: &[Step]) -> Result<Deed, Error> {
        match &batch[0] {
            Step::Unlink { .. } | Step::Link { .. } | Step::SetStatus { .. } => Ok(Deed::Rows),
            Step::Provision { customer_ref, webhook_url, .. } => {
                self.provision(customer_ref, webhook_url.as_deref()).await
            }
            Step::Delete { customer_ref, bridge_id, .. } => self.delete(*bridge_id, customer_ref).await,
        }
    }
}

/// Splits the steps into batches: consecutive steps that write tenant rows go together in one statement, every
/// other step goes alone.
fn batches(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    let writes_row =
        |step: &Step| matches!(step, Step::Unlink { .. } | Step::Link { .. } | Step::SetStatus { .. });
    steps.chunk_by(move |a, b| a.kind() == b.kind() && writes_row(a))
}

fn subject(batch: &[Step]) -> String {
    match batch {
        [step] => step.customer_ref().to_string(),
        many => format!("{} tenant rows", many.len()),
    }
}

#[cfg(test)]
mod tests {
    use wabridges::{BridgeId, CustomerRef};

    use super::*;
    use crate::model::Owner;

    #[test]
    fn steps_that_write_rows_go_together_and_calls_go_alone() {
        let (customer_ref, reason) = (CustomerRef::new("c").unwrap(), String::new());
        let bridge_id = BridgeId::new(7).unwrap();
        let link =
            Step::Link { customer_ref: customer_ref.clone(), bridge_id, was: None, reason: reason.clone() };
        let status = Step::SetStatus {
            customer_ref: customer_ref.clone(),
            was: None,
            status: "paired".into(),
            reason: reason.clone(),
        };
        let provision = Step::Provision {
            customer_ref,
            owner: Owner::Tenant,
            webhook_url: None,
            webhook_fingerprint: None,
            was: None,
            renamed_from: None,
            reason,
        };
        let steps: Vec<Step> =
            [&link, &link, &status, &status, &provision, &provision].into_iter().cloned().collect();
        assert_eq!(batches(&steps).map(<[Step]>::len).collect::<Vec<_>>(), [2, 2, 1, 1]);
    }
}
