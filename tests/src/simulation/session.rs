//! The status of a session as it follows from one report after another, by docs/drift.md.

use crate::simulation::moment::Moment;
use crate::simulation::words::{Mapped, Status, Words};

/// That the session had a status at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Report {
    pub at: Moment,
    /// Of two statuses at the same time, the greater counts as the later one.
    pub status: Status,
    pub word: String,
}

/// The status of a session, and what a later report needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    pub word: Option<String>,
    pub status: Option<Status>,
    pub since: Option<Moment>,
    /// Since when the bridge waits to be paired; `None` while it is paired, and if it is not known.
    pub waits_since: Option<Moment>,
    /// The statuses in the order of time, each with its beginning.
    pub history: Vec<(Moment, Status)>,
}

impl Report {
    /// That a word was said at a time.
    pub fn of(at: Moment, word: &str, words: &Words) -> Self {
        Self { at, status: words.status(word, at), word: word.to_owned() }
    }
}

impl Session {
    /// The status; unknown until it was reported.
    pub fn status(&self) -> Status {
        self.status.unwrap_or(Status::Unknown)
    }

    /// How often the status changed after this time. What began or ended unknown is no change.
    pub fn changes_since(&self, since: Moment) -> usize {
        let pairs = self.history.windows(2).rev().take_while(|pair| pair[1].0 > since);
        pairs.filter(|pair| pair.iter().all(|(_, status)| *status != Status::Unknown)).count()
    }

    /// The seconds in which the status was paired, and in which it was known, from one time to another.
    pub fn seconds(&self, from: Moment, to: Moment) -> (i64, i64) {
        let (mut paired, mut known) = (0, 0);
        for (nth, (since, status)) in self.history.iter().enumerate() {
            let until = self.history.get(nth + 1).map_or(to, |next| next.0).min(to);
            let seconds = (until - *since.max(&from)).max(0);
            paired += if *status == Status::Paired { seconds } else { 0 };
            known += if *status == Status::Unknown { 0 } else { seconds };
        }
        (paired, known)
    }

    /// A report that follows all others.
    pub fn hear(&mut self, report: &Report, told: Status, lived_since: Moment) {
        self.waits_since = match (told, self.waits_since) {
            (Status::Paired, _) => None,
            (Status::AwaitingScan, None) => Some(match (self.status, self.since) {
                (None, _) => lived_since.min(report.at),
                (Some(Status::Paired), _) => report.at,
                (_, since) => since.unwrap_or(report.at),
            }),
            (_, waits_since) => waits_since,
        };
        if self.change(report.at, told) {
            self.since = Some(report.at);
        }
        self.word = Some(report.word.clone());
    }

    /// The word that it said last is mapped. The status follows at once, and the session has said the word since before.
    pub fn learn(&mut self, mapped: &Mapped) {
        if self.word.as_ref() == Some(&mapped.word) {
            if mapped.status == Status::Paired {
                self.waits_since = None;
            }
            self.change(mapped.at, mapped.status);
        }
    }

    /// The status becomes the one that was told; false if it is that already.
    fn change(&mut self, at: Moment, told: Status) -> bool {
        // When the QR code of a bridge that was never paired expires, the provider calls the bridge disconnected.
        let status = match told {
            Status::Disconnected if self.waits_since.is_some() => Status::AwaitingScan,
            told => told,
        };
        let is_new = self.status != Some(status);
        if is_new {
            self.history.push((at, status));
            self.status = Some(status);
        }
        is_new
    }
}
