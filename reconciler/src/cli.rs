//! The command line: the verbs, and the flags that several of them share; each verb's own are beside what it does, in `verb`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::render::{Colour, Length};
use crate::store::Force;
use crate::verb::{ApplyArgs, DriftArgs, PlanArgs, ValidateArgs};

/// Plans and applies a declared fleet of WhatsApp bridges.
#[derive(Debug, Parser)]
#[command(name = "wab", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// The fleet.yaml to read
    #[arg(short, long, global = true, value_name = "FILE", default_value = "fleet.yaml")]
    pub file: PathBuf,
    /// No colours, whatever the terminal can do
    #[arg(long, global = true)]
    no_color: bool,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

impl Cli {
    /// Whether colours are wanted.
    pub fn colour(&self) -> Colour {
        if self.no_color { Colour::Never } else { Colour::Auto }
    }
}

const EXIT_CODES: &str = "\
Exit codes:
   0  nothing to do, or everything was done
   1  error, incomplete reading, wrong flag or file
   2  changes or drift are present (drift, plan --detailed-exitcode)
   3  the provider refused the API key, or it is not the pinned account's
   4  partly applied; safe to run again
   5  refused by a guard
   6  the plan that was approved is stale
   8  interrupted cleanly
  10  another run holds the lock
 130  ended at once by a second signal";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Check fleet.yaml, offline: everything that is wrong with it, each with its place
    Validate(ValidateArgs),
    /// Print the JSON Schema of fleet.yaml, for editors
    Schema,
    /// Show what apply would do; writes nothing, neither at the provider nor in the database
    Plan(PlanArgs),
    /// Do what plan shows: write tenant rows, provision, delete by tombstone
    Apply(ApplyArgs),
    /// Show every difference between the tenants and the fleet; exits 2 when there is one
    Drift(DriftArgs),
    /// Show the fleet as last observed, its cost, and the last run; calls nobody
    Status(Output),
}

/// How the result is written to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// The result's form.
#[derive(Clone, Debug, Args)]
pub struct Output {
    /// How the result is written to stdout
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl Output {
    /// The form that was asked for.
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// Which listings are believed.
#[derive(Clone, Debug, Args)]
pub struct Belief {
    /// Believe an empty account; refused once bridges are known
    #[arg(long, conflicts_with = "accept_shrink")]
    first_run: bool,
    /// Believe a listing from which many known bridges are missing
    #[arg(long)]
    accept_shrink: bool,
}

impl Belief {
    /// The same as one value.
    pub fn force(&self) -> Force {
        match (self.first_run, self.accept_shrink) {
            (true, _) => Force::FirstRun,
            (false, true) => Force::AcceptShrink,
            (false, false) => Force::No,
        }
    }
}

/// How much of long groups is shown.
#[derive(Clone, Debug, Args)]
pub struct Detail {
    /// Show every line of long groups
    #[arg(long)]
    full: bool,
}

impl Detail {
    /// The same as one value.
    pub fn length(&self) -> Length {
        if self.full { Length::Full } else { Length::Short }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_mean_what_they_say() {
        let apply =
            |flags: &[&str]| match Cli::try_parse_from(["wab", "apply"].iter().chain(flags)).unwrap().verb {
                Verb::Apply(args) => args,
                other => panic!("{other:?}"),
            };
        let args = apply(&[]);
        assert!(!args.auto_approve && args.input);
        assert_eq!((args.output.format(), args.belief.force()), (Format::Text, Force::No));
        let args = apply(&["-y", "--input=false", "--json", "--accept-shrink"]);
        assert!(args.auto_approve && !args.input);
        assert_eq!((args.output.format(), args.belief.force()), (Format::Json, Force::AcceptShrink));
        assert_eq!(apply(&["--first-run"]).belief.force(), Force::FirstRun);
        assert_eq!(apply(&["--full"]).detail.length(), Length::Full);
    }

    #[test]
    fn flags_that_contradict_or_do_not_exist_are_errors() {
        for flags in [
            &["apply", "--first-run", "--accept-shrink"][..],
            &["apply", "--json", "--format", "text"],
            &["drift", "--stored", "--first-run"],
            &["plan", "--auto-approve"],
            &["plna"],
        ] {
            assert!(Cli::try_parse_from(["wab"].iter().chain(flags)).is_err(), "{flags:?}");
        }
    }
}
