//! The command line: the verbs, and the flags that several of them share; each verb's own are beside what it does, in `verb`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::plan::Scope;
use crate::render::{Colour, Length};
use crate::store::Force;
use crate::verb::{
    ApplyArgs, CompletionArgs, DriftArgs, ExportArgs, InitArgs, LogoutArgs, ManArgs, PairArgs, PlanArgs,
    QrArgs, SchemaArgs, ShowArgs, ValidateArgs,
};

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
stdout is the result, stderr is talk. Where GITHUB_STEP_SUMMARY and GITHUB_OUTPUT name files, plan, apply, drift and
status append a summary and values to them, whatever the format.

Exit codes:
   0  nothing to do, or everything was done
   1  error, incomplete reading, wrong flag or file
   2  changes or drift are present (drift, plan --detailed-exitcode)
   3  the provider refused the API key, or it is not the pinned account's
   4  partly applied; safe to run again
   5  refused by a guard
   6  the plan that was approved is stale
   8  interrupted cleanly
   9  the deadline was reached; run again to go on
  10  another run holds the lock
 130  ended at once by a second signal";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write a first, commented fleet.yaml; or install into a database where no extension can be (--sql-only)
    Init(InitArgs),
    /// Check fleet.yaml, offline: everything that is wrong with it, each with its place
    Validate(ValidateArgs),
    /// Show what apply would do; writes nothing, neither at the provider nor in the database
    Plan(PlanArgs),
    /// Do what plan shows, or what a saved plan says: write tenant rows, provision, delete by tombstone
    Apply(ApplyArgs),
    /// Show a plan that was saved by plan --out
    Show(ShowArgs),
    /// Show every difference between the tenants and the fleet; exits 2 when there is one
    Drift(DriftArgs),
    /// Show the fleet as last observed, its cost, and the last run; calls nobody
    Status(Output),
    /// Check everything wab stands on: fleet.yaml, key, provider, clocks, database, rights, binding, runs, pg_cron
    Doctor(Output),
    /// Print the JSON Schema of fleet.yaml, for editors, or of what a verb prints with --json
    Schema(SchemaArgs),
    /// Write what adopts an existing account to stdout: a fleet.yaml, or SQL for the tenants table; changes nothing
    Export(ExportArgs),
    /// Get a code that the tenant types on the phone to pair the bridge
    Pair(PairArgs),
    /// Draw the QR code that pairs the tenant's bridge, or save it as a PNG
    Qr(QrArgs),
    /// Unpair the tenant's bridge and destroy its session; the bridge stays, and must be paired again
    Logout(LogoutArgs),
    /// Write a shell's completion script to stdout
    Completion(CompletionArgs),
    /// Write the man page to stdout, or one page for each verb into a directory
    Man(ManArgs),
}

impl Verb {
    /// How stderr talks from the start: in lines unless it is known that nobody will be asked.
    pub fn talks(&self) -> Format {
        match (self, self.reports()) {
            (_, Some((_, Format::Github))) => Format::Github,
            (Self::Apply(args), Some((_, Format::Json))) if args.is_approved() => Format::Json,
            _ => Format::Text,
        }
    }

    /// The name of a verb whose result a CI job is told, and the form of that result.
    pub fn reports(&self) -> Option<(&'static str, Format)> {
        match self {
            Self::Plan(args) => Some(("plan", args.output.format())),
            Self::Apply(args) => Some(("apply", args.output.format())),
            Self::Drift(args) => Some(("drift", args.output.format())),
            Self::Status(output) => Some(("status", output.format())),
            Self::Show(args) => Some(("plan", args.output.format())),
            _ => None,
        }
    }
}

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
        assert!(!args.consent.auto_approve && args.consent.input);
        assert_eq!((args.output.format(), args.belief.force()), (Format::Text, Force::No));
        let args = apply(&["-y", "--input=false", "--json", "--accept-shrink"]);
        assert!(args.consent.auto_approve && !args.consent.input);
        assert_eq!((args.output.format(), args.belief.force()), (Format::Json, Force::AcceptShrink));
        assert_eq!(apply(&["--first-run"]).belief.force(), Force::FirstRun);
        assert_eq!(apply(&["--full"]).detail.length(), Length::Full);
        assert_eq!(apply(&["--concise"]).detail.length(), Length::Concise);
    }

    #[test]
    fn flags_that_contradict_or_do_not_exist_are_errors() {
        for flags in [
            &["apply", "--first-run", "--accept-shrink"][..],
            &["apply", "--json", "--format", "text"],
            &["drift", "--stored", "--first-run"],
            &["drift", "--stored", "--poll-status", "5"],
            &["plan", "--poll-status", "-1"],
            &["init", "--schema", "x"],
            &["init", "--sql-only", "--table", "x"],
            &["plan", "--auto-approve"],
            &["apply", "plan.json", "--target", "a"],
            &["apply", "plan.json", "--expect", "0"],
            &["apply", "--max-duration", "soon"],
            &["plan", "--full", "--concise"],
            &["schema", "--plan", "--apply"],
            &["drift", "--ignore", "orphand"],
            &["drift", "--fail-on", ""],
            &["pair", "cust_01"],
            &["pair", "cust_01", "--phone", "0155 5000 1234"],
            &["qr", ".."],
            &["qr", "cust_01", "--force"],
            &["export", "--sql", "--format", "yaml"],
            &["export", "--wanted", "true"],
            &["completion", "tcsh"],
            &["plna"],
        ] {
            assert!(Cli::try_parse_from(["wab"].iter().chain(flags)).is_err(), "{flags:?}");
        }
    }
}
