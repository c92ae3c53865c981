//! Waits until a condition holds, never for a fixed time.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The time after which an unmet condition is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// Repeats `ask` until it returns `Some`; fails after 30 s with `what` in the message.
pub async fn until<T, F>(what: &str, ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    until_within(PATIENCE, what, ask).await
}

/// Like `until`, with another time limit.
pub async fn until_within<T, F>(patience: Duration, what: &str, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if start.elapsed() > patience {
            bail!("this was not true within {patience:?}: {what}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
