//! `wab drift`: shows every difference between the tenants and the fleet. It stores only the answers of sessions that
//! `--poll-status` asks.

use clap::Args;

use crate::config::Fleet;
use crate::db::store::Store;
use crate::decide::scope::Scope;
use crate::ground::Exit;
use crate::model::{Differences, Drift, Error, Kind, Length};
use crate::provider::client::reader;
use crate::render::ci;
use crate::render::console::Console;
use crate::render::screen::Screen;
use crate::render::stderr;
use crate::run::evaluate::{Evaluator, EvaluatorConfig};
use crate::verb::flags::{Output, Polling, ShrinkFlags};

/// Flags of `drift`.
#[derive(Debug, Args)]
pub struct DriftArgs {
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub shrink: ShrinkFlags,
    #[command(flatten)]
    pub polling: Polling,
    /// Show the last stored observation; do not call the provider
    #[arg(long, conflicts_with_all = ["first_run", "accept_shrink", "poll_status"])]
    pub stored: bool,
    /// Show only the counts
    #[arg(long)]
    pub concise: bool,
    /// Exit 2 only for these kinds, separated by commas; other kinds are shown and exit 0
    #[arg(long, value_enum, value_name = "KINDS", value_delimiter = ',')]
    pub fail_on: Vec<Kind>,
    /// Leave these kinds (the same as above) out of the list and of the exit code
    #[arg(long, value_enum, value_name = "KINDS", value_delimiter = ',', hide_possible_values = true)]
    pub ignore: Vec<Kind>,
}

impl DriftArgs {
    /// Refuses a kind that both flags name.
    fn check(&self) -> Result<(), Error> {
        match self.fail_on.iter().find(|kind| self.ignore.contains(kind)) {
            None => Ok(()),
            Some(kind) => Err(Error::config(
                format!("both --fail-on and --ignore name {kind}"),
                "remove it from one of the two",
            )),
        }
    }

    /// Whether the shown drift exits 2.
    fn fails(&self, shown: &[Drift]) -> bool {
        shown.iter().any(|row| self.fail_on.is_empty() || self.fail_on.contains(&row.kind))
    }
}

/// Shows the drift.
pub async fn drift(fleet: &Fleet, args: &DriftArgs, screen: Screen) -> Result<Exit, Error> {
    args.check()?;
    let mut drift = if args.stored {
        let (rows, malformed) = Store::connect(&fleet.database).await?.stored_drift().await?;
        Differences { rows, malformed }
    } else {
        let (client, console) = (reader(fleet, fleet.api_key()?)?, Console::default());
        let mut store = Store::connect(&fleet.database).await?;
        let (shrink, scope) = (args.shrink.policy(), Scope::default());
        let config = EvaluatorConfig { fleet, client: &client, events: &console, shrink, scope };
        let mut evaluator = Evaluator::new(config, &mut store).await?;
        evaluator.poll(&mut store, args.polling.max()).await?;
        evaluator.keep_polled(&mut store).await?;
        let mut snapshot = evaluator.snapshot(&mut store).await?;
        let input = evaluator.evaluate(&mut store, &mut snapshot).await?;
        Differences { rows: input.drift, malformed: input.malformed }
    };
    let length = if args.concise { Length::Concise } else { Length::Full };
    let ignored: Vec<Kind> =
        drift.rows.extract_if(.., |row| args.ignore.contains(&row.kind)).map(|row| row.kind).collect();
    stderr::ignored(&ignored);
    screen.result(&screen.drift(&drift, args.output.format(), length))?;
    let exit = if args.fails(&drift.rows) { Exit::Changes } else { Exit::Done };
    let exit = exit.unless_incomplete(drift.malformed);
    ci::drift(&drift, exit);
    Ok(exit)
}
