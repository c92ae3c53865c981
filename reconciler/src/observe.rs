//! One complete reading of the provider's fleet, with the database's time of it; nothing here stores or judges it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use wabridges::{Earlier, Listed, Listing, ReadClient};

use crate::error::Error;
use crate::store::Store;

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

/// How long one call may wait, in sum, because the provider answered 429.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Lists the fleet.
pub async fn read(store: &mut Store, client: &ReadClient) -> Result<Reading, Error> {
    Ok(read_while(store, client, None, async |_| ()).await?.0)
}

/// The same, with something else done in the database while the provider answers; the earlier answer is not read again.
pub async fn read_while<T>(
    store: &mut Store,
    client: &ReadClient,
    earlier: Option<Earlier>,
    meanwhile: impl AsyncFn(&mut Store) -> T,
) -> Result<(Reading, T), Error> {
    let mut patience = PATIENCE;
    loop {
        let listed_at = store.now().await?;
        let (listed, done) = tokio::join!(client.list_again(earlier.clone()), meanwhile(store));
        let error = match listed {
            Ok(listed) => return Ok((Reading { listed_at, listed }, done)),
            Err(error) => error,
        };
        let wait = match error {
            wabridges::Error::RateLimited { retry_after } => {
                patience.checked_sub(retry_after).zip(Some(retry_after))
            }
            _ => None,
        };
        let Some((left, wait)) = wait else {
            return Err(Error::provider("cannot list the fleet at the provider")(error));
        };
        patience = left;
        tokio::time::sleep(wait).await;
    }
}
