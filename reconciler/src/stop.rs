//! The wish to stop, made of SIGINT and SIGTERM; what is finished before stopping is apply's business.

use std::process;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::error::Error;
use crate::render;

/// What a shell says of a process that SIGINT ended: this end is not a clean one.
const KILLED: i32 = 130;

/// Tells whether somebody asked to stop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Takes the two signals over: the first is a wish, the second ends the process at once.
    pub fn listen() -> Result<Self, Error> {
        let cannot = |error: std::io::Error| {
            Error::config(
                format!("cannot listen for signals: {error}"),
                "run wab where it may handle signals",
            )
        };
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                if *tell.borrow() {
                    process::exit(KILLED);
                }
                render::warn("stopping after the call in flight; once more to end at once");
                tell.send_replace(true);
            }
        });
        Ok(Self(told))
    }

    /// Whether somebody asked.
    pub fn is_wished(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when somebody asks.
    pub async fn wished(&self) {
        let mut told = self.0.clone();
        if told.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
