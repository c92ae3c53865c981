//! Models the provider's fleet as a state machine; time is an argument.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::bridge::{Bridge, BridgeId, DISCONNECTED, NewBridge, Patch};
use crate::change::{Change, Event, set_status};

/// All bridges of the account, and the index by customer_ref that makes provisioning idempotent.
#[derive(Debug)]
pub struct World {
    bridges: BTreeMap<BridgeId, Bridge>,
    by_ref: BTreeMap<String, BTreeSet<BridgeId>>,
    /// The id of the next new bridge; `None` once the last id is used.
    next_id: Option<BridgeId>,
    revision: u64,
    /// The changes since they were last taken.
    changes: Vec<Change>,
}

/// A world as the state file stores it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub next_id: Option<BridgeId>,
    pub bridges: Vec<Bridge>,
}

/// The reason why the world refuses a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// No bridge has this id or customer_ref.
    NoSuchBridge,
    /// The call needs a bridge that is not paired.
    AlreadyPaired,
    /// A control call contradicts the world; the text gives the contradiction.
    Impossible(String),
}

/// Counts over the whole fleet.
#[derive(Debug, PartialEq, Serialize)]
pub struct Summary {
    pub bridges: usize,
    pub by_status: BTreeMap<String, usize>,
    pub by_state: BTreeMap<String, usize>,
    /// Distinct customer_refs.
    pub refs: usize,
}

impl Default for World {
    fn default() -> Self {
        Self {
            bridges: BTreeMap::new(),
            by_ref: BTreeMap::new(),
            next_id: Some(BridgeId::FIRST),
            revision: 0,
            changes: Vec::new(),
        }
    }
}

impl World {
    /// A number that grows with every change; equal revisions mean an equal world.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The changes of customer_refs and statuses since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// All bridges, by id.
    pub fn bridges(&self) -> impl ExactSizeIterator<Item = &Bridge> {
        self.bridges.values()
    }

    /// The bridge with this id.
    pub fn bridge(&self, id: BridgeId) -> Option<&Bridge> {
        self.bridges.get(&id)
    }

    /// The bridge of this customer_ref; if control calls made several, the one with the lowest id.
    pub fn by_ref(&self, customer_ref: &str) -> Result<&Bridge, Refusal> {
        let id = self.by_ref.get(customer_ref).and_then(BTreeSet::first).ok_or(Refusal::NoSuchBridge)?;
        self.bridges.get(id).ok_or(Refusal::NoSuchBridge)
    }

    /// The existing bridge of this customer_ref, unchanged, or a new one that waits for a scan of its QR code.
    pub fn provision(&mut self, new: NewBridge, now: DateTime<Utc>) -> Result<&Bridge, Refusal> {
        let existing = new.customer_ref.as_deref().and_then(|known| self.by_ref(known).ok()).map(|b| b.id);
        let id = match existing {
            Some(id) => id,
            None => self.insert(new, now)?,
        };
        self.bridges.get(&id).ok_or(Refusal::NoSuchBridge)
    }

    /// Adds all these bridges, or none if one of them is impossible.
    pub fn add(&mut self, new: Vec<NewBridge>, now: DateTime<Utc>) -> Result<Vec<&Bridge>, Refusal> {
        let mut taken = BTreeSet::new();
        for id in new.iter().filter_map(|bridge| bridge.id) {
            if self.bridges.contains_key(&id) || !taken.insert(id) {
                return Err(Refusal::Impossible(format!("bridge id {id} is already taken; leave `id` out")));
            }
        }
        // Bridges with a chosen id go first, so that a generated id does not collide with one of them.
        let (chosen, rest): (Vec<_>, Vec<_>) = new.into_iter().enumerate().partition(|(_, b)| b.id.is_some());
        let mut placed = BTreeMap::new();
        for (position, bridge) in chosen.into_iter().chain(rest) {
            placed.insert(position, self.insert(bridge, now)?);
        }
        Ok(placed.values().filter_map(|id| self.bridges.get(id)).collect())
    }

    /// Removes a bridge for good; its id is never used again.
    pub fn delete(&mut self, id: BridgeId) -> Result<Bridge, Refusal> {
        let bridge = self.bridges.remove(&id).ok_or(Refusal::NoSuchBridge)?;
        self.unindex(&bridge);
        self.revision += 1;
        self.changes.push(Change::gone(&bridge));
        Ok(bridge)
    }

    /// Removes all bridges and returns their number; their ids are never used again.
    pub fn clear(&mut self) -> usize {
        let removed = self.bridges.len();
        self.changes.extend(self.bridges.values().map(Change::gone));
        self.bridges.clear();
        self.by_ref.clear();
        self.revision += 1;
        removed
    }

    /// Changes a bridge, as a control call orders.
    pub fn patch(&mut self, id: BridgeId, patch: Patch) -> Result<(&Bridge, Option<Event>), Refusal> {
        let mut bridge = self.bridges.remove(&id).ok_or(Refusal::NoSuchBridge)?;
        self.unindex(&bridge);
        if let Some(customer_ref) = patch.customer_ref {
            bridge.customer_ref = customer_ref;
        }
        if let Some(state) = patch.state {
            bridge.state = state;
        }
        if let Some(phone) = patch.phone {
            bridge.phone = Some(phone);
        }
        let event = patch.status.and_then(|status| set_status(&mut bridge, status));
        self.revision += 1;
        self.changes.push(Change::to(&bridge));
        Ok((self.place(bridge), event))
    }

