//! `wab apply`: takes the lock, makes the plan, asks for approval, executes the steps, and reports their
//! outcomes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use wabridges::{Client, WebhookKeys};

use crate::config::Fleet;
use crate::db::apply_lock::ApplyLock;
use crate::db::store::Store;
use crate::ground::Exit;
use crate::ground::sha256;
use crate::model::{Error, Format, Plan, Report, SavedPlan};
use crate::provider::client::client;
use crate::render::ci;
use crate::render::console::Console;
use crate::render::screen::{Screen, apply_question};
use crate::render::stderr::{emit, set_format};
use crate::run::evaluate::{Approved, Basis, Evaluator, EvaluatorConfig, FinalPlan, Snapshot};
use crate::run::execute;
use crate::run::executor::Executor;
use crate::run::lock::lock;
use crate::run::recorder::Recorder;
use crate::run::stop::Stop;
use crate::run::trail::Trail;
use crate::verb::approval::{self, Approval};
use crate::verb::flags::{Consent, DetailFlags, Output, Polling, ShrinkFlags, Targets, duration};
use crate::verb::plan_file;

/// Flags of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Run the steps of this saved plan only: a file that wab plan --out wrote, or - for stdin. wab skips steps whose
    /// preconditions changed, and asks no question
    #[arg(value_name = "PLANFILE", conflicts_with_all = ["target", "exclude", "expect"])]
    pub plan_file: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub shrink: ShrinkFlags,
    #[command(flatten)]
    pub targets: Targets,
    /// Apply without asking, if the plan still has this plan_sha256, which wab plan shows
    #[arg(long, value_name = "SHA256", value_parser = plan_sha256)]
    pub expect: Option<String>,
    #[command(flatten)]
    pub polling: Polling,
    #[command(flatten)]
    pub consent: Consent,
    /// How long to wait for the lock while another apply holds it, such as 5m
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub lock_timeout: Duration,
    /// How long to wait for a server that accepts writes when the database goes away during the run; 0s ends the run
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub failover_timeout: Duration,
    /// Start no step that would end after this time, such as 50m, and exit 9
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub max_duration: Option<Duration>,
    #[command(flatten)]
    pub detail: DetailFlags,
}

impl ApplyArgs {
    /// Whether the user approved in advance, by a flag.
    pub fn is_approved(&self) -> bool {
        self.consent.auto_approve || self.plan_file.is_some() || self.expect.is_some()
    }

    fn approval(&self) -> Result<Approval, Error> {
        if self.is_approved() {
            return Ok(Approval::Given);
        }
        let hint = "read the plan with wab plan, then: wab apply --auto-approve (-y)";
        Approval::of(&self.consent, "apply", hint)
    }
}

fn plan_sha256(text: &str) -> Result<String, &'static str> {
    if sha256::is_sha256(text) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a plan_sha256 has 64 hexadecimal digits: copy it from wab plan")
    }
}

/// Applies the plan.
pub async fn apply(fleet: &Fleet, args: &ApplyArgs, screen: Screen) -> Result<Exit, Error> {
    let deadline = args.max_duration.and_then(|time| Instant::now().checked_add(time));
    let approval = args.approval().inspect_err(|_| set_format(args.output.format()))?;
    let saved = args.plan_file.as_deref().map(plan_file::read).transpose()?;
    let key = fleet.api_key()?;
    let fingerprint = key.fingerprint();
    let webhook_keys = fleet.webhook_keys()?;
    let (client, console) = (client(fleet, key)?, Console::default());
    let mut lock = lock(&fleet.database, args.lock_timeout, &console).await?;
    let run =
        Run { fleet, args, screen, client, console, approval, saved, webhook_keys, fingerprint, deadline };
    let result = run.locked(&mut lock).await;
    lock.release().await;
    // Once the first step began, a lost database is part of the report.
    result.map_err(Error::before_first_step)
}

/// The parts of one run, and the flags that were set in advance.
struct Run<'a> {
    fleet: &'a Fleet,
    args: &'a ApplyArgs,
    screen: Screen,
    client: Client,
    console: Console,
    approval: Approval,
    saved: Option<SavedPlan>,
    /// The keys for `{secret}` in a webhook_url.
    webhook_keys: Option<WebhookKeys>,
    /// The fingerprint of the API key.
    fingerprint: String,
    deadline: Option<Instant>,
}

/// The result of reading and evaluating the fleet.
enum Observed {
    Snapshot(Box<Snapshot>),
    Stopped(Exit),
}

