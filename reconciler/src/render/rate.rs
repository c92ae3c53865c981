//! How fast a run goes, and how long it will last.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::ground::span;

/// The rate is measured over the last minute.
const WINDOW: Duration = Duration::from_secs(60);

/// The shortest time over which the rate is measured.
const SHORT: Duration = Duration::from_secs(1);

/// The steps done, their rate, and the steps left.
#[derive(Debug)]
pub struct Rate {
    pub total: usize,
    pub done: usize,
    /// The kind of the current step, and when steps of this kind began.
    kind: &'static str,
    since: Instant,
    /// The steps of this kind that ended within the last minute.
    recent: VecDeque<(Instant, usize)>,
    /// The earliest end that the provider's limits allow.
    due: Instant,
    /// Until when the run waits for the provider's limits.
    waits_until: Option<Instant>,
}

impl Rate {
    /// A run of so many steps begins, and takes at least this long.
    pub fn new(total: usize, left: Duration, now: Instant) -> Self {
        let (recent, due) = (VecDeque::new(), now + left);
        Self { total, done: 0, kind: "", since: now, recent, due, waits_until: None }
    }

    /// A step of this kind begins; the remaining ones take at least this long.
    pub fn begin(&mut self, kind: &'static str, left: Duration, now: Instant) {
        self.due = now + left;
        if self.kind != kind {
            (self.kind, self.since) = (kind, now);
            self.recent.clear();
        }
    }

    /// The run waits this long for the provider's limits.
    pub fn wait(&mut self, wait: Duration, now: Instant) {
        self.waits_until = Some(now + wait);
    }

    /// So many steps were tried; the remaining ones take at least this long.
    pub fn finish(&mut self, steps: usize, left: Duration, now: Instant) {
        while self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.recent.pop_front();
        }
        self.recent.push_back((now, steps));
        self.done += steps;
        self.due = now + left;
    }

    /// Steps per minute.
    fn per_minute(&self, now: Instant) -> f64 {
        let window = now.duration_since(self.since).clamp(SHORT, WINDOW);
        let recent = self.recent.iter().filter(|(at, _)| now.duration_since(*at) <= WINDOW);
        let done: usize = recent.map(|(_, n)| n).sum();
        f64::from(u32::try_from(done).unwrap_or(u32::MAX)) * 60.0 / window.as_secs_f64()
    }

    /// The longer one of two estimates: from the limits, and from the measured rate.
    pub fn eta(&self, now: Instant) -> Duration {
        let limits = self.due.saturating_duration_since(now);
        let rate = self.per_minute(now);
        let left = f64::from(u32::try_from(self.total - self.done).unwrap_or(u32::MAX));
        let measured = if rate > 0.0 { Duration::try_from_secs_f64(left * 60.0 / rate) } else { Ok(limits) };
        limits.max(measured.unwrap_or(limits))
    }

    /// The numbers of a JSON event.
    pub fn numbers(&self, now: Instant) -> Value {
        let rate = (self.per_minute(now) * 10.0).round() / 10.0;
        let eta = self.eta(now).as_secs_f64().ceil();
        json!({"done": self.done, "total": self.total, "rate_per_minute": rate, "eta_seconds": eta})
    }

    /// In words, such as `10.0 a minute, 9m left`.
    pub fn words(&self, now: Instant) -> String {
        let whole = Duration::from_secs(self.eta(now).as_secs_f64().ceil() as u64);
        match self.waits_until {
            Some(until) if until > now => format!("{} left, waiting for the limit", span(whole)),
            _ => format!("{:.1} a minute, {} left", self.per_minute(now), span(whole)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_measured_and_the_later_of_two_estimates_counts() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut rate = Rate::new(100, Duration::from_secs(30), began);
        rate.begin("provision", Duration::from_secs(30), began);
        assert_eq!(rate.words(began), "0.0 a minute, 30s left");
        (1..=10).for_each(|n| rate.finish(1, Duration::ZERO, at(n * 6)));
        assert_eq!(rate.words(at(60)), "10.0 a minute, 9m left");
        rate.begin("provision", Duration::from_secs(7200), at(60));
        assert_eq!(rate.words(at(60)), "10.0 a minute, 2h left");
        rate.wait(Duration::from_secs(1), at(61));
        assert_eq!(rate.words(at(61)), "1h 59m left, waiting for the limit");
        assert_eq!(rate.words(at(62)), "10.0 a minute, 1h 59m left");
        assert_eq!(rate.per_minute(at(200)), 0.0);
        rate.finish(1, Duration::ZERO, at(200));
        assert_eq!(rate.recent.len(), 1, "older steps are forgotten");
        rate.begin("delete", Duration::ZERO, at(201));
        assert_eq!(rate.per_minute(at(201)), 0.0, "another kind is measured anew");
    }

    #[test]
    fn seconds_are_whole_numbers() {
        let began = Instant::now();
        let rate = Rate::new(100, Duration::from_secs(30), began);
        let numbers = rate.numbers(began + Duration::from_millis(500));
        assert_eq!(numbers, json!({"done": 0, "total": 100, "rate_per_minute": 0.0, "eta_seconds": 30.0}));
    }
}
