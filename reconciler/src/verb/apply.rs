//! `wab apply`: takes the lock, prepares the plan (`apply/prepare.rs`), executes its steps, and reports their outcomes.

pub mod flags;
mod prepare;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::config::Fleet;
use crate::db::apply_lock::ApplyLock;
use crate::db::store::Store;
use crate::ground::Exit;
use crate::model::{Error, Format, Plan, Report};
use crate::provider::client::client;
use crate::render::ci;
use crate::render::console::Console;
use crate::render::screen::Screen;
use crate::render::stderr::{emit, set_format};
use crate::run::evaluate::Basis;
use crate::run::execute;
use crate::run::executor::Executor;
use crate::run::finalize::FinalPlan;
use crate::run::lock::lock;
use crate::run::recorder::Recorder;
use crate::run::stop::Stop;
use crate::run::trail::Trail;
use crate::verb::apply::flags::ApplyArgs;
use crate::verb::apply::prepare::{Prepared, Run};
use crate::verb::plan_file;

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

impl Run<'_> {
    /// Does everything that needs the lock.
    async fn locked(&self, lock: &mut ApplyLock) -> Result<Exit, Error> {
        let prepared = tokio::select! {
            biased;
            prepared = self.prepare(lock) => prepared?,
            error = lock.silence() => return Err(error),
        };
        let Prepared { mut store, evaluator, reading, final_plan, shown, stop } = match prepared {
            ControlFlow::Continue(prepared) => prepared,
            ControlFlow::Break(exit) => return Ok(exit),
        };
        self.announce(&final_plan.plan, shown.as_ref())?;
        let basis = Basis { evaluator: &evaluator, reading: &reading };
        let report = self.execute(&final_plan, (&mut store, lock), basis, stop).await;
        let exit = self.report(&final_plan.plan, &report, shown.as_ref())?;
        // A failure is not an error: the next refresh records the drift.
        if report.exit() == Exit::Done {
            let recorded = tokio::select! {
                recorded = store.record_drift() => recorded,
                error = lock.silence() => Err(error),
            };
            if let Err(error) = recorded {
                emit(&error.to_string());
            }
        }
        Ok(exit)
    }

    /// Shows the plan before its first step, so that a run that is killed leaves it in the log. Whoever was asked has seen it.
    fn announce(&self, plan: &Plan, shown: Option<&Plan>) -> Result<(), Error> {
        match (self.args.output.format(), shown) {
            (Format::Text, None) if plan.has_changes() => {
                self.screen.result(&self.screen.preview(plan, self.args.detail.detail()))
            }
            _ => Ok(()),
        }
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
        let skipped = Report::skipped(&final_plan.already, &final_plan.stale);
        match plan.steps.as_slice() {
            [] => Report { skipped, ..Report::nothing_to_do() },
            _ => {
                let recorder = Recorder {
                    store,
                    lock,
                    basis,
                    trail: Trail::new(plan),
                    skipped,
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
        }
    }

    /// Reports the outcome. As text, a plan with changes was shown before its first step.
    fn report(&self, plan: &Plan, report: &Report, shown: Option<&Plan>) -> Result<Exit, Error> {
        let screen = self.screen;
        screen.result(&match (self.args.output.format(), shown) {
            (Format::Text, Some(shown)) if shown.has_changes() => screen.report(plan, report),
            (Format::Text, None) if plan.has_changes() => format!("\n{}", screen.report(plan, report)),
            (format, _) => screen.applied(plan, Some(report), format, self.args.detail.detail()),
        })?;
        let exit = report.exit().unless_incomplete(plan.summary.malformed);
        ci::applied(plan, Some(report), exit);
        Ok(exit)
    }
}
