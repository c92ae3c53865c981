//! Shows what happens during a run, on stderr.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wabridges::MalformedRow;

use crate::ground::{count, harmless, shown, span};
use crate::model::{Polled, chain};
use crate::render::progress::Progress;
use crate::render::stderr::{emit, emit_safely, warn};
use crate::run::events::{Event, Events};

/// stderr, with the progress of the run that is under way.
#[derive(Clone, Debug, Default)]
pub struct Console {
    progress: Arc<Mutex<Option<Progress>>>,
}

impl Events for Console {
    fn emit(&self, event: Event<'_>) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match (event, &*progress) {
            (Event::WaitingForLock { holder }, _) => {
                emit_safely(&format!("waiting for another wab apply{holder}"))
            }
            (Event::Malformed(rows), _) => malformed(rows),
            (Event::Polling { sessions, at_least }, _) => polling(sessions, at_least),
            (Event::Polled(answers), _) => polled(answers),
            (Event::Stopping, _) => warn("stopping after the call in flight; once more to end at once"),
            (Event::RunStarted(plan), _) => *progress = Some(Progress::new(plan)),
            (_, None) => {}
            (Event::StepStarting { step, left }, Some(progress)) => progress.starting(step, left),
            (Event::WaitingForLimit(wait), Some(progress)) => progress.waiting(wait),
            (Event::StepsExecuted { steps, left }, Some(progress)) => progress.finished(steps, left),
            (Event::StepsFailed(text), Some(progress)) => progress.say(text),
            (Event::RunEnded(report), Some(progress)) => progress.finish(report),
        }
    }
}

/// Sessions are about to be asked, and the least time that takes.
fn polling(sessions: usize, time: Duration) {
    let time = match time {
        Duration::ZERO => String::new(),
        time => format!("; the provider's limits make that take {}", span(time)),
    };
    emit(&format!("asking {} about the status{time}", count(sessions, "session")));
}

/// What became of it.
fn polled(polled: &Polled) {
    let Some(error) = &polled.told.first_failure else { return };
    warn(&format!(
        "{} of {} told their status; the first that did not: {}\nwhat was learnt before stays; they are asked again next time",
        polled.told.answered(),
        count(polled.chosen, "session"),
        chain(error)
    ));
}

/// The rows of the listing that could not be read.
fn malformed(rows: &[MalformedRow]) {
    let mut text = format!(
        "{} could not be read, so the reading is incomplete and no absence is believed:",
        count(rows.len(), "listed row")
    );
    for row in rows.iter().take(10) {
        text += &format!("\n  row {}: {}: {}", row.index, harmless(&row.reason), shown(&row.excerpt));
    }
    if rows.len() > 10 {
        text += &format!("\n  … and {} more", rows.len() - 10);
    }
    warn(&text);
}
