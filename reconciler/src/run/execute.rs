//! Executes a plan: runs the steps in order and writes a line of the run log before and after each.

use std::time::{Duration, Instant};

use crate::db::journal::{Entry, StepEnd};
use crate::model::{Error, Outcome, Plan, Report, RunEnd, Step, StepReport, chain};
use crate::run::events::Event;
use crate::run::executor::Executor;
use crate::run::step_outcome::{StepOutcome, together};

/// After so many failures in a row the run gives up: the next step would probably fail too. A failure that concerns only
/// one tenant does not count.
const FAILURES_IN_A_ROW: usize = 5;

/// Runs the plan's steps in order. A failed step does not stop independent steps.
pub async fn apply(plan: &Plan, mut run: Executor<'_>) -> Report {
    run.events.emit(Event::RunStarted(plan));
    let mut report = Report { run_id: Some(run.journal.run_id().to_string()), ..Report::nothing_to_do() };
    report.end = match run.journal.begin_run(run.store, plan).await {
        Ok(()) => match run.steps(plan, &mut report.steps).await {
            Ok(end) => end,
            Err(error) => RunEnd::LogLost(chain(&error)),
        },
        Err(error) => RunEnd::LogLost(chain(&error)),
    };
    // Without its last line the run counts as interrupted. The next run starts from a new observation, so
    // nothing is lost.
    if let Err(error) = run.journal.finish_run(run.store, report.outcome()).await
        && report.end == RunEnd::Finished
    {
        report.end = RunEnd::LogLost(chain(&error));
    }
    run.events.emit(Event::RunEnded(&report));
    report
}

impl Executor<'_> {
    /// Returns an error only if the run log cannot be written: no step is done without a log entry.
    async fn steps(&mut self, plan: &Plan, reports: &mut Vec<StepReport>) -> Result<RunEnd, Error> {
        let mut failures = 0;
        let mut longest = Duration::ZERO;
        for batch in batches(&plan.steps) {
            let left = self.time_left(&plan.steps[reports.len()..]);
            self.events.emit(Event::StepStarting { step: &batch[0], left });
            // A step that would end after the deadline is not started.
            if self.stop.is_too_late_for(self.slot_in(&batch[0]) + longest) {
                return Ok(RunEnd::Deadline);
            }
            self.wait_for_slot(&batch[0]).await;
            if self.stop.is_requested() {
                return Ok(self.stop.end());
            }
            if let Err(error) = self.lock.require().await {
                return Ok(RunEnd::Database(chain(&error)));
            }
            let began = Instant::now();
            let mut outcomes = self.recorded(plan, batch, reports).await?;
            longest = longest.max(began.elapsed());
            if let Some(end) = outcomes.iter_mut().find_map(|outcome| outcome.end.take()) {
                return Ok(end);
            }
            let all_done = outcomes.len() == batch.len() && outcomes.iter().all(StepOutcome::is_done);
            if self.stop.is_requested() && !all_done {
                return Ok(self.stop.end());
            }
            if outcomes.iter().any(StepOutcome::is_done) {
                failures = 0;
            } else if !outcomes.iter().all(|outcome| outcome.refused_by_row) {
                failures += 1;
            }
            if failures == FAILURES_IN_A_ROW && reports.len() < plan.steps.len() {
                return Ok(RunEnd::GaveUp);
            }
        }
        Ok(RunEnd::Finished)
    }

    /// Tries the steps of the batch, writes a line of the run log before and after, and adds each outcome to
    /// the reports.
    async fn recorded(
        &mut self,
        plan: &Plan,
        batch: &[Step],
        reports: &mut Vec<StepReport>,
    ) -> Result<Vec<StepOutcome>, Error> {
        let first = reports.len() + 1;
        let number = i32::try_from(first).unwrap_or(i32::MAX);
        self.journal.begin_step(self.store, &entry(number, batch)).await?;
        let outcomes = self.attempt(batch).await;
        reports.extend(batch.iter().zip(&outcomes).enumerate().map(|(nth, (step, step_outcome))| {
            StepReport {
                step: first + nth,
                kind: step.kind(),
                customer_ref: step.customer_ref().clone(),
                bridge_id: step_outcome.bridge_id.or(step.bridge_id()),
                outcome: step_outcome.outcome,
                detail: step_outcome.detail.clone(),
            }
        }));
        let (outcome, detail) = together(batch, &outcomes);
        let bridge_id = outcomes.first().and_then(|first| first.bridge_id);
        let end = StepEnd { outcome: outcome.as_str(), detail: &detail, bridge_id };
        self.journal.finish_step(self.store, number, &end).await?;
        let left = self.time_left(&plan.steps[reports.len()..]);
        self.events.emit(Event::StepsExecuted { steps: &reports[first - 1..], left });
        if outcome != Outcome::Done {
            self.events.emit(Event::StepsFailed(&format!(
                "{} {}: {detail}",
                batch[0].kind(),
                subject(batch)
            )));
        }
        Ok(outcomes)
    }

    /// The outcome of each step of the batch, in order; fewer than the steps if a signal stopped the run.
    async fn attempt(&mut self, batch: &[Step]) -> Vec<StepOutcome> {
        match &batch[0] {
            Step::Unlink { .. } | Step::Link { .. } | Step::SetStatus { .. } => self.write_rows(batch).await,
            Step::Provision { customer_ref, webhook_url, .. } => {
                vec![self.provision(customer_ref, webhook_url.as_deref()).await]
            }
            Step::Delete { customer_ref, bridge_id, .. } => vec![self.delete(*bridge_id, customer_ref).await],
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

fn entry(number: i32, batch: &[Step]) -> Entry<'_> {
    let kind = batch[0].kind();
    match batch {
        [step] => Entry {
            step: number,
            kind,
            customer_ref: Some(step.customer_ref().as_str()),
            bridge_id: step.bridge_id(),
        },
        _ => Entry { step: number, kind, customer_ref: None, bridge_id: None },
    }
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
            was: None,
            renamed_from: None,
            reason,
        };
        let steps: Vec<Step> =
            [&link, &link, &status, &status, &provision, &provision].into_iter().cloned().collect();
        assert_eq!(batches(&steps).map(<[Step]>::len).collect::<Vec<_>>(), [2, 2, 1, 1]);
    }
}
