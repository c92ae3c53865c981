//! Defines the data types of the API: ids, bridges, listings and sessions.

use std::fmt;

use bytestring::ByteString;
use chrono::{DateTime, Utc};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::visible::{in_quotes, looks_like_itself};

/// The provider's id of a bridge, always greater than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct BridgeId(i64);

/// The number is zero or negative, so it is not a bridge id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0} is not a bridge id: bridge ids are whole numbers greater than zero")]
pub struct InvalidBridgeId(pub i64);

impl BridgeId {
    /// `None` unless `id` is greater than zero.
    pub const fn new(id: i64) -> Option<Self> {
        if id > 0 { Some(Self(id)) } else { None }
    }

    /// The number itself.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for BridgeId {
    type Error = InvalidBridgeId;

    fn try_from(id: i64) -> Result<Self, Self::Error> {
        Self::new(id).ok_or(InvalidBridgeId(id))
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

/// The tenant's id as text, which its bridge carries. Tenants and bridges are joined by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CustomerRef(CompactString);

/// Why a text cannot be a [`CustomerRef`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidCustomerRef {
    /// The text is empty.
    #[error("a customer_ref must not be empty")]
    Empty,
    /// The text has a NUL character, which PostgreSQL cannot store.
    #[error("a customer_ref must not contain a NUL character")]
    Nul,
    /// The text is longer than [`CustomerRef::MAX_BYTES`], which servers do not accept in a URL.
    #[error("a customer_ref is at most {max} bytes long, this one has {len}", max = CustomerRef::MAX_BYTES)]
    TooLong {
        /// The text's length in bytes.
        len: usize,
    },
    /// The text is `.` or `..`, which URLs resolve, so that a call would reach another path.
    #[error("a customer_ref must not be \".\" or \"..\": in a URL these name another path")]
    Dots,
}

impl CustomerRef {
    /// The longest customer_ref that can be sent, in bytes.
    pub const MAX_BYTES: usize = 10_000;

    /// Accepts a text that can be sent in a URL path and stored in PostgreSQL.
    ///
    /// # Errors
    /// [`InvalidCustomerRef`] names the reason.
    pub fn new(text: impl Into<CompactString>) -> Result<Self, InvalidCustomerRef> {
        let customer_ref = Self::listed(text)?;
        customer_ref.fits_a_path()?;
        Ok(customer_ref)
    }

    /// Accepts a text that a live bridge may carry, also one that no URL path can hold: such a bridge can be listed, and deleted
    /// by its id.
    ///
    /// # Errors
    /// [`InvalidCustomerRef::Empty`] or [`InvalidCustomerRef::Nul`].
    pub fn listed(text: impl Into<CompactString>) -> Result<Self, InvalidCustomerRef> {
        let text = text.into();
        match text.as_str() {
            "" => Err(InvalidCustomerRef::Empty),
            _ if text.contains('\0') => Err(InvalidCustomerRef::Nul),
            _ => Ok(Self(text)),
        }
    }

    /// Checks that the customer_ref can be sent in a URL path.
    pub(crate) fn fits_a_path(&self) -> Result<(), InvalidCustomerRef> {
        match self.0.as_str() {
            "." | ".." => Err(InvalidCustomerRef::Dots),
            text if text.len() > Self::MAX_BYTES => Err(InvalidCustomerRef::TooLong { len: text.len() }),
            _ => Ok(()),
        }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Accepts the same texts as [`CustomerRef::listed`], because stored values come from listings.
impl TryFrom<String> for CustomerRef {
    type Error = InvalidCustomerRef;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::listed(text)
    }
}

impl From<CustomerRef> for String {
    fn from(customer_ref: CustomerRef) -> Self {
        customer_ref.0.into_string()
    }
}

/// As in a message: in quotes if two such texts could look the same.
impl fmt::Display for CustomerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if looks_like_itself(&self.0) { self.0.fmt(f) } else { in_quotes(&self.0).fmt(f) }
    }
}

/// The code that the customer types on the phone under Linked Devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingCode(pub(crate) String);

