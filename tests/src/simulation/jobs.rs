//! What the jobs of the product make of the model: wab_reconcile(), wab_work_queue(), wab_ingest_event() and wab apply, by docs/.

use crate::simulation::drift;
use crate::simulation::episodes::{MASS_WINDOW, Scope};
use crate::simulation::kind::{Drift, Kind};
use crate::simulation::known::Known;
use crate::simulation::model::{Model, Row};
use crate::simulation::moment::Moment;

/// Provisioning calls that one wab_work_queue() makes at most.
pub const QUEUE_CALLS: usize = 9;
/// Provisioning calls that the provider allows a minute; `wab apply` is given no time for more.
const APPLY_CALLS: usize = 10;

impl Model {
    /// wab_reconcile(): lists the fleet, asks sessions for statuses that the list lacks, writes the statuses of the tenant rows,
    /// clears those whose bridges are gone. `asked` are the customer_refs whose sessions answered, by the provider's record.
    pub fn reconcile(&mut self, at: Moment, asked: &[String]) {
        if self.list(at) {
            self.poll(asked);
            for customer_ref in asked {
                self.hear(customer_ref, at);
            }
            let present = drift::drift(self, at);
            self.write(&present, &[Kind::StatusDrift, Kind::StaleBinding]);
            self.record(at);
        }
    }

    /// Notes which sessions were asked. The bridges of one customer_ref share a session path, and are left out.
    fn poll(&mut self, asked: &[String]) {
        if !self.provider.hides_statuses {
            return self.polling.end();
        }
        let of = |(id, known): (i64, &Known)| {
            let customer_ref = known.customer_ref.as_ref()?;
            (self.known.of(customer_ref).len() == 1).then(|| (id, asked.contains(customer_ref)))
        };
        let bridges = self.known.iter().filter_map(of).collect();
        self.polling.round(&bridges);
    }

    /// wab_work_queue(): makes bridges for waiting tenants.
    pub fn work_queue(&mut self, at: Moment) {
        for _ in 0..QUEUE_CALLS {
            let Some(customer_ref) = self.queue.first().cloned() else { return };
            let is_wanted = self.rows.get(&customer_ref).is_some_and(|row| row.wanted);
            if is_wanted && !self.provider.answers() {
                return;
            }
            self.queue.remove(0);
            if is_wanted {
                self.provision(&customer_ref, at);
            }
        }
    }

