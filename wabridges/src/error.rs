//! What can go wrong with a call: one variant per thing a caller can act on; how it is shown is the caller's business.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// The error below one of ours; it never holds the URL or the API key.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call did not succeed. The source is not repeated in `Display`: walk the chain to show it.
#[derive(Debug, Error)]
pub enum Error {
    /// No connection: name lookup, TCP or TLS failed. Nothing was sent.
    #[error("cannot connect to the provider: check the API URL, the network and the CA file")]
    Connect {
        /// Which of them, and why.
        source: Cause,
    },
    /// A deadline passed. With [`Phase::Connect`] nothing was sent.
    #[error("timed out after {after:?} {phase}")]
    Timeout {
        /// What was being waited for.
        phase: Phase,
        /// The deadline that passed.
        after: Duration,
    },
    /// The connection broke before the answer was complete; the call changes nothing and may be repeated.
    #[error("the connection to the provider broke before the answer was complete: try again")]
    Broken {
        /// How it broke.
        source: Cause,
    },
    /// 401 or 403.
    #[error("the provider refused the API key (HTTP {status}): check the key and that its account is active")]
    Auth {
        /// The HTTP status.
        status: u16,
    },
    /// 429, for longer than `rate_limit_patience` allows. Nothing was done.
    #[error("the provider's rate limit is used up: try again in {retry_after:.0?}")]
    RateLimited {
        /// How long until the provider takes such calls again.
        retry_after: Duration,
    },
    /// The answer was cut off at `max_response_size`.
    #[error("the provider's answer is larger than {limit} bytes: accept larger ones if this can be right")]
    TooLarge {
        /// The size cap, in bytes after decompression.
        limit: u64,
    },
    /// An answer that the API does not describe, or a request that it refused.
    #[error("unexpected answer from the provider (HTTP {status}): {what}{}", starting(.excerpt))]
    BadAnswer {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        what: String,
        /// The body's beginning: at most 200 bytes, control characters escaped, the API key blotted out.
        excerpt: String,
    },
    /// 5xx: the provider is in trouble.
    #[error("the provider failed (HTTP {status}): try again later{}", starting(.excerpt))]
    Server {
        /// The HTTP status.
        status: u16,
        /// The body's beginning: at most 200 bytes, control characters escaped, the API key blotted out.
        excerpt: String,
    },
    /// 404 for a bridge named by the call.
    #[error("the provider has no {what}")]
    NotFound {
        /// `bridge 42`, or `bridge with customer_ref "user-123"`.
        what: String,
    },
    /// A call that changes something was sent and no usable answer came: it may or may not have been done.
    #[error(
        "no usable answer came to a call that changes something: look whether it was done before repeating it"
    )]
    Ambiguous {
        /// What happened instead of an answer.
        source: Box<Error>,
    },
    /// The client cannot be built, or the call cannot be written, from what it was given.
    #[error("{what}")]
    Config {
        /// What is wrong and how to put it right.
        what: String,
        /// Why, if something below said so.
        source: Option<Cause>,
    },
}

/// What a call was waiting for when its time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Name lookup, TCP and TLS.
    Connect,
    /// The answer's first line and headers.
    Headers,
    /// The rest of the answer.
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
    /// The same call may simply be made again later: nothing was done, or it changes nothing.
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

    /// It is not known whether the call was carried out: look before doing anything else.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Ambiguous { .. })
    }

    /// Nothing of the call reached the provider.
    pub(crate) fn is_before_sending(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Timeout { phase: Phase::Connect, .. })
    }

    /// The same failure, of a call that changes something: [`Error::Ambiguous`] wherever it may have been done.
    /// Only refusals (3xx, 4xx) and failures before sending are sure to have done nothing; a 2xx with a body that
    /// makes no sense is not.
    pub(crate) fn of_a_write(self) -> Self {
        let may_be_done = match &self {
            Self::Broken { .. } | Self::Server { .. } | Self::TooLarge { .. } => true,
            Self::Timeout { phase, .. } => *phase != Phase::Connect,
            Self::BadAnswer { status, .. } => (200..300).contains(status),
            Self::Connect { .. }
            | Self::Auth { .. }
            | Self::RateLimited { .. }
            | Self::NotFound { .. }
            | Self::Ambiguous { .. }
            | Self::Config { .. } => false,
        };
        if may_be_done { Self::Ambiguous { source: Box::new(self) } } else { self }
    }
}

/// How much of an answer is shown, in bytes.
const EXCERPT_BYTES: usize = 200;

/// The beginning of a body, fit to be shown: at most 200 bytes on a character boundary, control characters escaped.
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

fn starting(excerpt: &str) -> String {
    if excerpt.is_empty() { String::new() } else { format!("; it starts with: {excerpt}") }
}
