//! Makes the plan again for the run, compares it with what was approved, and stores its observation.

use crate::db::store::Store;
use crate::decide::plan::sum_up;
use crate::decide::saved;
use crate::model::{Error, Plan, Reading, SavedPlan, Selection, Step};
use crate::run::evaluate::Evaluator;

/// What the user approved.
#[derive(Clone, Copy, Debug)]
pub enum Approved<'a> {
    /// Every plan.
    Anything,
    /// The plan that was shown.
    Shown(&'a Plan),
    /// The plan with this SHA-256.
    Sha256(&'a str),
    /// The steps of this saved plan, if their preconditions still hold.
    Saved(&'a SavedPlan),
}

/// The plan that will be run.
#[derive(Debug)]
pub struct FinalPlan {
    /// Holds only approved steps.
    pub plan: Plan,
    /// Approved steps that were done already, by another run or by hand.
    pub already: Vec<Step>,
    /// Approved steps with changed preconditions, and what changed.
    pub stale: Vec<(Step, String)>,
}

impl Evaluator<'_> {
    /// The plan to execute. Its observation is stored, unless a guard refuses or the approval is stale.
    pub async fn finalize(
        &self,
        store: &mut Store,
        reading: &mut Reading,
        approved: Approved<'_>,
    ) -> Result<FinalPlan, Error> {
        let finalize =
            async |store: &mut Store, reading: &Reading| self.finalize_once(store, reading, approved).await;
        self.observer.up_to_date(store, reading, finalize).await
    }

    /// An error drops the evaluation, which rolls the transaction back.
    async fn finalize_once(
        &self,
        store: &mut Store,
        reading: &Reading,
        approved: Approved<'_>,
    ) -> Result<FinalPlan, Error> {
        let (input, mut evaluation) = self.input(store.evaluation().await?, reading, None).await?;
        let mut plan = self.plan(&input);
        let mut selection = Selection::default();
        match approved {
            Approved::Anything => {}
            Approved::Shown(Plan { plan_sha256, .. }) => require_plan_sha256(plan_sha256, &plan)?,
            Approved::Sha256(plan_sha256) => require_plan_sha256(plan_sha256, &plan)?,
            Approved::Saved(saved) => {
                let preconditions =
                    evaluation.preconditions(&saved::changed_refs(&saved.plan, &plan)).await?;
                selection = saved::select(&saved.plan, &plan, &preconditions)?;
                plan.steps = std::mem::take(&mut selection.steps);
                sum_up(&mut plan, &input, &self.options());
            }
        }
        let final_plan = FinalPlan { plan, already: selection.already, stale: selection.stale };
        if !final_plan.plan.refusals.is_empty() {
            evaluation.rollback().await?;
            return Ok(final_plan);
        }
        evaluation.keep_binding().await?;
        if !final_plan.plan.steps.is_empty() {
            evaluation.require_recording().await?;
        }
        if final_plan.plan.steps.iter().any(Step::makes_tenants_bridge) {
            evaluation.require_writing().await?;
        }
        evaluation.commit().await?;
        Ok(final_plan)
    }
}

fn require_plan_sha256(approved: &str, plan: &Plan) -> Result<(), Error> {
    let now = &plan.plan_sha256;
    if now == approved {
        return Ok(());
    }
    Err(Error::stale(format!(
        "the fleet changed: the approved plan is {approved}, the current plan is {now} with {} steps",
        plan.steps.len()
    )))
}
