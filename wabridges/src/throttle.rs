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
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;

    const CLASS: Class = Class::Provision;
    const SECOND: Duration = Duration::from_secs(1);

    fn throttle(limit: &str, margin: Duration) -> Throttle {
        Throttle::with_margin(Limits { provision: limit.parse().unwrap(), ..Limits::default() }, margin)
    }

    fn call(throttle: &mut Throttle, at: Instant) {
        throttle.try_acquire(CLASS, at).unwrap();
        throttle.finish(CLASS, at);
    }

    #[test]
    fn full_speed_inside_the_limit_then_a_window_and_its_margin() {
        let (mut throttle, start) = (Throttle::new(Limits::default()), Instant::now());
        for _ in 0..10 {
            call(&mut throttle, start);
        }
        let wait = Duration::from_millis(60_060);
        assert_eq!(throttle.try_acquire(CLASS, start), Err(wait));
        assert_eq!(throttle.try_acquire(CLASS, start + SECOND), Err(wait - SECOND));
        assert_eq!(throttle.try_acquire(CLASS, start + wait), Ok(()));
        assert_eq!(throttle.try_acquire(Class::Proxy, start), Ok(()), "the classes are counted apart");
    }

    #[test]
    fn a_call_on_its_way_holds_its_place_for_as_long_as_it_takes() {
        let (mut throttle, start) = (throttle("1/10s", Duration::ZERO), Instant::now());
        throttle.try_acquire(CLASS, start).unwrap();
        assert_eq!(throttle.try_acquire(CLASS, start + SECOND * 30), Err(SECOND * 10));
        throttle.finish(CLASS, start + SECOND * 35);
        assert_eq!(throttle.try_acquire(CLASS, start + SECOND * 40), Err(SECOND * 5));
        assert_eq!(throttle.try_acquire(CLASS, start + SECOND * 45), Ok(()));
        throttle.give_back(CLASS);
        assert_eq!(throttle.try_acquire(CLASS, start + SECOND * 45), Ok(()));
    }

    #[test]
    fn a_call_given_up_counts_from_when_it_may_have_arrived() {
        let (mut throttle, start) = (throttle("1/10s", Duration::ZERO), Instant::now());
        throttle.try_acquire(CLASS, start).unwrap();
        throttle.give_up(CLASS, start);
        assert_eq!(throttle.try_acquire(CLASS, start), Err(Duration::from_millis(10_100)));
        assert_eq!(throttle.try_acquire(CLASS, start + Duration::from_millis(10_100)), Ok(()));
    }

    #[test]
    fn blocks_only_grow_and_calls_of_an_earlier_run_count() {
        let (mut throttle, start) = (throttle("2/10s", Duration::ZERO), Instant::now());
        throttle.block(CLASS, start + SECOND * 5);
        throttle.block(CLASS, start + SECOND);
        assert_eq!(throttle.try_acquire(CLASS, start), Err(SECOND * 5));
        assert_eq!(throttle.blocked_for(CLASS, start + SECOND * 2), SECOND * 3);
        for ago in [1, 8, 20] {
            throttle.preload(CLASS, start + SECOND * 20 - SECOND * ago);
        }
        assert_eq!(throttle.try_acquire(CLASS, start + SECOND * 20), Err(SECOND * 2));
    }

    #[test]
    fn the_duration_is_what_a_run_takes() {
        let start = Instant::now();
        let mut throttle = throttle("3/10s", SECOND);
        for ago in [0, 4, 30] {
            throttle.preload(CLASS, start + SECOND * 30 - SECOND * ago);
        }
        let now = start + SECOND * 30;
        throttle.block(CLASS, now + SECOND * 2);
        let mut clock = now;
        for n in 1..=20 {
            while let Err(wait) = throttle.try_acquire(CLASS, clock) {
                assert!(!wait.is_zero());
                clock += wait;
            }
            throttle.finish(CLASS, clock);
            let mut fresh = throttle_before_the_run(start);
            fresh.block(CLASS, now + SECOND * 2);
            assert_eq!(fresh.duration_for(CLASS, n, now), clock - now, "call {n}");
        }
        assert_eq!(throttle.duration_for(CLASS, 0, clock), Duration::ZERO);
        assert!(throttle.duration_for(CLASS, usize::MAX, clock) > SECOND);
    }

    fn throttle_before_the_run(start: Instant) -> Throttle {
        let mut throttle = throttle("3/10s", SECOND);
        for ago in [0, 4, 30] {
            throttle.preload(CLASS, start + SECOND * 30 - SECOND * ago);
        }
        throttle
    }

    #[test]
    fn a_thousand_new_tenants_take_a_hundred_minutes() {
        let throttle = Throttle::with_margin(Limits::default(), Duration::ZERO);
        assert_eq!(throttle.duration_for(CLASS, 1000, Instant::now()), SECOND * 60 * 99);
    }

    /// A small pseudo-random generator with a fixed seed.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }

        /// Up to 200 ms; every tenth up to 15 s, which is longer than a window.
        fn latency(&mut self) -> Duration {
            let most = if self.below(10) == 0 { 15_000 } else { 200 };
            Duration::from_millis(self.below(most))
        }
    }

    /// Makes calls as early as the throttle allows, up to eight at a time. Returns when each arrived at the provider.
    fn arrivals(throttle: &mut Throttle, numbers: &mut Numbers) -> Vec<Instant> {
        let mut clock = Instant::now();
        let (mut ends, mut arrivals) = (BinaryHeap::new(), Vec::new());
        while arrivals.len() < 200 {
            while ends.peek().is_some_and(|Reverse(end)| *end <= clock) {
                if let Some(Reverse(end)) = ends.pop() {
                    throttle.finish(CLASS, end);
                }
            }
            let next_end = ends.peek().map(|Reverse(end)| *end);
            if ends.len() >= 8 {
                clock = next_end.unwrap();
                continue;
            }
            match throttle.try_acquire(CLASS, clock) {
                Ok(()) => {
                    let arrived = clock + numbers.latency();
                    arrivals.push(arrived);
                    ends.push(Reverse(arrived + numbers.latency()));
                }
                Err(wait) => clock = next_end.map_or(clock + wait, |end| end.min(clock + wait)),
            }
        }
        arrivals
    }

    /// If some fixed window holds more than `count` arrivals, then some `count + 1` arrivals lie less than a window apart.
    #[test]
    fn no_alignment_of_windows_ever_sees_too_many_arrivals() {
        for seed in 0..200 {
            let mut numbers = Numbers(seed);
            let count = 1 + numbers.below(10) as usize;
            let mut throttle = throttle(&format!("{count}/10s"), Duration::ZERO);
            let mut arrivals = arrivals(&mut throttle, &mut numbers);
            arrivals.sort();
            for pair in arrivals.windows(count + 1) {
                let apart = pair[count] - pair[0];
                assert!(apart >= SECOND * 10, "seed {seed}: {} arrivals within {apart:?}", count + 1);
            }
        }
    }
}
