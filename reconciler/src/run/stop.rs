//! The stop request: a signal or the deadline.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::model::RunEnd;
use crate::run::events::{Event, Events};
use crate::run::signals;

/// Whether a signal asked the run to stop, or the deadline has passed.
#[derive(Clone, Debug)]
pub struct Stop {
    signalled: watch::Receiver<bool>,
    deadline: Option<Instant>,
}

impl Stop {
    /// From now on the first signal asks the run to stop, and the second ends the process at once.
    pub fn listen(deadline: Option<Instant>, events: impl Events + 'static) -> Self {
        let (signal_sent, signalled) = watch::channel(false);
        signals::hand_over(move || {
            events.emit(Event::Stopping);
            signal_sent.send_replace(true);
        });
        Self { signalled, deadline }
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
