//! How results are written: their form, their colours, their length.

use clap::ValueEnum;

/// How the result is written to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs: one document; its schema is printed by wab schema
    Json,
    /// For a comment on GitHub or GitLab: a marker on the first line, what counts, then folded details; below 65,536 bytes
    Markdown,
    /// For the log of GitHub Actions: groups, and annotations for what somebody must look at
    Github,
}

/// Whether colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// If stdout is a terminal, and the environment does not say otherwise.
    Auto,
    /// Plain.
    Never,
}

/// How much of a long group is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// At most 20 lines.
    Short,
    /// All of it.
    Full,
    /// None of it: numbers alone.
    Concise,
}

impl Length {
    /// How many lines of `all` are shown.
    pub fn of(self, all: usize) -> usize {
        match self {
            // A line that says that one line is missing is no shorter than the line.
            Self::Short if all > 21 => 20,
            _ => all,
        }
    }
}