impl PairingCode {
    /// The code as the provider wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One bridge as the provider lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The provider's id.
    pub id: BridgeId,
    /// The tenant's id as text; `None` if the bridge carries none.
    pub customer_ref: Option<CustomerRef>,
    /// The container's state, as the provider words it.
    pub state: Option<CompactString>,
    /// The status of the WhatsApp session, as the provider words it; `None` if the list does not carry it.
    pub raw_status: Option<CompactString>,
    /// When the provider created the bridge.
    pub created_at: Option<DateTime<Utc>>,
    /// The row's JSON text, with all its fields. It shares, and keeps alive, the memory of the answer's body.
    pub raw: ByteString,
}

/// The answer for one bridge, read by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeDetail {
    /// The fields that a list has too.
    pub bridge: Bridge,
    /// The state of the container's process manager.
    pub manager: Option<Manager>,
}

/// The report of the provider's process manager on one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// The health of the container, as the provider words it.
    pub health: Option<String>,
    /// When the container was last started.
    pub started_at: Option<DateTime<Utc>>,
    /// How often the container has failed since then.
    pub fail_count: Option<i64>,
}

/// A row of a list that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedRow {
    /// Its position in the list, from 0.
    pub index: usize,
    /// Why it cannot be read, as half a sentence.
    pub reason: String,
    /// The start of its text: at most 200 bytes, control characters escaped.
    pub excerpt: String,
}

/// One complete listing of the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The bridges, sorted by id, each id once.
    pub bridges: Vec<Bridge>,
    /// The rows that could not be read, in the list's order.
    pub malformed: Vec<MalformedRow>,
}

/// The answer to a provision call: the bridge of this customer_ref, new or existing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioned {
    /// The provider's id.
    pub id: BridgeId,
    /// The customer_ref of the call.
    pub customer_ref: CustomerRef,
    /// The container's state, as the provider words it.
    pub state: Option<String>,
}

/// One bridge's WhatsApp session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The status, as the provider words it.
    pub raw_status: String,
    /// The phone number that the session is paired with; `None` unless it is connected.
    pub phone: Option<String>,
    /// The WhatsApp address; `None` unless the session is connected.
    pub jid: Option<String>,
    /// The display name; `None` unless the session is connected.
    pub name: Option<String>,
}

impl Session {
    /// Whether the provider says that a phone is paired. Without that word, no message advises a logout.
    pub fn is_paired(&self) -> bool {
        ["connected", "paired"].iter().any(|word| self.raw_status.eq_ignore_ascii_case(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridge_ids_are_positive() {
        assert_eq!(BridgeId::new(42).map(BridgeId::get), Some(42));
        assert_eq!(BridgeId::new(0), None);
        assert_eq!(BridgeId::new(-1), None);
        assert!(serde_json::from_str::<BridgeId>("0").is_err());
        assert_eq!(serde_json::to_string(&BridgeId(7)).unwrap(), "7");
    }

    #[test]
    fn customer_refs_can_be_sent_and_stored() {
        assert_eq!(CustomerRef::new("user-123").unwrap().as_str(), "user-123");
        assert_eq!(CustomerRef::new(""), Err(InvalidCustomerRef::Empty));
        assert_eq!(CustomerRef::new("a\0b"), Err(InvalidCustomerRef::Nul));
        assert_eq!(CustomerRef::new(".."), Err(InvalidCustomerRef::Dots));
        assert!(CustomerRef::new("...").is_ok());
        assert!(CustomerRef::new("x".repeat(10_000)).is_ok());
        assert_eq!(CustomerRef::new("x".repeat(10_001)), Err(InvalidCustomerRef::TooLong { len: 10_001 }));
        assert!(serde_json::from_str::<CustomerRef>("\"\"").is_err());
    }

    #[test]
    fn a_listed_customer_ref_need_not_fit_a_path() {
        for text in [".", "..", &"x".repeat(10_001)] {
            assert_eq!(CustomerRef::listed(text).unwrap().as_str(), text);
        }
        assert_eq!(CustomerRef::listed(""), Err(InvalidCustomerRef::Empty));
        assert_eq!(CustomerRef::listed("a\0b"), Err(InvalidCustomerRef::Nul));
    }
}
