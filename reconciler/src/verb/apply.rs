//! `wab apply`: looks, decides through `plan`, asks, has the steps done, and shows what became of them.

use clap::Args;
use wabridges::Client;

use crate::apply::{self, Executor};
use crate::approval::{self, Approval};
use crate::cli::{Belief, Consent, Detail, Format, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::outlook::Outlook;
use crate::render::{self, Progress, Screen};
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
    #[command(flatten)]
    pub consent: Consent,
    #[command(flatten)]
    pub detail: Detail,
}

/// Applies the plan.
pub async fn apply(fleet: &Fleet, args: &ApplyArgs, screen: Screen) -> Result<Exit, Error> {
    let approval = Approval::of(
        &args.consent,
        "apply",
        "look at the plan with wab plan, then: wab apply --auto-approve (-y)",
    )?;
    let client = Client::new(fleet.client_config(), fleet.api_key()?)
        .map_err(Error::provider("cannot set the provider's client up"))?;
    let mut journal = Journal::lock(&fleet.database).await?;
    let mut store = Store::connect(&fleet.database).await?;
    let outlook = Outlook::new(fleet, client.reader(), args.belief.force(), &mut store).await?;
    let mut reading = outlook.read(&mut store).await?;
    let format = args.output.format();
    let mut approved = None;
    if approval == Approval::Ask {
        let shown = outlook.preview(&mut store, &mut reading).await?;
        if !shown.refusals.is_empty() {
            screen.result(&screen.refused(&shown, format, args.detail.length()))?;
            return Ok(Exit::Refused);
        }
        if shown.has_changes() {
            render::talk(&screen.on_stderr().plan(&shown, Format::Text, args.detail.length()));
            if !approval::ask("Apply this plan?")? {
                return Err(Error::config(
                    "the plan was not approved: nothing was done",
                    "answer yes, or use -y",
                ));
            }
            reading = outlook.read(&mut store).await?;
        }
        approved = Some(shown);
    }
    let plan = outlook.settle(&mut store, &mut reading, approved.as_ref()).await?;
    if !plan.refusals.is_empty() {
        screen.result(&screen.refused(&plan, format, args.detail.length()))?;
        return Ok(Exit::Refused);
    }
    let report = if plan.steps.is_empty() {
        Report::nothing_to_do()
    } else {
        let run = Executor {
            client: &client,
            store: &mut store,
            journal: &mut journal,
            progress: Progress::new(plan.steps.len()),
            stop: Stop::listen()?,
        };
        apply::apply(&plan, run).await
    };
    // Who was asked has seen the plan.
    screen.result(&match (format, &approved) {
        (Format::Text, Some(shown)) if shown.has_changes() => screen.report(&plan, &report),
        _ => screen.applied(&plan, &report, (format, args.detail.length())),
    })?;
    Ok(report.exit().unless_incomplete(plan.summary.malformed))
}
