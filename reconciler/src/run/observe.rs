//! Lists the provider's fleet completely, and notes the database's time before the call.

use std::time::Duration;

use wabridges::ReadClient;

use crate::db::store::Store;
use crate::model::{Error, Reading};
use crate::run::events::{Event, Events};

/// How long one call may wait in total because the provider answered 429.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How often the list is read if refreshes that began later are stored first each time.
const READINGS: usize = 8;

/// The client that lists the fleet, and the receiver of events about unreadable rows.
#[derive(Clone, Copy)]
pub struct Observer<'a> {
    /// The provider.
    pub client: &'a ReadClient,
    /// Receives the run's events.
    pub events: &'a dyn Events,
}

impl Observer<'_> {
    /// Lists the fleet.
    pub async fn read(self, store: &mut Store) -> Result<Reading, Error> {
        Ok(self.read_while(store, async |_| ()).await?.0)
    }

    /// Lists the fleet, and does other work in the database while the provider answers.
    pub async fn read_while<T>(
        self,
        store: &mut Store,
        meanwhile: impl AsyncFn(&mut Store) -> T,
    ) -> Result<(Reading, T), Error> {
        let (reading, done) = self.list_while(store, meanwhile).await?;
        let malformed = &reading.listing.malformed;
        if !malformed.is_empty() {
            self.events.emit(Event::Malformed(malformed));
        }
        Ok((reading, done))
    }

    /// Does the work with the reading. If a refresh that began later was stored first, lists again and
    /// repeats the work.
    pub async fn up_to_date<T>(
        self,
        store: &mut Store,
        reading: &mut Reading,
        work: impl AsyncFn(&mut Store, &Reading) -> Result<T, Error>,
    ) -> Result<T, Error> {
        for _ in 1..READINGS {
            match work(store, reading).await {
                Err(Error::Overtaken) => *reading = self.read(store).await?,
                result => return result,
            }
        }
        work(store, reading).await
    }

    /// Lists the fleet. Says once if it waits for the provider's limit.
    pub async fn list_while<T>(
        self,
        store: &mut Store,
        meanwhile: impl AsyncFn(&mut Store) -> T,
    ) -> Result<(Reading, T), Error> {
        let mut patience = PATIENCE;
        loop {
            let listed_at = store.now().await?;
            let (listing, done) = tokio::join!(self.client.list(), meanwhile(store));
            let error = match listing {
                Ok(listing) => {
                    let listing_sha256 = listing.sha256();
                    return Ok((Reading { listed_at, listing, listing_sha256 }, done));
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
            if patience == PATIENCE {
                self.events.emit(Event::ListWaits(PATIENCE));
            }
            patience = left;
            tokio::time::sleep(wait).await;
        }
    }
}
