//! The command line: the verbs and the flags that all of them accept. Flags of several verbs are in
//! `verb::flags`.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::Fleet;
use crate::ground::Exit;
use crate::model::{Colour, Error, Format};
use crate::render::screen::Screen;
use crate::verb::alert::{self, AlertArgs};
use crate::verb::apply::{self, flags::ApplyArgs};
use crate::verb::completion::{self, CompletionArgs};
use crate::verb::drift::{self, DriftArgs};
use crate::verb::export::{self, ExportArgs};
use crate::verb::flags::Output;
use crate::verb::init::{self, InitArgs};
use crate::verb::link::{self, LinkArgs};
use crate::verb::logout::{self, LogoutArgs};
use crate::verb::man::{self, ManArgs};
use crate::verb::pair::{self, PairArgs};
use crate::verb::plan::{self, PlanArgs};
use crate::verb::qr::{self, QrArgs};
use crate::verb::removals::{self, RemovalsArgs};
use crate::verb::schema::{self, SchemaArgs};
use crate::verb::serve::{self, ServeArgs};
use crate::verb::show::{self, ShowArgs};
use crate::verb::sql::{self, SqlArgs};
use crate::verb::validate::{self, ValidateArgs};
use crate::verb::{doctor, status};

/// Plans and applies a declared fleet of WhatsApp bridges.
#[derive(Debug, Parser)]
#[command(name = "wab", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// The fleet.yaml to read
    #[arg(short, long, global = true, value_name = "FILE", default_value = "fleet.yaml")]
    pub file: PathBuf,
    /// Do not use colours
    #[arg(long, global = true)]
    no_color: bool,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

impl Cli {
    /// When to colour the output.
    pub fn colour(&self) -> Colour {
        if self.no_color { Colour::Never } else { Colour::Auto }
    }

    /// Runs the verb and writes its result to stdout.
    pub async fn run(&self, screen: Screen) -> Result<Exit, Error> {
        // Some verbs work without fleet.yaml, so each verb loads the file itself.
        let fleet = || Fleet::load(&self.file);
        match &self.verb {
            Verb::Init(args) => init::init(&self.file, args, screen).await,
            Verb::Doctor(output) => doctor::doctor(&self.file, output, screen).await,
            Verb::Validate(args) => validate::validate(&self.file, args, screen),
            Verb::Plan(args) => plan::plan(&fleet()?, args, screen).await,
            Verb::Apply(args) => apply::apply(&fleet()?, args, screen).await,
            Verb::Drift(args) => drift::drift(&fleet()?, args, screen).await,
            Verb::Show(args) => show::show(args, screen),
            Verb::Schema(args) => schema::schema(args, screen),
            Verb::Sql(args) => sql::sql(args, screen),
            Verb::Status(output) => status::status(&fleet()?, output, screen).await,
            Verb::Export(args) => export::export(&self.file, args, screen).await,
            Verb::Serve(args) => serve::serve(&fleet()?, args).await,
            Verb::Alert(args) => alert::alert(&fleet()?, args, screen).await,
            Verb::Removals(args) => removals::removals(&self.file, args, screen).await,
            Verb::Pair(args) => pair::pair(&fleet()?, args, screen).await,
            Verb::Qr(args) => qr::qr(&fleet()?, args, screen).await,
            Verb::Link(args) => link::link(&fleet()?, args, screen).await,
            Verb::Logout(args) => logout::logout(&fleet()?, args, screen).await,
            Verb::Completion(args) => completion::completion(args, Self::command(), screen),
            Verb::Man(args) => man::man(args, Self::command(), screen),
        }
    }
}

const EXIT_CODES: &str = "\
stdout is the result, stderr is progress and messages. If GITHUB_STEP_SUMMARY and GITHUB_OUTPUT name files, plan, apply, drift and \
status append a summary and values to them, whatever the format.

Exit codes:
   0  nothing to do, or everything was done
   1  error, incomplete listing, wrong flag or file
   2  changes or drift are present (drift, plan --detailed-exitcode)
   3  the provider refused the API key, or it belongs to another account than the pinned one
   4  partly applied; safe to run again
   5  refused by a guard
   6  the approved plan is stale
   8  stopped by a signal; apply finished a call in progress first
   9  the deadline was reached; run again to continue
  10  another run holds the lock
 130  killed by a second signal";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write a commented fleet.yaml to start from; or install into a database without the extension
    /// (--sql-only)
    Init(InitArgs),
    /// Check fleet.yaml, offline: show every problem, each with its line
    Validate(ValidateArgs),
    /// Show what apply would do; changes nothing at the provider or in the database
    Plan(PlanArgs),
    /// Execute the plan, or a saved plan: link tenant rows, write statuses, provision, delete by tombstone
    Apply(ApplyArgs),
    /// Show a plan that wab plan --out saved
    Show(ShowArgs),
    /// Show every difference between the tenants and the fleet; exit 2 if there is one
    Drift(DriftArgs),
    /// Show the fleet as last observed, its cost, and the last run; does not call the provider
    Status(Output),
    /// Check the whole installation: fleet.yaml, key, provider, clocks, database, rights, binding, runs,
    /// pg_cron
    Doctor(Output),
    /// Print the JSON Schema of fleet.yaml, for editors, or of the JSON that a verb prints
    Schema(SchemaArgs),
    /// Print a recipe for the database: roles, jobs, signup trigger or removal; wab sql roles | psql app
    Sql(SqlArgs),
    /// Print a fleet.yaml, or SQL for the tenants table, that adopts an existing account; changes nothing
    Export(ExportArgs),
    /// Post the incidents that began and ended since the last time to the receiver of alerts
    Alert(AlertArgs),
    /// Serve the fleet as pages, metrics for Prometheus, and the page that opens pairing links
    Serve(ServeArgs),
    /// Print entries for bridges.remove, for the bridges that no tenant needs; or take applied ones out of
    /// fleet.yaml (--prune)
    Removals(RemovalsArgs),
    /// Request a pairing code that the tenant types on the phone
    Pair(PairArgs),
    /// Draw the QR code that pairs the tenant's bridge, or save it as a PNG file
    Qr(QrArgs),
    /// Make links with which tenants pair their phones on the page of wab serve, or revoke them
    Link(LinkArgs),
    /// Unpair the tenant's bridge and destroy its session; the bridge stays, and must be paired again
    Logout(LogoutArgs),
    /// Print the completion script of a shell
    Completion(CompletionArgs),
    /// Print the man page, or write one page for each verb into a directory
    Man(ManArgs),
}

