//! The truth apart from the product: what the provider has, what the tenants table holds, and what could be known of the
//! provider by now. Its rules are those of docs/; it shares no code with the product, and asks no database.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::simulation::bridges::{Bridges, Carries};
use crate::simulation::episodes::Episodes;
use crate::simulation::known::{Known, Telling};
use crate::simulation::life::{ListFault, name};
use crate::simulation::moment::Moment;
use crate::simulation::polling::Polling;
use crate::simulation::tenures::Tenures;

/// Everything that is true.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub provider: Provider,
    /// The tenants table, by id.
    pub rows: BTreeMap<String, Row>,
    /// Tenants that wait for their bridge, the oldest first.
    pub queue: Vec<String>,
    /// The bridges as far as they can be known.
    pub known: Bridges<Known>,
    /// When the fleet was listed.
    pub listings: Vec<Moment>,
    /// When it was listed with the status of each bridge, and what the words stand for.
    pub telling: Telling,
    /// Whether each row of the last list could be read.
    pub is_whole: bool,
    pub episodes: Episodes,
    pub polling: Polling,
    pub tenures: Tenures,
    /// fleet.yaml as it is written, and what the last apply made of it.
    pub declared: Declared,
    pub kept: BTreeMap<String, NaiveDate>,
    pub extra: BTreeSet<String>,
    /// The last listing before a time without any, of which an alert was sent.
    pub unobserved: Option<Moment>,
    /// Tenants that were given another id.
    renamed: BTreeSet<u32>,
}

/// The provider's side.
#[derive(Clone, Debug, Default)]
pub struct Provider {
    pub bridges: Bridges<Bridge>,
    pub last_id: i64,
    pub is_down: bool,
    /// What is wrong with its lists.
    pub list_fault: Option<ListFault>,
    /// The key that it accepts, and the key that the operators have put into use; `None` for the first one.
    pub key: Option<String>,
    pub installed_key: Option<String>,
    /// Whether its list lacks the statuses.
    pub hides_statuses: bool,
    /// The words that it says now in place of others.
    pub words: BTreeMap<String, String>,
}

/// A bridge as the provider has it.
#[derive(Clone, Debug)]
pub struct Bridge {
    pub customer_ref: String,
    pub state: String,
    pub word: String,
    pub created_at: Moment,
}

/// A row of the tenants table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub wanted: bool,
    pub bridge_id: Option<i64>,
    pub status: Option<String>,
}

/// The entries of fleet.yaml that people write.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// The last day for which the bridge of each customer_ref is kept.
    pub keep: BTreeMap<String, NaiveDate>,
    /// The customer_refs of bridges without a tenant.
    pub extra: BTreeSet<String>,
    /// The tombstones: customer_refs by bridge_id.
    pub remove: BTreeMap<i64, String>,
}

impl Carries for Bridge {
    fn customer_ref(&self) -> Option<&str> {
        Some(&self.customer_ref)
    }
}

impl Provider {
    /// Whether it answers calls with what they ask for.
    pub fn answers(&self) -> bool {
        !self.is_down && self.key == self.installed_key
    }

    /// Whether it gives a list that can be accepted.
    pub fn lists(&self) -> bool {
        self.answers() && !matches!(self.list_fault, Some(ListFault::HalfList | ListFault::EmptyList))
    }

    /// Makes a bridge and returns its id.
    pub fn make(&mut self, bridge: Bridge) -> i64 {
        self.last_id += 1;
        self.bridges.insert(self.last_id, bridge);
        self.last_id
    }

    /// The bridge of this customer_ref, or a new one: a provisioning call never makes a second one.
    pub fn provision(&mut self, customer_ref: &str, at: Moment) -> i64 {
        self.bridges.first_of(customer_ref).unwrap_or_else(|| {
            let (state, word) = ("running".to_owned(), "qr".to_owned());
            self.make(Bridge { customer_ref: customer_ref.to_owned(), state, word, created_at: at })
        })
    }
}

