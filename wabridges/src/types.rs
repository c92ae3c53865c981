//! The nouns of the API, as plain data; nothing here parses an answer or talks to anyone.

use std::fmt;

use bytestring::ByteString;
use chrono::{DateTime, Utc};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The provider's number of a bridge: always greater than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct BridgeId(i64);

/// The number is zero or negative, so it names no bridge.
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

/// The join key put on a bridge: the tenant's id as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CustomerRef(CompactString);

/// Why a text cannot be a [`CustomerRef`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidCustomerRef {
    /// Nothing to join on.
    #[error("a customer_ref must not be empty")]
    Empty,
    /// No database text can hold it.
    #[error("a customer_ref must not contain a NUL character")]
    Nul,
    /// It would make a URL that nobody accepts.
    #[error("a customer_ref is at most {max} bytes long, this one has {len}", max = CustomerRef::MAX_BYTES)]
    TooLong {
        /// The text's length in bytes.
        len: usize,
    },
    /// A URL path resolves these two, so that the call would reach another resource.
    #[error("a customer_ref must not be \".\" or \"..\": as part of a URL path it would name something else")]
    Dots,
}

impl CustomerRef {
    /// The longest text that a URL path takes, in bytes.
    pub const MAX_BYTES: usize = 10_000;

    /// Refuses what cannot be sent in a URL path or stored in a database: see [`InvalidCustomerRef`].
    pub fn new(text: impl Into<CompactString>) -> Result<Self, InvalidCustomerRef> {
        let customer_ref = Self::listed(text)?;
        customer_ref.fits_a_path()?;
        Ok(customer_ref)
    }

    /// What a live bridge may carry: also a text that no URL path can hold, for a bridge can be listed and deleted by
    /// its id. Only [`InvalidCustomerRef::Empty`] and [`InvalidCustomerRef::Nul`] are refused.
    pub fn listed(text: impl Into<CompactString>) -> Result<Self, InvalidCustomerRef> {
        let text = text.into();
        match text.as_str() {
            "" => Err(InvalidCustomerRef::Empty),
            _ if text.contains('\0') => Err(InvalidCustomerRef::Nul),
            _ => Ok(Self(text)),
        }
    }

    /// Whether calls that name the bridge by its customer_ref can be made.
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

/// What was written down once is read back: a live bridge may carry it, though no call names it.
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

impl fmt::Display for CustomerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A phone number as the provider wants it: E.164 digits without the plus, 7 to 15 of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Phone(String);

/// The text is no international phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a phone number is 7 to 15 digits with the country code, without +, spaces or dashes: 15550001234")]
pub struct InvalidPhone;

impl Phone {
    /// Accepts 7 to 15 ASCII digits and nothing else.
    pub fn new(digits: impl Into<String>) -> Result<Self, InvalidPhone> {
        let digits = digits.into();
        let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(Self(digits)) } else { Err(InvalidPhone) }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The code to type on the phone under Linked Devices.
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
    /// The provider's number.
    pub id: BridgeId,
    /// Whose bridge it is; a bridge without one is a real bridge.
    pub customer_ref: Option<CustomerRef>,
    /// The container's lifecycle, as the provider words it.
    pub state: Option<CompactString>,
    /// The WhatsApp session, as the provider words it; most lists do not bring it.
    pub raw_status: Option<CompactString>,
    /// When the provider made it.
    pub created_at: Option<DateTime<Utc>>,
    /// The row's own JSON text, with the fields unknown here: a part of the answer's body, which lives as long as it.
    pub raw: ByteString,
}

/// One bridge, asked for by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeDetail {
    /// What a list would say of it.
    pub bridge: Bridge,
    /// What the provider's process manager says of it.
    pub manager: Option<Manager>,
}

/// The provider's process manager on one bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// Its word for how the container is doing.
    pub health: Option<String>,
    /// When the container was last started.
    pub started_at: Option<DateTime<Utc>>,
    /// How often it failed since.
    pub fail_count: Option<i64>,
}

/// A row of a list that could not be read; the other rows are not lost with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedRow {
    /// Its place in the list, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub reason: String,
    /// Its beginning: at most 200 bytes, control characters escaped.
    pub excerpt: String,
}

/// One complete listing of the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Sorted by id, each id once.
    pub bridges: Vec<Bridge>,
    /// The rows that could not be read, in the list's order.
    pub malformed: Vec<MalformedRow>,
}

/// The answer to a provisioning: the bridge of this customer_ref, made now or there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioned {
    /// The provider's number.
    pub id: BridgeId,
    /// The customer_ref asked for.
    pub customer_ref: CustomerRef,
    /// The container's lifecycle, as the provider words it.
    pub state: Option<String>,
}

/// One bridge's WhatsApp session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The provider's word for it.
    pub raw_status: String,
    /// The number it is paired with; only when connected.
    pub phone: Option<String>,
    /// The WhatsApp address; only when connected.
    pub jid: Option<String>,
    /// The display name; only when connected.
    pub name: Option<String>,
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
    fn what_a_bridge_carries_need_not_fit_a_path() {
        for text in [".", "..", &"x".repeat(10_001)] {
            assert_eq!(CustomerRef::listed(text).unwrap().as_str(), text);
        }
        assert_eq!(CustomerRef::listed(""), Err(InvalidCustomerRef::Empty));
        assert_eq!(CustomerRef::listed("a\0b"), Err(InvalidCustomerRef::Nul));
    }

    #[test]
    fn phones_are_digits() {
        assert_eq!(Phone::new("15550001234").unwrap().as_str(), "15550001234");
        for wrong in ["", "+15550001234", "123456", "1234567890123456", "1555 000123", "١٢٣٤٥٦٧"] {
            assert_eq!(Phone::new(wrong), Err(InvalidPhone), "{wrong}");
        }
    }
}