    /// The text of the QR code that pairs a phone; fails if the bridge is paired.
    pub fn qr_text(&self, customer_ref: &str) -> Result<String, Refusal> {
        let bridge = self.unpaired(customer_ref)?;
        Ok(format!("2@sandbox,{},{}", bridge.id, pairing_code(bridge.id, "qr")))
    }

    /// Starts a pairing with a phone number (digits) and returns the code to type on that phone: `ABCD-EFGH`.
    pub fn pair(&mut self, customer_ref: &str, phone: &str) -> Result<String, Refusal> {
        let id = self.unpaired(customer_ref)?.id;
        let bridge = self.bridges.get_mut(&id).ok_or(Refusal::NoSuchBridge)?;
        bridge.phone = Some(phone.to_owned());
        self.revision += 1;
        Ok(pairing_code(id, phone))
    }

    /// Ends the session, after which the bridge must be paired again; a bridge that is not paired stays unchanged.
    pub fn logout(&mut self, customer_ref: &str) -> Result<Option<Event>, Refusal> {
        let bridge = self.by_ref(customer_ref)?;
        if !bridge.is_connected() {
            return Ok(None);
        }
        let id = bridge.id;
        let bridge = self.bridges.get_mut(&id).ok_or(Refusal::NoSuchBridge)?;
        bridge.phone = None;
        self.revision += 1;
        let event = set_status(bridge, DISCONNECTED.to_owned());
        self.changes.push(Change::to(bridge));
        Ok(event)
    }

    /// Counts over the whole fleet.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            bridges: self.bridges.len(),
            by_status: BTreeMap::new(),
            by_state: BTreeMap::new(),
            refs: self.by_ref.len(),
        };
        for bridge in self.bridges.values() {
            *summary.by_status.entry(bridge.status.clone()).or_default() += 1;
            *summary.by_state.entry(bridge.state.clone()).or_default() += 1;
        }
        summary
    }

    /// A copy for the state file.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { next_id: self.next_id, bridges: self.bridges.values().cloned().collect() }
    }

    /// The world of a snapshot; fails if the snapshot contains an id twice.
    pub fn restore(snapshot: Snapshot) -> Result<Self, Refusal> {
        let mut world = Self { next_id: snapshot.next_id, ..Self::default() };
        for bridge in snapshot.bridges {
            if world.bridges.contains_key(&bridge.id) {
                return Err(Refusal::Impossible(format!("bridge {} appears twice", bridge.id)));
            }
            if world.next_id.is_some_and(|next| next <= bridge.id) {
                world.next_id = bridge.id.next();
            }
            world.place(bridge);
        }
        Ok(world)
    }

    fn unpaired(&self, customer_ref: &str) -> Result<&Bridge, Refusal> {
        let bridge = self.by_ref(customer_ref)?;
        if bridge.is_connected() { Err(Refusal::AlreadyPaired) } else { Ok(bridge) }
    }

    fn insert(&mut self, new: NewBridge, now: DateTime<Utc>) -> Result<BridgeId, Refusal> {
        let exhausted =
            || Refusal::Impossible("no bridge ids are left; start with a new state file".to_owned());
        let id = new.id.or(self.next_id).ok_or_else(exhausted)?;
        if self.next_id.is_some_and(|next| next <= id) {
            self.next_id = id.next();
        }
        self.revision += 1;
        let bridge = Bridge {
            id,
            customer_ref: new.customer_ref,
            state: new.state,
            status: new.status,
            webhook_url: new.webhook_url,
            phone: None,
            created_at: new.created_at.unwrap_or(now),
        };
        self.changes.push(Change::to(&bridge));
        self.place(bridge);
        Ok(id)
    }

    fn place(&mut self, bridge: Bridge) -> &Bridge {
        if let Some(customer_ref) = &bridge.customer_ref {
            self.by_ref.entry(customer_ref.clone()).or_default().insert(bridge.id);
        }
        self.bridges.entry(bridge.id).insert_entry(bridge).into_mut()
    }

    fn unindex(&mut self, bridge: &Bridge) {
        let Some(customer_ref) = &bridge.customer_ref else { return };
        let Some(ids) = self.by_ref.get_mut(customer_ref) else { return };
        ids.remove(&bridge.id);
        if ids.is_empty() {
            self.by_ref.remove(customer_ref);
        }
    }
}

/// Eight letters that depend only on the bridge and the phone (an FNV-1a hash), so that a run can be repeated.
fn pairing_code(id: BridgeId, phone: &str) -> String {
    let seed = format!("{id}/{phone}").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let letter = |place: u32| char::from(b'A' + (seed >> (place * 8)).to_le_bytes()[0] % 26);
    let half = |places: std::ops::Range<u32>| places.map(letter).collect::<String>();
    format!("{}-{}", half(0..4), half(4..8))
}

#[cfg(test)]
mod tests;