impl Run<'_> {
    /// Does everything that needs the lock.
    async fn locked(&self, lock: &mut ApplyLock) -> Result<Exit, Error> {
        let mut store = Store::connect(&self.fleet.database).await?;
        store.stay_on(lock.server_since());
        if let Some(saved) = &self.saved {
            // Several pinned keys are keys of one account.
            let account =
                self.fleet.account.key_fingerprints.iter().find(|pin| **pin == saved.account_fingerprint);
            let account = account.unwrap_or(&self.fingerprint);
            saved.require_same_origin(&self.fleet.sha256, account, &store.database().await?)?;
            saved.require_fresh(store.now().await?)?;
        }
        let config = EvaluatorConfig {
            fleet: self.fleet,
            client: self.client.reader(),
            events: &self.console,
            shrink: self.args.shrink.policy(),
            scope: self.args.targets.scope(),
        };
        let mut evaluator = Evaluator::new(config, &mut store).await?;
        // At the question, a signal must end wab at once, so the run listens only afterwards. Without a question
        // it listens from here on.
        let stop = match self.approval {
            Approval::Given => Some(self.listen()),
            Approval::Ask => None,
        };
        let mut snapshot = match self.observe(&mut evaluator, &mut store, stop.as_ref()).await? {
            Observed::Snapshot(snapshot) => snapshot,
            Observed::Stopped(exit) => return Ok(exit),
        };
        let shown = match self.approval {
            Approval::Given => None,
            Approval::Ask => Some(self.confirm(&evaluator, &mut store, &mut snapshot).await?),
        };
        let approved = self.approved(shown.as_ref());
        lock.require().await?;
        let final_plan = evaluator.finalize(&mut store, &mut snapshot.reading, approved).await?;
        if !final_plan.plan.refusals.is_empty() {
            return self.refused(&final_plan.plan);
        }
        let stop = stop.unwrap_or_else(|| self.listen());
        let basis = Basis { evaluator: &evaluator, reading: &snapshot.reading };
        let report = self.execute(&final_plan, (&mut store, lock), basis, stop).await;
        self.report(&final_plan.plan, &report, shown.as_ref(), &mut store).await
    }

    fn listen(&self) -> Stop {
        Stop::listen(self.deadline, self.console.clone())
    }

    /// Lists and evaluates the fleet, unless a signal or the deadline stops it.
    async fn observe(
        &self,
        evaluator: &mut Evaluator<'_>,
        store: &mut Store,
        stop: Option<&Stop>,
    ) -> Result<Observed, Error> {
        let snapshot = async {
            evaluator.poll(store, self.args.polling.max()).await?;
            match self.approval {
                Approval::Given => evaluator.read(store).await.map(Snapshot::from),
                Approval::Ask => evaluator.snapshot(store).await,
            }
        };
        let Some(stop) = stop else { return snapshot.await.map(Box::new).map(Observed::Snapshot) };
        tokio::select! {
            snapshot = snapshot => snapshot.map(Box::new).map(Observed::Snapshot),
            () = stop.requested() => {
                emit("stopped while reading the fleet: nothing was written");
                Ok(Observed::Stopped(Report { end: stop.end(), ..Report::nothing_to_do() }.exit()))
            }
        }
    }

    /// Shows the plan, and asks if it changes something. A refused plan is returned without a question.
    async fn confirm(
        &self,
        evaluator: &Evaluator<'_>,
        store: &mut Store,
        snapshot: &mut Snapshot,
    ) -> Result<Plan, Error> {
        let (plan, _) = evaluator.preview(store, snapshot).await?;
        if plan.refusals.is_empty() && plan.has_changes() {
            emit(&self.screen.on_stderr().preview(&plan, self.args.detail.detail()));
            if !approval::ask(&apply_question(&plan))? {
                return Err(Error::config(
                    "the plan was not approved: nothing was done",
                    "answer yes, or use -y",
                ));
            }
            *snapshot = evaluator.read(store).await?.into();
        }
        // Until here stderr was text, because the question is text.
        set_format(self.args.output.format());
        Ok(plan)
    }

    /// The approval that the flags or the answer gave.
    fn approved<'s>(&'s self, shown: Option<&'s Plan>) -> Approved<'s> {
        match (shown, &self.saved, &self.args.expect) {
            (Some(shown), ..) => Approved::Shown(shown),
            (_, Some(saved), _) => Approved::Saved(saved),
            (_, _, Some(plan_sha256)) => Approved::Sha256(plan_sha256),
            _ => Approved::Anything,
        }
    }

    /// Reports a plan that a guard refused.
    fn refused(&self, plan: &Plan) -> Result<Exit, Error> {
        let (format, detail) = (self.args.output.format(), self.args.detail.detail());
        self.screen.result(&self.screen.applied(plan, None, format, detail))?;
        ci::applied(plan, None, Exit::Refused);
        Ok(Exit::Refused)
    }

    /// Executes the steps.
    async fn execute<'s>(
        &'s self,
        final_plan: &'s FinalPlan,
        (store, lock): (&'s mut Store, &'s mut ApplyLock),
        basis: Basis<'s>,
        stop: Stop,
    ) -> Report {
        let plan = &final_plan.plan;
        let mut report = match plan.steps.as_slice() {
            [] => Report::nothing_to_do(),
            _ => {
                let recorder = Recorder {
                    store,
                    lock,
                    basis,
                    trail: Trail::new(plan),
                    events: &self.console,
                    stop: stop.clone(),
                    patience: self.args.failover_timeout,
                    away: Duration::ZERO,
                    end: None,
                };
                let (client, events, webhook_keys) =
                    (&self.client, &self.console, self.webhook_keys.as_ref());
                execute::apply(plan, Executor { client, webhook_keys, recorder, events, stop }).await
            }
        };
        report.skip(&final_plan.already, &final_plan.stale);
        report
    }

    /// Reports the outcome. If the user was asked, the plan itself was shown already.
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
            (format, _) => screen.applied(plan, Some(report), format, self.args.detail.detail()),
        })?;
        let exit = report.exit().unless_incomplete(plan.summary.malformed);
        ci::applied(plan, Some(report), exit);
        // A failure is not an error: the next refresh records the drift.
        if report.exit() == Exit::Done
            && let Err(error) = store.record_drift().await
        {
            emit(&error.to_string());
        }
        Ok(exit)
    }
}
