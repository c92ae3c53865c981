//! One complete reading of the provider's fleet.

use chrono::{DateTime, Utc};
use wabridges::{Listed, Listing};

use crate::model::error::Error;

/// What the provider listed, and when it was asked.
#[derive(Debug)]
pub struct Reading {
    /// The database's clock before the call: whatever is newer, the listing cannot speak of.
    pub listed_at: DateTime<Utc>,
    /// The answer.
    pub listed: Listed,
}

impl Reading {
    /// The fleet.
    pub fn listing(&self) -> Result<&Listing, Error> {
        self.listed.listing().map_err(Error::provider("cannot read the list of the fleet"))
    }
}
