//! Output options: the format, the colours and the length of a result.

use clap::ValueEnum;

/// The format of the result on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal
    Text,
    /// One JSON document; wab schema prints its JSON Schema
    Json,
    /// For a comment on GitHub or GitLab: a marker on the first line, a summary, then folded details; below
    /// 65,536 bytes
    Markdown,
    /// For the log of GitHub Actions: groups, and annotations for findings and failures
    Github,
}

/// When to colour the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Colours if stdout is a terminal, unless an environment variable decides otherwise.
    Auto,
    /// No colours.
    Never,
}

/// How much of a plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// How many lines of a long group.
    pub length: Length,
    /// Whether the changed tenant rows are shown as a diff too.
    pub diff: Diff,
}

/// Whether the changed tenant rows are shown as a diff, which repeats what the steps say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diff {
    /// With the diff.
    Shown,
    /// Only the steps.
    Hidden,
}

impl From<Length> for Detail {
    fn from(length: Length) -> Self {
        Self { length, diff: Diff::Hidden }
    }
}

/// How many lines of a long group are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// At most 20 lines.
    Short,
    /// All lines.
    Full,
    /// No lines: only the numbers.
    Concise,
}

impl Length {
    /// How many lines of `all` are shown.
    pub fn of(self, all: usize) -> usize {
        match self {
            // "… and 1 more line" would take as much room as the 21st line itself.
            Self::Short if all > 21 => 20,
            _ => all,
        }
    }
}
