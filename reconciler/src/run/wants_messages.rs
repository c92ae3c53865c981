//! Remembers whether `message` events are to be recorded, as PostgreSQL said last.

use std::time::{Duration, Instant};

/// How long an answer counts.
const LOOK: Duration = Duration::from_secs(60);

/// The last answer, and when it came. An error is no answer.
#[derive(Debug, Default)]
pub struct WantsMessages(Option<(Instant, bool)>);

impl WantsMessages {
    /// Whether PostgreSQL is to be asked.
    pub fn is_due(&self, now: Instant) -> bool {
        self.0.is_none_or(|(at, _)| now.duration_since(at) >= LOOK)
    }

    /// Takes an answer.
    pub const fn learn(&mut self, now: Instant, wants: bool) {
        self.0 = Some((now, wants));
    }

    /// The last answer, however old. Without one, events are wanted: the attempt to record them then finds out.
    pub fn last(&self) -> bool {
        self.0.is_none_or(|(_, wants)| wants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_new_answer_the_last_one_counts_and_is_due_at_once() {
        let (start, mut wants) = (Instant::now(), WantsMessages::default());
        assert!(wants.is_due(start) && wants.last());
        wants.learn(start, false);
        assert!(!wants.is_due(start + LOOK / 2) && !wants.last());
        assert!(wants.is_due(start + LOOK) && wants.is_due(start + LOOK * 9) && !wants.last());
        wants.learn(start + LOOK, true);
        assert!(!wants.is_due(start + LOOK) && wants.last());
    }
}
