//! What the provider's status words stand for, by docs/drift.md: some are built in, and an operator maps others one day.

use serde::{Deserialize, Serialize};

use crate::simulation::moment::Moment;

/// A status of the product, in the order in which those with the same time count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Unknown,
    Paired,
    AwaitingScan,
    Disconnected,
}

impl Status {
    /// The name of the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paired => "paired",
            Self::AwaitingScan => "awaiting_scan",
            Self::Disconnected => "disconnected",
            Self::Unknown => "unknown",
        }
    }

    /// What a word stands for that is built in.
    fn built_in(word: &str) -> Self {
        match word {
            "connected" => Self::Paired,
            "qr" => Self::AwaitingScan,
            "disconnected" => Self::Disconnected,
            _ => Self::Unknown,
        }
    }
}

/// The words that the operators have mapped, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Words(Vec<Mapped>);

/// That a word stands for a status from a time on.
#[derive(Clone, Debug)]
pub struct Mapped {
    pub at: Moment,
    pub word: String,
    pub status: Status,
}

impl Words {
    /// An operator maps a word.
    pub fn map(&mut self, mapped: Mapped) {
        self.0.push(mapped);
    }

    /// All that were mapped.
    pub fn mapped(&self) -> &[Mapped] {
        &self.0
    }

    /// What a word stood for at a time.
    pub fn status(&self, word: &str, at: Moment) -> Status {
        let mapped = self.0.iter().rev().find(|mapped| mapped.word == word && mapped.at <= at);
        mapped.map_or_else(|| Status::built_in(word), |mapped| mapped.status)
    }
}
