//! Shares the provider's limit among the open pages: so many bridges are served at the same time, and the others wait in a line.
//! The clock is an argument.

use std::time::{Duration, Instant};

use wabridges::Limit;

/// The time between two calls for one bridge.
pub const EVERY: Duration = Duration::from_secs(15);
/// A page stops after this time, until its reader goes on. Then its place goes to one that waits.
const STAY: Duration = Duration::from_secs(180);
/// A page that did not ask for this time is closed or hidden.
const IDLE: Duration = Duration::from_secs(30);
/// As many as the server has connections.
const MOST: usize = 512;
/// So many bridges wait; further ones are told to come again.
const LINE: usize = 1000;

/// The bridges that are served, and those that wait.
#[derive(Debug)]
pub struct Places {
    capacity: usize,
    served: Vec<Place>,
    line: Vec<Waiter>,
}

#[derive(Debug)]
struct Place {
    bridge_id: i64,
    until: Instant,
    asked: Instant,
}

#[derive(Debug)]
struct Waiter {
    bridge_id: i64,
    asked: Instant,
}

impl Places {
    /// As many places as fit into half of this limit, with a call every 15 s each. The other half is left to `wab` and SQL.
    pub fn new(limit: Limit) -> Self {
        let per_window = u128::from(limit.count) * EVERY.as_millis();
        let capacity = per_window / (2 * limit.window.as_millis().max(1));
        let capacity = usize::try_from(capacity).unwrap_or(MOST).clamp(1, MOST);
        Self { capacity, served: Vec::new(), line: Vec::new() }
    }

    /// Takes a place for this bridge, or keeps it.
    ///
    /// # Errors
    /// About how long this bridge waits for a place. It is in the line while it asks again within half a minute.
    pub fn take(&mut self, bridge_id: i64, now: Instant) -> Result<(), Duration> {
        let is_fresh = |asked: Instant| now.duration_since(asked) < IDLE;
        self.served.retain(|place| is_fresh(place.asked));
        self.line.retain(|waiter| is_fresh(waiter.asked));
        let is_over = |place: &Place| place.until <= now;
        if let Some(nth) = self.served.iter().position(|place| place.bridge_id == bridge_id) {
            let place = &mut self.served[nth];
            place.asked = now;
            if !is_over(place) || self.line.is_empty() {
                return Ok(());
            }
            self.served.remove(nth);
        }
        let nth = match self.line.iter().position(|waiter| waiter.bridge_id == bridge_id) {
            Some(nth) => nth,
            None if self.line.len() >= LINE => return Err(STAY),
            None => {
                self.line.push(Waiter { bridge_id, asked: now });
                self.line.len() - 1
            }
        };
        self.line[nth].asked = now;
        let free = self.capacity.saturating_sub(self.served.len());
        let ahead = (nth + 1).saturating_sub(free);
        if ahead == 0 {
            return self.enter(nth, bridge_id, now);
        }
        let mut ends: Vec<Duration> =
            self.served.iter().map(|place| place.until.saturating_duration_since(now)).collect();
        ends.sort_unstable();
        // Each place falls free once per stay.
        let (rounds, nth) = ((ahead - 1) / self.capacity, (ahead - 1) % self.capacity);
        let end = ends.get(nth).or(ends.last()).copied().unwrap_or_default();
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        Err((end + STAY.saturating_mul(rounds)).max(Duration::from_secs(1)))
    }

    /// Frees the place of a bridge that is paired.
    pub fn leave(&mut self, bridge_id: i64) {
        self.served.retain(|place| place.bridge_id != bridge_id);
        self.line.retain(|waiter| waiter.bridge_id != bridge_id);
    }

    fn enter(&mut self, nth: usize, bridge_id: i64, now: Instant) -> Result<(), Duration> {
        self.line.remove(nth);
        self.served.push(Place { bridge_id, until: now + STAY, asked: now });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn places(limit: &str) -> (Places, Instant) {
        (Places::new(limit.parse().unwrap()), Instant::now())
    }

    #[test]
    fn half_of_the_published_limit_is_fifteen_places() {
        for (limit, capacity) in [("120/60s", 15), ("4/60s", 1), ("1/1h", 1), ("120/1s", 512)] {
            assert_eq!(places(limit).0.capacity, capacity, "{limit}");
        }
    }

    #[test]
    fn one_too_many_waits_for_the_first_place_that_ends() {
        let (mut places, start) = places("16/60s");
        assert_eq!((places.take(1, start), places.take(2, start + SECOND)), (Ok(()), Ok(())));
        let later = start + SECOND * 20;
        assert_eq!(places.take(3, later), Err(SECOND * 160));
        assert_eq!(places.take(4, later), Err(SECOND * 161));
        assert_eq!(places.take(5, later), Err(SECOND * (160 + 180)));
        assert_eq!(places.take(1, later), Ok(()), "a place is kept");
        // The second one stopped asking, and the first in the line follows.
        let then = start + SECOND * 35;
        assert_eq!(places.take(4, then), Err(SECOND * 145));
        assert_eq!(places.take(3, then), Ok(()));
        // One that is paired makes room too.
        places.leave(1);
        assert_eq!(places.take(4, then), Ok(()));
    }

    #[test]
    fn a_place_ends_after_three_minutes_if_somebody_waits() {
        let (mut places, start) = places("8/60s");
        for second in (0..=200).step_by(20) {
            assert_eq!(places.take(1, start + SECOND * second), Ok(()), "nobody waits");
        }
        assert_eq!(places.take(2, start + SECOND * 201), Err(SECOND));
        assert!(places.take(1, start + SECOND * 202).is_err());
        assert_eq!(places.take(2, start + SECOND * 203), Ok(()));
    }
}
