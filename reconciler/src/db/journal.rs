//! The run log and the lock of `wab apply`, on a connection of their own: each row is committed before the
//! next call is made.

use uuid::Uuid;
use wabridges::BridgeId;

use crate::config::{Database, Who};
use crate::db::store::Store;
use crate::model::{Error, Plan};

const DOING: &str = "cannot write the run log";

/// Holds the lock of `wab apply` while it lives, and writes wab_runs and wab_operations.
#[derive(Debug)]
pub struct Journal {
    store: Store,
    run_id: Uuid,
    who: Who,
}

/// The result of trying to take the lock.
#[derive(Debug)]
pub enum Lock {
    /// This run holds the lock.
    Taken,
    /// Another run holds the lock: ": " and that run, or empty if it is not visible.
    HeldBy(String),
}

impl Journal {
    /// Connects. The lock is taken later.
    pub async fn open(database: &Database) -> Result<Self, Error> {
        let store = Store::connect(database).await?;
        Ok(Self { store, run_id: Uuid::new_v4(), who: Who::now() })
    }

    /// Writes the run and its start time into pg_stat_activity, then tries the lock. A run that finds it
    /// taken reports both.
    pub async fn try_lock(&mut self) -> Result<Lock, Error> {
        let store = &mut self.store;
        sqlx::query(include_str!("journal/announce.sql"))
            .bind(format!("wab apply of {}", self.who.who))
            .execute(&mut store.conn)
            .await
            .map_err(Error::database("cannot set application_name"))?;
        let take = store.names.sql("SELECT pg_try_advisory_lock(@extschema@._wab_lock_id('apply'))");
        let taken: bool = sqlx::query_scalar(take)
            .fetch_one(&mut store.conn)
            .await
            .map_err(Error::database("cannot take the lock of wab apply"))?;
        if taken {
            return Ok(Lock::Taken);
        }
        let holder = store.lock_holder().await.ok().flatten();
        Ok(Lock::HeldBy(holder.map(|holder| format!(": {holder}")).unwrap_or_default()))
    }

    /// Releases the lock at once. It would end with the connection too, but later, and the next run may be
    /// waiting.
    pub async fn unlock(mut self) {
        // If this fails, the connection is lost, and the lock with it.
        let _ =
            sqlx::query(self.store.names.sql("SELECT pg_advisory_unlock(@extschema@._wab_lock_id('apply'))"))
                .execute(&mut self.store.conn)
                .await;
    }

    /// The id of this run.
    pub fn run_id(&self) -> Uuid {
        self.run_id
    }

    /// Records the start of the run.
    pub async fn begin_run(&mut self, plan: &Plan) -> Result<(), Error> {
        sqlx::query(self.store.names.sql(include_str!("journal/begin_run.sql")))
            .bind(self.run_id)
            .bind(&self.who.who)
            .bind(concat!("wab ", env!("CARGO_PKG_VERSION")))
            .bind(&self.who.git_sha)
            .bind(&self.who.ci_url)
            .bind(&plan.plan_sha256)
            .bind(i32::try_from(plan.steps.len()).unwrap_or(i32::MAX))
            .execute(&mut self.store.conn)
            .await
            .map(drop)
            .map_err(Error::database(DOING))
    }

    /// Records the end of the run.
    pub async fn finish_run(&mut self, outcome: &str) -> Result<(), Error> {
        sqlx::query(self.store.names.sql(
            "UPDATE @extschema@.wab_runs SET finished_at = clock_timestamp(), outcome = $2 WHERE run_id = $1",
        ))
        .bind(self.run_id)
        .bind(outcome)
        .execute(&mut self.store.conn)
        .await
        .map(drop)
        .map_err(Error::database(DOING))
    }

    /// Records the start of a step.
    pub async fn begin_step(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        sqlx::query(self.store.names.sql(include_str!("journal/begin_step.sql")))
            .bind(self.run_id)
            .bind(entry.step)
            .bind(entry.kind)
            .bind(entry.customer_ref)
            .bind(entry.bridge_id.map(BridgeId::get))
            .execute(&mut self.store.conn)
            .await
            .map(drop)
            .map_err(Error::database(DOING))
    }

    /// Records the outcome of a step.
    pub async fn finish_step(&mut self, step: i32, end: &StepEnd<'_>) -> Result<(), Error> {
        sqlx::query(self.store.names.sql(include_str!("journal/finish_step.sql")))
            .bind(self.run_id)
            .bind(step)
            .bind(end.outcome)
            .bind(end.detail)
            .bind(end.bridge_id.map(BridgeId::get))
            .execute(&mut self.store.conn)
            .await
            .map(drop)
            .map_err(Error::database(DOING))
    }
}

/// The log entry before a step.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The step's number in the plan, from 1.
    pub step: i32,
    /// unlink, link, set_status, provision or delete.
    pub kind: &'static str,
    /// `None` if one statement covers several rows.
    pub customer_ref: Option<&'a str>,
    /// The bridge, if it is known.
    pub bridge_id: Option<BridgeId>,
}

/// The log entry after a step.
#[derive(Clone, Copy, Debug)]
pub struct StepEnd<'a> {
    /// done, failed or unknown.
    pub outcome: &'static str,
    /// The error, or a description of the action.
    pub detail: &'a str,
    /// The bridge, if it became known.
    pub bridge_id: Option<BridgeId>,
}
