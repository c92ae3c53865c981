//! Settles a call that makes a bridge and whose answer was lost: a listing tells whether the bridge is there.

use std::future::Future;

use crate::{Error, Listing, Provisioned};

/// The bridge that is there after the call.
#[derive(Debug)]
pub enum Made<T> {
    /// As the provider answered.
    Answered(Provisioned),
    /// No answer came, and the listing has it.
    Listed(T),
}

/// What came of the call. If no answer came, `find` looks for the bridge in what `list` brings then.
///
/// # Errors
/// The call's own error; an ambiguous one stands where the listing cannot be read or does not have the bridge.
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
