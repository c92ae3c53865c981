//! Reads the stored state: the drift rows, the last observation, and the run that holds the lock.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db::drift::drift;
use crate::db::lock_holder::lock_holder;
use crate::db::rows::from_row;
use crate::db::statement::{query, query_as, query_scalar};
use crate::db::store::Store;
use crate::model::{Drift, Error, LastRun, LockHolder, Status};

from_row!(Status {
    observed_at, age_seconds, source, malformed, outside, bridges, paired, awaiting_scan, disconnected, unknown, orphaned,
    churned, duplicate, missing, monthly_cost, monthly_waste, oldest_status_seconds, polled, awaiting_scan_drift,
    disconnected_drift, awaiting_scan_after, disconnected_after,
    future_observation; drift: BTreeMap::new(), applying: None, last_run: None
});
from_row!(LastRun { run_id, started_at, finished_at, who, git_sha, ci_url, plan_sha256, steps, outcome });

impl Store {
    /// The drift of the last observation, and the number of unreadable rows in that listing.
    pub async fn stored_drift(&mut self) -> Result<(Vec<Drift>, usize), Error> {
        self.require_binding().await?;
        let malformed = self.last_malformed().await?.ok_or_else(|| {
            Error::config(
                "the fleet was never observed",
                "store an observation: wab apply, or SELECT * FROM wab_refresh();",
            )
        })?;
        self.require_all_rows().await?;
        let mut evaluation = self.evaluation().await?;
        let rows = drift(&mut evaluation, None).await?;
        evaluation.rollback().await?;
        Ok((rows, usize::try_from(malformed).unwrap_or(0)))
    }

    /// Unreadable rows in the last listing; `None` if there was none.
    async fn last_malformed(&mut self) -> Result<Option<i32>, Error> {
        let read = "SELECT o.malformed FROM @extschema@._wab_last_observation() o";
        let read = query_scalar(self.names.sql(read));
        let doing = "cannot read the last observation";
        self.session.run(doing, async |conn| read.fetch_optional(conn).await).await
    }

    /// The stored state of the fleet, and its last run.
    pub async fn status(&mut self) -> Result<Status, Error> {
        self.require_binding().await?;
        let applying = self.lock_holder().await?.map(|holder| holder.to_string());
        let last_run = self.last_run(applying.as_deref()).await?;
        self.require_all_rows().await?;
        let mut evaluation = self.evaluation().await?;
        let status = evaluation.names.sql(include_str!("status/status.sql"));
        let drift =
            evaluation.names.sql("SELECT d.kind, count(*) FROM @extschema@.wab_drift d GROUP BY d.kind");
        let mut tx = evaluation.under_binding_path().await?;
        let stored: Status = query_as(status)
            .fetch_one(&mut *tx)
            .await
            .map_err(Error::database("cannot read the stored fleet"))?;
        let drift: Vec<(String, i64)> = query_as(drift)
            .fetch_all(&mut *tx)
            .await
            .map_err(Error::database("cannot read the stored drift"))?;
        tx.rollback().await.map_err(Error::database("cannot read the stored fleet"))?;
        evaluation.rollback().await?;
        Ok(Status { drift: drift.into_iter().collect(), applying, last_run, ..stored })
    }

    /// The time of an observation that is in the future: the database's clock was set back since.
    pub async fn future_observation(&mut self) -> Result<Option<DateTime<Utc>>, Error> {
        let read = query_scalar(self.names.sql(
            "SELECT l.newest FROM (SELECT max(o.observed_at) AS newest FROM @extschema@.wab_observations o) l
             WHERE l.newest > clock_timestamp()",
        ));
        self.session
            .run("cannot read the last observation", async |conn| read.fetch_optional(conn).await)
            .await
    }

    pub(super) async fn require_binding(&mut self) -> Result<(), Error> {
        let require = query(self.names.sql("SELECT @extschema@._wab_require_binding()"));
        let doing = "cannot read the stored fleet";
        self.session.run(doing, async |conn| require.execute(conn).await.map(drop)).await
    }

    /// The session that holds the lock of `wab apply`.
    pub async fn lock_holder(&mut self) -> Result<Option<LockHolder>, Error> {
        let Self { session, names, .. } = self;
        let doing = "cannot find out which session holds the lock of wab apply";
        session.run(doing, async |conn| lock_holder(conn, names).await).await
    }

    pub(super) async fn last_run(&mut self, holder: Option<&str>) -> Result<Option<LastRun>, Error> {
        let last = query_as(self.names.sql(include_str!("status/last_run.sql"))).bind(holder.is_some());
        self.session.run("cannot read the last run", async |conn| last.fetch_optional(conn).await).await
    }
}
