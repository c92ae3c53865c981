//! `wab apply`: looks, decides through `plan`, asks, has the steps done, and shows what became of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use wabridges::Client;

use crate::apply::{self, Executor};
use crate::approval::{self, Approval};
use crate::cli::{Belief, Consent, Detail, Format, Output, Polling, Targets};
use crate::error::Error;
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::outlook::{Approved, Outlook, Sight};
use crate::plan::Plan;
use crate::render::{self, Progress, Screen, ci};
use crate::report::Report;
use crate::saved::{Origin, SavedPlan};
use crate::stop::Stop;
use crate::store::{Journal, Store};

/// Flags of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A plan that wab plan --out wrote: only its steps are done, those whose ground stands; never asks
    #[arg(value_name = "PLANFILE", conflicts_with_all = ["target", "exclude", "expect"])]
    pub plan_file: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub belief: Belief,
    #[command(flatten)]
    pub targets: Targets,
    /// Do it without asking, if the plan is still the one of which wab plan showed this plan_sha256
    #[arg(long, value_name = "SHA256", value_parser = sha256)]
    pub expect: Option<String>,
    #[command(flatten)]
    pub polling: Polling,
    #[command(flatten)]
    pub consent: Consent,
    /// How long to wait for another apply to end, such as 5m
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    pub lock_timeout: Duration,
    /// Begin nothing that would not be finished in this time, such as 50m, and exit 9
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub max_duration: Option<Duration>,
    #[command(flatten)]
    pub detail: Detail,
}

impl ApplyArgs {
    /// Whether the yes was given beforehand.
    pub fn is_approved(&self) -> bool {
        self.consent.auto_approve || self.plan_file.is_some() || self.expect.is_some()
    }

    fn approval(&self) -> Result<Approval, Error> {
        if self.is_approved() {
            return Ok(Approval::Given);
        }
        let hint = "look at the plan with wab plan, then: wab apply --auto-approve (-y)";
        Approval::of(&self.consent, "apply", hint)
    }
}

fn sha256(text: &str) -> Result<String, &'static str> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a plan_sha256 has 64 hex digits: copy it from wab plan")
    }
}

/// Applies the plan.
pub async fn apply(fleet: &Fleet, args: &ApplyArgs, screen: Screen) -> Result<Exit, Error> {
    let deadline = args.max_duration.and_then(|time| Instant::now().checked_add(time));
    let format = args.output.format();
    let approval = args.approval().inspect_err(|_| render::speak(format))?;
    let saved = args.plan_file.as_deref().map(SavedPlan::read).transpose()?;
    let key = fleet.api_key()?;
    let fingerprint = key.fingerprint();
    let client = Client::new(fleet.client_config(), key)
        .map_err(Error::provider("cannot set the provider's client up"))?;
    let mut journal = Journal::lock(&fleet.database, args.lock_timeout).await?;
    let consent = Consented { approval, saved, fingerprint, deadline };
    let result = locked(fleet, args, screen, (&client, &mut journal, &consent)).await;
    journal.unlock().await;
    result
}

/// What was said before anything was looked at.
struct Consented {
    approval: Approval,
    saved: Option<SavedPlan>,
    /// Of the key at hand.
    fingerprint: String,
    deadline: Option<Instant>,
}

