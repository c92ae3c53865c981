//! How a fleet is looked at: listed, evaluated, planned, and final_plan on. What is shown or done about it is not here.

use wabridges::{Class, Limits, ReadClient};

use crate::config::{Fleet, Policy};
use crate::db::evaluate::Seen;
use crate::db::evaluation::Evaluation;
use crate::db::store::Store;
use crate::decide::plan::{PlanOptions, plan, sum_up};
use crate::decide::saved;
use crate::decide::scope::Scope;
use crate::model::{
    Error, Plan, PlanInput, Polled, Reading, RecentCall, SavedPlan, Selection, ShrinkPolicy, Step,
};
use crate::run::events::{Event, Events};
use crate::run::observe::Observer;

/// What the fleet should be, who tells what it is, and what is believed.
pub struct Evaluator<'a> {
    fleet: &'a Fleet,
    observer: Observer<'a>,
    shrink: ShrinkPolicy,
    scope: Scope,
    policy: Policy,
    limits: Limits,
    recent: Vec<RecentCall>,
    polled: Option<Polled>,
}

/// What an evaluator is made for.
pub struct EvaluatorInput<'a> {
    /// What the fleet should be.
    pub fleet: &'a Fleet,
    /// Who tells what it is.
    pub client: &'a ReadClient,
    /// Who is told what happens.
    pub events: &'a dyn Events,
    /// Which listings are believed.
    pub shrink: ShrinkPolicy,
    /// Whose bridges it is about.
    pub scope: Scope,
}

/// A reading, and what follows from it if it is what was stored when it was asked for.
#[derive(Debug)]
pub struct Snapshot {
    /// The reading.
    pub reading: Reading,
    standing: Option<PlanInput>,
}

impl From<Reading> for Snapshot {
    fn from(reading: Reading) -> Self {
        Self { reading, standing: None }
    }
}