impl Model {
    /// fleet.yaml becomes what counts.
    pub fn declare(&mut self) {
        self.kept.clone_from(&self.declared.keep);
        self.extra.clone_from(&self.declared.extra);
    }

    /// The present id of a tenant.
    pub fn id(&self, tenant: u32) -> String {
        if self.renamed.contains(&tenant) { name(tenant).replace("cust", "moved") } else { name(tenant) }
    }

    /// Gives a tenant another id; returns the id before, and the new one.
    pub fn rename(&mut self, tenant: u32) -> Option<(String, String)> {
        let old = self.id(tenant);
        let row = self.rows.remove(&old)?;
        if !self.renamed.insert(tenant) {
            self.rows.insert(old, row);
            return None;
        }
        let new = self.id(tenant);
        self.rows.insert(new.clone(), row);
        Some((old, new))
    }

    /// The known bridge that serves a customer_ref: the one that the tenant row holds, or the one with the lowest id.
    pub fn serving(&self, customer_ref: &str) -> Option<i64> {
        let ids = self.known.of(customer_ref);
        let held = self.rows.get(customer_ref).and_then(|row| row.bridge_id);
        held.filter(|id| ids.contains(id)).or_else(|| ids.first().copied())
    }

    /// Compares the provider's list with what is known. False if the provider does not answer.
    pub fn list(&mut self, at: Moment) -> bool {
        if !self.provider.lists() {
            return false;
        }
        self.is_whole = self.provider.list_fault.is_none();
        let hidden = self.provider.bridges.iter().map(|(id, _)| id).next().filter(|_| !self.is_whole);
        let before = self.listings.last().copied();
        self.listings.push(at);
        let is_told = !self.provider.hides_statuses;
        if is_told {
            self.telling.listings.push(at);
        }
        let gone: Vec<i64> = self.known.iter().map(|(id, _)| id).collect();
        for id in gone.into_iter().filter(|id| self.provider.bridges.get(*id).is_none()) {
            if self.is_whole {
                self.known.remove(id);
                self.tenures.end(id, at);
            }
        }
        // Which bridge the unreadable row is cannot be known, so that such a list confirms no status of before.
        let unconfirmed: Vec<i64> = self.known.iter().map(|(id, _)| id).filter(|_| !self.is_whole).collect();
        for id in unconfirmed {
            self.known.update(id, |known| {
                known.hide(at);
                if Some(id) == hidden {
                    known.unlist(before);
                }
            });
        }
        for (id, bridge) in self.provider.bridges.iter().filter(|(id, _)| Some(*id) != hidden) {
            if self.known.get(id).is_none() {
                let customer_ref = Some(bridge.customer_ref.clone());
                let mut known =
                    Known::first_seen(at, customer_ref, bridge.state.clone(), Some(bridge.created_at));
                // The clocks of the provider and of the server may differ by five minutes.
                let is_new = before.is_some_and(|before| bridge.created_at > before - 300);
                known.was_never_paired(is_new.then_some(bridge.created_at));
                self.known.insert(id, known);
                self.tenures.begin(id, Some(&bridge.customer_ref), bridge.created_at);
            }
            let telling = &self.telling;
            let tenures = &mut self.tenures;
            let carried = self.known.get(id).and_then(|known| known.customer_ref.as_deref());
            if carried != Some(bridge.customer_ref.as_str()) {
                tenures.end(id, at);
                tenures.begin(id, Some(&bridge.customer_ref), at);
                let customer_ref = Some(bridge.customer_ref.clone());
                self.known.change(id, |known| known.carry(customer_ref, at, is_told));
            }
            self.known.update(id, |known| {
                if known.created_at != Some(bridge.created_at) {
                    known.created_at = Some(bridge.created_at);
                    tenures.born(id, bridge.created_at);
                }
                if known.state != bridge.state {
                    known.state.clone_from(&bridge.state);
                    known.state_since = at;
                }
                if is_told {
                    known.list(at, &bridge.word, telling);
                } else {
                    known.unlist(before);
                }
            });
        }
        true
    }
}
