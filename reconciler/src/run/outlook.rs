//! How a fleet is looked at: listed, evaluated, planned, and settled on. What is shown or done about it is not here.

use wabridges::{Class, Limits, ReadClient};

use crate::config::{Fleet, Policy};
use crate::db::evaluate::Seen;
use crate::db::evaluation::Evaluation;
use crate::db::store::Store;
use crate::decide::plan::{Terms, plan, sum_up};
use crate::decide::saved;
use crate::decide::scope::Scope;
use crate::model::{Error, Facts, Force, Plan, Polled, Reading, RecentCall, SavedPlan, Selection, Step};
use crate::run::events::{Event, Events};
use crate::run::observe::Observer;

/// What the fleet should be, who tells what it is, and what is believed.
pub struct Outlook<'a> {
    fleet: &'a Fleet,
    observer: Observer<'a>,
    force: Force,
    scope: Scope,
    policy: Policy,
    limits: Limits,
    recent: Vec<RecentCall>,
    polled: Option<Polled>,
}

/// What an outlook is made for.
pub struct Wish<'a> {
    /// What the fleet should be.
    pub fleet: &'a Fleet,
    /// Who tells what it is.
    pub client: &'a ReadClient,
    /// Who is told what happens.
    pub events: &'a dyn Events,
    /// Which listings are believed.
    pub force: Force,
    /// Whose bridges it is about.
    pub scope: Scope,
}

/// A reading, and what follows from it if it is what was stored when it was asked for.
#[derive(Debug)]
pub struct Sight {
    /// The reading.
    pub reading: Reading,
    standing: Option<Facts>,
}

impl From<Reading> for Sight {
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
    /// The steps of this plan, as far as their ground stands.
    Saved(&'a SavedPlan),
}

/// The plan that will be run.
#[derive(Debug)]
pub struct Settled {
    /// Only with steps that were approved.
    pub plan: Plan,
    /// Approved, and true without us.
    pub already: Vec<Step>,
    /// Approved, and no longer to be done.
    pub stale: Vec<(Step, String)>,
}

impl<'a> Outlook<'a> {
    /// Calls of runs that ended a moment ago count for the provider's windows: client and plans learn of them.
    pub async fn new(wish: Wish<'a>, store: &mut Store) -> Result<Self, Error> {
        let Wish { fleet, client, events, force, scope } = wish;
        store.require_primary().await?;
        let recent = store.recent_calls(fleet.limits().longest_window()).await?;
        let now = std::time::Instant::now();
        for call in &recent {
            if let Some(at) = now.checked_sub(call.ago) {
                client.preload(call.class, at);
            }
        }
        // Whoever says that the account may be empty has answered what min_observed asks.
        let min_observed = match force {
            Force::FirstRun => 0,
            Force::No | Force::AcceptShrink => fleet.policy.min_observed,
        };
        let policy = Policy { min_observed, ..fleet.policy.clone() };
        let limits = fleet.limits();
        Ok(Self {
            fleet,
            observer: Observer { client, events },
            force,
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
    pub async fn sight(&self, store: &mut Store) -> Result<Sight, Error> {
        // What cannot be evaluated now will be, and then says why it cannot.
        let standing = async |store: &mut Store| self.standing(store).await.ok().flatten();
        let (reading, standing) = self.observer.read_while(store, standing).await?;
        Ok(Sight { reading, standing })
    }

    async fn standing(&self, store: &mut Store) -> Result<Option<Facts>, Error> {
        let mut evaluation = store.evaluation().await?;
        let facts = evaluation.standing_facts(self.fleet).await?;
        evaluation.rollback().await?;
        Ok(facts)
    }

    /// What follows from what was seen; the database is left as it was.
    pub async fn look(&self, store: &mut Store, sight: &mut Sight) -> Result<Facts, Error> {
        let Sight { reading, standing } = sight;
        let standing = standing.take().filter(|_| self.polled.is_none() && self.force == Force::No);
        if let Some(facts) = &standing
            && facts.listed > 0
            && reading.listing.malformed.is_empty()
            && reading.digest == facts.observation
        {
            return Ok(Facts { recent: self.recent(), ..facts.clone() });
        }
        let look = async |store: &mut Store, reading: &Reading| {
            let (facts, evaluation) = self.facts(store, reading, standing.as_ref()).await?;
            evaluation.rollback().await?;
            Ok(facts)
        };
        self.observer.up_to_date(store, reading, look).await
    }

    /// The plan, and the digest of the listing it was made from; the database is left as it was.
    pub async fn preview(&self, store: &mut Store, sight: &mut Sight) -> Result<(Plan, String), Error> {
        let facts = self.look(store, sight).await?;
        Ok((plan(&facts, &self.terms()), facts.observation))
    }

    /// The plan that will be run; what it stands on is stored, unless a guard refuses or the approval is stale.
    pub async fn settle(
        &self,
        store: &mut Store,
        reading: &mut Reading,
        approved: Approved<'_>,
    ) -> Result<Settled, Error> {
        let settle =
            async |store: &mut Store, reading: &Reading| self.settle_once(store, reading, approved).await;
        self.observer.up_to_date(store, reading, settle).await
    }

    /// An error drops the evaluation, which rolls it back.
    async fn settle_once(
        &self,
        store: &mut Store,
        reading: &Reading,
        approved: Approved<'_>,
    ) -> Result<Settled, Error> {
        let (facts, mut evaluation) = self.facts(store, reading, None).await?;
        let mut plan = plan(&facts, &self.terms());
        let mut selection = Selection::default();
        match approved {
            Approved::Anything => {}
            Approved::Shown(Plan { plan_sha256, .. }) => require_digest(plan_sha256, &plan)?,
            Approved::Digest(plan_sha256) => require_digest(plan_sha256, &plan)?,
            Approved::Saved(saved) => {
                let ground = evaluation.ground(&saved::in_question(&saved.plan, &plan)).await?;
                selection = saved::select(&saved.plan, &plan, &ground)?;
                plan.steps = std::mem::take(&mut selection.steps);
                sum_up(&mut plan, &facts, &self.terms());
            }
        }
        let settled = Settled { plan, already: selection.already, stale: selection.stale };
        if !settled.plan.refusals.is_empty() {
            evaluation.rollback().await?;
            return Ok(settled);
        }
        if !settled.plan.steps.is_empty() {
            evaluation.require_recording().await?;
        }
        evaluation.commit().await?;
        Ok(settled)
    }

    async fn facts<'s>(
        &self,
        store: &'s mut Store,
        reading: &Reading,
        standing: Option<&Facts>,
    ) -> Result<(Facts, Evaluation<'s>), Error> {
        let mut evaluation = store.evaluation().await?;
        let seen = Seen { reading, polled: self.polled.as_ref(), standing };
        let facts = evaluation.facts(self.fleet, seen, self.force).await?;
        Ok((Facts { recent: self.recent(), ..facts }, evaluation))
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            policy: &self.policy,
            tombstones: &self.fleet.remove,
            limits: &self.limits,
            scope: &self.scope,
        }
    }
}

fn require_digest(approved: &str, plan: &Plan) -> Result<(), Error> {
    let now = &plan.plan_sha256;
    if now == approved {
        return Ok(());
    }
    Err(Error::stale(format!(
        "the fleet moved: the plan that was approved is {approved}, the plan is now {now}, with {} steps",
        plan.steps.len()
    )))
}
