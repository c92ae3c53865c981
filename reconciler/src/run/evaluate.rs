//! Evaluates a fleet: lists it, computes the drift and makes the plan.

use wabridges::{Class, Limits, PollBudget, ReadClient};

use crate::config::{Fleet, Policy};
use crate::db::evaluate::Seen;
use crate::db::evaluation::Evaluation;
use crate::db::store::Store;
use crate::decide::plan::{PlanOptions, plan};
use crate::decide::scope::Scope;
use crate::model::{Error, Plan, PlanInput, Polled, Reading, RecentCall, ShrinkPolicy, set_back};
use crate::run::events::{Event, Events};
use crate::run::observe::Observer;

/// Lists and evaluates the fleet.
pub struct Evaluator<'a> {
    fleet: &'a Fleet,
    pub(super) observer: Observer<'a>,
    shrink: ShrinkPolicy,
    scope: Scope,
    policy: Policy,
    limits: Limits,
    recent: Vec<RecentCall>,
    polled: Option<Polled>,
    /// The warning that the database's clock was set back, if it was.
    clock: Option<String>,
}

/// What a run stored before its first step.
#[derive(Clone, Copy)]
pub struct Basis<'a> {
    /// Its evaluator.
    pub evaluator: &'a Evaluator<'a>,
    /// The listing that it planned on.
    pub reading: &'a Reading,
}

impl Basis<'_> {
    /// Stores it again on a server that lacks it.
    pub async fn store_again(&self, store: &mut Store) -> Result<(), Error> {
        // This server's clock may be behind that of the old one.
        let listed_at = self.reading.listed_at.min(store.now().await?);
        let reading = Reading { listed_at, ..self.reading.clone() };
        let Evaluator { fleet, polled, .. } = self.evaluator;
        let mut evaluation = store.evaluation().await?;
        evaluation.store_again(fleet, &reading, polled.as_ref()).await?;
        evaluation.commit().await
    }
}

/// The configuration of an evaluator.
pub struct EvaluatorConfig<'a> {
    /// The declared fleet.
    pub fleet: &'a Fleet,
    /// The client that lists the real fleet.
    pub client: &'a ReadClient,
    /// Receives the run's events.
    pub events: &'a dyn Events,
    /// The policy for empty and shrunken listings.
    pub shrink: ShrinkPolicy,
    /// The customer_refs that the plan covers.
    pub scope: Scope,
}

/// A reading, and the plan input that follows if the listing equals the stored one.
#[derive(Debug)]
pub struct Snapshot {
    /// The reading.
    pub reading: Reading,
    stored: Option<PlanInput>,
}

impl From<Reading> for Snapshot {
    fn from(reading: Reading) -> Self {
        Self { reading, stored: None }
    }
}