    /// wab apply: lists the fleet, takes over fleet.yaml, and repairs what it may. Returns the exit codes with which it may end.
    pub fn apply(&mut self, at: Moment) -> &'static [i32] {
        let before = self.clone();
        if !self.list(at) {
            return if self.provider.answers() { &[1, 5] } else { &[1, 3] };
        }
        self.declare();
        let present = drift::drift(self, at);
        let mut missing: Vec<&Drift> = present.iter().filter(|one| one.kind == Kind::Missing).collect();
        missing.sort();
        // A row that cannot be read may be the bridge.
        missing.truncate(if self.is_whole { missing.len() } else { 0 });
        // Tenants that were given another id: a guard refuses the whole plan.
        if missing.iter().any(|one| one.observed.is_some()) {
            *self = before;
            return &[5];
        }
        self.write(&present, &[Kind::StaleBinding, Kind::Unbound, Kind::StatusDrift]);
        for one in missing.iter().take(APPLY_CALLS) {
            self.provision(one.customer_ref.as_deref().unwrap_or_default(), at);
        }
        // It ends before a step that would have to wait for the provider's limit.
        if missing.len() > APPLY_CALLS {
            return &[9];
        }
        for one in present.iter().filter(|one| one.kind.wastes()) {
            let named = one.bridge_id.and_then(|id| Some((id, self.declared.remove.get(&id)?.clone())));
            if let Some((id, customer_ref)) =
                named.filter(|(_, named)| one.customer_ref.as_ref() == Some(named))
            {
                self.delete(id, &customer_ref, at);
            }
        }
        self.record(at);
        if self.is_whole { &[0] } else { &[0, 1] }
    }

    /// wab_ingest_event(): a webhook that arrives now tells what the session was at a time.
    pub fn ingest(&mut self, customer_ref: &str, word: &str, at: Moment, now: Moment) {
        let [id] = self.known.of(customer_ref)[..] else { return };
        let Some(was) = self.known.get(id).filter(|known| known.first_seen <= at) else { return };
        let was = (was.session.status, was.session.since);
        let telling = &self.telling;
        self.known.update(id, |known| known.tell(at, word, telling));
        let is = self.known.get(id).map(|known| (known.session.status, known.session.since));
        if is != Some(was) {
            self.record_customer(customer_ref, now);
        }
    }

    /// A session told its present status.
    fn hear(&mut self, customer_ref: &str, at: Moment) {
        let Some(id) = self.provider.bridges.first_of(customer_ref) else { return };
        let Some(bridge) = self.provider.bridges.get(id) else { return };
        let telling = &self.telling;
        self.known.update(id, |known| known.answer(at, &bridge.word, telling));
    }

    /// Makes a bridge for a tenant, asks its session, and writes its row.
    fn provision(&mut self, customer_ref: &str, at: Moment) {
        let id = self.provider.provision(customer_ref, at);
        let Some(bridge) = self.provider.bridges.get(id) else { return };
        if self.known.get(id).is_none() {
            let mut known = Known::first_seen(at, Some(customer_ref.to_owned()), bridge.state.clone(), None);
            known.was_never_paired(Some(at));
            self.known.insert(id, known);
            self.tenures.begin(id, Some(customer_ref), at);
        }
        let telling = &self.telling;
        self.known.update(id, |known| {
            if known.state != bridge.state {
                known.state.clone_from(&bridge.state);
                known.state_since = at;
            }
            known.tell(at, &bridge.word, telling);
        });
        let status = self.known.get(id).and_then(|known| known.session.status);
        if let Some(row) = self.rows.get_mut(customer_ref) {
            row.bridge_id = Some(id);
            row.status = status.map(|status| status.as_str().to_owned());
        }
        self.queue.retain(|waiting| waiting != customer_ref);
        self.record_customer(customer_ref, at);
    }

    fn delete(&mut self, id: i64, customer_ref: &str, at: Moment) {
        self.provider.bridges.remove(id);
        self.known.remove(id);
        self.tenures.end(id, at);
        self.record_customer(customer_ref, at);
        let mut left = Vec::new();
        drift::of_customer(self, customer_ref, at, &mut left);
        self.write(&left, &[Kind::StaleBinding]);
    }

    /// Writes the tenant rows with drift of these kinds.
    fn write(&mut self, drift: &[Drift], kinds: &[Kind]) {
        for one in drift.iter().filter(|one| kinds.contains(&one.kind)) {
            let Some(row) = one.customer_ref.as_ref().and_then(|id| self.rows.get_mut(id)) else { continue };
            match one.kind {
                Kind::StatusDrift => row.status.clone_from(&one.observed),
                Kind::Unbound => row.bridge_id = one.bridge_id,
                _ => *row = Row { wanted: row.wanted, ..Row::default() },
            }
        }
    }

    fn record(&mut self, at: Moment) {
        let present = drift::drift(self, at);
        let learnt = self.learnt(at);
        self.episodes.record(&present, Scope::All, at, learnt);
    }

    fn record_customer(&mut self, customer_ref: &str, at: Moment) {
        let mut present = Vec::new();
        drift::of_customer(self, customer_ref, at, &mut present);
        let learnt = self.learnt(at);
        self.episodes.record(&present, Scope::Customer(customer_ref), at, learnt);
    }

    /// How many bridges told their status within the mass window.
    fn learnt(&self, at: Moment) -> usize {
        self.known.iter().filter(|(_, known)| known.is_learnt_since(at - MASS_WINDOW)).count()
    }
}
