//! Counts requests per key in windows of time. The clock is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// So many keys are counted at the same time. Further ones wait, so that no flood of keys fills the memory.
const KEYS: usize = 10_000;

/// The requests of each key in its present window.
#[derive(Debug)]
pub struct Windows<K> {
    limit: u32,
    window: Duration,
    counts: HashMap<K, (Instant, u32)>,
}

impl<K: Eq + Hash> Windows<K> {
    /// At most `limit` requests per key and window.
    pub fn new(limit: u32, window: Duration) -> Self {
        Self { limit, window, counts: HashMap::new() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The time to wait: the limit is reached, and the request is not counted.
    pub fn take(&mut self, key: K, now: Instant) -> Result<(), Duration> {
        if self.counts.len() >= KEYS && !self.counts.contains_key(&key) {
            let window = self.window;
            self.counts.retain(|_, (began, _)| now.duration_since(*began) < window);
            if self.counts.len() >= KEYS {
                return Err(window);
            }
        }
        let (began, count) = self.counts.entry(key).or_insert((now, 0));
        if now.duration_since(*began) >= self.window {
            (*began, *count) = (now, 0);
        }
        if *count >= self.limit {
            return Err(self.window.saturating_sub(now.duration_since(*began)));
        }
        *count += 1;
        Ok(())
    }

    /// Takes a counted request back.
    pub fn give_back(&mut self, key: &K) {
        if let Some((_, count)) = self.counts.get_mut(key) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_key_waits_for_the_end_of_its_window_and_others_do_not() {
        let (mut windows, start) = (Windows::new(2, SECOND * 10), Instant::now());
        assert_eq!(windows.take("a", start), Ok(()));
        assert_eq!(windows.take("a", start + SECOND), Ok(()));
        assert_eq!(windows.take("a", start + SECOND * 4), Err(SECOND * 6));
        assert_eq!(windows.take("b", start + SECOND * 4), Ok(()));
        windows.give_back(&"a");
        assert_eq!(windows.take("a", start + SECOND * 5), Ok(()));
        assert_eq!(windows.take("a", start + SECOND * 9), Err(SECOND));
        assert_eq!(windows.take("a", start + SECOND * 10), Ok(()));
    }

    #[test]
    fn a_flood_of_keys_is_refused_until_a_window_is_over() {
        let (mut windows, start) = (Windows::new(1, SECOND), Instant::now());
        for key in 0..KEYS {
            assert_eq!(windows.take(key, start), Ok(()));
        }
        assert_eq!(windows.take(KEYS, start), Err(SECOND));
        assert_eq!(windows.take(KEYS, start + SECOND), Ok(()));
        assert_eq!(windows.counts.len(), 1);
    }
}
