//! What the pages of the board share.

use std::time::Duration;

use crate::db::board::Query;
use crate::serve::changes::Changes;
use crate::serve::exposition::Metrics;
use crate::serve::fault::Fault;
use crate::serve::snapshots::{Snapshot, Snapshots};

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
}
