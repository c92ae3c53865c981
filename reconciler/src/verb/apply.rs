//! `wab apply`: takes the lock, looks, has the plan confirmed, settles on what stands of it, has the steps done, and
//! reports what became of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use wabridges::Client;

use crate::config::Fleet;
use crate::db::journal::Journal;
use crate::db::store::Store;
use crate::ground::Exit;
use crate::ground::sha256;
use crate::model::{Error, Format, Plan, Report, SavedPlan};
use crate::provider::client::client;
use crate::render::ci;
use crate::render::console::Console;
use crate::render::screen::Screen;
use crate::render::stderr::{emit, set_format};
use crate::run::evaluate::{Approved, Evaluator, EvaluatorInput, FinalPlan, Snapshot};
use crate::run::execute;
use crate::run::executor::Executor;
use crate::run::lock::lock;
use crate::run::stop::Stop;
use crate::verb::approval::{self, Approval};
use crate::verb::flags::{Consent, Detail, Output, Polling, ShrinkFlags, Targets};
use crate::verb::plan_file;

/// Flags of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A plan that wab plan --out wrote: only its steps are done, those whose ground stands; never asks
    #[arg(value_name = "PLANFILE", conflicts_with_all = ["target", "exclude", "expect"])]
    pub plan_file: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub shrink: ShrinkFlags,
    #[command(flatten)]
    pub targets: Targets,
    /// Do it without asking, if the plan is still the one of which wab plan showed this plan_sha256
    #[arg(long, value_name = "SHA256", value_parser = plan_sha256)]
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

fn plan_sha256(text: &str) -> Result<String, &'static str> {
    if sha256::is_sha256(text) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a plan_sha256 has 64 hex digits: copy it from wab plan")
    }
}

/// Applies the plan.
pub async fn apply(fleet: &Fleet, args: &ApplyArgs, screen: Screen) -> Result<Exit, Error> {
    let deadline = args.max_duration.and_then(|time| Instant::now().checked_add(time));
    let approval = args.approval().inspect_err(|_| set_format(args.output.format()))?;
    let saved = args.plan_file.as_deref().map(plan_file::read).transpose()?;
    let key = fleet.api_key()?;
    let fingerprint = key.fingerprint();
    let (client, console) = (client(fleet, key)?, Console::default());
    let mut journal = lock(&fleet.database, args.lock_timeout, &console).await?;
    let run = Run { fleet, args, screen, client, console, approval, saved, fingerprint, deadline };
    let result = run.locked(&mut journal).await;
    journal.unlock().await;
    result
}

/// What a run works with, and what was said before anything was looked at.
struct Run<'a> {
    fleet: &'a Fleet,
    args: &'a ApplyArgs,
    screen: Screen,
    client: Client,
    console: Console,
    approval: Approval,
    saved: Option<SavedPlan>,
    /// Of the key at hand.
    fingerprint: String,
    deadline: Option<Instant>,
}

/// What a look came to.
enum Look {
    Seen(Box<Snapshot>),
    Stopped(Exit),
}

