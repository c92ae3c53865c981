//! Remembers whether `message` events are to be recorded, as PostgreSQL said last.

use std::time::{Duration, Instant};

/// How long an answer counts.
const LOOK: Duration = Duration::from_secs(60);

/// When to ask again after an error: a database that does not answer is not waited for with each batch.
const RETRY: Duration = Duration::from_secs(5);

/// The last answer, and when to ask again. An error is no answer.
#[derive(Debug, Default)]
pub struct WantsMessages {
    last: Option<bool>,
    due: Option<Instant>,
}

impl WantsMessages {
    /// Whether PostgreSQL is to be asked.
    pub fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| now >= due)
    }

    /// Takes what came of a question; `None` is an error.
    pub fn learn(&mut self, now: Instant, answer: Option<bool>) {
        self.last = answer.or(self.last);
        self.due = now.checked_add(if answer.is_some() { LOOK } else { RETRY });
    }

    /// The last answer, however old. Without one, events are wanted: the attempt to record them then finds out.
    pub fn last(&self) -> bool {
        self.last.unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_an_error_the_last_answer_counts_and_the_next_question_comes_soon() {
        let (start, mut wants) = (Instant::now(), WantsMessages::default());
        assert!(wants.is_due(start) && wants.last());
        wants.learn(start, None);
        assert!(!wants.is_due(start) && wants.is_due(start + RETRY) && wants.last());
        wants.learn(start, Some(false));
        assert!(!wants.is_due(start + LOOK / 2) && wants.is_due(start + LOOK) && !wants.last());
        wants.learn(start + LOOK, None);
        assert!(wants.is_due(start + LOOK + RETRY) && !wants.last());
        wants.learn(start + LOOK * 2, Some(true));
        assert!(wants.last());
    }
}
