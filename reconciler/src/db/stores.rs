//! A few connections that requests share.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::config::Database;
use crate::db::store::Store;
use crate::model::Error;

/// A person waits for the answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// The connections. They connect when they are first needed.
#[derive(Debug)]
pub struct Stores {
    database: Database,
    idle: Mutex<Vec<Store>>,
    permits: Semaphore,
}

impl Stores {
    /// At most so many connections; further requests wait.
    pub fn new(database: Database, connections: usize) -> Self {
        Self { database, idle: Mutex::default(), permits: Semaphore::new(connections) }
    }

    /// Lends a connection. If it is not handed back, as after a failure or a deadline, it is closed.
    pub async fn lend(&self) -> Result<Lent<'_>, Error> {
        let permit = self.permits.acquire().await.ok();
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let store = match idle {
            Some(store) => store,
            None => Store::connect(&self.database).await?,
        };
        Ok(Lent { store, stores: self, _permit: permit })
    }
}

/// A connection of [`Stores`].
#[derive(Debug)]
pub struct Lent<'a> {
    store: Store,
    stores: &'a Stores,
    _permit: Option<SemaphorePermit<'a>>,
}

impl Lent<'_> {
    /// Hands the connection back.
    pub fn hand_back(self) {
        self.stores.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.store);
    }
}

impl Deref for Lent<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Store {
        &mut self.store
    }
}

/// Ends the work after a few seconds: a database that stopped answering ends no statement.
pub async fn in_time<T>(
    doing: &'static str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(DEADLINE, work).await.unwrap_or_else(|_| Err(Error::unanswered(doing, DEADLINE)))
}
