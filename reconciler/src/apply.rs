//! Doing what the plan says: a match over its steps, each journalled before and after. No policy is here.

use std::time::Duration;

use wabridges::{BridgeId, Class, Client, CustomerRef};

use crate::error::{Error, chain};
use crate::exit::Exit;
use crate::plan::{Plan, Step};
use crate::render::Progress;
use crate::report::{End, Outcome, Report, StepReport};
use crate::stop::Stop;
use crate::store::{Ended, Entry, Journal, Made, Store};

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
    /// What an answer to a provision proves.
    pub novelty: Novelty,
}

/// Whether a bridge that the listing did not have is a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// The listing was complete.
    Sure,
    /// Some of its rows could not be read: the provider may have returned a bridge with a webhook_url of its own.
    Unsure,
}

/// A step that was done.
struct Done {
    detail: String,
    bridge_id: Option<BridgeId>,
}

/// Runs the plan's steps in their order. Failures do not stop independent steps.
pub async fn apply(plan: &Plan, mut run: Executor<'_>) -> Report {
    let mut report =
        Report { run_id: Some(run.journal.run_id().to_string()), end: End::Finished, steps: Vec::new() };
    report.end = match run.begin(plan).await {
        Ok(()) => match run.steps(plan, &mut report.steps).await {
            Ok(end) => end,
            Err(error) => End::TrailLost(chain(&error)),
        },
        Err(error) => End::TrailLost(chain(&error)),
    };
    run.progress.finish();
    // Without its last line the run reads as interrupted, and the next one goes on from what is observed.
    if let Err(error) = run.journal.finish_run(report.finish()).await
        && report.end == End::Finished
    {
        report.end = End::TrailLost(chain(&error));
    }
    report
}

