//! What the pages of the board share.

use std::sync::Arc;
use std::time::Duration;

use crate::db::board::Query;
use crate::serve::changes::Changes;
use crate::serve::exposition::Metrics;
use crate::serve::fault::Fault;
use crate::serve::snapshots::{SLOW_TICK, Snapshot, Snapshots, TICK};

/// The state behind the pages.
pub struct Board {
    /// What the database last said.
    pub snapshots: Snapshots,
    /// Says when something has changed.
    pub changes: Changes,
    /// The metrics for Prometheus.
    pub metrics: Metrics,
}

impl Board {
    /// The state of the observation, and then the results of these queries.
    pub async fn read(
        &self,
        queries: impl IntoIterator<Item = Query>,
        max_age: Duration,
    ) -> Result<Snapshot, Fault> {
        let queries = std::iter::once(Query::status()).chain(queries).collect();
        self.snapshots.get(queries, max_age).await.map_err(Fault::Unavailable)
    }

    /// Reads a slow query; its result may be `SLOW_TICK` old. The state of the observation is read anew, so the page says at once
    /// when the database fails.
    pub async fn read_slowly(&self, query: Query) -> Result<Snapshot, Fault> {
        let state = self.read([], TICK).await?;
        let slow = self.snapshots.get(vec![query], SLOW_TICK).await.map_err(Fault::Unavailable)?;
        let tables = state.tables.iter().chain(slow.tables.iter()).cloned().collect();
        let stale = state.stale.or(slow.stale);
        Ok(Snapshot { tables: Arc::new(tables), read_at: slow.read_at, stale })
    }
}
