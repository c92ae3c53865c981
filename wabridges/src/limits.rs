//! Defines how many calls the provider accepts per window, by class. `throttle` applies the limits.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A class of calls that the provider counts against one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Calls that provision a bridge.
    Provision,
    /// Calls to one bridge's WhatsApp session.
    Proxy,
    /// Every other call.
    Other,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provision => "provision",
            Self::Proxy => "proxy",
            Self::Other => "other",
        })
    }
}

/// A number of calls per window, written `10/60s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Limit {
    /// Calls per window; 0 counts as 1.
    pub count: u32,
    /// The window's length.
    pub window: Duration,
}

/// The text is not a valid limit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a rate limit: write calls per window, such as 10/60s or 120/1m")]
pub struct InvalidLimit {
    text: String,
}

/// The longest window that a text may have: one day.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

impl Limit {
    const fn per_minute(count: u32) -> Self {
        Self { count, window: Duration::from_secs(60) }
    }
}

impl FromStr for Limit {
    type Err = InvalidLimit;

    /// Accepts `10/60s`, `10/60` (seconds), `10/1m`, `10/1h` and `10/500ms`. Both numbers are above zero, the window at most
    /// one day.
    fn from_str(text: &str) -> Result<Self, InvalidLimit> {
        let parsed = text.split_once('/').and_then(|(count, window)| {
            let count: u32 = digits(count.trim())?.try_into().ok()?;
            let window = parse_window(window.trim())?;
            let fits = count > 0 && !window.is_zero() && window <= LONGEST_WINDOW;
            fits.then_some(Self { count, window })
        });
        parsed.ok_or_else(|| InvalidLimit { text: text.to_owned() })
    }
}

fn parse_window(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number = digits(number)?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.window.subsec_nanos() == 0 {
            write!(f, "{}/{}s", self.count, self.window.as_secs())
        } else {
            write!(f, "{}/{}ms", self.count, self.window.as_millis())
        }
    }
}

impl TryFrom<String> for Limit {
    type Error = InvalidLimit;

    fn try_from(text: String) -> Result<Self, InvalidLimit> {
        text.parse()
    }
}

impl From<Limit> for String {
    fn from(limit: Limit) -> Self {
        limit.to_string()
    }
}

/// One limit per [`Class`]. The defaults are the provider's published limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// For [`Class::Provision`].
    pub provision: Limit,
    /// For [`Class::Proxy`].
    pub proxy: Limit,
    /// For [`Class::Other`].
    pub other: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            provision: Limit::per_minute(10),
            proxy: Limit::per_minute(120),
            other: Limit::per_minute(120),
        }
    }
}

impl Limits {
    /// The longest of the three windows. Calls that ended earlier no longer count against a limit.
    pub fn longest_window(&self) -> Duration {
        self.provision.window.max(self.proxy.window).max(self.other.window)
    }

    /// The limit of one class.
    pub const fn of(&self, class: Class) -> Limit {
        match class {
            Class::Provision => self.provision,
            Class::Proxy => self.proxy,
            Class::Other => self.other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_written() {
        for (text, shown) in [
            ("10/60s", "10/60s"),
            ("10/60", "10/60s"),
            ("10/1m", "10/60s"),
            ("7/1h", "7/3600s"),
            ("7 / 250ms", "7/250ms"),
        ] {
            assert_eq!(text.parse::<Limit>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn invalid_limits_are_refused_with_an_example() {
        let too_long = format!("1/{}h", u64::MAX);
        for text in
            ["", "10", "0/60s", "10/0s", "-1/60s", "+1/60s", "10/60x", "10/", "/60s", &too_long, "1/25h"]
        {
            let error = text.parse::<Limit>().unwrap_err().to_string();
            assert!(error.contains("10/60s"), "{error}");
        }
    }

    #[test]
    fn limits_are_text_in_files_and_default_to_the_published_ones() {
        let limits: Limits = serde_json::from_str(r#"{"proxy":"60/60s"}"#).unwrap();
        assert_eq!(limits, Limits { proxy: Limit::per_minute(60), ..Limits::default() });
        let text = serde_json::to_string(&limits).unwrap();
        assert_eq!(text, r#"{"provision":"10/60s","proxy":"60/60s","other":"120/60s"}"#);
        assert!(serde_json::from_str::<Limits>(r#"{"prox":"60/60s"}"#).is_err());
    }
}
