//! The verbs: each reads, decides through `plan`, and hands its result to `render`. No SQL and no HTTP here.

use std::path::Path;

use wabridges::{Client, ReadClient};

use crate::apply::{self, Executor};
use crate::approval::{self, Approval};
use crate::cli::{ApplyArgs, Cli, DriftArgs, Format, Output, PlanArgs, Verb};
use crate::error::Error;
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::outlook::Outlook;
use crate::render::{self, Progress, Screen};
use crate::report::Report;
use crate::stop::Stop;
use crate::store::{Journal, Store};

/// Runs the verb; stdout gets its result.
pub async fn run(cli: &Cli, screen: Screen) -> Result<Exit, Error> {
    let fleet = Fleet::load(&cli.file)?;
    match &cli.verb {
        Verb::Validate => validate(&cli.file, &fleet, screen),
        Verb::Plan(args) => show_plan(&fleet, args, screen).await,
        Verb::Apply(args) => apply_plan(&fleet, args, screen).await,
        Verb::Drift(args) => show_drift(&fleet, args, screen).await,
        Verb::Status(output) => show_status(&fleet, output, screen).await,
    }
}

fn validate(file: &Path, fleet: &Fleet, screen: Screen) -> Result<Exit, Error> {
    screen.result(&render::validated(file, fleet))?;
    Ok(Exit::Done)
}

async fn show_plan(fleet: &Fleet, args: &PlanArgs, screen: Screen) -> Result<Exit, Error> {
    let client = ReadClient::new(fleet.client_config(), fleet.api_key()?)
        .map_err(Error::provider("cannot set the provider's client up"))?;
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
    Ok(exit.unless_incomplete(plan.summary.malformed))
}

async fn apply_plan(fleet: &Fleet, args: &ApplyArgs, screen: Screen) -> Result<Exit, Error> {
    let approval = Approval::of(args)?;
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
            if !approval::ask()? {
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

async fn show_drift(fleet: &Fleet, args: &DriftArgs, screen: Screen) -> Result<Exit, Error> {
    let (drift, malformed) = if args.stored {
        Store::connect(&fleet.database).await?.stored_drift().await?
    } else {
        let client = ReadClient::new(fleet.client_config(), fleet.api_key()?)
            .map_err(Error::provider("cannot set the provider's client up"))?;
        let mut store = Store::connect(&fleet.database).await?;
        let outlook = Outlook::new(fleet, &client, args.belief.force(), &mut store).await?;
        let mut reading = outlook.read(&mut store).await?;
        let facts = outlook.look(&mut store, &mut reading).await?;
        (facts.drift, facts.malformed)
    };
    screen.result(&screen.drift(&drift, args.output.format()))?;
    let exit = if drift.is_empty() { Exit::Done } else { Exit::Changes };
    Ok(exit.unless_incomplete(malformed))
}

async fn show_status(fleet: &Fleet, output: &Output, screen: Screen) -> Result<Exit, Error> {
    let status = Store::connect(&fleet.database).await?.status().await?;
    screen.result(&screen.status(&status, output.format()))?;
    Ok(Exit::Done)
}
