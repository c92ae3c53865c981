//! What the pages of the board share.

use std::sync::Arc;
use std::time::Duration;

use crate::db::board::Query;
use crate::model::Kind;
use crate::serve::changes::Changes;
use crate::serve::exposition::Metrics;
use crate::serve::fault::Fault;
use crate::serve::params::Params;
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

    /// The kind of drift that the address names. It may be one that only the database knows, if there is drift of that kind.
    pub async fn kind(&self, params: &Params) -> Result<Option<String>, Fault> {
        let Some(kind) = params.text("kind")? else { return Ok(None) };
        let known = Kind::ALL.map(|kind| kind.as_str());
        if !known.contains(&kind.as_str()) {
            let drift = self.read([Query::drift(Some(kind.clone()), Some(1))], TICK).await?;
            if drift.tables[1].rows.is_empty() {
                let known = known.join(", ");
                return Err(Fault::BadRequest(format!("{kind} is no kind of drift. The kinds are {known}.")));
            }
        }
        Ok(Some(kind))
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
