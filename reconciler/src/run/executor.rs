//! The resources of a run, and waiting for the provider's limits. A stop request ends the wait, because a
//! waiting call was not sent yet.

use std::time::Duration;

use wabridges::{Class, Client, Error, WebhookKeys};

use crate::model::Step;
use crate::run::events::{Event, Events};
use crate::run::recorder::Recorder;
use crate::run::stop::Stop;

/// The resources of a run.
pub struct Executor<'a> {
    /// The provider.
    pub client: &'a Client,
    /// The keys for `{secret}` in a webhook_url.
    pub webhook_keys: Option<&'a WebhookKeys>,
    /// The database.
    pub recorder: Recorder<'a>,
    /// Receives the run's events.
    pub events: &'a dyn Events,
    /// The stop request.
    pub stop: Stop,
}

impl Executor<'_> {
    /// The shortest possible duration of the remaining steps at the provider's limits.
    pub(super) fn time_left(&self, steps: &[Step]) -> Duration {
        let count = |kind| steps.iter().filter(|step| step.kind() == kind).count();
        let time = |class, calls| match calls {
            0 => Duration::ZERO,
            calls => self.client.reader().duration_for(class, calls),
        };
        time(Class::Provision, count("provision")) + time(Class::Other, 2 * count("delete"))
    }

    /// How long until the limits allow the step's first call.
    pub(super) fn slot_in(&self, step: &Step) -> Duration {
        first_call(step).map_or(Duration::ZERO, |class| self.client.reader().duration_for(class, 1))
    }

    /// Waits until the limits allow the step's first call, or until a stop is requested.
    pub(super) async fn wait_for_slot(&self, step: &Step) {
        if let Some(class) = first_call(step) {
            self.wait(class).await;
        }
    }

    /// Waits until the limits allow a call of the class, or until a stop is requested. A 429 blocks the class
    /// for a while.
    pub(super) async fn wait(&self, class: Class) {
        loop {
            let wait = self.client.reader().duration_for(class, 1);
            if wait.is_zero() || self.stop.is_requested() {
                return;
            }
            self.events.emit(Event::WaitingForLimit(wait));
            tokio::select! { () = tokio::time::sleep(wait) => {}, () = self.stop.requested() => {} }
        }
    }

    /// After a 429: waits, if `patience` lasts that long, and returns whether to repeat the call.
    pub(super) async fn again<T>(
        &self,
        answer: &Result<T, Error>,
        class: Class,
        patience: &mut Duration,
    ) -> bool {
        let Err(Error::RateLimited { retry_after }) = answer else { return false };
        let Some(left) = patience.checked_sub(*retry_after) else { return false };
        *patience = left;
        self.wait(class).await;
        !self.stop.is_requested()
    }
}

fn first_call(step: &Step) -> Option<Class> {
    match step {
        Step::Unlink { .. } | Step::Link { .. } | Step::SetStatus { .. } => None,
        Step::Provision { .. } => Some(Class::Provision),
        Step::Delete { .. } => Some(Class::Other),
    }
}