/// The same, while no other apply runs.
async fn locked(
    fleet: &Fleet,
    args: &ApplyArgs,
    screen: Screen,
    (client, journal, consent): (&Client, &mut Journal, &Consented),
) -> Result<Exit, Error> {
    let Consented { approval, saved, fingerprint, deadline } = consent;
    let mut store = Store::connect(&fleet.database).await?;
    if let Some(saved) = saved {
        require_appliable(saved, fleet, (fingerprint.clone(), &mut store)).await?;
    }
    let scope = (args.belief.force(), args.targets.scope());
    let mut outlook = Outlook::new(fleet, client.reader(), scope, &mut store).await?;
    // Whoever is asked must be able to end wab at the question; without one, it ends cleanly.
    let stop = match approval {
        Approval::Given => Some(Stop::listen(*deadline)?),
        Approval::Ask => None,
    };
    let look = async {
        outlook.poll(&mut store, args.polling.max()).await?;
        match approval {
            Approval::Given => outlook.read(&mut store).await.map(Sight::from),
            Approval::Ask => outlook.sight(&mut store).await,
        }
    };
    let mut sight = tokio::select! {
        sight = look => sight?,
        end = wished(stop.as_ref()) => {
            render::talk("stopped while the fleet was looked at: nothing was written");
            return Ok(end);
        }
    };
    let shown = match approval {
        Approval::Given => None,
        Approval::Ask => Some(ask(&outlook, (&mut store, &mut sight), args, screen).await?),
    };
    let approved = approved(shown.as_ref(), saved.as_ref(), args);
    let settled = outlook.settle(&mut store, &mut sight.reading, approved).await?;
    let plan = &settled.plan;
    if !plan.refusals.is_empty() {
        return refused(plan, args, screen);
    }
    let stop = stop.map_or_else(|| Stop::listen(*deadline), Ok)?;
    let mut report = match plan.steps.as_slice() {
        [] => Report::nothing_to_do(),
        _ => {
            let progress = Progress::new(plan);
            let store = &mut store;
            apply::apply(plan, Executor { client, store, journal, progress, stop }).await
        }
    };
    report.skip(&settled.already, &settled.stale);
    show(plan, &report, (shown.as_ref(), args), screen)?;
    let exit = report.exit().unless_incomplete(plan.summary.malformed);
    ci::applied(plan, Some(&report), exit);
    // What could not be recorded now, the next refresh records.
    if report.exit() == Exit::Done
        && let Err(error) = store.record_drift().await
    {
        render::talk(&error.to_string());
    }
    Ok(exit)
}

/// What the yes was said to.
fn approved<'a>(shown: Option<&'a Plan>, saved: Option<&'a SavedPlan>, args: &'a ApplyArgs) -> Approved<'a> {
    match (shown, saved, &args.expect) {
        (Some(shown), ..) => Approved::Shown(shown),
        (_, Some(saved), _) => Approved::Saved(saved),
        (_, _, Some(plan_sha256)) => Approved::Digest(plan_sha256),
        _ => Approved::Anything,
    }
}

/// Shows what a guard does not let happen.
fn refused(plan: &Plan, args: &ApplyArgs, screen: Screen) -> Result<Exit, Error> {
    screen.result(&screen.refused(plan, args.output.format(), args.detail.length()))?;
    ci::applied(plan, None, Exit::Refused);
    Ok(Exit::Refused)
}

async fn require_appliable(
    saved: &SavedPlan,
    fleet: &Fleet,
    (fingerprint, store): (String, &mut Store),
) -> Result<(), Error> {
    let now = store.now().await?;
    saved.require_same_origin(&Origin {
        fleet_yaml_sha256: fleet.sha256.clone(),
        account_fingerprint: fingerprint,
        observation_digest: String::new(),
        made_at: now,
        valid_for: Duration::ZERO,
    })?;
    saved.require_fresh(now)
}

/// Shows the plan, and asks if it changes anything; refused plans are not asked about.
async fn ask(
    outlook: &Outlook<'_>,
    (store, sight): (&mut Store, &mut Sight),
    args: &ApplyArgs,
    screen: Screen,
) -> Result<Plan, Error> {
    let (plan, _) = outlook.preview(store, sight).await?;
    if plan.refusals.is_empty() && plan.has_changes() {
        render::talk(&screen.on_stderr().preview(&plan, args.detail.length()));
        if !approval::ask("Apply this plan?")? {
            return Err(Error::config(
                "the plan was not approved: nothing was done",
                "answer yes, or use -y",
            ));
        }
        *sight = outlook.read(store).await?.into();
    }
    // Who was asked was talked to in lines until now.
    render::speak(args.output.format());
    Ok(plan)
}

/// What became of the plan; who was asked has seen the plan itself.
fn show(
    plan: &Plan,
    report: &Report,
    (shown, args): (Option<&Plan>, &ApplyArgs),
    screen: Screen,
) -> Result<(), Error> {
    let format = args.output.format();
    screen.result(&match (format, shown) {
        (Format::Text, Some(shown)) if shown.has_changes() => screen.report(plan, report),
        _ => screen.applied(plan, report, (format, args.detail.length())),
    })
}

/// Returns the exit code when somebody asks to stop, or time is up.
async fn wished(stop: Option<&Stop>) -> Exit {
    let Some(stop) = stop else { return std::future::pending().await };
    stop.wished().await;
    Report { end: stop.end(), ..Report::nothing_to_do() }.exit()
}
