//! Waits for the lock of `wab apply`.

use std::time::{Duration, Instant};

use crate::config::Database;
use crate::db::apply_lock::{ApplyLock, Contender};
use crate::model::Error;
use crate::run::events::{Event, Events};

/// How often the lock is tried while another run holds it.
const EVERY: Duration = Duration::from_millis(200);

/// Takes the lock, waiting at most `patience`. The error names the run that holds it.
pub async fn lock(database: &Database, patience: Duration, events: &dyn Events) -> Result<ApplyLock, Error> {
    let mut contender = Contender::connect(database).await?;
    let deadline = Instant::now().checked_add(patience);
    let mut is_announced = false;
    loop {
        let holder = match contender.try_lock().await? {
            Ok(held) => return Ok(contender.hold(held)),
            Err(holder) => holder,
        };
        let left = deadline.map_or(EVERY, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Err(Error::Locked { holder });
        }
        if !is_announced {
            events.emit(Event::WaitingForLock { holder: holder.as_ref() });
            is_announced = true;
        }
        tokio::time::sleep(left.min(EVERY)).await;
    }
}
