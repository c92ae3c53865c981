//! How a fleet is looked at: listed, evaluated, planned, and settled on. What is shown or done about it is not here.

use wabridges::{Class, ReadClient};

use crate::error::Error;
use crate::facts::{Facts, RecentCall};
use crate::fleet::{Fleet, Policy};
use crate::observe::{self, Reading};
use crate::plan::{Plan, plan};
use crate::poll::{self, Polled};
use crate::render;
use crate::store::{Evaluation, Force, Seen, Store};

/// What the fleet should be, who tells what it is, and what is believed.
pub struct Outlook<'a> {
    fleet: &'a Fleet,
    client: &'a ReadClient,
    force: Force,
    recent: Vec<RecentCall>,
    polled: Option<Polled>,
}

impl<'a> Outlook<'a> {
    /// Calls of runs that ended a moment ago count for the provider's windows: client and plans learn of them.
    pub async fn new(
        fleet: &'a Fleet,
        client: &'a ReadClient,
        force: Force,
        store: &mut Store,
    ) -> Result<Self, Error> {
        let recent = store.recent_calls(fleet.limits().longest_window()).await?;
        let now = std::time::Instant::now();
        for call in &recent {
            if let Some(at) = now.checked_sub(call.ago) {
                client.preload(call.class, at);
            }
        }
        Ok(Self { fleet, client, force, recent, polled: None })
    }

    /// Asks up to `max` sessions for the statuses that the list does not bring; no transaction is open meanwhile. What
    /// they say counts in every later look. The list is read again afterwards: by then this one may be overtaken.
    pub async fn poll(&mut self, store: &mut Store, max: u16) -> Result<(), Error> {
        if max == 0 {
            return Ok(());
        }
        let listing = observe::read(store, self.client).await?.listing;
        let chosen = store.poll_candidates(max, &poll::without_status(&listing)).await?;
        if chosen.is_empty() {
            return Ok(());
        }
        render::polling(chosen.len(), self.client.duration_for(Class::Proxy, chosen.len()));
        let asked_at = store.now().await?;
        let polled = poll::ask(self.client, chosen, asked_at).await?;
        render::polled(&polled);
        self.polled = Some(polled);
        Ok(())
    }

    /// Calls that still count for the provider's limits: those of earlier runs, and our own polls.
    fn recent(&self) -> Vec<RecentCall> {
        let polls = self.polled.iter().flat_map(|polled| &polled.calls);
        let polls = polls.map(|at| RecentCall { class: Class::Proxy, ago: at.elapsed() });
        self.recent.iter().copied().chain(polls).collect()
    }

    /// Lists the fleet, and says which rows of the listing could not be read.
    pub async fn read(&self, store: &mut Store) -> Result<Reading, Error> {
        let reading = observe::read(store, self.client).await?;
        render::malformed(&reading.listing.malformed);
        Ok(reading)
    }

    /// What follows from the reading; the database is left as it was.
    pub async fn look(&self, store: &mut Store, reading: &mut Reading) -> Result<Facts, Error> {
        match self.look_once(store, reading).await {
            Err(Error::Overtaken) => {
                *reading = self.read(store).await?;
                self.look_once(store, reading).await
            }
            result => result,
        }
    }

    async fn look_once(&self, store: &mut Store, reading: &Reading) -> Result<Facts, Error> {
        let (facts, evaluation) = self.facts(store, reading).await?;
        evaluation.rollback().await?;
        Ok(facts)
    }

    /// The plan; the database is left as it was.
    pub async fn preview(&self, store: &mut Store, reading: &mut Reading) -> Result<Plan, Error> {
        Ok(self.plan(&self.look(store, reading).await?))
    }

    /// The plan that will be run; what it stands on is stored, unless a guard refuses or the approval is stale.
    pub async fn settle(
        &self,
        store: &mut Store,
        reading: &mut Reading,
        approved: Option<&Plan>,
    ) -> Result<Plan, Error> {
        match self.settle_once(store, reading, approved).await {
            Err(Error::Overtaken) => {
                *reading = self.read(store).await?;
                self.settle_once(store, reading, approved).await
            }
            result => result,
        }
    }

    /// An error drops the evaluation, which rolls it back.
    async fn settle_once(
        &self,
        store: &mut Store,
        reading: &Reading,
        approved: Option<&Plan>,
    ) -> Result<Plan, Error> {
        let (facts, mut evaluation) = self.facts(store, reading).await?;
        let plan = self.plan(&facts);
        if approved.is_some_and(|approved| !approved.does_as(&plan)) {
            return Err(Error::Stale { now: plan.steps.len() });
        }
        if !plan.refusals.is_empty() {
            evaluation.rollback().await?;
            return Ok(plan);
        }
        if !plan.steps.is_empty() {
            evaluation.require_recording().await?;
        }
        evaluation.commit().await?;
        Ok(plan)
    }

    async fn facts<'s>(
        &self,
        store: &'s mut Store,
        reading: &Reading,
    ) -> Result<(Facts, Evaluation<'s>), Error> {
        let mut evaluation = store.evaluation().await?;
        let seen = Seen { reading, polled: self.polled.as_ref() };
        let facts = evaluation.facts(self.fleet, seen, self.force).await?;
        Ok((Facts { recent: self.recent(), ..facts }, evaluation))
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
}
