//! Decides whether and when a failed call is repeated. The client does the waiting.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::Error;

/// The number of attempts of a call, and the pauses between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// The pause after the first attempt; each later one is twice as long.
    pub pause: Duration,
}

/// For calls that change nothing. Three attempts survive a restart behind a load balancer; more would only delay the error.
pub(crate) const SAFE_CALLS: RetryPolicy = RetryPolicy { attempts: 3, pause: Duration::from_millis(200) };

/// For calls that change something: these are never repeated.
pub(crate) const WRITES: RetryPolicy = RetryPolicy { attempts: 1, pause: Duration::ZERO };

impl RetryPolicy {
    /// The pause before the next attempt; `None` if the call is not repeated. `failed` is the number of attempts made. `jitter`
    /// in 0..1 spreads the retries of several clients over half the pause.
    pub fn pause_after(&self, failed: u32, error: &Error, jitter: f64) -> Option<Duration> {
        let worth_it = match error {
            Error::Broken { .. } => true,
            Error::Server { status, .. } => matches!(status, 500 | 502 | 503 | 504),
            _ => error.is_before_sending(),
        };
        let pause = self.pause.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1)));
        (worth_it && failed < self.attempts).then(|| pause.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0))
    }
}

/// A pseudo-random number in 0..1, different at each call. It is not suitable for secrets.
pub(crate) fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

/// The shortest wait after a 429: the header has whole seconds, so 0 may mean up to one second.
const LEAST_WAIT: Duration = Duration::from_secs(1);
/// The longest accepted wait: one day.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait that a Retry-After header asks for, from seconds or an HTTP date, between 1 s and one day; `None` if it is neither.
pub(crate) fn retry_after(header: &str, now: DateTime<Utc>) -> Option<Duration> {
    let header = header.trim();
    let wait = if header.starts_with(|c: char| c.is_ascii_digit()) {
        Duration::from_secs(header.parse().ok()?)
    } else {
        let at = DateTime::parse_from_rfc2822(header).ok()?.to_utc();
        (at - now).to_std().unwrap_or(Duration::ZERO)
    };
    Some(wait.clamp(LEAST_WAIT, LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Phase;

    fn server(status: u16) -> Error {
        Error::Server { status, excerpt: String::new() }
    }

    fn timeout(phase: Phase) -> Error {
        Error::Timeout { phase, after: Duration::from_secs(1) }
    }

    #[test]
    fn pauses_double_and_end() {
        let pause = |failed, jitter| SAFE_CALLS.pause_after(failed, &server(503), jitter);
        assert_eq!(pause(1, 1.0), Some(Duration::from_millis(200)));
        assert_eq!(pause(2, 1.0), Some(Duration::from_millis(400)));
        assert_eq!(pause(2, 0.0), Some(Duration::from_millis(200)));
        assert_eq!(pause(3, 1.0), None);
    }

    #[test]
    fn only_temporary_failures_are_repeated() {
        let again = |error: Error| SAFE_CALLS.pause_after(1, &error, 0.0).is_some();
        assert!(again(Error::Connect { place: "h:443".into(), source: "refused".into() }));
        assert!(again(Error::Broken { source: "reset".into() }));
        assert!(again(timeout(Phase::Connect)));
        assert!(again(server(500)));
        assert!(!again(server(501)));
        assert!(!again(timeout(Phase::Headers)));
        assert!(!again(timeout(Phase::Body)));
        assert!(!again(Error::Auth { status: 401, said: String::new() }));
        assert!(!again(Error::TooLarge { limit: 1 }));
    }

    #[test]
    fn writes_are_not_repeated() {
        assert_eq!(WRITES.pause_after(1, &server(503), 1.0), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-01-31T12:00:00Z").unwrap().to_utc();
        let wait = |header| retry_after(header, now).map(|wait| wait.as_secs());
        assert_eq!(wait("17"), Some(17));
        assert_eq!(wait(" 0 "), Some(1));
        assert_eq!(wait("Sat, 31 Jan 2026 12:00:42 GMT"), Some(42));
        assert_eq!(wait("Sat, 31 Jan 2026 11:00:00 GMT"), Some(1));
        assert_eq!(wait("9999999999"), Some(24 * 60 * 60));
        for nonsense in ["", "soon", "-5", "1.5", "99999999999999999999999", "2026-01-31"] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn jitter_is_spread() {
        let numbers: Vec<f64> = (0..50).map(|_| jitter()).collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        assert!(numbers.iter().any(|n| *n < 0.5) && numbers.iter().any(|n| *n >= 0.5));
    }
}
