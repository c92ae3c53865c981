//! Counts the webhooks that were refused, and says so once a minute: after a change of the keys all of them may be.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time between two lines.
const EVERY: Duration = Duration::from_secs(60);

/// Why a webhook was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its address has no valid secret.
    Secret,
    /// Its body is no event of the bridge.
    Body,
}

/// The counts since the last line.
pub struct Refusals {
    counts: Mutex<Counts>,
    say: fn(&str),
}

#[derive(Default)]
struct Counts {
    secret: u64,
    body: u64,
    said: Option<Instant>,
}

impl Refusals {
    /// None yet.
    pub fn new(say: fn(&str)) -> Self {
        Self { counts: Mutex::default(), say }
    }

    /// Counts one.
    pub fn add(&self, refusal: Refusal) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match refusal {
            Refusal::Secret => counts.secret += 1,
            Refusal::Body => counts.body += 1,
        }
        if counts.said.is_none_or(|said| said.elapsed() >= EVERY) {
            (self.say)(&format!(
                "warning: webhooks were refused: {} without a valid secret, {} that are no event of their bridge",
                counts.secret, counts.body
            ));
            *counts = Counts { said: Some(Instant::now()), ..Counts::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static LINES: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn a_minute_has_one_line() {
        let refusals = Refusals::new(|line| {
            assert!(line.contains("1 without a valid secret, 0 that are no event"), "{line}");
            LINES.fetch_add(1, Ordering::Relaxed);
        });
        refusals.add(Refusal::Secret);
        (0..1000).for_each(|_| refusals.add(Refusal::Body));
        assert_eq!(LINES.load(Ordering::Relaxed), 1);
    }
}