impl<'a> Evaluator<'a> {
    /// Calls of recent runs count towards the provider's limits, so the client and the plan are told about
    /// them.
    pub async fn new(config: EvaluatorConfig<'a>, store: &mut Store) -> Result<Self, Error> {
        let EvaluatorConfig { fleet, client, events, shrink, scope } = config;
        store.require_primary().await?;
        store.require_all_rows().await?;
        let recent = store.recent_calls(fleet.limits().longest_window()).await?;
        let clock = store.future_observation().await?.map(set_back);
        let now = std::time::Instant::now();
        for call in &recent {
            if let Some(at) = now.checked_sub(call.ago) {
                client.preload(call.class, at);
            }
        }
        // With --first-run the user has confirmed that the account may be empty, so min_observed does not
        // apply.
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
            clock,
        })
    }

    /// Asks up to `max` sessions for statuses that the listing lacks, while no transaction is open. Every
    /// later evaluation uses the answers. The list is read again afterwards, because this reading may be
    /// overtaken by then.
    pub async fn poll(&mut self, store: &mut Store, max: u16) -> Result<(), Error> {
        if max == 0 {
            return Ok(());
        }
        let (reading, ()) = self.observer.list_while(store, async |_| ()).await?;
        let without_status = reading.listing.without_status();
        let chosen = store.poll_candidates(max, &without_status).await?;
        if chosen.is_empty() {
            return Ok(());
        }
        let sessions = chosen.len();
        let at_least = self.observer.client.duration_for(Class::Proxy, sessions);
        let of = store.count_ours(&without_status).await?;
        self.observer.events.emit(Event::Polling { sessions, of, at_least });
        let asked_at = store.now().await?;
        let result = self.observer.client.poll(chosen, PollBudget::Unlimited).await;
        let result = result.map_err(Error::provider("cannot ask the sessions for their status"))?;
        let polled = Polled { asked_at, chosen: sessions, of, result };
        self.observer.events.emit(Event::Polled(&polled));
        self.polled = Some(polled);
        Ok(())
    }

    /// Stores the listing and the answers of the sessions, and records the drift. It binds and declares nothing.
    pub async fn keep_polled(&self, store: &mut Store) -> Result<(), Error> {
        // --first-run holds for one stored listing, and that must be the one of the evaluation.
        let Some(polled) = self.polled.as_ref().filter(|_| self.shrink != ShrinkPolicy::FirstRun) else {
            return Ok(());
        };
        let mut reading = self.read(store).await?;
        let keep = async |store: &mut Store, reading: &Reading| {
            let mut evaluation = store.evaluation().await?;
            evaluation.store_polled(reading, polled, self.shrink).await?;
            evaluation.commit().await
        };
        self.observer.up_to_date(store, &mut reading, keep).await?;
        store.record_drift().await
    }

    /// Calls that still count towards the provider's limits: those of earlier runs, and the status requests
    /// of this one.
    fn recent(&self) -> Vec<RecentCall> {
        let polls = self.polled.iter().flat_map(|polled| &polled.result.ended);
        let polls = polls.map(|at| RecentCall { class: Class::Proxy, ago: at.elapsed() });
        self.recent.iter().copied().chain(polls).collect()
    }

    /// Lists the fleet.
    pub async fn read(&self, store: &mut Store) -> Result<Reading, Error> {
        self.observer.read(store).await
    }

    /// Lists the fleet as `read` does. Meanwhile evaluates the stored state: usually the listing is equal to
    /// it.
    pub async fn snapshot(&self, store: &mut Store) -> Result<Snapshot, Error> {
        // An error is ignored here: the evaluation after the listing meets it again and reports it.
        let stored = async |store: &mut Store| self.stored(store).await.ok().flatten();
        let (reading, stored) = self.observer.read_while(store, stored).await?;
        Ok(Snapshot { reading, stored })
    }

    async fn stored(&self, store: &mut Store) -> Result<Option<PlanInput>, Error> {
        // A copy would take longer than this saves.
        if !store.may_write().await? {
            return Ok(None);
        }
        let mut evaluation = store.evaluation().await?;
        let input = evaluation.stored_input(self.fleet).await;
        // The list may take long, and a transaction that is only dropped keeps its locks until the next statement.
        evaluation.rollback().await?;
        // The listing may have a bridge of the scope that is not stored yet.
        Ok(input?.filter(|input| self.unmatched(input).is_empty()))
    }

    /// The plan input that follows from the snapshot. The transaction is rolled back.
    pub async fn evaluate(&self, store: &mut Store, snapshot: &mut Snapshot) -> Result<PlanInput, Error> {
        let Snapshot { reading, stored } = snapshot;
        let stored = stored.take().filter(|_| self.polled.is_none() && self.shrink == ShrinkPolicy::Refuse);
        if let Some(input) = &stored
            && input.listed > 0
            && reading.listing.malformed.is_empty()
            && reading.listing_sha256 == input.observation
        {
            return Ok(PlanInput { recent: self.recent(), ..input.clone() });
        }
        let evaluate = async |store: &mut Store, reading: &Reading| {
            let evaluation = store.dry_evaluation().await?;
            let (input, evaluation) = self.input(evaluation, reading, stored.as_ref()).await?;
            evaluation.rollback().await?;
            Ok(input)
        };
        self.observer.up_to_date(store, reading, evaluate).await
    }

    /// The plan, and the SHA-256 of its listing. The transaction is rolled back.
    pub async fn preview(&self, store: &mut Store, snapshot: &mut Snapshot) -> Result<(Plan, String), Error> {
        let input = self.evaluate(store, snapshot).await?;
        if input.binding.is_some() {
            store.require_binder().await?;
        }
        Ok((self.plan(&input), input.observation))
    }

    /// The plan input that follows from the reading. The transaction is open.
    pub(super) async fn input<'s>(
        &self,
        mut evaluation: Evaluation<'s>,
        reading: &Reading,
        stored: Option<&PlanInput>,
    ) -> Result<(PlanInput, Evaluation<'s>), Error> {
        let seen = Seen { reading, polled: self.polled.as_ref(), stored };
        let input = evaluation.input(self.fleet, seen, self.shrink).await?;
        evaluation.require_matches(self.unmatched(&input)).await?;
        Ok((PlanInput { recent: self.recent(), ..input }, evaluation))
    }

    /// The patterns of the scope that neither drift nor a tombstone matches, each after its flag.
    fn unmatched(&self, input: &PlanInput) -> Vec<(&'static str, String)> {
        let drift = input.drift.iter().filter_map(|drift| drift.customer_ref.as_deref());
        self.scope
            .unmatched(drift.chain(self.fleet.remove.iter().map(|tombstone| tombstone.customer_ref.as_str())))
    }

    /// The plan by these settings.
    pub(super) fn plan(&self, input: &PlanInput) -> Plan {
        let mut plan = plan(input, &self.options());
        plan.notes.extend(self.clock.clone());
        plan
    }

    pub(super) fn options(&self) -> PlanOptions<'_> {
        PlanOptions {
            policy: &self.policy,
            tombstones: &self.fleet.remove,
            limits: &self.limits,
            scope: &self.scope,
        }
    }
}
