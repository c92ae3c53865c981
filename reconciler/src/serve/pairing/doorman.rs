//! Limits how often the page is asked, and remembers which pages opened a link while it worked. The clock is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::serve::pairing::windows::Windows;

/// A page asks every 15 s, and a link may be open on several devices.
const PER_LINK: (u32, Duration) = (10, Duration::from_secs(10));
/// A tenant may have several links.
const PER_BRIDGE: (u32, Duration) = (20, Duration::from_secs(10));
/// Tokens that open nothing, by address.
const WRONG_TOKENS: (u32, Duration) = (30, Duration::from_secs(60));
/// A visit ends after this time without a request.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// So many visits are remembered; then the oldest goes.
const VISITS: usize = 4096;

/// The limits, and the visits.
#[derive(Debug)]
pub struct Doorman {
    links: Windows<i64>,
    bridges: Windows<i64>,
    wrong: Windows<IpAddr>,
    visits: HashMap<Uuid, Visit>,
}

/// A page that opened a link while it worked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The SHA-256 of the link's token.
    pub token_sha256: String,
    /// The link.
    pub link_id: i64,
    /// Its bridge.
    pub bridge_id: i64,
    seen: Instant,
}

impl Default for Doorman {
    fn default() -> Self {
        Self {
            links: Windows::new(PER_LINK.0, PER_LINK.1),
            bridges: Windows::new(PER_BRIDGE.0, PER_BRIDGE.1),
            wrong: Windows::new(WRONG_TOKENS.0, WRONG_TOKENS.1),
            visits: HashMap::new(),
        }
    }
}

impl Doorman {
    /// The visit with this id, if it opened the link of this token.
    pub fn visit(&mut self, id: Uuid, token_sha256: &str, now: Instant) -> Option<Visit> {
        let visit = self.visits.get_mut(&id)?;
        if visit.token_sha256 != token_sha256 || now.duration_since(visit.seen) >= IDLE {
            return None;
        }
        visit.seen = now;
        Some(visit.clone())
    }

    /// Begins a visit.
    pub fn begin_visit(&mut self, token_sha256: String, link_id: i64, bridge_id: i64, now: Instant) -> Uuid {
        if self.visits.len() >= VISITS {
            self.visits.retain(|_, visit| now.duration_since(visit.seen) < IDLE);
        }
        if self.visits.len() >= VISITS
            && let Some(oldest) = self.visits.iter().min_by_key(|(_, visit)| visit.seen).map(|(id, _)| *id)
        {
            self.visits.remove(&oldest);
        }
        let id = Uuid::new_v4();
        self.visits.insert(id, Visit { token_sha256, link_id, bridge_id, seen: now });
        id
    }

    /// Counts a request about a link that is known.
    ///
    /// # Errors
    /// The time to wait.
    pub fn count(&mut self, link_id: i64, bridge_id: i64, now: Instant) -> Result<(), Duration> {
        self.links.take(link_id, now)?;
        self.bridges.take(bridge_id, now)
    }

    /// Counts a token that may be wrong, before it is looked up: many requests at the same time cause no more look-ups than
    /// this limit.
    ///
    /// # Errors
    /// The time to wait.
    pub fn suspect(&mut self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        self.wrong.take(client, now)
    }

    /// The token was not wrong.
    pub fn clear(&mut self, client: IpAddr) {
        self.wrong.give_back(&client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_belongs_to_its_token_and_ends() {
        let (mut doorman, start) = (Doorman::default(), Instant::now());
        let id = doorman.begin_visit("aa".into(), 1, 2, start);
        assert_eq!(doorman.visit(id, "bb", start), None);
        assert_eq!(doorman.visit(Uuid::new_v4(), "aa", start), None);
        assert_eq!(doorman.visit(id, "aa", start + IDLE / 2).map(|visit| visit.link_id), Some(1));
        assert!(doorman.visit(id, "aa", start + IDLE).is_some(), "it asked in between");
        assert_eq!(doorman.visit(id, "aa", start + IDLE * 2), None);
    }

    #[test]
    fn the_oldest_visit_is_forgotten_first() {
        let (mut doorman, start) = (Doorman::default(), Instant::now());
        let first = doorman.begin_visit("aa".into(), 1, 2, start);
        let second = doorman.begin_visit("aa".into(), 1, 2, start + Duration::from_secs(1));
        for _ in 0..VISITS - 1 {
            doorman.begin_visit("aa".into(), 1, 2, start + Duration::from_secs(2));
        }
        let now = start + Duration::from_secs(3);
        assert!(doorman.visit(first, "aa", now).is_none() && doorman.visit(second, "aa", now).is_some());
    }

    #[test]
    fn right_tokens_do_not_use_up_the_limit_of_wrong_ones() {
        let (mut doorman, now) = (Doorman::default(), Instant::now());
        let client = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..100 {
            assert_eq!(doorman.suspect(client, now), Ok(()));
            doorman.clear(client);
        }
        for _ in 0..WRONG_TOKENS.0 {
            assert_eq!(doorman.suspect(client, now), Ok(()));
        }
        assert_eq!(doorman.suspect(client, now), Err(WRONG_TOKENS.1));
    }

    #[test]
    fn two_links_of_one_bridge_share_its_limit() {
        let (mut doorman, now) = (Doorman::default(), Instant::now());
        for link in 1..=2 {
            for _ in 0..PER_LINK.0 {
                assert_eq!(doorman.count(link, 7, now), Ok(()));
            }
            assert!(doorman.count(link, 7, now).is_err());
        }
        assert!(doorman.count(3, 7, now).is_err());
        assert_eq!(doorman.count(4, 8, now), Ok(()));
    }
}
