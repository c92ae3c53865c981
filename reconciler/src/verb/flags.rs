//! The flags that several verbs share.

use clap::Args;

use crate::decide::scope::Scope;
use crate::model::{Format, Length, ShrinkPolicy};

/// The result's form.
#[derive(Clone, Debug, Args)]
pub struct Output {
    /// How the result is written to stdout
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The same as --format json; apply then tells its progress, warnings and errors on stderr as JSON Lines: events
    /// started, waiting, progress, step, finished, message, warning, error, each with its ts
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl Output {
    /// The form that was asked for.
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// Whether a person agrees.
#[derive(Clone, Debug, Args)]
pub struct Consent {
    /// Do it without asking
    #[arg(short = 'y', long)]
    pub auto_approve: bool,
    /// Whether a question may be asked on the terminal
    #[arg(long, value_name = "BOOL", default_value = "true", action = clap::ArgAction::Set)]
    pub input: bool,
}

/// Which listings are believed.
#[derive(Clone, Debug, Args)]
pub struct ShrinkFlags {
    /// Believe an empty account; refused once bridges are known
    #[arg(long, conflicts_with = "accept_shrink")]
    first_run: bool,
    /// Believe a listing from which many known bridges are missing
    #[arg(long)]
    accept_shrink: bool,
}

impl ShrinkFlags {
    /// The same as one value.
    pub fn policy(&self) -> ShrinkPolicy {
        match (self.first_run, self.accept_shrink) {
            (true, _) => ShrinkPolicy::FirstRun,
            (false, true) => ShrinkPolicy::Allow,
            (false, false) => ShrinkPolicy::Refuse,
        }
    }
}

/// Whose bridges it is about.
#[derive(Clone, Debug, Default, Args)]
pub struct Targets {
    /// Only these customer_refs; * stands for any text; may be repeated
    #[arg(long, value_name = "CUSTOMER_REF")]
    target: Vec<String>,
    /// All but these customer_refs; * stands for any text; may be repeated
    #[arg(long, value_name = "CUSTOMER_REF")]
    exclude: Vec<String>,
}

impl Targets {
    /// The same as one value.
    pub fn scope(&self) -> Scope {
        Scope::new(&self.target, &self.exclude)
    }
}

/// Whether sessions are asked themselves.
#[derive(Clone, Debug, Args)]
pub struct Polling {
    /// Ask up to N sessions for the status that the list does not bring; the provider allows 120 a minute
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    poll_status: u16,
}

impl Polling {
    /// How many at most.
    pub fn max(&self) -> u16 {
        self.poll_status
    }
}

/// How much of long groups is shown.
#[derive(Clone, Debug, Args)]
pub struct Detail {
    /// Show every line of long groups
    #[arg(long, conflicts_with = "concise")]
    full: bool,
    /// Show the counts, the money and what is refused; no step and no diff
    #[arg(long)]
    concise: bool,
}

impl Detail {
    /// The same as one value.
    pub fn length(&self) -> Length {
        match (self.concise, self.full) {
            (true, _) => Length::Concise,
            (false, true) => Length::Full,
            (false, false) => Length::Short,
        }
    }
}
