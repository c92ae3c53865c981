//! Simulates ten thousand provisions on a virtual clock: no 429 for any alignment of the provider's windows, at 99 % of the rate.

use std::time::{Duration, Instant};

use wabridges::{Class, Limits, Throttle};

const STEPS: usize = 10_000;
/// Every second of a minute, with sixteen moments in each.
const ALIGNMENTS: u32 = 60 * 16;

/// A small pseudo-random generator with a fixed seed.
struct Numbers(u64);

impl Numbers {
    /// The travel time to the provider or back: 5 to 250 ms.
    fn way(&mut self) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(5 + (self.0 >> 33) % 246)
    }
}

/// Makes one call as soon as the throttle allows it; returns when it arrived.
fn call(throttle: &mut Throttle, class: Class, clock: &mut Instant, numbers: &mut Numbers) -> Instant {
    while let Err(wait) = throttle.try_acquire(class, *clock) {
        *clock += wait;
    }
    let arrived = *clock + numbers.way();
    *clock = arrived + numbers.way();
    throttle.finish(class, *clock);
    arrived
}

/// The largest number of calls in one fixed window, if the first window begins `into_it` before the first call.
fn fullest_window(arrivals: &[Instant], window: Duration, into_it: Duration) -> usize {
    let nth = |at: &Instant| (at.duration_since(arrivals[0]) + into_it).as_nanos() / window.as_nanos();
    arrivals.chunk_by(|a, b| nth(a) == nth(b)).map(<[_]>::len).max().unwrap_or(0)
}

#[test]
fn ten_thousand_provisions_meet_no_429_and_run_at_99_percent() {
    for seed in 1..=5 {
        let limits = Limits::default();
        let (mut throttle, mut numbers) = (Throttle::new(limits), Numbers(seed));
        let start = Instant::now();
        let mut clock = start;
        let (mut provisions, mut sessions) = (Vec::new(), Vec::new());
        for _ in 0..STEPS {
            // The order of wab apply: a provision, then a request for the session's status.
            provisions.push(call(&mut throttle, Class::Provision, &mut clock, &mut numbers));
            sessions.push(call(&mut throttle, Class::Proxy, &mut clock, &mut numbers));
        }
        for (arrivals, limit) in [(&provisions, limits.provision), (&sessions, limits.proxy)] {
            for nth in 0..ALIGNMENTS {
                let fullest = fullest_window(arrivals, limit.window, limit.window * nth / ALIGNMENTS);
                assert!(
                    fullest <= limit.count as usize,
                    "seed {seed}, alignment {nth}: {fullest} in a window"
                );
            }
        }
        let allowed = limits.provision.window.mul_f64(STEPS as f64 / f64::from(limits.provision.count));
        let rate = allowed.as_secs_f64() / (clock - start).as_secs_f64();
        println!("seed {seed}: {:.2} % of the allowed rate, {ALIGNMENTS} alignments, no 429", rate * 100.0);
        assert!(rate >= 0.99, "seed {seed}: {rate}");
    }
}
