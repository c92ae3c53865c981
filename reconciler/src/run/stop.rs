//! The stop request: SIGINT, SIGTERM or the deadline.

use std::process;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::model::{Error, RunEnd};
use crate::run::events::{Event, Events};

/// The exit code of a process that SIGINT ended: the second signal ends the run at once.
const KILLED: i32 = 130;

/// Whether a signal asked the run to stop, or the deadline has passed.
#[derive(Clone, Debug)]
pub struct Stop {
    signalled: watch::Receiver<bool>,
    deadline: Option<Instant>,
}

impl Stop {
    /// Handles both signals: the first asks the run to stop, the second ends the process at once.
    pub fn listen(deadline: Option<Instant>, events: impl Events + 'static) -> Result<Self, Error> {
        let cannot = |error: std::io::Error| {
            Error::config(
                format!("cannot listen for signals: {error}"),
                "run wab in an environment that lets it handle signals",
            )
        };
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        let (signal_sent, signalled) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                if *signal_sent.borrow() {
                    process::exit(KILLED);
                }
                events.emit(Event::Stopping);
                signal_sent.send_replace(true);
            }
        });
        Ok(Self { signalled, deadline })
    }

    /// Whether a signal asked the run to stop, or the deadline has passed.
    pub fn is_requested(&self) -> bool {
        *self.signalled.borrow() || self.is_too_late_for(Duration::ZERO)
    }

    /// Whether work of this duration would end after the deadline.
    pub fn is_too_late_for(&self, work: Duration) -> bool {
        self.deadline.is_some_and(|deadline| deadline.saturating_duration_since(Instant::now()) <= work)
    }

    /// Why the run stops.
    pub fn end(&self) -> RunEnd {
        if *self.signalled.borrow() { RunEnd::Interrupted } else { RunEnd::Deadline }
    }

    /// Returns when a signal asks the run to stop, or when the deadline passes.
    pub async fn requested(&self) {
        let mut signalled = self.signalled.clone();
        let asked = async {
            if signalled.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let late = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! { () = asked => {}, () = late => {} }
    }
}
