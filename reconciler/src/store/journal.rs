//! The run's trail and its lock, on a connection of their own: each row is committed before the next call is made.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, Row};
use uuid::Uuid;
use wabridges::BridgeId;

use super::{Names, Store};
use crate::error::Error;
use crate::fleet::Database;
use crate::plan::Plan;
use crate::render;
use crate::who::Who;

const DOING: &str = "cannot write the run's trail";
/// How often the lock is asked for while another one has it.
const EVERY: Duration = Duration::from_millis(200);

/// Holds the lock of apply for as long as it lives, and writes wab_runs and wab_operations.
#[derive(Debug)]
pub struct Journal {
    conn: PgConnection,
    names: Names,
    run_id: Uuid,
    who: Who,
}

/// How a run ended, in the words of wab_runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Every step.
    Done,
    /// Some steps failed.
    Partly,
    /// Ended early.
    Stopped,
}

impl Finish {
    /// The table's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partly => "partly",
            Self::Stopped => "stopped",
        }
    }
}

impl Store {
    /// Says in pg_stat_activity who this is and since when, and then asks for the lock: whoever finds it taken is told both.
    async fn try_lock(&mut self, who: &Who) -> Result<bool, Error> {
        sqlx::query(
            "SELECT pg_catalog.set_config('application_name', pg_catalog.left($1, 36) ||
                 pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.clock_timestamp()),
                                    '\" since \"YYYY-MM-DD HH24:MI\" UTC\"'), false)",
        )
        .bind(format!("wab apply of {}", who.who))
        .execute(&mut self.conn)
        .await
        .map_err(Error::database("cannot set application_name"))?;
        sqlx::query(self.names.sql("SELECT pg_try_advisory_lock(@extschema@.wab_lock_id('apply'))"))
            .fetch_one(&mut self.conn)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(Error::database("cannot take the lock of wab apply"))
    }
}

impl Journal {
    /// Takes the lock, waiting for it as long as `patience` lasts; else says who has it.
    pub async fn lock(database: &Database, patience: Duration) -> Result<Self, Error> {
        let mut store = Store::connect(database).await?;
        let who = Who::now();
        let deadline = Instant::now().checked_add(patience);
        let mut told = false;
        while !store.try_lock(&who).await? {
            let holder = store.lock_holder().await.ok().flatten();
            let holder = holder.map(|holder| format!(": {holder}")).unwrap_or_default();
            let left = deadline.map_or(EVERY, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(Error::Locked { holder });
            }
            if !told {
                render::talk_safely(&format!("waiting for another wab apply{holder}"));
                told = true;
            }
            tokio::time::sleep(left.min(EVERY)).await;
        }
        Ok(Self { conn: store.conn, names: store.names, run_id: Uuid::new_v4(), who })
    }

    /// Gives the lock back. It would end with the connection, but a moment later: the next run may be waiting.
    pub async fn unlock(mut self) {
        // A connection that cannot do this is gone, and the lock with it.
        let _ = sqlx::query(self.names.sql("SELECT pg_advisory_unlock(@extschema@.wab_lock_id('apply'))"))
            .execute(&mut self.conn)
            .await;
    }

    /// The run's own id.
    pub fn run_id(&self) -> Uuid {
        self.run_id
    }

    /// The run begins.
    pub async fn begin_run(&mut self, plan: &Plan) -> Result<(), Error> {
        sqlx::query(self.names.sql(
            "INSERT INTO @extschema@.wab_runs (run_id, who, tool, git_sha, ci_url, plan_sha256, steps)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        ))
        .bind(self.run_id)
        .bind(&self.who.who)
        .bind(concat!("wab ", env!("CARGO_PKG_VERSION")))
        .bind(&self.who.git_sha)
        .bind(&self.who.ci_url)
        .bind(&plan.plan_sha256)
        .bind(i32::try_from(plan.steps.len()).unwrap_or(i32::MAX))
        .execute(&mut self.conn)
        .await
        .map(drop)
        .map_err(Error::database(DOING))
    }

    /// The run ends.
    pub async fn finish_run(&mut self, finish: Finish) -> Result<(), Error> {
        sqlx::query(self.names.sql(
            "UPDATE @extschema@.wab_runs SET finished_at = clock_timestamp(), outcome = $2 WHERE run_id = $1",
        ))
        .bind(self.run_id)
        .bind(finish.as_str())
        .execute(&mut self.conn)
        .await
        .map(drop)
        .map_err(Error::database(DOING))
    }

    /// A step is about to be done.
    pub async fn begin_step(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        sqlx::query(self.names.sql(
            "INSERT INTO @extschema@.wab_operations (run_id, step, kind, customer_ref, bridge_id)
             VALUES ($1, $2, $3, $4, $5)",
        ))
        .bind(self.run_id)
        .bind(entry.step)
        .bind(entry.kind)
        .bind(entry.customer_ref)
        .bind(entry.bridge_id.map(BridgeId::get))
        .execute(&mut self.conn)
        .await
        .map(drop)
        .map_err(Error::database(DOING))
    }

    /// A step was done, or was not.
    pub async fn finish_step(&mut self, step: i32, ended: &Ended<'_>) -> Result<(), Error> {
        sqlx::query(self.names.sql(
            "UPDATE @extschema@.wab_operations
             SET finished_at = clock_timestamp(), outcome = $3, detail = $4, bridge_id = coalesce($5, bridge_id)
             WHERE run_id = $1 AND step = $2",
        ))
        .bind(self.run_id)
        .bind(step)
        .bind(ended.outcome)
        .bind(ended.detail)
        .bind(ended.bridge_id.map(BridgeId::get))
        .execute(&mut self.conn)
        .await
        .map(drop)
        .map_err(Error::database(DOING))
    }
}

/// What the trail says before a call.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its number in the plan, from 1.
    pub step: i32,
    /// provision, bind, set_status or delete.
    pub kind: &'static str,
    /// `None` where one statement covers many rows.
    pub customer_ref: Option<&'a str>,
    /// The bridge, if it is known.
    pub bridge_id: Option<BridgeId>,
}

/// What the trail says after it.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// done, failed or unknown.
    pub outcome: &'static str,
    /// The error, or what was done.
    pub detail: &'a str,
    /// The bridge, if it became known.
    pub bridge_id: Option<BridgeId>,
}
