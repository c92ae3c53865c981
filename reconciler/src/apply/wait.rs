//! Waiting for the provider's limits in a way that the wish to stop ends: a call in the queue is not in flight.

use std::time::Duration;

use wabridges::{Class, Error};

use super::Executor;
use crate::plan::Step;

impl Executor<'_> {
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
            self.progress.waiting(wait);
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
        Step::Bind { .. } | Step::SetStatus { .. } => None,
        Step::Provision { .. } => Some(Class::Provision),
        Step::Delete { .. } => Some(Class::Other),
    }
}
