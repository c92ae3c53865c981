//! One complete reading of the provider's fleet.

use chrono::{DateTime, Utc};
use wabridges::Listing;

/// The provider's list of bridges, and when it was requested.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The database's time before the call. Statuses observed after this time are newer than the listing.
    pub listed_at: DateTime<Utc>,
    /// The listing.
    pub listing: Listing,
    /// [`Listing::sha256`].
    pub listing_sha256: String,
}
