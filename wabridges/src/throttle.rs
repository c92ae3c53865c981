//! Limits the rate of calls, as a pure value that takes the time as an argument. It never waits, locks or sends.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::{Class, Limit, Limits};

/// A sliding window log per class: full speed within the limit, and no 429 for any alignment of the provider's windows.
///
/// The provider counts *arrivals* in fixed windows. The start of these windows and the travel time of a call are not known
/// here. Known are the time at which a call left (`try_acquire`) and the time at which its answer was complete (`finish`); it
/// arrived between the two. Therefore a call holds one of the `count` places from the moment it leaves until a whole window
/// after it has *ended*.
///
/// Proof: suppose `count + 1` calls arrive within one window, and take the last of them to leave. It left before the end of
/// the window. Each of the others ended after the start of the window, because it arrived in the window. So when the last one
/// left, each of the others was on its way or had ended less than a window ago: all `count` places were taken, and
/// `try_acquire` would have refused the last one. Counting from the time of *leaving* would be wrong: a slow call and a quick
/// one that leave a window apart can arrive at almost the same time.
///
/// The proof assumes that both clocks run at the same speed. Clocks kept by NTP differ by at most 500 ppm, so a margin of
/// twice that, 0.1 % of the window, is added, and at least 2 ms for the resolution of timers. With up to 600 ms of margin and
/// travel time per 60 s window, a run reaches 99 % of the allowed rate. A call that was given up (timeout, cancel) may still
/// arrive, so it counts as ended 1 % of a window later; see [`Throttle::give_up`].
#[derive(Clone, Debug)]
pub struct Throttle {
    provision: Log,
    proxy: Log,
    other: Log,
}

impl Throttle {
    /// A throttle without calls, with a margin of 0.1 % of each window, at least 2 ms.
    pub fn new(limits: Limits) -> Self {
        let log = |limit: Limit| Log::new(limit, (limit.window / 1000).max(Duration::from_millis(2)));
        Self { provision: log(limits.provision), proxy: log(limits.proxy), other: log(limits.other) }
    }

    /// A throttle without calls, with this margin for every class.
    pub fn with_margin(limits: Limits, margin: Duration) -> Self {
        let log = |limit: Limit| Log::new(limit, margin);
        Self { provision: log(limits.provision), proxy: log(limits.proxy), other: log(limits.other) }
    }

    /// Takes a place for a call that leaves now. The caller must end every call with [`Throttle::finish`],
    /// [`Throttle::give_up`] or [`Throttle::give_back`]; the place stays taken until then.
    ///
    /// # Errors
    /// The time to wait before the next attempt. It is exact if no call is on its way, and a lower bound otherwise.
    pub fn try_acquire(&mut self, class: Class, now: Instant) -> Result<(), Duration> {
        let log = self.log_mut(class);
        log.forget_expired(now);
        let wait = log.wait_for(1, now);
        if wait.is_zero() {
            log.in_flight += 1;
            Ok(())
        } else {
            Err(wait)
        }
    }

    /// Ends a call that was answered: its place is free one window after `ended`.
    pub fn finish(&mut self, class: Class, ended: Instant) {
        let log = self.log_mut(class);
        log.in_flight = log.in_flight.saturating_sub(1);
        log.insert(ended);
    }

    /// Ends a call that was given up without an answer. It may still arrive, so it counts as ended 1 % of a window after
    /// `ended`, at least 50 ms.
    pub fn give_up(&mut self, class: Class, ended: Instant) {
        let still_on_its_way = (self.log(class).window / 100).max(Duration::from_millis(50));
        self.finish(class, ended.checked_add(still_on_its_way).unwrap_or(ended));
    }

    /// Ends a call that the provider did not count: it did not arrive, or was answered with 429. Its place is free at once.
    pub fn give_back(&mut self, class: Class) {
        let log = self.log_mut(class);
        log.in_flight = log.in_flight.saturating_sub(1);
    }

    /// Forbids calls of this class before `until`. An earlier `until` does not shorten a longer block.
    pub fn block(&mut self, class: Class, until: Instant) {
        let log = self.log_mut(class);
        log.blocked_until = log.blocked_until.max(Some(until));
    }

    /// The remaining time of [`Throttle::block`] for this class.
    pub fn blocked_for(&self, class: Class, now: Instant) -> Duration {
        self.log(class).blocked_for(now)
    }

    /// Counts a call of an earlier run that ended at the time `at`.
    pub fn preload(&mut self, class: Class, at: Instant) {
        self.log_mut(class).insert(at);
    }

    /// The time until the `n`-th further call of this class may leave, assuming that each is answered at once and that every
    /// call on its way ends now; zero for `n == 0`.
    pub fn duration_for(&self, class: Class, n: usize, now: Instant) -> Duration {
        self.log(class).wait_for(n, now)
    }

    fn log(&self, class: Class) -> &Log {
        match class {
            Class::Provision => &self.provision,
            Class::Proxy => &self.proxy,
            Class::Other => &self.other,
        }
    }

    fn log_mut(&mut self, class: Class) -> &mut Log {
        match class {
            Class::Provision => &mut self.provision,
            Class::Proxy => &mut self.proxy,
            Class::Other => &mut self.other,
        }
    }
}

/// The calls of one class that still hold a place.
#[derive(Clone, Debug)]
struct Log {
    count: usize,
    /// The provider's window plus the margin.
    window: Duration,
    in_flight: usize,
    /// When the calls that are not in flight ended, oldest first.
    ended: VecDeque<Instant>,
    blocked_until: Option<Instant>,
}

impl Log {
    fn new(limit: Limit, margin: Duration) -> Self {
        Self {
            count: limit.count.max(1) as usize,
            window: limit.window.saturating_add(margin),
            in_flight: 0,
            ended: VecDeque::new(),
            blocked_until: None,
        }
    }

    fn insert(&mut self, ended: Instant) {
        let place = self.ended.partition_point(|earlier| *earlier <= ended);
        self.ended.insert(place, ended);
    }

    fn forget_expired(&mut self, now: Instant) {
        while self.ended.front().is_some_and(|ended| self.remaining(*ended, now).is_zero()) {
            self.ended.pop_front();
        }
    }

    /// The time until the place of a call is free. `ended` is in the future for a call that was given up.
    fn remaining(&self, ended: Instant, now: Instant) -> Duration {
        self.window
            .saturating_add(ended.saturating_duration_since(now))
            .saturating_sub(now.saturating_duration_since(ended))
    }

    fn blocked_for(&self, now: Instant) -> Duration {
        self.blocked_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// The first `count` calls wait for places that are held now; each later call waits for the one `count` calls before it.
    fn wait_for(&self, n: usize, now: Instant) -> Duration {
        let Some(n) = n.checked_sub(1) else { return Duration::ZERO };
        let (rounds, nth_of_round) = (n / self.count, n % self.count + 1);
        let expired = self.ended.iter().take_while(|ended| self.remaining(**ended, now).is_zero()).count();
        let held = self.in_flight + self.ended.len() - expired;
        let wait = match (held + nth_of_round).checked_sub(self.count) {
            None | Some(0) => Duration::ZERO,
            Some(places_to_fall_free) => match self.ended.get(expired + places_to_fall_free - 1) {
                Some(ended) => self.remaining(*ended, now),
                None => self.window,
            },
        };
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        wait.max(self.blocked_for(now)).saturating_add(self.window.saturating_mul(rounds))
    }
}

#[cfg(test)]
mod tests;
