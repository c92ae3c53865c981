//! Lists the whole fleet, and warns of rows that could not be read.

use pgrx::prelude::*;
use pgrx::{PgLogLevel, PgSqlErrorCode};
use wabridges::{Error, Listing};

use crate::answers::Listed;
use crate::error::Raise;
use crate::http::Pending;
use crate::{provider, server};

/// A list that the provider was asked for.
pub struct Awaited {
    listed_at: TimestampWithTimeZone,
    pending: Pending<Result<(Listing, String), Error>>,
}

/// Asks the provider for the list, without waiting for the answer.
pub fn begin() -> Result<Awaited, Raise> {
    let listed_at = server::now();
    Ok(Awaited { listed_at, pending: provider::begin(provider::list)? })
}

impl Awaited {
    /// Waits for the list, and warns of rows that could not be read.
    pub fn wait(self) -> Result<Listed, Raise> {
        let (listing, listing_sha256) = self.pending.wait()??;
        warn_of_malformed_rows(&listing);
        Ok(Listed { listing, listing_sha256, listed_at: self.listed_at })
    }
}

/// Asks the provider for the list and waits for it.
pub fn list() -> Result<Listing, Raise> {
    let listing = provider::call(|client| async move { client.reader().list().await })?;
    warn_of_malformed_rows(&listing);
    Ok(listing)
}

fn warn_of_malformed_rows(listing: &Listing) {
    let Some(first) = listing.malformed.first() else { return };
    Raise::new(PgSqlErrorCode::ERRCODE_WARNING, "some listed bridges could not be read")
        .with_detail(format!(
            "{} of {}; the first, number {}: {}: {}",
            listing.malformed.len(),
            listing.malformed.len() + listing.bridges.len(),
            first.index,
            first.reason,
            first.excerpt
        ))
        .with_hint(
            "The other rows are used. Until every row can be read, no bridge is recorded as disappeared.",
        )
        .report(PgLogLevel::WARNING);
}
