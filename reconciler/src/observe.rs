//! One complete reading of the provider's fleet, with the database's time of it; nothing here stores or judges it.

use chrono::{DateTime, Utc};
use wabridges::{Listing, ReadClient};

use crate::error::Error;
use crate::store::Store;

/// What the provider listed, and when it was asked.
#[derive(Debug)]
pub struct Reading {
    /// The database's clock before the call: whatever is newer, the listing cannot speak of.
    pub listed_at: DateTime<Utc>,
    /// The fleet.
    pub listing: Listing,
}

/// Lists the fleet. Rows that could not be read are in the listing's `malformed`.
pub async fn read(store: &mut Store, client: &ReadClient) -> Result<Reading, Error> {
    let listed_at = store.now().await?;
    let listing = client.list().await.map_err(Error::provider("cannot list the fleet at the provider"))?;
    Ok(Reading { listed_at, listing })
}
