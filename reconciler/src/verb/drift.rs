//! `wab drift`: every difference between the tenants and the fleet; nothing is changed.

use clap::Args;

use super::reader;
use crate::cli::{Belief, Output, Polling};
use crate::drift::Differences;
use crate::error::Error;
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::outlook::Outlook;
use crate::plan::Scope;
use crate::render::{Length, Screen, ci};
use crate::store::Store;

/// Flags of `drift`.
#[derive(Debug, Args)]
pub struct DriftArgs {
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub belief: Belief,
    #[command(flatten)]
    pub polling: Polling,
    /// Read the last observation and do not call the provider
    #[arg(long, conflicts_with_all = ["first_run", "accept_shrink", "poll_status"])]
    pub stored: bool,
    /// Show the counts alone
    #[arg(long)]
    pub concise: bool,
}

/// Shows the drift.
pub async fn drift(fleet: &Fleet, args: &DriftArgs, screen: Screen) -> Result<Exit, Error> {
    let drift = if args.stored {
        let (rows, malformed) = Store::connect(&fleet.database).await?.stored_drift().await?;
        Differences { rows, malformed }
    } else {
        let client = reader(fleet)?;
        let mut store = Store::connect(&fleet.database).await?;
        let scope = (args.belief.force(), Scope::default());
        let mut outlook = Outlook::new(fleet, &client, scope, &mut store).await?;
        outlook.poll(&mut store, args.polling.max()).await?;
        let mut reading = outlook.read(&mut store).await?;
        let facts = outlook.look(&mut store, &mut reading).await?;
        Differences { rows: facts.drift, malformed: facts.malformed }
    };
    let length = if args.concise { Length::Concise } else { Length::Full };
    screen.result(&screen.drift(&drift, args.output.format(), length))?;
    let exit = if drift.rows.is_empty() { Exit::Done } else { Exit::Changes };
    let exit = exit.unless_incomplete(drift.malformed);
    ci::drift(&drift, exit);
    Ok(exit)
}
