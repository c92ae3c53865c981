//! How long the provider's limits make a plan take, at the least; pure, and nothing waits here.

use std::time::{Duration, Instant};

use wabridges::{Class, Limits, Throttle};

use crate::model::RecentCall;

/// What decides how fast calls may be made.
pub struct Pace<'a> {
    /// The limits that the run will keep to.
    pub limits: &'a Limits,
    /// Calls of earlier runs.
    pub recent: &'a [RecentCall],
}

impl Pace<'_> {
    /// When the last call may start, after those of earlier runs. A provision is followed by a look at its session; a
    /// deletion is two calls of the class `other`, whose window also holds the listing.
    pub fn duration(&self, creates: usize, deletes: usize) -> Duration {
        // Only differences of times matter, so any moment would do.
        let now = Instant::now();
        let mut throttle = Throttle::with_margin(*self.limits, Duration::ZERO);
        throttle.preload(Class::Other, now);
        for call in self.recent {
            // What is older than the machine's own clock is older than any window.
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
