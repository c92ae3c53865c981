//! Reading what is stored: the drift rows, the last observation, who applies. Nothing here writes or calls the provider.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{PgConnection, Row};
use wabridges::BridgeId;

use super::{Names, Store};
use crate::drift::Drift;
use crate::error::Error;

/// The fleet as stored, and the runs on it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Status {
    /// When the fleet was last observed; `None`: never.
    pub observed_at: Option<DateTime<Utc>>,
    /// How long ago that was, in seconds.
    pub age_seconds: Option<i64>,
    /// Who stored it.
    pub source: Option<String>,
    /// Rows of that listing that could not be read.
    pub malformed: Option<i32>,
    /// Live bridges.
    pub bridges: i64,
    /// Of these, paired.
    pub paired: i64,
    /// Of these, waiting to be scanned.
    pub awaiting_scan: i64,
    /// Of these, disconnected.
    pub disconnected: i64,
    /// Of these, with a status that was never learnt.
    pub unknown: i64,
    /// Live bridges that nobody owns.
    pub orphaned: i64,
    /// Live bridges of tenants no longer wanted.
    pub churned: i64,
    /// More live bridges than one for a customer_ref.
    pub duplicate: i64,
    /// Wanted tenants with no live bridge.
    pub missing: i64,
    /// US dollars per month for all of them.
    #[serde(serialize_with = "crate::render::money_as_number::serialize")]
    #[schemars(with = "f64")]
    pub monthly_cost: Decimal,
    /// US dollars per month for those that nobody needs.
    #[serde(serialize_with = "crate::render::money_as_number::serialize")]
    #[schemars(with = "f64")]
    pub monthly_waste: Decimal,
    /// Who applies right now.
    pub applying: Option<String>,
    /// The last run that had steps.
    pub last_run: Option<LastRun>,
}

/// One run of `wab apply`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LastRun {
    /// Its id.
    pub run_id: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended by its own account.
    pub finished_at: Option<DateTime<Utc>>,
    /// Who ran it.
    pub who: String,
    /// The commit that CI ran it from.
    pub git_sha: Option<String>,
    /// The CI job that ran it.
    pub ci_url: Option<String>,
    /// The digest of its plan.
    pub plan_sha256: Option<String>,
    /// Steps that its plan had.
    pub steps: i32,
    /// done, partly, stopped, running or interrupted.
    #[schemars(extend("enum" = ["done", "partly", "stopped", "running", "interrupted"]))]
    pub outcome: String,
}

/// The drift rows, in the order in which they are shown: all of them, or those of these bridges.
pub async fn drift(
    conn: &mut PgConnection,
    names: &Names,
    bridge_ids: Option<&[i64]>,
) -> Result<Vec<Drift>, Error> {
    const DOING: &str = "cannot read the drift";
    let rows = sqlx::query(names.sql(
        "SELECT d.kind, d.severity, d.tenant_id::text, d.bridge_id, d.customer_ref, d.stored, d.observed, d.since,
                d.detail, d.monthly_cost, d.webhook_url
         FROM @extschema@.wab_drift d WHERE $1::bigint[] IS NULL OR d.bridge_id = ANY ($1)",
    ))
    .bind(bridge_ids)
    .fetch_all(conn)
    .await
    .map_err(Error::database(DOING))?;
    let read = |row: &sqlx::postgres::PgRow| {
        Ok(Drift {
            kind: row
                .try_get::<String, _>("kind")?
                .parse()
                .map_err(|error: String| sqlx::Error::Decode(error.into()))?,
            severity: row.try_get("severity")?,
            tenant_id: row.try_get("tenant_id")?,
            bridge_id: row.try_get::<Option<i64>, _>("bridge_id")?.and_then(BridgeId::new),
            customer_ref: row.try_get("customer_ref")?,
            stored: row.try_get("stored")?,
            observed: row.try_get("observed")?,
            since: row.try_get("since")?,
            detail: row.try_get::<Option<String>, _>("detail")?.unwrap_or_default(),
            monthly_cost: row.try_get("monthly_cost")?,
            webhook_url: row.try_get("webhook_url")?,
        })
    };
    let mut drift =
        rows.iter().map(read).collect::<Result<Vec<_>, sqlx::Error>>().map_err(Error::database(DOING))?;
    drift.sort_by(Drift::order);
    Ok(drift)
}

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
        let row = sqlx::query(self.names.sql(
            "SELECT s.observed_at, floor(extract(epoch FROM clock_timestamp() - s.observed_at))::bigint AS age_seconds,
                    o.source, o.malformed, s.bridges, s.paired, s.awaiting_scan, s.disconnected, s.unknown, s.orphaned,
                    s.churned, s.duplicate, s.missing, s.monthly_cost, s.monthly_waste
             FROM @extschema@.wab_fleet_summary s
             LEFT JOIN @extschema@.wab_observations o ON o.observed_at = s.observed_at",
        ))
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
        let row = sqlx::query(self.names.sql(
            "SELECT l.pid, coalesce(a.usename::text, '?') AS role, a.application_name AS what,
                    coalesce(a.client_hostname, host(a.client_addr)) AS host
             FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
               AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
               AND (l.classid::bigint << 32 | l.objid::bigint) = @extschema@.wab_lock_id('apply')
             LIMIT 1",
        ))
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
        let row = sqlx::query(self.names.sql(
            "SELECT r.run_id::text, r.started_at, r.finished_at, r.who, r.git_sha, r.ci_url,
                    r.plan_sha256, r.steps,
                    coalesce(r.outcome, CASE WHEN $1 THEN 'running' ELSE 'interrupted' END) AS outcome
             FROM @extschema@.wab_runs r ORDER BY r.started_at DESC LIMIT 1",
        ))
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
