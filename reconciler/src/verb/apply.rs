//! `wab apply`: looks, decides through `plan`, asks, has the steps done, and shows what became of them.

use clap::Args;
use wabridges::Client;

use crate::apply::{self, Executor};
use crate::approval::{self, Approval};
use crate::cli::{Belief, Detail, Format, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::outlook::Outlook;
use crate::plan::Plan;
use crate::render::{self, Progress, Screen, ci};
use crate::report::Report;
use crate::stop::Stop;
use crate::store::{Journal, Store};

/// Flags of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub belief: Belief,
    /// Do it without asking
    #[arg(short = 'y', long)]
    pub auto_approve: bool,
    /// Whether a question may be asked on the terminal
    #[arg(long, value_name = "BOOL", default_value = "true", action = clap::ArgAction::Set)]
    pub input: bool,
    #[command(flatten)]
    pub detail: Detail,
}

/// Applies the plan.
pub async fn apply(fleet: &Fleet, args: &ApplyArgs, screen: Screen) -> Result<Exit, Error> {
    let format = args.output.format();
    let approval = Approval::of(args).inspect_err(|_| render::speak(format))?;
    let client = Client::new(fleet.client_config(), fleet.api_key()?)
        .map_err(Error::provider("cannot set the provider's client up"))?;
    let mut journal = Journal::lock(&fleet.database).await?;
    let mut store = Store::connect(&fleet.database).await?;
    let outlook = Outlook::new(fleet, client.reader(), args.belief.force(), &mut store).await?;
    let mut reading = outlook.read(&mut store).await?;
    let mut approved = None;
    if approval == Approval::Ask {
        let shown = outlook.preview(&mut store, &mut reading).await?;
        if !shown.refusals.is_empty() {
            return refused(&shown, args, screen);
        }
        if shown.has_changes() {
            render::talk(&screen.on_stderr().plan(&shown, Format::Text, args.detail.length()));
            if !approval::ask()? {
                return Err(Error::config(
                    "the plan was not approved: nothing was done",
                    "answer yes, or use -y",
                ));
            }
            reading = outlook.read(&mut store).await?;
        }
        approved = Some(shown);
        // Who was asked was talked to in lines until now.
        render::speak(format);
    }
    let plan = outlook.settle(&mut store, &mut reading, approved.as_ref()).await?;
    if !plan.refusals.is_empty() {
        return refused(&plan, args, screen);
    }
    let report = if plan.steps.is_empty() {
        Report::nothing_to_do()
    } else {
        let run = Executor {
            client: &client,
            store: &mut store,
            journal: &mut journal,
            progress: Progress::new(&plan),
            stop: Stop::listen()?,
        };
        apply::apply(&plan, run).await
    };
    // Who was asked has seen the plan.
    screen.result(&match (format, &approved) {
        (Format::Text, Some(shown)) if shown.has_changes() => screen.report(&plan, &report),
        _ => screen.applied(&plan, &report, (format, args.detail.length())),
    })?;
    let exit = report.exit().unless_incomplete(plan.summary.malformed);
    ci::applied(&plan, Some(&report), exit);
    Ok(exit)
}

/// Shows what a guard does not let happen.
fn refused(plan: &Plan, args: &ApplyArgs, screen: Screen) -> Result<Exit, Error> {
    screen.result(&screen.refused(plan, args.output.format(), args.detail.length()))?;
    ci::applied(plan, None, Exit::Refused);
    Ok(Exit::Refused)
}
