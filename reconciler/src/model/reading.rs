//! One complete reading of the provider's fleet.

use chrono::{DateTime, Utc};
use wabridges::Listing;

/// What the provider listed, and when it was asked.
#[derive(Debug)]
pub struct Reading {
    /// The database's clock before the call: whatever is newer, the listing cannot speak of.
    pub listed_at: DateTime<Utc>,
    /// The fleet.
    pub listing: Listing,
    /// [`Listing::sha256`].
    pub listing_sha256: String,
}
