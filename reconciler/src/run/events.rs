//! The events of a run, and the trait that receives them.

use std::time::Duration;

use wabridges::MalformedRow;

use crate::model::{Error, LockHolder, Plan, Polled, Report, Step, StepReport};

/// Receives the run's events.
pub trait Events: Send + Sync {
    /// Receives one event.
    fn emit(&self, event: Event<'_>);
}

/// Something that happened or is about to happen.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Another apply holds the lock, and this one waits.
    WaitingForLock { holder: Option<&'a LockHolder> },
    /// The provider answered 429 to the list, which is asked for again for this long in all.
    ListWaits(Duration),
    /// These rows of the listing could not be read.
    Malformed(&'a [MalformedRow]),
    /// The run is about to ask this many sessions, out of `of` listed bridges without a status. The provider's limits
    /// make this take at least `at_least`.
    Polling { sessions: usize, of: usize, at_least: Duration },
    /// The answers of the sessions.
    Polled(&'a Polled),
    /// A signal asked the run to stop.
    Stopping,
    /// The first step is about to start.
    RunStarted(&'a Plan),
    /// This step is next; the remaining steps take at least this long.
    StepStarting { step: &'a Step, left: Duration },
    /// The run waits this long for the provider's limits before its next call.
    WaitingForLimit(Duration),
    /// These steps were tried; the remaining steps take at least this long.
    StepsExecuted { steps: &'a [StepReport], left: Duration },
    /// The database's server is lost; the run waits this long for one that accepts writes.
    DatabaseAway { error: &'a Error, patience: Duration },
    /// A server accepts writes again. So many steps were missing there and were recorded again.
    DatabaseBack { away: Duration, rewritten: usize },
    /// Steps failed: which, and why.
    StepsFailed(&'a str),
    /// The run ended.
    RunEnded(&'a Report),
}
