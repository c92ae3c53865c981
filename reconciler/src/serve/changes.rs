//! Notices changes in the database with one small query every two seconds, while a page is open. It works the same through a pooler
//! and on a standby, where NOTIFY does not arrive.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::db::board::Query;
use crate::db::pool::Pool;
use crate::model::Table;
use crate::serve::snapshots::TICK;

/// The time between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// After a failure the time doubles, up to this: a database that is back is noticed soon, and one attempt costs little.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Whoever waits for a change gets a receiver. The watcher ends with the last receiver.
pub struct Changes {
    pool: Arc<Pool>,
    stopping: watch::Receiver<bool>,
    watcher: Mutex<Option<watch::Sender<u64>>>,
}

impl Changes {
    /// Nobody looks yet.
    pub fn new(pool: Arc<Pool>, stopping: watch::Receiver<bool>) -> Self {
        Self { pool, stopping, watcher: Mutex::default() }
    }

    /// A number that grows with each change.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        match &*watcher {
            Some(sender) if sender.receiver_count() > 0 => sender.subscribe(),
            _ => {
                let (sender, receiver) = watch::channel(0);
                tokio::spawn(watch_database(self.pool.clone(), sender.clone()));
                *watcher = Some(sender);
                receiver
            }
        }
    }

    /// Turns true when the server is to stop.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.clone()
    }

    /// How many look now.
    pub fn viewers(&self) -> usize {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        watcher.as_ref().map_or(0, watch::Sender::receiver_count)
    }
}

/// Ends when nobody looks any more. A database that failed and answers again counts as a change, because the pages show old
/// numbers; so does its first failure, because the pages say how old they are; and so does the first look, because a page may be
/// from a moment before.
async fn watch_database(pool: Arc<Pool>, sender: watch::Sender<u64>) {
    let mut last: Option<Vec<Table>> = None;
    let mut failures = 0;
    while sender.receiver_count() > 0 {
        let (is_change, next) = match pool.read(&[Query::changes()]).await {
            Ok(now) => {
                let is_change = failures > 0 || last.as_ref() != Some(&now);
                (failures, last) = (0, Some(now));
                (is_change, EVERY)
            }
            Err(_) => {
                failures += 1;
                (failures == 1, (EVERY * 2_u32.saturating_pow(failures)).min(LONGEST_PAUSE))
            }
        };
        let began = Instant::now();
        if is_change {
            // A snapshot from before the change serves everybody for one tick. A page that was renewed from it would stay old.
            pause(&sender, began + TICK).await;
            sender.send_modify(|nth| *nth += 1);
        }
        pause(&sender, began + next).await;
    }
}

/// Waits until then, or until nobody looks any more.
async fn pause(sender: &watch::Sender<u64>, until: Instant) {
    tokio::select! { () = sleep_until(until) => {}, () = sender.closed() => {} }
}
