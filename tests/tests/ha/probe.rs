//! Measures for how long no server accepted writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::task::JoinHandle;

/// A task that writes again and again.
pub struct Probe {
    ends: Arc<AtomicBool>,
    task: JoinHandle<Duration>,
}

impl Probe {
    /// Starts it; it writes to whichever of these servers accepts it.
    pub fn start(servers: Vec<PgConnectOptions>) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ends);
        let task = tokio::spawn(async move {
            let (mut last, mut longest, mut connection) = (Instant::now(), Duration::ZERO, None);
            while !until.load(Ordering::Relaxed) {
                if write(&mut connection, &servers).await {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            longest.max(last.elapsed())
        });
        Self { ends, task }
    }

    /// Ends it; returns the longest time between two writes.
    pub async fn end(self) -> Result<Duration> {
        self.ends.store(true, Ordering::Relaxed);
        Ok(self.task.await?)
    }
}

/// Whether a write was committed, on the connection or on a new one.
async fn write(connection: &mut Option<PgConnection>, servers: &[PgConnectOptions]) -> bool {
    if let Some(open) = connection {
        if is_written(open).await {
            return true;
        }
        *connection = None;
    }
    for server in servers {
        let connecting = tokio::time::timeout(Duration::from_secs(1), server.connect());
        let Ok(Ok(mut open)) = connecting.await else { continue };
        if is_written(&mut open).await {
            *connection = Some(open);
            return true;
        }
        drop(open.close().await);
    }
    false
}

async fn is_written(open: &mut PgConnection) -> bool {
    let write = sqlx::raw_sql("UPDATE probe SET at = clock_timestamp()").execute(open);
    matches!(tokio::time::timeout(Duration::from_secs(1), write).await, Ok(Ok(_)))
}