impl Executor<'_> {
    async fn begin(&mut self, plan: &Plan) -> Result<(), Error> {
        self.preload().await?;
        self.journal.begin_run(plan.steps.len()).await
    }

    /// Calls of a run that ended a moment ago count for the provider's window.
    async fn preload(&mut self) -> Result<(), Error> {
        let now = std::time::Instant::now();
        for ago in self.journal.recent_provisions().await? {
            let at = Duration::try_from_secs_f64(ago).ok().and_then(|ago| now.checked_sub(ago));
            if let Some(at) = at {
                self.client.reader().preload(Class::Provision, at);
            }
        }
        Ok(())
    }

    /// Errors out only when the trail cannot be written: nothing is done off the record.
    async fn steps(&mut self, plan: &Plan, reports: &mut Vec<StepReport>) -> Result<End, Error> {
        let mut failures = 0;
        // Steps that write tenant rows go together in one statement; every other step goes alone.
        for batch in
            plan.steps.chunk_by(|a, b| a.kind() == b.kind() && matches!(a.kind(), "bind" | "set_status"))
        {
            let first = reports.len() + 1;
            self.progress.starting(&batch[0], self.time_left(&plan.steps[reports.len()..]));
            self.wait_for_slot(&batch[0]).await;
            if self.stop.is_wished() {
                return Ok(End::Interrupted);
            }
            let number = i32::try_from(first).unwrap_or(i32::MAX);
            self.journal.begin_step(&entry(number, batch)).await?;
            let attempt = self.attempt(batch).await;
            let (outcome, detail, bridge_id) = match &attempt {
                Ok(done) => (Outcome::Done, done.detail.clone(), done.bridge_id),
                Err(error) if is_ambiguous(error) => (Outcome::Unknown, chain(error), None),
                Err(error) => (Outcome::Failed, chain(error), None),
            };
            reports.extend(batch.iter().enumerate().map(|(nth, step)| StepReport {
                step: first + nth,
                kind: step.kind(),
                customer_ref: step.customer_ref().clone(),
                bridge_id: bridge_id.or(step.bridge_id()),
                outcome,
                detail: detail.clone(),
            }));
            let ended = Ended { outcome: outcome.as_str(), detail: &detail, bridge_id };
            self.journal.finish_step(number, &ended).await?;
            self.progress.finished(batch, self.time_left(&plan.steps[reports.len()..]));
            failures = if outcome == Outcome::Done { 0 } else { failures + 1 };
            if let Err(error) = &attempt {
                self.progress.say(&format!("{} {}: {}", batch[0].kind(), subject(batch), detail));
                if error.exit() == Exit::Auth {
                    return Ok(End::Auth);
                }
            }
            if failures == FAILURES_IN_A_ROW && reports.len() < plan.steps.len() {
                return Ok(End::GaveUp);
            }
        }
        Ok(End::Finished)
    }

    async fn attempt(&mut self, batch: &[Step]) -> Result<Done, Error> {
        match &batch[0] {
            Step::Bind { .. } => self.bind(batch).await,
            Step::SetStatus { .. } => self.set_statuses(batch).await,
            Step::Provision { customer_ref, webhook_url, .. } => {
                self.provision(customer_ref, webhook_url.as_deref()).await
            }
            Step::Delete { customer_ref, bridge_id, .. } => self.delete(*bridge_id, customer_ref).await,
        }
    }

    async fn bind(&mut self, batch: &[Step]) -> Result<Done, Error> {
        let bridges: Vec<_> =
            batch.iter().filter_map(|step| Some((step.customer_ref(), step.bridge_id()?))).collect();
        let written = self.store.bind_bridges(&bridges).await?;
        Ok(Done { detail: format!("{written} tenant rows written"), bridge_id: None })
    }

    async fn set_statuses(&mut self, batch: &[Step]) -> Result<Done, Error> {
        let customer_refs: Vec<_> = batch.iter().map(Step::customer_ref).collect();
        let written = self.store.write_statuses(&customer_refs).await?;
        Ok(Done { detail: format!("{written} tenant rows written"), bridge_id: None })
    }

    async fn provision(
        &mut self,
        customer_ref: &CustomerRef,
        webhook_url: Option<&str>,
    ) -> Result<Done, Error> {
        let (bridge_id, state, how) = match self.client.provision(customer_ref, webhook_url).await {
            Ok(made) => (made.id, made.state, "provisioned"),
            Err(error) if error.is_ambiguous() => match self.look_up(customer_ref).await {
                Some((id, state)) => (id, state, "provisioned; the answer was lost, the listing has it"),
                None => return Err(Error::provider("it is not known whether the bridge was made")(error)),
            },
            Err(error) => return Err(Error::provider("the provider made no bridge")(error)),
        };
        // To know the status at once is worth a call, not a failure.
        let session = match self.stop.is_wished() {
            true => None,
            false => self.client.reader().session(customer_ref).await.ok(),
        };
        let made = Made {
            customer_ref,
            bridge_id,
            state: state.as_deref(),
            raw_status: session.as_ref().map(|session| session.raw_status.as_str()),
            webhook_url: webhook_url.filter(|_| self.novelty == Novelty::Sure),
        };
        self.store.record_provision(&made).await?;
        Ok(Done { detail: format!("{how} as bridge {bridge_id}"), bridge_id: Some(bridge_id) })
    }

    /// After a lost answer: the bridge of this customer_ref, if a complete listing has it.
    async fn look_up(&self, customer_ref: &CustomerRef) -> Option<(BridgeId, Option<String>)> {
        let listing = self.client.reader().list().await.ok()?;
        let found =
            listing.bridges.into_iter().find(|bridge| bridge.customer_ref.as_ref() == Some(customer_ref))?;
        Some((found.id, found.state))
    }

    async fn delete(&mut self, id: BridgeId, customer_ref: &CustomerRef) -> Result<Done, Error> {
        let detail = match self.client.reader().get(id).await {
            Err(wabridges::Error::NotFound { .. }) => format!("bridge {id} was gone already"),
            Err(error) => {
                return Err(Error::provider("the bridge was not deleted: it could not be looked at")(error));
            }
            Ok(live) if live.bridge.customer_ref.as_ref() != Some(customer_ref) => {
                return Err(Error::config(
                    format!("bridge {id} was not deleted: it no longer carries customer_ref {customer_ref}"),
                    "look at the plan again: wab plan",
                ));
            }
            Ok(_) => match self.client.delete(id).await {
                Ok(()) => format!("bridge {id} deleted"),
                Err(wabridges::Error::NotFound { .. }) => format!("bridge {id} was gone already"),
                Err(error) if error.is_ambiguous() && self.is_gone(id).await => {
                    format!("bridge {id} deleted; the answer was lost, the provider no longer has it")
                }
                Err(error) => return Err(Error::provider("the deletion was not confirmed")(error)),
            },
        };
        self.store.record_delete(id, customer_ref).await?;
        Ok(Done { detail, bridge_id: Some(id) })
    }

    async fn is_gone(&self, id: BridgeId) -> bool {
        matches!(self.client.reader().get(id).await, Err(wabridges::Error::NotFound { .. }))
    }

    /// Waits until the step's first call may start, or somebody asks to stop: a call in the queue is not in flight.
    async fn wait_for_slot(&self, step: &Step) {
        let class = match step {
            Step::Bind { .. } | Step::SetStatus { .. } => return,
            Step::Provision { .. } => Class::Provision,
            Step::Delete { .. } => Class::Other,
        };
        loop {
            let wait = self.client.reader().duration_for(class, 1);
            if wait.is_zero() || self.stop.is_wished() {
                return;
            }
            tokio::select! { () = tokio::time::sleep(wait) => {}, () = self.stop.wished() => {} }
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

fn is_ambiguous(error: &Error) -> bool {
    matches!(error, Error::Provider { source, .. } if source.is_ambiguous())
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
