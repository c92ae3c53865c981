//! The verbs: each reads, decides through `plan`, and hands its result to `render`. No SQL and no HTTP here.

use std::path::Path;

use wabridges::{Client, ReadClient};

use crate::apply::{self, Executor, Novelty};
use crate::approval::{self, Approval};
use crate::cli::{ApplyArgs, Cli, DriftArgs, Format, Output, PlanArgs, Verb};
use crate::error::Error;
use crate::exit::Exit;
use crate::facts::Facts;
use crate::fleet::{Fleet, Policy};
use crate::observe::{self, Reading};
use crate::plan::{Plan, plan};
use crate::render::{self, Progress, Screen};
use crate::report::Report;
use crate::stop::Stop;
use crate::store::{Evaluation, Force, Journal, Store};

/// Runs the verb; stdout gets its result.
pub async fn run(cli: &Cli, screen: Screen) -> Result<Exit, Error> {
    let fleet = Fleet::load(&cli.file)?;
    match &cli.verb {
        Verb::Validate => Ok(validate(&cli.file, &fleet, screen)),
        Verb::Plan(args) => show_plan(&fleet, args, screen).await,
        Verb::Apply(args) => apply_plan(&fleet, args, screen).await,
        Verb::Drift(args) => show_drift(&fleet, args, screen).await,
        Verb::Status(output) => show_status(&fleet, output, screen).await,
    }
}

fn validate(file: &Path, fleet: &Fleet, screen: Screen) -> Exit {
    screen.result(&render::validated(file, fleet));
    Exit::Done
}

async fn show_plan(fleet: &Fleet, args: &PlanArgs, screen: Screen) -> Result<Exit, Error> {
    let client = ReadClient::new(fleet.client_config(), fleet.api_key()?)
        .map_err(Error::provider("cannot set the provider's client up"))?;
    let mut store = Store::connect(&fleet.database).await?;
    let outlook = Outlook { fleet, force: args.belief.force() };
    let reading = outlook.read(&mut store, &client).await?;
    let plan = outlook.preview(&mut store, &reading).await?;
    screen.result(&screen.plan(&plan, args.output.format(), args.detail.length()));
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
    let outlook = Outlook { fleet, force: args.belief.force() };
    let mut reading = outlook.read(&mut store, client.reader()).await?;
    let mut approved = None;
    if approval == Approval::Ask {
        let shown = outlook.preview(&mut store, &reading).await?;
        if shown.refusals.is_empty() && shown.has_changes() {
            render::talk(&screen.on_stderr().plan(&shown, Format::Text, args.detail.length()));
            if !approval::ask()? {
                return Err(Error::config(
                    "the plan was not approved: nothing was done",
                    "answer yes, or use -y",
                ));
            }
            approved = Some(shown);
            reading = outlook.read(&mut store, client.reader()).await?;
        }
    }
    let plan = outlook.settle(&mut store, &reading, approved.as_ref()).await?;
    let format = args.output.format();
    if !plan.refusals.is_empty() {
        screen.result(&screen.refused(&plan, format, args.detail.length()));
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
            novelty: if plan.summary.malformed == 0 { Novelty::Sure } else { Novelty::Unsure },
        };
        apply::apply(&plan, run).await
    };
    // Who was asked has seen the plan.
    screen.result(&match (format, &approved) {
        (Format::Text, Some(_)) => screen.report(&plan, &report),
        _ => screen.applied(&plan, &report, (format, args.detail.length())),
    });
    Ok(report.exit().unless_incomplete(plan.summary.malformed))
}

async fn show_drift(fleet: &Fleet, args: &DriftArgs, screen: Screen) -> Result<Exit, Error> {
    let (drift, malformed) = if args.stored {
        (Store::connect(&fleet.database).await?.stored_drift().await?, 0)
    } else {
        let client = ReadClient::new(fleet.client_config(), fleet.api_key()?)
            .map_err(Error::provider("cannot set the provider's client up"))?;
        let mut store = Store::connect(&fleet.database).await?;
        let outlook = Outlook { fleet, force: args.belief.force() };
        let reading = outlook.read(&mut store, &client).await?;
        let (facts, evaluation) = outlook.facts(&mut store, &reading).await?;
        evaluation.rollback().await?;
        (facts.drift, facts.malformed)
    };
    screen.result(&screen.drift(&drift, args.output.format()));
    let exit = if drift.is_empty() { Exit::Done } else { Exit::Changes };
    Ok(exit.unless_incomplete(malformed))
}

async fn show_status(fleet: &Fleet, output: &Output, screen: Screen) -> Result<Exit, Error> {
    let status = Store::connect(&fleet.database).await?.status().await?;
    screen.result(&screen.status(&status, output.format()));
    Ok(Exit::Done)
}

/// How a fleet is looked at: what it should be, and what is believed.
struct Outlook<'a> {
    fleet: &'a Fleet,
    force: Force,
}

impl Outlook<'_> {
    /// Lists the fleet, and says which rows of the listing could not be read.
    async fn read(&self, store: &mut Store, client: &ReadClient) -> Result<Reading, Error> {
        let reading = observe::read(store, client).await?;
        render::malformed(&reading.listing.malformed);
        Ok(reading)
    }

    async fn facts<'s>(
        &self,
        store: &'s mut Store,
        reading: &Reading,
    ) -> Result<(Facts, Evaluation<'s>), Error> {
        let mut evaluation = store.evaluation().await?;
        let facts = evaluation.facts(self.fleet, reading, self.force).await?;
        Ok((facts, evaluation))
    }

    fn plan(&self, facts: &Facts) -> Plan {
        // Whoever says that the account may be empty has answered what min_observed asks.
        let min_observed = match self.force {
            Force::FirstRun => 0,
            Force::No | Force::AcceptShrink => self.fleet.policy.min_observed,
        };
        let policy = Policy { min_observed, ..self.fleet.policy.clone() };
        plan(facts, &policy, &self.fleet.remove, &self.fleet.limits())
    }

    /// The plan; the database is left as it was.
    async fn preview(&self, store: &mut Store, reading: &Reading) -> Result<Plan, Error> {
        let (facts, evaluation) = self.facts(store, reading).await?;
        evaluation.rollback().await?;
        Ok(self.plan(&facts))
    }

    /// The plan that will be run; what it stands on is stored, unless a guard refuses or the approval is stale.
    async fn settle(
        &self,
        store: &mut Store,
        reading: &Reading,
        approved: Option<&Plan>,
    ) -> Result<Plan, Error> {
        let (facts, evaluation) = self.facts(store, reading).await?;
        let plan = self.plan(&facts);
        if approved.is_some_and(|approved| approved.steps != plan.steps || approved.binding != plan.binding) {
            evaluation.rollback().await?;
            return Err(Error::Stale { now: plan.steps.len() });
        }
        if plan.refusals.is_empty() {
            evaluation.commit().await?;
        } else {
            evaluation.rollback().await?;
        }
        Ok(plan)
    }
}
