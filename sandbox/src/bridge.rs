//! Defines a bridge as the provider stores it, and the changes that control calls make to one.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

/// The provider's status of a session that works.
pub const CONNECTED: &str = "connected";
/// The provider's status of a session that was lost or logged out.
pub const DISCONNECTED: &str = "disconnected";
/// The provider's status of a bridge that waits for a scan of its QR code.
pub const QR: &str = "qr";
/// The provider's state of a container that runs.
pub const RUNNING: &str = "running";

/// The id that the provider gives a bridge: 1 to 2^53 − 1, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct BridgeId(i64);

impl BridgeId {
    /// The first id of an empty world.
    pub const FIRST: Self = Self(1);
    /// The largest integer that every JSON parser reads exactly.
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

/// One bridge with all its fields, as the state file and control answers show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    pub id: BridgeId,
    /// `None` is a bridge without a tenant; only a control call makes one.
    pub customer_ref: Option<String>,
    /// The state of the container, in the provider's words.
    pub state: String,
    /// The status of the session, in the provider's words.
    pub status: String,
    pub webhook_url: Option<String>,
    /// The phone number of the last pairing call, digits only.
    pub phone: Option<String>,
    pub created_at: DateTime<Utc>,
}

impl Bridge {
    /// Whether a phone is paired with the session.
    pub fn is_connected(&self) -> bool {
        self.status == CONNECTED
    }

    /// The phone number of the session in digits: the paired one, or one derived from the id.
    pub fn session_phone(&self) -> String {
        self.phone.clone().unwrap_or_else(|| format!("1555{:07}", self.id.get()))
    }
}

/// A bridge that a control call adds. Unlike a provisioned bridge, it may repeat a customer_ref or have none.
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
    /// A bridge as `POST /api/instances` creates it: the container runs, the QR code waits to be scanned.
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

/// The fields of a bridge that a control call changes; absent fields stay unchanged.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    pub status: Option<String>,
    pub state: Option<String>,
    /// The number that is paired, digits only.
    pub phone: Option<String>,
    /// `Some(None)` removes the customer_ref.
    #[serde(default, deserialize_with = "present")]
    pub customer_ref: Option<Option<String>>,
}

fn qr() -> String {
    QR.to_owned()
}

fn running() -> String {
    RUNNING.to_owned()
}

/// Reads an explicit `null` as `Some(None)`; an absent field is `None`, through `default`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
