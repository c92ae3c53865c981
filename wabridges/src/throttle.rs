//! Pacing as a pure value: the clock is an argument, and nothing here waits, locks or sends.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::{Class, Limit, Limits};

/// A sliding window log per class: full speed inside the limit, and no 429 under any alignment of windows.
///
/// The provider counts *arrivals* in fixed windows that begin when it likes. We know neither that moment nor how long
/// a call was on its way; we know when it left (`try_acquire`) and when its answer was here (`finish`), and that it
/// arrived between the two. So a call holds one of the `count` places from the moment it leaves until a whole window
/// after it has *ended*.
///
/// Why that is enough: suppose `count + 1` calls arrive within one window, and look at the last of them to leave. It
/// left before the window's end, and each of the others ended after the window's beginning, for it arrived there. So
/// when the last one left, each of the others was on its way or had ended less than a window ago: all `count` places
/// were taken, and the last one was not let go. Counting from the time of *leaving* would not do: a slow call and a
/// quick one that leave a window apart can arrive side by side.
///
/// The margin added to the window covers what the proof takes for granted: that both clocks run at the same speed.
/// Clocks that are kept by NTP differ by at most 500 ppm, so it is twice that: 0.1 % of the window, and at least 2 ms
/// for the grain of timers. Together with the way to the provider and back, a window that allows 600 ms of it keeps a
/// run at 99 % of the allowed rate. A call given up (timeout, cancel) may be on its way still: it is taken to end
/// [`Throttle::give_up`]'s 1 % of a window later.
#[derive(Clone, Debug)]
pub struct Throttle {
    provision: Log,
    proxy: Log,
    other: Log,
}

impl Throttle {
    /// Nothing called yet, with a margin of 0.1 % of each window, at least 2 ms.
    pub fn new(limits: Limits) -> Self {
        let log = |limit: Limit| Log::new(limit, (limit.window / 1000).max(Duration::from_millis(2)));
        Self { provision: log(limits.provision), proxy: log(limits.proxy), other: log(limits.other) }
    }

    /// The same with another margin, for every class.
    pub fn with_margin(limits: Limits, margin: Duration) -> Self {
        let log = |limit: Limit| Log::new(limit, margin);
        Self { provision: log(limits.provision), proxy: log(limits.proxy), other: log(limits.other) }
    }

    /// Takes a place for a call that leaves now. Every `Ok` must be followed by one [`Throttle::finish`],
    /// [`Throttle::give_up`] or [`Throttle::give_back`]: until then the place is taken, however long that is.
    ///
    /// # Errors
    /// How long to wait before asking again. It is exact when no call is on its way; otherwise the least possible.
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

    /// A call has been answered: its window starts now.
    pub fn finish(&mut self, class: Class, ended: Instant) {
        let log = self.log_mut(class);
        log.in_flight = log.in_flight.saturating_sub(1);
        log.insert(ended);
    }

    /// A call was given up without an answer: it may arrive yet, so its window starts 1 % of a window from now, at
    /// least 50 ms.
    pub fn give_up(&mut self, class: Class, ended: Instant) {
        let still_on_its_way = (self.log(class).window / 100).max(Duration::from_millis(50));
        self.finish(class, ended.checked_add(still_on_its_way).unwrap_or(ended));
    }

    /// A call was not counted by the provider: it never got there, or was answered with 429.
    pub fn give_back(&mut self, class: Class) {
        let log = self.log_mut(class);
        log.in_flight = log.in_flight.saturating_sub(1);
    }

    /// No call of this class may leave before `until`; an earlier `until` does not shorten a longer block.
    pub fn block(&mut self, class: Class, until: Instant) {
        let log = self.log_mut(class);
        log.blocked_until = log.blocked_until.max(Some(until));
    }

    /// How much of the wait for this class is due to [`Throttle::block`].
    pub fn blocked_for(&self, class: Class, now: Instant) -> Duration {
        self.log(class).blocked_for(now)
    }

    /// Counts a call known from an earlier run, which had ended `at` that time.
    pub fn preload(&mut self, class: Class, at: Instant) {
        self.log_mut(class).insert(at);
    }

    /// The time until the `n`-th further call of this class may leave, if each is answered at once and every call on
    /// its way ends now; zero for `n == 0`.
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
    /// The provider's window and our margin.
    window: Duration,
    in_flight: usize,
    /// When the others ended, oldest first.
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

    /// `ended` may lie ahead, of a call that was given up.
    fn remaining(&self, ended: Instant, now: Instant) -> Duration {
        self.window
            .saturating_add(ended.saturating_duration_since(now))
            .saturating_sub(now.saturating_duration_since(ended))
    }

    fn blocked_for(&self, now: Instant) -> Duration {
        self.blocked_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// The first `count` calls wait for places held now; each later one for the call `count` before it.
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

    /// A small generator of numbers that look random, the same on every run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }

        /// Mostly quick, sometimes slower than a whole window.
        fn latency(&mut self) -> Duration {
            let most = if self.below(10) == 0 { 15_000 } else { 200 };
            Duration::from_millis(self.below(most))
        }
    }

    /// Calls leave as early as they may, up to eight at a time; returns when each arrived at the provider.
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

    /// More than `count` in a fixed window of any alignment means: some `count + 1` arrivals lie less than a window
    /// apart.
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
