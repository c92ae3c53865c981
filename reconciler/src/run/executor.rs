//! What a run works with, and its waiting for the provider's limits, which the wish to stop ends: a call in the queue is
//! not in flight.

use std::time::Duration;

use wabridges::{Class, Client, Error};

use crate::db::journal::Journal;
use crate::db::store::Store;
use crate::model::Step;
use crate::run::events::{Event, Events};
use crate::run::stop::Stop;

/// All that a run works with.
pub struct Executor<'a> {
    /// The provider.
    pub client: &'a Client,
    /// The database.
    pub store: &'a mut Store,
    /// The run's trail.
    pub journal: &'a mut Journal,
    /// Who is told what happens.
    pub events: &'a dyn Events,
    /// The wish to stop.
    pub stop: Stop,
}

impl Executor<'_> {
    /// How long the limits make the rest take, at the least.
    pub(super) fn time_left(&self, steps: &[Step]) -> Duration {
        let count = |kind| steps.iter().filter(|step| step.kind() == kind).count();
        let time = |class, calls| match calls {
            0 => Duration::ZERO,
            calls => self.client.reader().duration_for(class, calls),
        };
        time(Class::Provision, count("provision")) + time(Class::Other, 2 * count("delete"))
    }

    /// How long until the step's first call may start.
    pub(super) fn slot_in(&self, step: &Step) -> Duration {
        first_call(step).map_or(Duration::ZERO, |class| self.client.reader().duration_for(class, 1))
    }

    /// Waits until the step's first call may start, or somebody asks to stop.
    pub(super) async fn wait_for_slot(&self, step: &Step) {
        if let Some(class) = first_call(step) {
            self.wait(class).await;
        }
    }

    /// Waits until a call of the class may start, or somebody asks to stop. What a 429 blocks is part of it.
    pub(super) async fn wait(&self, class: Class) {
        loop {
            let wait = self.client.reader().duration_for(class, 1);
            if wait.is_zero() || self.stop.is_wished() {
                return;
            }
            self.events.emit(Event::WaitingForLimit(wait));
            tokio::select! { () = tokio::time::sleep(wait) => {}, () = self.stop.wished() => {} }
        }
    }

    /// After a 429: waits as long as `patience` lasts, and says whether the call shall be made again.
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
        !self.stop.is_wished()
    }
}

fn first_call(step: &Step) -> Option<Class> {
    match step {
        Step::Link { .. } | Step::SetStatus { .. } => None,
        Step::Provision { .. } => Some(Class::Provision),
        Step::Delete { .. } => Some(Class::Other),
    }
}
