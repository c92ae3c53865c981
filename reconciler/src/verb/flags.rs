//! The flags that several verbs share.

use std::time::Duration;

use clap::Args;

use crate::decide::scope::Scope;
use crate::model::{Detail, Diff, Format, Length, ShrinkPolicy};

/// Reads a duration as people write it.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text)
        .map_err(|_| "not a duration: write a number and a unit, like 90s, 15m, 24h or 0s")
}

/// The format of the result.
#[derive(Clone, Debug, Args)]
pub struct Output {
    /// The format of the result on stdout
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The same as --format json; apply then also writes its progress, warnings and errors to stderr as JSON
    /// Lines: the events started, waiting, progress, step, finished, message, warning and error, each with
    /// its ts
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl Output {
    /// The chosen format.
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// How the user approves.
#[derive(Clone, Debug, Args)]
pub struct Consent {
    /// Do not ask
    #[arg(short = 'y', long, alias = "yes")]
    pub auto_approve: bool,
    /// Whether wab may ask on the terminal
    #[arg(long, value_name = "BOOL", default_value = "true", action = clap::ArgAction::Set)]
    pub input: bool,
}

/// Which listings are stored.
#[derive(Clone, Debug, Args)]
pub struct ShrinkFlags {
    /// Accept an empty account; refused if bridges are known already
    #[arg(long, conflicts_with = "accept_shrink")]
    first_run: bool,
    /// Accept a listing that lacks many of the known bridges
    #[arg(long)]
    accept_shrink: bool,
}

impl ShrinkFlags {
    /// The flags as one value.
    pub fn policy(&self) -> ShrinkPolicy {
        match (self.first_run, self.accept_shrink) {
            (true, _) => ShrinkPolicy::FirstRun,
            (false, true) => ShrinkPolicy::Allow,
            (false, false) => ShrinkPolicy::Refuse,
        }
    }
}

/// The customer_refs that the plan covers.
#[derive(Clone, Debug, Default, Args)]
pub struct Targets {
    /// Cover only the steps and findings of these customer_refs; * matches any text; may be repeated. What fleet.yaml
    /// declares is written whole
    #[arg(long, value_name = "CUSTOMER_REF")]
    target: Vec<String>,
    /// Leave these customer_refs out; * matches any text; may be repeated
    #[arg(long, value_name = "CUSTOMER_REF")]
    exclude: Vec<String>,
}

impl Targets {
    /// The flags as one value.
    pub fn scope(&self) -> Scope {
        Scope::new(&self.target, &self.exclude)
    }
}

/// Whether to ask sessions for their status.
#[derive(Clone, Debug, Args)]
pub struct Polling {
    /// Ask up to N sessions for a status that the listing lacks; the provider allows 120 such calls a minute.
    /// wab drift and wab apply store the answers; wab plan is a dry run and does not
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    poll_status: u16,
}

impl Polling {
    /// The number of sessions to ask at most.
    pub fn max(&self) -> u16 {
        self.poll_status
    }
}

/// How many lines of long groups are shown.
#[derive(Clone, Debug, Args)]
pub struct DetailFlags {
    /// Show every line of long groups
    #[arg(long, conflicts_with = "concise")]
    full: bool,
    /// Show only the counts, the cost and the refusals; no steps
    #[arg(long)]
    concise: bool,
    /// Show the changes to the tenant rows as a diff too
    #[arg(long, conflicts_with = "concise")]
    diff: bool,
}

impl DetailFlags {
    /// The flags as one value.
    pub fn detail(&self) -> Detail {
        let length = match (self.concise, self.full) {
            (true, _) => Length::Concise,
            (false, true) => Length::Full,
            (false, false) => Length::Short,
        };
        Detail { length, diff: if self.diff { Diff::Shown } else { Diff::Hidden } }
    }
}
