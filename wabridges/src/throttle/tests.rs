//! Tests of the rate of calls: by hand-made cases, and by any alignment of the windows of a provider.

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
