//! Defines the errors of a call: one variant per case that a caller handles differently.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// The source of an [`Error`]. It never holds the URL or the API key.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call did not succeed. `Display` does not include the source: walk the chain to show it.
#[derive(Debug, Error)]
pub enum Error {
    /// No connection: name lookup, TCP or TLS failed. Nothing was sent.
    #[error("cannot connect to the provider at {place}: check the API URL, the network and the CA file")]
    Connect {
        /// The host and port, and the proxy and the CA file if there are.
        place: String,
        /// The failure of name lookup, TCP or TLS.
        source: Cause,
    },
    /// A deadline passed. With [`Phase::Connect`] nothing was sent.
    #[error("timed out after {after:?} {phase}")]
    Timeout {
        /// The part of the call that was running.
        phase: Phase,
        /// The deadline that passed.
        after: Duration,
    },
    /// The connection broke before the answer was complete. The call changes nothing and may be repeated.
    #[error("the connection to the provider broke before the answer was complete: try again")]
    Broken {
        /// The failure of the connection.
        source: Cause,
    },
    /// The provider answered 401 or 403.
    #[error(
        "the provider refused the API key (HTTP {status}): check the key and that its account is active{}",
        after("; it said: ", .said)
    )]
    Auth {
        /// The HTTP status.
        status: u16,
        /// The provider's own message, see [`Error::Refused`].
        said: String,
    },
    /// The provider answered another 4xx: it understood the request and did not carry it out.
    #[error("the provider refused the request (HTTP {status}){}", after(": ", .said))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The provider's own message, or the start of the body: at most 200 bytes, control characters escaped, the API key
        /// replaced.
        said: String,
    },
    /// The provider answered 429 for longer than `rate_limit_patience` allows. The call was not carried out.
    #[error("the provider's rate limit is used up: try again in {retry_after:.0?}")]
    RateLimited {
        /// The time until the provider accepts calls of this class again.
        retry_after: Duration,
    },
    /// The answer is larger than `max_response_size`.
    #[error("the provider's answer is larger than {limit} bytes: raise the limit if the fleet is that large")]
    TooLarge {
        /// The size cap, in bytes after decompression.
        limit: u64,
    },
    /// The answer is not one that the API describes.
    #[error("unexpected answer from the provider (HTTP {status}): {what}{}", after("; it starts with: ", .excerpt))]
    BadAnswer {
        /// The HTTP status.
        status: u16,
        /// The fault of the answer, as half a sentence.
        what: String,
        /// The start of the body: at most 200 bytes, control characters escaped, the API key replaced.
        excerpt: String,
    },
    /// The provider answered 5xx.
    #[error("the provider failed (HTTP {status}): try again later{}", after("; it starts with: ", .excerpt))]
    Server {
        /// The HTTP status.
        status: u16,
        /// The start of the body: at most 200 bytes, control characters escaped, the API key replaced.
        excerpt: String,
    },
    /// The provider answered 404 to a call that names a bridge.
    #[error("the provider has no {what}")]
    NotFound {
        /// `bridge 42`, or `bridge with customer_ref "user-123"`.
        what: String,
    },
    /// A call that changes something was sent, and no usable answer came. The provider may have carried it out.
    #[error(
        "the provider gave no usable answer to a call that changes something: check whether it was carried out before \
         repeating it"
    )]
    Ambiguous {
        /// The failure that prevented an answer.
        source: Box<Error>,
    },
    /// The client cannot be built, or the call cannot be written, from the given values.
    #[error("{what}")]
    Config {
        /// The fault and its correction.
        what: String,
        /// The underlying error, if there is one.
        source: Option<Cause>,
    },
}

/// The part of a call that was running when its deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Name lookup, TCP or TLS.
    Connect,
    /// Waiting for the status line and headers of the answer.
    Headers,
    /// Reading the body of the answer.
    Body,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => {
                "while connecting to the provider: check the network, or allow a longer deadline"
            }
            Self::Headers => "waiting for the provider's answer: try again, or allow a longer deadline",
            Self::Body => "reading the provider's answer: try again, or allow a longer deadline",
        })
    }
}

impl Error {
    /// Whether the same call may be repeated later: it was not carried out, or it changes nothing.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Timeout { .. }
                | Self::Broken { .. }
                | Self::RateLimited { .. }
                | Self::Server { .. }
        )
    }

    /// Whether the provider may have carried out the call: list the fleet before any other call.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Ambiguous { .. })
    }

    /// Whether the error occurred before any part of the request was sent.
    pub fn is_before_sending(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Timeout { phase: Phase::Connect, .. })
    }

    /// The same failure of a call that changes something: [`Error::Ambiguous`] if the provider may have carried it out. After
    /// refusals (3xx, 4xx) and failures before sending it has not. After a 2xx with an unreadable body it may have.
    pub(crate) fn of_a_write(self) -> Self {
        let may_be_done = match &self {
            Self::Broken { .. } | Self::Server { .. } | Self::TooLarge { .. } => true,
            Self::Timeout { phase, .. } => *phase != Phase::Connect,
            Self::BadAnswer { status, .. } => (200..300).contains(status),
            Self::Connect { .. }
            | Self::Auth { .. }
            | Self::Refused { .. }
            | Self::RateLimited { .. }
            | Self::NotFound { .. }
            | Self::Ambiguous { .. }
            | Self::Config { .. } => false,
        };
        if may_be_done { Self::Ambiguous { source: Box::new(self) } } else { self }
    }
}

/// The largest excerpt of an answer, in bytes.
const EXCERPT_BYTES: usize = 200;

/// The start of a body, safe to display: at most 200 bytes, cut on a character boundary, control characters escaped.
pub(crate) fn excerpt(body: &[u8]) -> String {
    // A character cut in half by this slice lies beyond the 200 bytes kept below.
    let start = &body[..body.len().min(EXCERPT_BYTES + 4)];
    let mut shown = String::with_capacity(EXCERPT_BYTES + 4);
    for c in String::from_utf8_lossy(start).chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.truncate(shown.floor_char_boundary(EXCERPT_BYTES));
    shown
}

/// The message in the body of a refusal (`{"error": "…"}`), or else the start of the body.
pub(crate) fn said(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal<'a> {
        // A borrowed text has no escapes, so it holds no key that was spelt with them and not found by the redaction.
        error: &'a str,
    }
    match serde_json::from_slice::<Refusal<'_>>(body) {
        Ok(refusal) => excerpt(refusal.error.trim().as_bytes()),
        Err(_) => excerpt(body.trim_ascii()),
    }
}

fn after(words: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{words}{text}") }
}
