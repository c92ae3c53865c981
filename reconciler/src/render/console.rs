//! Shows the events of a run on stderr.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wabridges::MalformedRow;

use crate::ground::{count, harmless, shown, span};
use crate::model::{LockHolder, Polled, chain};
use crate::render::progress::Progress;
use crate::render::stderr::{emit, emit_safely, warn};
use crate::run::events::{Event, Events};

/// Writes events to stderr, and the progress of the current run.
#[derive(Clone, Debug, Default)]
pub struct Console {
    progress: Arc<Mutex<Option<Progress>>>,
}

impl Events for Console {
    fn emit(&self, event: Event<'_>) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match (event, &*progress) {
            (Event::WaitingForLock { holder }, _) => {
                emit_safely(&format!("waiting for another wab apply{}", LockHolder::after_colon(holder)))
            }
            (Event::ListWaits(patience), _) => emit(&format!(
                "the provider's rate limit is used up (429): asking for the list again for up to {}",
                span(patience)
            )),
            (Event::Malformed(rows), _) => malformed(rows),
            (Event::Polling { sessions, of, at_least }, _) => polling(sessions, of, at_least),
            (Event::Polled(answers), _) => polled(answers),
            (Event::Stopping, _) => {
                warn("stopping after the call in progress; a second signal ends wab at once")
            }
            (Event::RunStarted(plan), _) => *progress = Some(Progress::new(plan)),
            (_, None) => {}
            (Event::StepStarting { step, left }, Some(progress)) => progress.starting(step, left),
            (Event::WaitingForLimit(wait), Some(progress)) => progress.waiting(wait),
            (Event::StepsExecuted { steps, left }, Some(progress)) => progress.finished(steps, left),
            (Event::DatabaseAway { error, patience }, Some(progress)) => progress.warn(&format!(
                "the database is away ({}): waiting up to {} for a server that accepts writes",
                chain(error),
                span(patience)
            )),
            (Event::DatabaseBack { away, rewritten }, Some(progress)) => {
                progress.warn(&back(away, rewritten))
            }
            (Event::StepsFailed(text), Some(progress)) => progress.say(text),
            (Event::RunEnded(report), Some(progress)) => progress.finish(report),
        }
    }
}

/// Says that the run goes on, and what the new server lacked.
fn back(away: Duration, rewritten: usize) -> String {
    let lacking = match rewritten {
        0 => String::new(),
        steps => format!(", and {} that it lacked recorded again", count(steps, "step")),
    };
    format!("the database accepts writes again after {}{lacking}: the run goes on", span(away))
}

/// Announces a round of status requests, and its shortest possible duration.
fn polling(sessions: usize, of: usize, time: Duration) {
    let time = match time {
        Duration::ZERO => String::new(),
        time => format!("; at the provider's limits this takes {}", span(time)),
    };
    emit(&format!("asking {sessions} of {} for their status{time}", count(of, "bridge")));
}

/// Says how many bridges were asked, and warns about sessions that did not answer.
fn polled(polled: &Polled) {
    let asked = polled.result.answers.len();
    let rest = if asked < polled.of { ": the next run asks the others first" } else { "" };
    emit(&format!("asked {asked} of {}{rest}", count(polled.of, "bridge")));
    let Some(error) = &polled.result.first_failure else { return };
    warn(&format!(
        "{} of {} returned their status; the first error: {}\nthe stored statuses of the others stay as they are; the next round asks them again",
        polled.result.answered(),
        count(polled.chosen, "session"),
        chain(error)
    ));
}

/// Warns about rows of the listing that could not be read.
fn malformed(rows: &[MalformedRow]) {
    let mut text = format!(
        "{} could not be read: the listing is incomplete, and no bridge counts as gone:",
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
