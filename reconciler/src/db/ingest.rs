//! Hands webhook events over to PostgreSQL.

use crate::config::Database;
use crate::db::statement::query_scalar;
use crate::db::store::Store;
use crate::model::{Error, Event};

/// A connection of its own, which is made at the first event.
#[derive(Debug)]
pub struct Ingest {
    database: Database,
    store: Option<Store>,
}

impl Ingest {
    /// Connects later.
    pub fn new(database: Database) -> Self {
        Self { database, store: None }
    }

    /// Records these events in one transaction; returns the outcome of each once that is committed.
    pub async fn record(&mut self, events: &[Event]) -> Result<Vec<String>, Error> {
        let refs: Vec<&str> = events.iter().map(|event| event.customer_ref.as_str()).collect();
        let bodies: Vec<&str> = events.iter().map(|event| event.body.as_str()).collect();
        let store = self.store().await?;
        let record = "SELECT @extschema@._wab_ingest_events($1, $2)";
        let record = query_scalar(store.names.sql(record)).bind(refs).bind(bodies);
        let doing = "cannot record the events";
        store.session.run(doing, async |conn| record.fetch_one(conn).await).await
    }

    /// Whether `message` events matter: whether silence is a kind of drift.
    pub async fn wants_messages(&mut self) -> Result<bool, Error> {
        let store = self.store().await?;
        let read =
            query_scalar(store.names.sql("SELECT p.silent_after IS NOT NULL FROM @extschema@.wab_policy p"));
        let doing = "cannot read wab_policy";
        store.session.run(doing, async |conn| read.fetch_one(conn).await).await
    }

    async fn store(&mut self) -> Result<&mut Store, Error> {
        if self.store.is_none() {
            self.store = Some(Store::connect(&self.database).await?);
        }
        self.store.as_mut().ok_or_else(|| Error::config("no connection", "start wab serve again"))
    }
}