impl Run<'_> {
    /// Everything that is done while no other apply runs.
    async fn locked(&self, journal: &mut Journal) -> Result<Exit, Error> {
        let mut store = Store::connect(&self.fleet.database).await?;
        if let Some(saved) = &self.saved {
            saved.require_same_origin(&self.fleet.sha256, &self.fingerprint)?;
            saved.require_fresh(store.now().await?)?;
        }
        let input = EvaluatorInput {
            fleet: self.fleet,
            client: self.client.reader(),
            events: &self.console,
            shrink: self.args.shrink.policy(),
            scope: self.args.targets.scope(),
        };
        let mut evaluator = Evaluator::new(input, &mut store).await?;
        // Whoever is asked must be able to end wab at the question; without one, it ends cleanly.
        let stop = match self.approval {
            Approval::Given => Some(self.listen()?),
            Approval::Ask => None,
        };
        let mut snapshot = match self.look(&mut evaluator, &mut store, stop.as_ref()).await? {
            Look::Seen(snapshot) => snapshot,
            Look::Stopped(exit) => return Ok(exit),
        };
        let shown = match self.approval {
            Approval::Given => None,
            Approval::Ask => Some(self.confirm(&evaluator, &mut store, &mut snapshot).await?),
        };
        let approved = self.approved(shown.as_ref());
        let final_plan = evaluator.finalize(&mut store, &mut snapshot.reading, approved).await?;
        if !final_plan.plan.refusals.is_empty() {
            return self.refused(&final_plan.plan);
        }
        let stop = stop.map_or_else(|| self.listen(), Ok)?;
        let report = self.execute(&final_plan, &mut store, journal, stop).await;
        self.report(&final_plan.plan, &report, shown.as_ref(), &mut store).await
    }

    fn listen(&self) -> Result<Stop, Error> {
        Stop::listen(self.deadline, self.console.clone())
    }

    /// Lists and evaluates the fleet, unless somebody asks to stop meanwhile, or time is up.
    async fn look(
        &self,
        evaluator: &mut Evaluator<'_>,
        store: &mut Store,
        stop: Option<&Stop>,
    ) -> Result<Look, Error> {
        let look = async {
            evaluator.poll(store, self.args.polling.max()).await?;
            match self.approval {
                Approval::Given => evaluator.read(store).await.map(Snapshot::from),
                Approval::Ask => evaluator.snapshot(store).await,
            }
        };
        let Some(stop) = stop else { return look.await.map(Box::new).map(Look::Seen) };
        tokio::select! {
            snapshot = look => snapshot.map(Box::new).map(Look::Seen),
            () = stop.wished() => {
                emit("stopped while the fleet was looked at: nothing was written");
                Ok(Look::Stopped(Report { end: stop.end(), ..Report::nothing_to_do() }.exit()))
            }
        }
    }

    /// Shows the plan, and asks if it changes anything; refused plans are not asked about.
    async fn confirm(
        &self,
        evaluator: &Evaluator<'_>,
        store: &mut Store,
        snapshot: &mut Snapshot,
    ) -> Result<Plan, Error> {
        let (plan, _) = evaluator.preview(store, snapshot).await?;
        if plan.refusals.is_empty() && plan.has_changes() {
            emit(&self.screen.on_stderr().preview(&plan, self.args.detail.length()));
            if !approval::ask("Apply this plan?")? {
                return Err(Error::config(
                    "the plan was not approved: nothing was done",
                    "answer yes, or use -y",
                ));
            }
            *snapshot = evaluator.read(store).await?.into();
        }
        // Who was asked was talked to in lines until now.
        set_format(self.args.output.format());
        Ok(plan)
    }

    /// What the yes was said to.
    fn approved<'s>(&'s self, shown: Option<&'s Plan>) -> Approved<'s> {
        match (shown, &self.saved, &self.args.expect) {
            (Some(shown), ..) => Approved::Shown(shown),
            (_, Some(saved), _) => Approved::Saved(saved),
            (_, _, Some(plan_sha256)) => Approved::Digest(plan_sha256),
            _ => Approved::Anything,
        }
    }

    /// Shows what a guard does not let happen.
    fn refused(&self, plan: &Plan) -> Result<Exit, Error> {
        let (format, length) = (self.args.output.format(), self.args.detail.length());
        self.screen.result(&self.screen.applied(plan, None, format, length))?;
        ci::applied(plan, None, Exit::Refused);
        Ok(Exit::Refused)
    }

    /// Has the steps done.
    async fn execute(
        &self,
        final_plan: &FinalPlan,
        store: &mut Store,
        journal: &mut Journal,
        stop: Stop,
    ) -> Report {
        let mut report = match final_plan.plan.steps.as_slice() {
            [] => Report::nothing_to_do(),
            _ => {
                let (client, events) = (&self.client, &self.console);
                execute::apply(&final_plan.plan, Executor { client, store, journal, events, stop }).await
            }
        };
        report.skip(&final_plan.already, &final_plan.stale);
        report
    }

    /// Shows what became of the plan; who was asked has seen the plan itself.
    async fn report(
        &self,
        plan: &Plan,
        report: &Report,
        shown: Option<&Plan>,
        store: &mut Store,
    ) -> Result<Exit, Error> {
        let screen = self.screen;
        screen.result(&match (self.args.output.format(), shown) {
            (Format::Text, Some(shown)) if shown.has_changes() => screen.report(plan, report),
            (format, _) => screen.applied(plan, Some(report), format, self.args.detail.length()),
        })?;
        let exit = report.exit().unless_incomplete(plan.summary.malformed);
        ci::applied(plan, Some(report), exit);
        // What could not be recorded now, the next refresh records.
        if report.exit() == Exit::Done
            && let Err(error) = store.record_drift().await
        {
            emit(&error.to_string());
        }
        Ok(exit)
    }
}
