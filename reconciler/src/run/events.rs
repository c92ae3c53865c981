//! What happens during a run, told to whoever shows it.

use std::time::Duration;

use wabridges::MalformedRow;

use crate::model::{Plan, Polled, Report, Step, StepReport};

/// Takes what happens during a run.
pub trait Events: Send + Sync {
    /// Tells this.
    fn emit(&self, event: Event<'_>);
}

/// Something that happened, or begins.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Another apply has the lock, and is waited for; `holder` starts with a colon, or is empty.
    WaitingForLock { holder: &'a str },
    /// These rows of the listing could not be read.
    Malformed(&'a [MalformedRow]),
    /// Sessions are about to be asked; the provider's limits make that take at least so long.
    Polling { sessions: usize, at_least: Duration },
    /// What the sessions said.
    Polled(&'a Polled),
    /// A signal asked the run to stop.
    Stopping,
    /// The plan's steps are about to be done.
    RunStarted(&'a Plan),
    /// This step is next; the rest takes at least so long.
    StepStarting { step: &'a Step, left: Duration },
    /// The provider's limits make the run wait so long for its next call.
    WaitingForLimit(Duration),
    /// These steps were tried; the rest takes at least so long.
    StepsExecuted { steps: &'a [StepReport], left: Duration },
    /// Steps were not done: which, and why.
    StepsFailed(&'a str),
    /// The run ended.
    RunEnded(&'a Report),
}
