//! What `wab apply` does before its first step: it evaluates the fleet, asks, and makes the plan again.

use std::ops::ControlFlow;
use std::time::Instant;

use wabridges::{Client, WebhookKeys};

use crate::config::Fleet;
use crate::db::apply_lock::ApplyLock;
use crate::db::store::Store;
use crate::ground::Exit;
use crate::model::{Error, Plan, Reading, Report, SavedPlan};
use crate::render::ci;
use crate::render::console::Console;
use crate::render::screen::{Screen, apply_question};
use crate::render::stderr::{emit, set_format};
use crate::run::evaluate::{Evaluator, EvaluatorConfig, Snapshot};
use crate::run::finalize::{Approved, FinalPlan};
use crate::run::stop::Stop;
use crate::verb::apply::flags::ApplyArgs;
use crate::verb::approval::{self, Approval};

/// The parts of one run, and the flags that were set in advance.
pub(super) struct Run<'a> {
    pub fleet: &'a Fleet,
    pub args: &'a ApplyArgs,
    pub screen: Screen,
    pub client: Client,
    pub console: Console,
    pub approval: Approval,
    pub saved: Option<SavedPlan>,
    /// The keys for `{secret}` in a webhook_url.
    pub webhook_keys: Option<WebhookKeys>,
    /// The fingerprint of the API key.
    pub fingerprint: String,
    pub deadline: Option<Instant>,
}

/// The result of reading and evaluating the fleet.
enum Observed {
    Snapshot(Box<Snapshot>),
    Stopped(Exit),
}

/// What a run has before its first step.
pub(super) struct Prepared<'a> {
    pub store: Store,
    pub evaluator: Evaluator<'a>,
    pub reading: Reading,
    pub final_plan: FinalPlan,
    /// The plan that a person approved at the question.
    pub shown: Option<Plan>,
    pub stop: Stop,
}

impl Run<'_> {
    /// Does everything before the first step. `Break` ends the run with this exit code.
    pub(super) async fn prepare(&self, lock: &ApplyLock) -> Result<ControlFlow<Exit, Prepared<'_>>, Error> {
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
            Observed::Stopped(exit) => return Ok(ControlFlow::Break(exit)),
        };
        let shown = match self.approval {
            Approval::Given => None,
            Approval::Ask => Some(self.confirm(&evaluator, &mut store, &mut snapshot).await?),
        };
        let approved = self.approved(shown.as_ref());
        lock.require().await?;
        let final_plan = evaluator.finalize(&mut store, &mut snapshot.reading, approved).await?;
        if !final_plan.plan.refusals.is_empty() {
            return self.refused(&final_plan.plan).map(ControlFlow::Break);
        }
        let stop = stop.unwrap_or_else(|| self.listen());
        let Snapshot { reading, .. } = *snapshot;
        Ok(ControlFlow::Continue(Prepared { store, evaluator, reading, final_plan, shown, stop }))
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
}
