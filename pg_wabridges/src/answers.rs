//! What the provider answered, as plain data: a listing with its time, a bridge that a tenant has now.

use pgrx::datum::TimestampWithTimeZone;
use wabridges::{BridgeId, Listing};

/// The whole fleet.
pub struct Listed {
    /// The fleet.
    pub listing: Listing,
    /// [`Listing::sha256`].
    pub listing_sha256: String,
    /// The database's clock before the call: the listing says nothing of what is newer.
    pub listed_at: TimestampWithTimeZone,
}

/// A bridge that is there now, and whether it was before.
pub struct Provisioned {
    /// The provider's id.
    pub id: BridgeId,
    /// The container's state.
    pub state: Option<String>,
    /// The session's status, when it could be learnt.
    pub raw_status: Option<String>,
    /// Whether this call created it.
    pub outcome: Outcome,
}

/// Whether a call created the bridge or found it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not listed before.
    Created,
    /// It was listed already.
    Existing,
}

impl Outcome {
    /// As shown in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Existing => "existing",
        }
    }
}
