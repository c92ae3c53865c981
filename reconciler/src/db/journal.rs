//! The run log of `wab apply`: each row is committed before the next call is made. To write a row again changes nothing, so
//! that a run can do so on a server that may lack it. Times are written as ages, because servers' clocks differ.

use std::collections::BTreeSet;
use std::time::Instant;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use wabridges::BridgeId;

use crate::config::Who;
use crate::db::statement::{query, query_as, query_scalar};
use crate::db::store::Store;
use crate::ground::harmless;
use crate::model::{Error, Plan};

const DOING: &str = "cannot write the run log";
const READING: &str = "cannot read the run log";

/// Writes wab_runs and wab_operations for one run.
#[derive(Debug)]
pub struct Journal {
    run_id: Uuid,
    who: Who,
    began: Instant,
}

impl Journal {
    /// The log of a new run.
    pub fn new() -> Self {
        Self { run_id: Uuid::new_v4(), who: Who::now(), began: Instant::now() }
    }

    /// The id of this run.
    pub fn run_id(&self) -> Uuid {
        self.run_id
    }

    /// Records the start of the run.
    pub async fn begin_run(&self, store: &mut Store, plan: &Plan) -> Result<(), Error> {
        let begin = store.names.sql(include_str!("journal/begin_run.sql"));
        let begin = query(begin)
            .bind(self.run_id)
            .bind(&self.who.who)
            .bind(concat!("wab ", env!("CARGO_PKG_VERSION")))
            .bind(&self.who.git_sha)
            .bind(&self.who.ci_url)
            .bind(&plan.plan_sha256)
            .bind(i32::try_from(plan.steps.len()).unwrap_or(i32::MAX))
            .bind(age(self.began));
        store.session.run(DOING, async |conn| begin.execute(conn).await.map(drop)).await
    }

    /// Records the end of the run.
    pub async fn finish_run(&self, store: &mut Store, outcome: &str) -> Result<(), Error> {
        let finish = store.names.sql(
            "UPDATE @extschema@.wab_runs SET finished_at = clock_timestamp(), outcome = $2 WHERE run_id = $1",
        );
        let finish = query(finish).bind(self.run_id).bind(outcome);
        store.session.run(DOING, async |conn| finish.execute(conn).await.map(drop)).await
    }

    /// Records the start of a step.
    pub async fn begin_step(&self, store: &mut Store, entry: &Entry<'_>) -> Result<(), Error> {
        let begin = store.names.sql(include_str!("journal/begin_step.sql"));
        let begin = query(begin)
            .bind(self.run_id)
            .bind(entry.step)
            .bind(entry.kind)
            .bind(entry.customer_ref)
            .bind(entry.bridge_id.map(BridgeId::get))
            .bind(age(entry.began));
        store.session.run(DOING, async |conn| begin.execute(conn).await.map(drop)).await
    }

    /// Records the outcome of a step.
    pub async fn finish_step(&self, store: &mut Store, step: i32, end: &StepEnd<'_>) -> Result<(), Error> {
        let finish = store.names.sql(include_str!("journal/finish_step.sql"));
        let finish = query(finish)
            .bind(self.run_id)
            .bind(step)
            .bind(end.outcome)
            .bind(end.detail)
            .bind(end.bridge_id.map(BridgeId::get))
            .bind(age(end.ended));
        store.session.run(DOING, async |conn| finish.execute(conn).await.map(drop)).await
    }

    /// Reads which steps of this run have an outcome in the database. `None`: the database does not have the run.
    pub async fn kept(&self, store: &mut Store) -> Result<Option<BTreeSet<i32>>, Error> {
        let kept = query_as(store.names.sql(include_str!("journal/kept.sql"))).bind(self.run_id);
        let (has_run, ended): (bool, Vec<i32>) =
            store.session.run(READING, async |conn| kept.fetch_one(conn).await).await?;
        Ok(has_run.then(|| ended.into_iter().collect()))
    }

    /// Fails unless the server commits. A primary without its synchronous standby answers reads and commits nothing: only a
    /// write shows it. To lock a row is one, and an attempt does not wait for the lock of one that was given up.
    pub async fn require_commit(&self, store: &mut Store) -> Result<(), Error> {
        let touch = store.names.sql("SELECT FROM @extschema@.wab_runs r WHERE r.run_id = $1 FOR KEY SHARE");
        let touch = query(touch).bind(self.run_id);
        store.session.run(DOING, async |conn| touch.execute(conn).await.map(drop)).await
    }

    /// Fails if another run began after this time.
    pub async fn require_latest(&self, store: &mut Store, since: DateTime<Utc>) -> Result<(), Error> {
        let later = query_scalar(store.names.sql(
            "SELECT r.who FROM @extschema@.wab_runs r WHERE r.started_at > $1 AND r.run_id <> $2 LIMIT 1",
        ));
        let later = later.bind(since).bind(self.run_id);
        let later: Option<String> =
            store.session.run(READING, async |conn| later.fetch_optional(conn).await).await?;
        later.map_or(Ok(()), |who| Err(Error::Superseded { who: harmless(&who) }))
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
    /// When it began.
    pub began: Instant,
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
    /// When it ended.
    pub ended: Instant,
}

fn age(moment: Instant) -> f64 {
    moment.elapsed().as_secs_f64()
}
