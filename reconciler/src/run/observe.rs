//! One complete reading of the provider's fleet, with the database's time of it; nothing here stores or judges it.

use std::time::Duration;

use wabridges::ReadClient;

use crate::db::store::Store;
use crate::model::{Error, Reading};

/// How long one call may wait, in sum, because the provider answered 429.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Lists the fleet.
pub async fn read(store: &mut Store, client: &ReadClient) -> Result<Reading, Error> {
    Ok(read_while(store, client, async |_| ()).await?.0)
}

/// The same, with something else done in the database while the provider answers.
pub async fn read_while<T>(
    store: &mut Store,
    client: &ReadClient,
    meanwhile: impl AsyncFn(&mut Store) -> T,
) -> Result<(Reading, T), Error> {
    let mut patience = PATIENCE;
    loop {
        let listed_at = store.now().await?;
        let (listing, done) = tokio::join!(client.list(), meanwhile(store));
        let error = match listing {
            Ok(listing) => {
                let digest = listing.digest();
                return Ok((Reading { listed_at, listing, digest }, done));
            }
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
