//! Resolves a provision call whose answer was lost, by looking for the bridge in a new listing.

use std::future::Future;

use crate::{Error, Listing, Provisioned};

/// The bridge that exists after the call.
#[derive(Debug)]
pub enum Made<T> {
    /// The provider's answer.
    Answered(Provisioned),
    /// The bridge found in the listing, after the answer was lost.
    Listed(T),
}

/// The result of a provision call with this answer. If the answer was lost, `list` lists the fleet and `find` looks for the
/// bridge in it.
///
/// # Errors
/// The call's own error; an ambiguous one also if the listing fails or does not contain the bridge.
pub async fn resolve<T>(
    answer: Result<Provisioned, Error>,
    list: impl Future<Output = Result<Listing, Error>>,
    find: impl FnOnce(Listing) -> Option<T>,
) -> Result<Made<T>, Error> {
    match answer {
        Ok(made) => Ok(Made::Answered(made)),
        Err(error) if error.is_ambiguous() => list.await.ok().and_then(find).map(Made::Listed).ok_or(error),
        Err(error) => Err(error),
    }
}