/// What somebody said yes to.
#[derive(Clone, Copy, Debug)]
pub enum Approved<'a> {
    /// Whatever the plan is.
    Anything,
    /// The plan that was shown.
    Shown(&'a Plan),
    /// The plan of this digest.
    Digest(&'a str),
    /// The steps of this plan, as far as their preconditions stands.
    Saved(&'a SavedPlan),
}

/// The plan that will be run.
#[derive(Debug)]
pub struct FinalPlan {
    /// Only with steps that were approved.
    pub plan: Plan,
    /// Approved, and true without us.
    pub already: Vec<Step>,
    /// Approved, and no longer to be done.
    pub stale: Vec<(Step, String)>,
}

impl<'a> Evaluator<'a> {
    /// Calls of runs that ended a moment ago count for the provider's windows: client and plans learn of them.
    pub async fn new(input: EvaluatorInput<'a>, store: &mut Store) -> Result<Self, Error> {
        let EvaluatorInput { fleet, client, events, shrink, scope } = input;
        store.require_primary().await?;
        let recent = store.recent_calls(fleet.limits().longest_window()).await?;
        let now = std::time::Instant::now();
        for call in &recent {
            if let Some(at) = now.checked_sub(call.ago) {
                client.preload(call.class, at);
            }
        }
        // Whoever says that the account may be empty has answered what min_observed asks.
        let min_observed = match shrink {
            ShrinkPolicy::FirstRun => 0,
            ShrinkPolicy::Refuse | ShrinkPolicy::Allow => fleet.policy.min_observed,
        };
        let policy = Policy { min_observed, ..fleet.policy.clone() };
        let limits = fleet.limits();
        Ok(Self {
            fleet,
            observer: Observer { client, events },
            shrink,
            scope,
            policy,
            limits,
            recent,
            polled: None,
        })
    }

    /// Asks up to `max` sessions for the statuses that the list does not bring; no transaction is open meanwhile. What
    /// they say counts in every later look. The list is read again afterwards: by then this one may be overtaken.
    pub async fn poll(&mut self, store: &mut Store, max: u16) -> Result<(), Error> {
        if max == 0 {
            return Ok(());
        }
        let (reading, ()) = self.observer.list_while(store, async |_| ()).await?;
        let chosen = store.poll_candidates(max, &reading.listing.without_status()).await?;
        if chosen.is_empty() {
            return Ok(());
        }
        let sessions = chosen.len();
        let at_least = self.observer.client.duration_for(Class::Proxy, sessions);
        self.observer.events.emit(Event::Polling { sessions, at_least });
        let asked_at = store.now().await?;
        let told = self.observer.client.poll(chosen).await;
        let told = told.map_err(Error::provider("cannot ask the sessions for their status"))?;
        let polled = Polled { asked_at, chosen: sessions, told };
        self.observer.events.emit(Event::Polled(&polled));
        self.polled = Some(polled);
        Ok(())
    }

    /// Calls that still count for the provider's limits: those of earlier runs, and our own polls.
    fn recent(&self) -> Vec<RecentCall> {
        let polls = self.polled.iter().flat_map(|polled| &polled.told.ended);
        let polls = polls.map(|at| RecentCall { class: Class::Proxy, ago: at.elapsed() });
        self.recent.iter().copied().chain(polls).collect()
    }

    /// Lists the fleet.
    pub async fn read(&self, store: &mut Store) -> Result<Reading, Error> {
        self.observer.read(store).await
    }

    /// Lists the fleet as `read` does, and evaluates meanwhile what is stored: usually that is what the list will say.
    pub async fn snapshot(&self, store: &mut Store) -> Result<Snapshot, Error> {
        // What cannot be evaluated now will be, and then says why it cannot.
        let standing = async |store: &mut Store| self.standing(store).await.ok().flatten();
        let (reading, standing) = self.observer.read_while(store, standing).await?;
        Ok(Snapshot { reading, standing })
    }

    async fn standing(&self, store: &mut Store) -> Result<Option<PlanInput>, Error> {
        let mut evaluation = store.evaluation().await?;
        let input = evaluation.stored_input(self.fleet).await?;
        evaluation.rollback().await?;
        Ok(input)
    }

    /// What follows from what was seen; the database is left as it was.
    pub async fn look(&self, store: &mut Store, snapshot: &mut Snapshot) -> Result<PlanInput, Error> {
        let Snapshot { reading, standing } = snapshot;
        let standing =
            standing.take().filter(|_| self.polled.is_none() && self.shrink == ShrinkPolicy::Refuse);
        if let Some(input) = &standing
            && input.listed > 0
            && reading.listing.malformed.is_empty()
            && reading.listing_sha256 == input.observation
        {
            return Ok(PlanInput { recent: self.recent(), ..input.clone() });
        }
        let look = async |store: &mut Store, reading: &Reading| {
            let (input, evaluation) = self.input(store, reading, standing.as_ref()).await?;
            evaluation.rollback().await?;
            Ok(input)
        };
        self.observer.up_to_date(store, reading, look).await
    }

    /// The plan, and the digest of the listing it was made from; the database is left as it was.
    pub async fn preview(&self, store: &mut Store, snapshot: &mut Snapshot) -> Result<(Plan, String), Error> {
        let input = self.look(store, snapshot).await?;
        Ok((plan(&input, &self.options()), input.observation))
    }

    /// The plan that will be run; what it stands on is stored, unless a guard refuses or the approval is stale.
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

    /// An error drops the evaluation, which rolls it back.
    async fn finalize_once(
        &self,
        store: &mut Store,
        reading: &Reading,
        approved: Approved<'_>,
    ) -> Result<FinalPlan, Error> {
        let (input, mut evaluation) = self.input(store, reading, None).await?;
        let mut plan = plan(&input, &self.options());
        let mut selection = Selection::default();
        match approved {
            Approved::Anything => {}
            Approved::Shown(Plan { plan_sha256, .. }) => require_plan_sha256(plan_sha256, &plan)?,
            Approved::Digest(plan_sha256) => require_plan_sha256(plan_sha256, &plan)?,
            Approved::Saved(saved) => {
                let preconditions = evaluation.preconditions(&saved::in_question(&saved.plan, &plan)).await?;
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
        if !final_plan.plan.steps.is_empty() {
            evaluation.require_recording().await?;
        }
        evaluation.commit().await?;
        Ok(final_plan)
    }

    async fn input<'s>(
        &self,
        store: &'s mut Store,
        reading: &Reading,
        standing: Option<&PlanInput>,
    ) -> Result<(PlanInput, Evaluation<'s>), Error> {
        let mut evaluation = store.evaluation().await?;
        let seen = Seen { reading, polled: self.polled.as_ref(), standing };
        let input = evaluation.input(self.fleet, seen, self.shrink).await?;
        Ok((PlanInput { recent: self.recent(), ..input }, evaluation))
    }

    fn options(&self) -> PlanOptions<'_> {
        PlanOptions {
            policy: &self.policy,
            tombstones: &self.fleet.remove,
            limits: &self.limits,
            scope: &self.scope,
        }
    }
}

fn require_plan_sha256(approved: &str, plan: &Plan) -> Result<(), Error> {
    let now = &plan.plan_sha256;
    if now == approved {
        return Ok(());
    }
    Err(Error::stale(format!(
        "the fleet moved: the plan that was approved is {approved}, the plan is now {now}, with {} steps",
        plan.steps.len()
    )))
}
