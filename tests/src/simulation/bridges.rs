//! A set of bridges by id, with an index by customer_ref.

use std::collections::{BTreeMap, BTreeSet};

/// What has a customer_ref.
pub trait Carries {
    fn customer_ref(&self) -> Option<&str>;
}

/// Bridges by id.
#[derive(Clone, Debug)]
pub struct Bridges<B> {
    all: BTreeMap<i64, B>,
    by_ref: BTreeMap<String, BTreeSet<i64>>,
}

impl<B> Default for Bridges<B> {
    fn default() -> Self {
        Self { all: BTreeMap::new(), by_ref: BTreeMap::new() }
    }
}

impl<B: Carries> Bridges<B> {
    pub fn get(&self, id: i64) -> Option<&B> {
        self.all.get(&id)
    }

    /// All bridges, by id.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &B)> {
        self.all.iter().map(|(id, bridge)| (*id, bridge))
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The ids of the bridges that carry this customer_ref, the lowest first.
    pub fn of(&self, customer_ref: &str) -> Vec<i64> {
        self.by_ref.get(customer_ref).into_iter().flatten().copied().collect()
    }

    /// The first bridge that carries this customer_ref.
    pub fn first_of(&self, customer_ref: &str) -> Option<i64> {
        self.by_ref.get(customer_ref)?.first().copied()
    }

    /// All customer_refs that a bridge carries.
    pub fn refs(&self) -> impl Iterator<Item = &str> {
        self.by_ref.keys().map(String::as_str)
    }

    pub fn insert(&mut self, id: i64, bridge: B) {
        if let Some(customer_ref) = bridge.customer_ref() {
            self.by_ref.entry(customer_ref.to_owned()).or_default().insert(id);
        }
        self.all.insert(id, bridge);
    }

    pub fn remove(&mut self, id: i64) -> Option<B> {
        let bridge = self.all.remove(&id)?;
        if let Some(customer_ref) = bridge.customer_ref()
            && let Some(ids) = self.by_ref.get_mut(customer_ref)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_ref.remove(customer_ref);
            }
        }
        Some(bridge)
    }

    /// Changes a bridge, but not its customer_ref.
    pub fn update(&mut self, id: i64, change: impl FnOnce(&mut B)) {
        if let Some(bridge) = self.all.get_mut(&id) {
            change(bridge);
        }
    }

    /// Changes a bridge, also its customer_ref.
    pub fn change(&mut self, id: i64, change: impl FnOnce(&mut B)) {
        if let Some(mut bridge) = self.remove(id) {
            change(&mut bridge);
            self.insert(id, bridge);
        }
    }
}
