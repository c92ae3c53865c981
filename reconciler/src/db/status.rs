//! Reading what is stored: the drift rows, the last observation, who applies. Nothing here writes or calls the provider.

use sqlx::Row;

use crate::db::drift::drift;
use crate::db::store::Store;
use crate::model::{Drift, Error, LastRun, Status};

impl Store {
    /// The drift of the last observation, and how many rows of that listing could not be read.
    pub async fn stored_drift(&mut self) -> Result<(Vec<Drift>, usize), Error> {
        self.require_binding().await?;
        let malformed = self.last_malformed().await?.ok_or_else(|| {
            Error::config(
                "the fleet was never observed",
                "store an observation: wab apply, or SELECT * FROM wab_refresh();",
            )
        })?;
        Ok((drift(&mut self.conn, &self.names, None).await?, usize::try_from(malformed).unwrap_or(0)))
    }

    /// Rows of the last listing that could not be read; `None`: there was none.
    async fn last_malformed(&mut self) -> Result<Option<i32>, Error> {
        sqlx::query(self.names.sql("SELECT o.malformed FROM @extschema@.wab_last_observation() o"))
            .fetch_optional(&mut self.conn)
            .await
            .and_then(|row| row.map(|row| row.try_get(0)).transpose())
            .map_err(Error::database("cannot read the last observation"))
    }

    /// The fleet as stored, and the runs on it.
    pub async fn status(&mut self) -> Result<Status, Error> {
        const DOING: &str = "cannot read the stored fleet";
        self.require_binding().await?;
        let applying = self.lock_holder().await?;
        let last_run = self.last_run(applying.as_deref()).await?;
        let row = sqlx::query(self.names.sql(include_str!("status/status.sql")))
            .fetch_one(&mut self.conn)
            .await
            .map_err(Error::database(DOING))?;
        let read = || {
            Ok(Status {
                observed_at: row.try_get("observed_at")?,
                age_seconds: row.try_get("age_seconds")?,
                source: row.try_get("source")?,
                malformed: row.try_get("malformed")?,
                bridges: row.try_get("bridges")?,
                paired: row.try_get("paired")?,
                awaiting_scan: row.try_get("awaiting_scan")?,
                disconnected: row.try_get("disconnected")?,
                unknown: row.try_get("unknown")?,
                orphaned: row.try_get("orphaned")?,
                churned: row.try_get("churned")?,
                duplicate: row.try_get("duplicate")?,
                missing: row.try_get("missing")?,
                monthly_cost: row.try_get("monthly_cost")?,
                monthly_waste: row.try_get("monthly_waste")?,
                applying,
                last_run,
            })
        };
        read().map_err(Error::database(DOING))
    }

    async fn require_binding(&mut self) -> Result<(), Error> {
        sqlx::query(self.names.sql("SELECT @extschema@.wab_require_binding()"))
            .execute(&mut self.conn)
            .await
            .map(drop)
            .map_err(Error::database("there is no fleet to speak of yet"))
    }

    /// Who holds the lock of apply, in words.
    pub async fn lock_holder(&mut self) -> Result<Option<String>, Error> {
        const DOING: &str = "cannot look who holds the lock of wab apply";
        let row = sqlx::query(self.names.sql(include_str!("status/lock_holder.sql")))
            .fetch_optional(&mut self.conn)
            .await
            .map_err(Error::database(DOING))?;
        let Some(row) = row else { return Ok(None) };
        let read = || {
            let pid: i32 = row.try_get("pid")?;
            let role: String = row.try_get("role")?;
            let what = row.try_get::<Option<String>, _>("what")?.filter(|what| !what.is_empty());
            let host = row.try_get::<Option<String>, _>("host")?;
            let what = what.unwrap_or_else(|| "another program".to_owned());
            let host = host.map(|host| format!(" from {host}")).unwrap_or_default();
            Ok(format!("{what} (server process {pid}, role {role}{host})"))
        };
        read().map(Some).map_err(Error::database(DOING))
    }

    pub(super) async fn last_run(&mut self, holder: Option<&str>) -> Result<Option<LastRun>, Error> {
        const DOING: &str = "cannot read the last run";
        let row = sqlx::query(self.names.sql(include_str!("status/last_run.sql")))
            .bind(holder.is_some())
            .fetch_optional(&mut self.conn)
            .await
            .map_err(Error::database(DOING))?;
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(LastRun {
                run_id: row.try_get("run_id")?,
                started_at: row.try_get("started_at")?,
                finished_at: row.try_get("finished_at")?,
                who: row.try_get("who")?,
                git_sha: row.try_get("git_sha")?,
                ci_url: row.try_get("ci_url")?,
                plan_sha256: row.try_get("plan_sha256")?,
                steps: row.try_get("steps")?,
                outcome: row.try_get("outcome")?,
            })
        };
        row.as_ref().map(read).transpose().map_err(Error::database(DOING))
    }
}
