//! What became of a call, for the throttle.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Class, Throttle};

/// A place in the throttle. Dropping it ends the call for the throttle, so a cancelled call counts too.
pub struct Place<'a> {
    throttle: &'a Mutex<Throttle>,
    class: Class,
    end: PlaceEnd,
}

#[derive(Clone, Copy)]
enum PlaceEnd {
    Answered,
    GivenUp,
    NotCounted,
}

impl<'a> Place<'a> {
    /// A place that the throttle gave to a call of this class.
    pub fn of(throttle: &'a Mutex<Throttle>, class: Class) -> Self {
        Self { throttle, class, end: PlaceEnd::GivenUp }
    }

    /// The provider answered, so it counted the call.
    pub fn answered(mut self) {
        self.end = PlaceEnd::Answered;
    }

    /// The call did not reach the provider.
    pub fn never_used(mut self) {
        self.end = PlaceEnd::NotCounted;
    }

    /// The provider answered 429: it did not count the call, and refuses further ones for the time `wait`.
    pub fn refused(mut self, wait: Duration) {
        self.end = PlaceEnd::NotCounted;
        let now = Instant::now();
        if let Some(until) = now.checked_add(wait) {
            lock(self.throttle).block(self.class, until);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut throttle = lock(self.throttle);
        match self.end {
            PlaceEnd::Answered => throttle.finish(self.class, Instant::now()),
            PlaceEnd::GivenUp => throttle.give_up(self.class, Instant::now()),
            PlaceEnd::NotCounted => throttle.give_back(self.class),
        }
    }
}

/// Locks the throttle. It goes on after a panic elsewhere, which left it whole.
pub fn lock(throttle: &Mutex<Throttle>) -> MutexGuard<'_, Throttle> {
    throttle.lock().unwrap_or_else(PoisonError::into_inner)
}
