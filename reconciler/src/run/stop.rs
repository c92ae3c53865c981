//! The wish to stop, made of SIGINT, SIGTERM and a deadline; what is finished before stopping is apply's business.

use std::process;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::model::{Error, RunEnd};
use crate::run::events::{Event, Events};

/// What a shell says of a process that SIGINT ended: this end is not a clean one.
const KILLED: i32 = 130;

/// Tells whether somebody asked to stop, or time is up.
#[derive(Clone, Debug)]
pub struct Stop {
    told: watch::Receiver<bool>,
    deadline: Option<Instant>,
}

impl Stop {
    /// Takes the two signals over: the first is a wish, the second ends the process at once.
    pub fn listen(deadline: Option<Instant>, events: impl Events + 'static) -> Result<Self, Error> {
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
                events.emit(Event::Stopping);
                tell.send_replace(true);
            }
        });
        Ok(Self { told, deadline })
    }

    /// Whether somebody asked, or time is up.
    pub fn is_wished(&self) -> bool {
        *self.told.borrow() || self.is_too_late_for(Duration::ZERO)
    }

    /// Whether what takes so long would end after the deadline.
    pub fn is_too_late_for(&self, work: Duration) -> bool {
        self.deadline.is_some_and(|deadline| deadline.saturating_duration_since(Instant::now()) <= work)
    }

    /// Why the run ends here.
    pub fn end(&self) -> RunEnd {
        if *self.told.borrow() { RunEnd::Interrupted } else { RunEnd::Deadline }
    }

    /// Returns when somebody asks, or time is up.
    pub async fn wished(&self) {
        let mut told = self.told.clone();
        let asked = async {
            if told.wait_for(|stop| *stop).await.is_err() {
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
