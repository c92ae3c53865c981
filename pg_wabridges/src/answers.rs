//! Holds answers of the provider as plain data: a listing with its time, and a provisioned bridge.

use pgrx::datum::TimestampWithTimeZone;
use wabridges::{BridgeId, Listing, Session};

/// A listing of the whole fleet and the time before the call.
pub struct Listed {
    /// The bridges.
    pub listing: Listing,
    /// [`Listing::sha256`], in hex.
    pub listing_sha256: String,
    /// The database's clock before the call. The listing does not show changes after this time.
    pub listed_at: TimestampWithTimeZone,
}

/// A bridge that the provider created or returned.
pub struct Provisioned {
    /// The provider's id.
    pub id: BridgeId,
    /// The container's state.
    pub state: Option<String>,
    /// The session's status as the provider words it; `None` if the provider did not report it.
    pub raw_status: Option<String>,
    /// The session, if it was asked.
    pub session: Option<Session>,
    /// Whether this call created the bridge.
    pub outcome: Outcome,
}

/// Whether a call created the bridge or found it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The bridge was not listed before the call.
    Created,
    /// The bridge was listed before the call.
    Existing,
}

impl Outcome {
    /// The value of the SQL column `outcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Existing => "existing",
        }
    }
}
