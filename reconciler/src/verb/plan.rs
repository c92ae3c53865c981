//! `wab plan`: what apply would do; neither the provider nor the database is changed.

use clap::Args;

use super::reader;
use crate::cli::{Belief, Detail, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::outlook::Outlook;
use crate::render::{Screen, ci};
use crate::store::Store;

/// Flags of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub belief: Belief,
    /// Exit 2 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub detail: Detail,
}

/// Shows the plan.
pub async fn plan(fleet: &Fleet, args: &PlanArgs, screen: Screen) -> Result<Exit, Error> {
    let client = reader(fleet)?;
    let mut store = Store::connect(&fleet.database).await?;
    let outlook = Outlook::new(fleet, &client, args.belief.force(), &mut store).await?;
    let mut reading = outlook.read(&mut store).await?;
    let plan = outlook.preview(&mut store, &mut reading).await?;
    screen.result(&screen.plan(&plan, args.output.format(), args.detail.length()))?;
    let exit = match (plan.refusals.is_empty(), args.detailed_exitcode && plan.has_changes()) {
        (false, _) => Exit::Refused,
        (true, true) => Exit::Changes,
        (true, false) => Exit::Done,
    };
    let exit = exit.unless_incomplete(plan.summary.malformed);
    ci::plan(&plan, exit);
    Ok(exit)
}
