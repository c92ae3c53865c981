//! Computes the shortest possible duration of a plan at the provider's limits.

use std::time::{Duration, Instant};

use wabridges::{Class, Limits, Throttle};

use crate::model::RecentCall;

/// The inputs of the duration.
pub struct Pace<'a> {
    /// The limits of the run.
    pub limits: &'a Limits,
    /// Calls of earlier runs.
    pub recent: &'a [RecentCall],
}

impl Pace<'_> {
    /// When the last call may start, after the calls of earlier runs. A provision is followed by a read of
    /// its session. A deletion is two calls of the class `other`; the listing counts towards the same window.
    pub fn duration(&self, creates: usize, deletes: usize) -> Duration {
        // Only differences of times matter, so any moment will do.
        let now = Instant::now();
        let mut throttle = Throttle::with_margin(*self.limits, Duration::ZERO);
        throttle.preload(Class::Other, now);
        for call in self.recent {
            // A call from before the machine's clock began is older than every window.
            if let Some(at) = now.checked_sub(call.ago) {
                throttle.preload(call.class, at);
            }
        }
        let provisions = throttle.duration_for(Class::Provision, creates, now).max(throttle.duration_for(
            Class::Proxy,
            creates,
            now,
        ));
        provisions + throttle.duration_for(Class::Other, 2 * deletes, now)
    }
}
