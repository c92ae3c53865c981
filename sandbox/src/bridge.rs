//! The bridge as the provider knows it, and what a control call may say about one. No rules: those are `world.rs`.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

/// The provider's raw word for a session that works.
pub const CONNECTED: &str = "connected";
/// The provider's raw word for a session that was lost or logged out.
pub const DISCONNECTED: &str = "disconnected";
/// The provider's raw word for a bridge that waits for its QR code to be scanned.
pub const QR: &str = "qr";
/// The provider's word for a container that runs.
pub const RUNNING: &str = "running";

/// The number the provider gives a bridge: 1 to 2^53 − 1, never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct BridgeId(i64);

impl BridgeId {
    /// The first id of an empty world.
    pub const FIRST: Self = Self(1);
    /// The largest integer that every JSON reader keeps exact.
    const MAX: i64 = (1 << 53) - 1;

    /// `None` unless `id` is 1 to 2^53 − 1.
    pub fn new(id: i64) -> Option<Self> {
        (1..=Self::MAX).contains(&id).then_some(Self(id))
    }

    /// The id after this one, or `None` past the last.
    pub fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }

    /// The plain number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for BridgeId {
    type Error = String;

    fn try_from(id: i64) -> Result<Self, String> {
        Self::new(id).ok_or_else(|| format!("bridge id {id} is not between 1 and {}", Self::MAX))
    }
}

impl From<BridgeId> for i64 {
    fn from(id: BridgeId) -> Self {
        id.0
    }
}

impl fmt::Display for BridgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Everything known about one bridge; also its form in the state file and in control answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    pub id: BridgeId,
    /// `None` only through the control prefix: a bridge that nobody tagged.
    pub customer_ref: Option<String>,
    /// The container's lifecycle, the provider's text.
    pub state: String,
    /// The session's status, the provider's text.
    pub status: String,
    pub webhook_url: Option<String>,
    /// The number the last pairing was asked for, digits only.
    pub phone: Option<String>,
    pub created_at: DateTime<Utc>,
}

impl Bridge {
    /// Whether the session is paired: every other status still waits for a phone.
    pub fn is_connected(&self) -> bool {
        self.status == CONNECTED
    }

    /// The session's phone number in digits: the one paired, or one derived from the id.
    pub fn session_phone(&self) -> String {
        self.phone.clone().unwrap_or_else(|| format!("1555{:07}", self.id.get()))
    }
}

/// A bridge a control call wants to exist. Unlike a provisioned one it may repeat a customer_ref or have none.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewBridge {
    #[serde(deserialize_with = "Option::deserialize")]
    pub customer_ref: Option<String>,
    #[serde(default = "qr")]
    pub status: String,
    #[serde(default = "running")]
    pub state: String,
    #[serde(default)]
    pub webhook_url: Option<String>,
    #[serde(default)]
    pub created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub id: Option<BridgeId>,
}

impl NewBridge {
    /// A bridge as `POST /api/instances` makes it: running, waiting for its QR code to be scanned.
    pub fn provisioned(customer_ref: String, webhook_url: Option<String>) -> Self {
        Self {
            customer_ref: Some(customer_ref),
            status: qr(),
            state: running(),
            webhook_url,
            created_at: None,
            id: None,
        }
    }
}

/// What a control call changes in a bridge; absent fields stay.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    pub status: Option<String>,
    pub state: Option<String>,
    /// `Some(None)` takes the customer_ref away.
    #[serde(default, deserialize_with = "present")]
    pub customer_ref: Option<Option<String>>,
}

fn qr() -> String {
    QR.to_owned()
}

fn running() -> String {
    RUNNING.to_owned()
}

/// Tells an explicit `null` (`Some(None)`) from an absent field (`None`, through `default`).
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
