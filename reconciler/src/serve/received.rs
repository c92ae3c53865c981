//! Counts what became of the webhooks, for `/metrics`, and says once a minute how many were refused: after a change of the keys all
//! of them may be.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time between two lines.
const EVERY: Duration = Duration::from_secs(60);

/// The address has no valid secret.
pub const NO_SECRET: &str = "no_secret";
/// The body is no event of the bridge.
pub const INVALID: &str = "invalid";
/// Too many events waited.
pub const BUSY: &str = "busy";
/// The database failed.
pub const FAILED: &str = "failed";

/// The outcomes that are in the metrics from the start, so that the first of each is an increase: these, and those of
/// wab_ingest_event().
const OUTCOMES: [&str; 10] =
    ["ambiguous", BUSY, "duplicate", FAILED, "ignored", INVALID, "late", "no_bridge", NO_SECRET, "recorded"];

/// The counts since the start.
#[derive(Debug)]
pub struct Received {
    counts: Mutex<Counts>,
    say: fn(&str),
}

#[derive(Debug)]
struct Counts {
    by_outcome: BTreeMap<String, u64>,
    /// When the last line was said, and how many had been refused for each reason.
    said: Option<(Instant, [u64; 2])>,
}

impl Received {
    /// None yet.
    pub fn new(say: fn(&str)) -> Self {
        let by_outcome = OUTCOMES.map(|outcome| (outcome.to_owned(), 0)).into();
        Self { counts: Mutex::new(Counts { by_outcome, said: None }), say }
    }

    /// Counts one.
    pub fn add(&self, outcome: &str) {
        let mut counts = self.lock();
        match counts.by_outcome.get_mut(outcome) {
            Some(count) => *count += 1,
            // A newer database may have more of them.
            None => drop(counts.by_outcome.insert(outcome.to_owned(), 1)),
        }
        if [NO_SECRET, INVALID].contains(&outcome) {
            counts.say(self.say);
        }
    }

    /// The metric in Prometheus' text format.
    pub fn exposition(&self) -> String {
        let mut text =
            "# HELP wab_webhooks_total Webhooks since the start of wab serve, by what became of them.\n\
                        # TYPE wab_webhooks_total counter\n"
                .to_owned();
        for (outcome, count) in &self.lock().by_outcome {
            let _ = writeln!(text, "wab_webhooks_total{{outcome=\"{outcome}\"}} {count}");
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn say(&mut self, say: fn(&str)) {
        if self.said.is_some_and(|(at, _)| at.elapsed() < EVERY) {
            return;
        }
        let refused =
            [NO_SECRET, INVALID].map(|outcome| self.by_outcome.get(outcome).copied().unwrap_or_default());
        let before = self.said.map_or([0, 0], |(_, before)| before);
        say(&format!(
            "warning: webhooks were refused: {} without a valid secret, {} that are no event of their bridge",
            refused[0] - before[0],
            refused[1] - before[1]
        ));
        self.said = Some((Instant::now(), refused));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static LINES: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn a_minute_has_one_line() {
        let received = Received::new(|line| {
            assert!(line.contains("1 without a valid secret, 0 that are no event"), "{line}");
            LINES.fetch_add(1, Ordering::Relaxed);
        });
        received.add("recorded");
        received.add(NO_SECRET);
        (0..1000).for_each(|_| received.add(INVALID));
        assert_eq!(LINES.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn each_outcome_is_a_counter_from_the_start() {
        let received = Received::new(|_| {});
        received.add("recorded");
        received.add("of a later version");
        let text = received.exposition();
        for line in
            ["{outcome=\"recorded\"} 1\n", "{outcome=\"busy\"} 0\n", "{outcome=\"of a later version\"} 1\n"]
        {
            assert!(text.contains(line), "{text}");
        }
    }
}
