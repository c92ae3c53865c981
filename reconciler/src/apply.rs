//! Doing what the plan says: its steps in their order, each journalled before and after. No policy is here.

mod bridges;
mod rows;
mod tried;
mod wait;

use std::time::{Duration, Instant};

use wabridges::{Class, Client};

use crate::error::{Error, chain};
use crate::plan::{Plan, Step};
use crate::render::Progress;
use crate::report::{End, Outcome, Report, StepReport};
use crate::stop::Stop;
use crate::store::{Ended, Entry, Journal, Store};

use tried::Tried;

/// So many failures in a row mean that the next step will fail too.
const FAILURES_IN_A_ROW: usize = 5;

/// All that a run works with.
pub struct Executor<'a> {
    /// The provider.
    pub client: &'a Client,
    /// The database.
    pub store: &'a mut Store,
    /// The run's trail.
    pub journal: &'a mut Journal,
    /// Where the user looks meanwhile.
    pub progress: Progress,
    /// The wish to stop.
    pub stop: Stop,
}

/// Runs the plan's steps in their order. Failures do not stop independent steps.
pub async fn apply(plan: &Plan, mut run: Executor<'_>) -> Report {
    let mut report = Report { run_id: Some(run.journal.run_id().to_string()), ..Report::nothing_to_do() };
    report.end = match run.journal.begin_run(plan).await {
        Ok(()) => match run.steps(plan, &mut report.steps).await {
            Ok(end) => end,
            Err(error) => End::TrailLost(chain(&error)),
        },
        Err(error) => End::TrailLost(chain(&error)),
    };
    // Without its last line the run reads as interrupted, and the next one goes on from what is observed.
    if let Err(error) = run.journal.finish_run(report.finish()).await
        && report.end == End::Finished
    {
        report.end = End::TrailLost(chain(&error));
    }
    run.progress.finish(&report);
    report
}

impl Executor<'_> {
    /// Errors out only when the trail cannot be written: nothing is done off the record.
    async fn steps(&mut self, plan: &Plan, reports: &mut Vec<StepReport>) -> Result<End, Error> {
        let mut failures = 0;
        let mut longest = Duration::ZERO;
        // Steps that write tenant rows go together in one statement; every other step goes alone.
        for batch in
            plan.steps.chunk_by(|a, b| a.kind() == b.kind() && matches!(a.kind(), "bind" | "set_status"))
        {
            let first = reports.len() + 1;
            self.progress.starting(&batch[0], self.time_left(&plan.steps[reports.len()..]));
            // What would not be finished in time is not begun.
            if self.stop.is_too_late_for(self.slot_in(&batch[0]) + longest) {
                return Ok(End::Deadline);
            }
            self.wait_for_slot(&batch[0]).await;
            if self.stop.is_wished() {
                return Ok(self.stop.end());
            }
            let began = Instant::now();
            let number = i32::try_from(first).unwrap_or(i32::MAX);
            self.journal.begin_step(&entry(number, batch)).await?;
            let mut tried = self.attempt(batch).await;
            reports.extend(batch.iter().zip(&tried).enumerate().map(|(nth, (step, tried))| StepReport {
                step: first + nth,
                kind: step.kind(),
                customer_ref: step.customer_ref().clone(),
                bridge_id: tried.bridge_id.or(step.bridge_id()),
                outcome: tried.outcome,
                detail: tried.detail.clone(),
            }));
            let (outcome, detail) = tried::together(batch, &tried);
            let bridge_id = tried.first().and_then(|tried| tried.bridge_id);
            self.journal
                .finish_step(number, &Ended { outcome: outcome.as_str(), detail: &detail, bridge_id })
                .await?;
            longest = longest.max(began.elapsed());
            self.progress.finished(&reports[first - 1..], self.time_left(&plan.steps[reports.len()..]));
            if outcome != Outcome::Done {
                self.progress.say(&format!("{} {}: {detail}", batch[0].kind(), subject(batch)));
            }
            if let Some(end) = tried.iter_mut().find_map(|tried| tried.end.take()) {
                return Ok(end);
            }
            if self.stop.is_wished() && outcome != Outcome::Done {
                return Ok(self.stop.end());
            }
            let any_done = tried.iter().any(|tried| tried.outcome == Outcome::Done);
            failures = if any_done { 0 } else { failures + 1 };
            if failures == FAILURES_IN_A_ROW && reports.len() < plan.steps.len() {
                return Ok(End::GaveUp);
            }
        }
        Ok(End::Finished)
    }

    /// What became of each step of the batch; fewer of them, in order, where somebody asked to stop.
    async fn attempt(&mut self, batch: &[Step]) -> Vec<Tried> {
        match &batch[0] {
            Step::Bind { .. } | Step::SetStatus { .. } => self.write_rows(batch).await,
            Step::Provision { customer_ref, webhook_url, .. } => {
                vec![self.provision(customer_ref, webhook_url.as_deref()).await]
            }
            Step::Delete { customer_ref, bridge_id, .. } => vec![self.delete(*bridge_id, customer_ref).await],
        }
    }

    /// How long the limits make the rest take, at the least.
    fn time_left(&self, steps: &[Step]) -> Duration {
        let count = |kind| steps.iter().filter(|step| step.kind() == kind).count();
        let time = |class, calls| match calls {
            0 => Duration::ZERO,
            calls => self.client.reader().duration_for(class, calls),
        };
        time(Class::Provision, count("provision")) + time(Class::Other, 2 * count("delete"))
    }
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
