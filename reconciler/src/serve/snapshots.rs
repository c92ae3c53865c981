//! What the database last said, shared by all viewers: the same queries run once at a time, and their result serves everybody for a
//! while. If the database fails, the last result is shown with its age.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::time::timeout;

use crate::db::board::Query;
use crate::db::pool::Pool;
use crate::model::{Error, Table, chain};

/// For so long a result serves everybody.
pub const TICK: Duration = Duration::from_secs(2);
/// The same for queries that take long.
pub const SLOW_TICK: Duration = Duration::from_secs(30);
/// A viewer who could see an older result waits so long for a new one.
const PATIENCE: Duration = Duration::from_secs(1);
/// After a failure the database is left alone for so long.
const PAUSE: Duration = Duration::from_secs(1);
/// So many results are kept; then those that were not asked for lately go.
const KEPT: usize = 200;
const IDLE: Duration = Duration::from_secs(600);

/// The result of a few queries that were run in one transaction.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// One table per query.
    pub tables: Arc<Vec<Table>>,
    /// When they were read, by this machine's clock.
    pub read_at: DateTime<Utc>,
    /// Why it is not newer.
    pub stale: Option<String>,
}

/// The results.
pub struct Snapshots {
    pool: Arc<Pool>,
    slots: Mutex<HashMap<Vec<Query>, Arc<Slot>>>,
}

type Read = Result<(Arc<Vec<Table>>, DateTime<Utc>), String>;
type Flight = Shared<BoxFuture<'static, Read>>;

#[derive(Default)]
struct Slot {
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    /// The last good result, and when it was read.
    last: Option<(Instant, Arc<Vec<Table>>, DateTime<Utc>)>,
    /// The last failure since then.
    failure: Option<(Instant, String)>,
    /// The read that is under way.
    flight: Option<Flight>,
    /// When somebody last asked.
    asked: Option<Instant>,
}

impl Snapshots {
    /// No result yet.
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { pool, slots: Mutex::default() }
    }

    /// The result of these queries, not older than `max_age` unless the database fails or takes long.
    ///
    /// # Errors
    /// Why there is no result at all.
    pub async fn get(&self, queries: Vec<Query>, max_age: Duration) -> Result<Snapshot, String> {
        let slot = self.slot(&queries);
        let (old, flight) = {
            let mut now = lock(&slot.now);
            now.asked = Some(Instant::now());
            let old = now.last.clone();
            if let Some((at, tables, read_at)) = &old
                && at.elapsed() < max_age
            {
                return Ok(Snapshot { tables: tables.clone(), read_at: *read_at, stale: None });
            }
            if let Some((at, why)) = &now.failure
                && at.elapsed() < PAUSE
            {
                return stale(old, why.clone());
            }
            let flight = now.flight.get_or_insert_with(|| self.fly(queries, slot.clone())).clone();
            (old, flight)
        };
        let read = match old {
            None => flight.await,
            Some(_) => match timeout(PATIENCE, flight).await {
                Ok(read) => read,
                Err(_) => Err("the database has not answered yet".to_owned()),
            },
        };
        match read {
            Ok((tables, read_at)) => Ok(Snapshot { tables, read_at, stale: None }),
            Err(why) => stale(old, why),
        }
    }

    /// Runs these queries now, for one viewer: their result may be large.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn read(&self, queries: Vec<Query>) -> Result<Vec<Table>, String> {
        self.pool.read(&queries).await.map_err(|error| told(&error))
    }

    fn slot(&self, queries: &[Query]) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(queries) {
            return slot.clone();
        }
        if slots.len() >= KEPT {
            let is_idle = |slot: &Slot| lock(&slot.now).asked.is_none_or(|asked| asked.elapsed() > IDLE);
            slots.retain(|_, slot| !is_idle(slot));
        }
        // All were asked for lately: this one is not kept.
        let slot = Arc::new(Slot::default());
        if slots.len() < KEPT {
            slots.insert(queries.to_vec(), slot.clone());
        }
        slot
    }

    /// Runs the queries in a task of its own: a viewer who leaves does not end the read for the others.
    fn fly(&self, queries: Vec<Query>, slot: Arc<Slot>) -> Flight {
        let pool = self.pool.clone();
        let task = tokio::spawn(async move {
            // A panic must not leave the slot with a read that never ends.
            let read = AssertUnwindSafe(pool.read(&queries)).catch_unwind().await;
            let read = match read {
                Ok(read) => read.map_err(|error| told(&error)),
                Err(_) => Err("the answer of the database could not be read".to_owned()),
            };
            let mut now = lock(&slot.now);
            now.flight = None;
            match read {
                Ok(tables) => {
                    let (tables, read_at) = (Arc::new(tables), Utc::now());
                    now.last = Some((Instant::now(), tables.clone(), read_at));
                    now.failure = None;
                    Ok((tables, read_at))
                }
                Err(why) => {
                    now.failure = Some((Instant::now(), why.clone()));
                    Err(why)
                }
            }
        });
        async move { task.await.unwrap_or_else(|_| Err("the read was ended".to_owned())) }.boxed().shared()
    }
}

/// The error, and what to do about it.
fn told(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{}. {hint}", chain(error)),
        None => chain(error),
    }
}

/// The last good result, with the reason why there is no newer one.
fn stale(old: Option<(Instant, Arc<Vec<Table>>, DateTime<Utc>)>, why: String) -> Result<Snapshot, String> {
    match old {
        Some((_, tables, read_at)) => Ok(Snapshot { tables, read_at, stale: Some(why) }),
        None => Err(why),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