impl Verb {
    /// The initial format of stderr: JSON only if apply will not ask a question.
    pub fn stderr_format(&self) -> Format {
        match (self, self.reports()) {
            (_, Some((_, Format::Github))) => Format::Github,
            (Self::Apply(args), Some((_, Format::Json))) if args.is_approved() => Format::Json,
            (Self::Validate(args), _) if args.annotates() => Format::Github,
            _ => Format::Text,
        }
    }

    /// For verbs that write results for CI jobs: the name of the verb and the format of its result.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Length, ShrinkPolicy};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_set_their_values() {
        let apply =
            |flags: &[&str]| match Cli::try_parse_from(["wab", "apply"].iter().chain(flags)).unwrap().verb {
                Verb::Apply(args) => args,
                other => panic!("{other:?}"),
            };
        let args = apply(&[]);
        assert!(!args.consent.auto_approve && args.consent.input);
        assert_eq!((args.output.format(), args.shrink.policy()), (Format::Text, ShrinkPolicy::Refuse));
        let args = apply(&["-y", "--input=false", "--json", "--accept-shrink"]);
        assert!(args.consent.auto_approve && !args.consent.input);
        assert_eq!((args.output.format(), args.shrink.policy()), (Format::Json, ShrinkPolicy::Allow));
        assert_eq!(apply(&["--first-run"]).shrink.policy(), ShrinkPolicy::FirstRun);
        assert!(apply(&["--yes"]).consent.auto_approve);
        assert!(Cli::try_parse_from(["wab", "plan", "--dry-run"]).is_ok(), "a plan is a dry run");
        assert_eq!(apply(&["--full"]).detail.detail().length, Length::Full);
        assert_eq!(apply(&["--concise"]).detail.detail().length, Length::Concise);
    }

    #[test]
    fn a_duration_without_a_unit_is_told_how_to_write_it() {
        for flags in [
            &["apply", "--lock-timeout"][..],
            &["apply", "--failover-timeout"],
            &["apply", "--max-duration"],
            &["plan", "--out", "plan.json", "--valid-for"],
            &["removals", "--older-than"],
            &["link", "cust_01", "--valid-for"],
            &["pair", "--all-disconnected", "--phones", "-", "--out", "-", "--max-duration"],
        ] {
            for value in ["soon", "30", ""] {
                let words = ["wab"].iter().chain(flags).copied().chain([value]);
                let error = Cli::try_parse_from(words).unwrap_err().to_string();
                assert!(error.contains("like 90s, 15m, 24h or 0s"), "{flags:?} {value}: {error}");
            }
        }
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
            &["removals", "--kind", "disconnected"],
            &["removals", "--older-than", "a while"],
            &["removals", "--prune", "--kind", "orphaned"],
            &["pair", "cust_01"],
            &["pair", "cust_01", "--phone", "0155 5000 1234"],
            &["pair", "--phone", "15550001234"],
            &["pair", "--all-disconnected", "--phones", "p.csv"],
            &["pair", "--all-disconnected", "--out", "c.csv"],
            &["pair", "--all-disconnected", "--phones", "p.csv", "--out", "c.csv", "--json"],
            &["pair", "cust_01", "--all-disconnected", "--phones", "p.csv", "--out", "c.csv"],
            &["pair", "cust_01", "--phone", "15550001234", "--out", "c.csv"],
            &["link"],
            &["link", "--out", "links.csv"],
            &["link", "--revoke"],
            &["link", "--json"],
            &["link", "--all-unscanned", "--json"],
            &["link", "--all-unscanned", "--revoke"],
            &["link", "--all-unscanned", "--all-disconnected"],
            &["link", "cust_01", "--all-unscanned"],
            &["link", "cust_01", "--out", "links.csv"],
            &["link", "cust_01", "--revoke", "--valid-for", "1h"],
            &["link", "cust_01", "--valid-for", "soon"],
            &["qr", ".."],
            &["qr", "cust_01", "--force"],
            &["export", "--sql", "--format", "yaml"],
            &["export", "--wanted", "true"],
            &["completion", "tcsh"],
            &["serve", "--no-auth", "--token-file", "t"],
            &["serve", "--no-auth", "--listen", "8787"],
            &["serve", "--no-auth", "--host", "http://board.example.com/"],
            &["serve", "--no-auth", "--host", "board.example.com:443"],
            &["serve", "--no-auth", "--host", ""],
            &["serve", "--no-auth", "--trusted-proxy", "10.0.0.1"],
            &["plna"],
        ] {
            assert!(Cli::try_parse_from(["wab"].iter().chain(flags)).is_err(), "{flags:?}");
        }
    }
}
