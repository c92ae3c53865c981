//! When drift was recorded to begin and to end, and which of it is one incident, by docs/incidents.md.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::simulation::kind::{Drift, Kind};
use crate::simulation::moment::{MINUTE, Moment};

/// Drift that begins within this time on so many bridges, and on this share of those known, is one incident.
pub const MASS_WINDOW: i64 = 15 * MINUTE;
const MASS_BRIDGES: usize = 10;
const MASS_SHARE: f64 = 0.1;

/// All episodes in the order of their beginning.
#[derive(Clone, Debug, Default)]
pub struct Episodes {
    all: Vec<Episode>,
    open: HashMap<(Kind, String), usize>,
    /// The last ended episode of each kind and subject.
    ended: HashMap<(Kind, String), usize>,
    /// The episodes of each incident, by the first one.
    members: BTreeMap<usize, Vec<usize>>,
    /// The incidents whose end was not sent yet.
    untold: BTreeSet<usize>,
    /// The incidents whose beginning was sent.
    sent: BTreeSet<usize>,
    /// The incidents whose end was sent. Drift that begins later does not belong to them.
    told_end: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
struct Episode {
    kind: Kind,
    subject: String,
    customer_ref: Option<String>,
    bridge_id: Option<i64>,
    began: Moment,
    ended: Option<Moment>,
    /// The first episode of the incident that it belongs to.
    first: usize,
}

/// An incident that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    pub kind: Kind,
    /// The customer_ref and the bridge; none for several.
    pub of: Option<(Option<String>, Option<i64>)>,
    pub bridges: usize,
    pub lasting: usize,
    pub began: Moment,
    pub ended: Option<Moment>,
    first: usize,
}

/// Which episodes a record may end.
#[derive(Clone, Copy)]
pub enum Scope<'a> {
    All,
    Customer(&'a str),
}

impl Episodes {
    /// Records the present drift. `learnt` bridges told their status within the mass window.
    pub fn record(&mut self, drift: &[Drift], scope: Scope<'_>, at: Moment, learnt: usize) {
        let kinds: BTreeSet<Kind> = drift.iter().map(|drift| drift.kind).collect();
        let masses: BTreeMap<Kind, usize> =
            kinds.into_iter().filter_map(|kind| Some((kind, self.mass(kind, at)?))).collect();
        let present: BTreeSet<(Kind, String)> =
            drift.iter().map(|drift| (drift.kind, drift.subject())).collect();
        let over: Vec<(Kind, String)> = self
            .open
            .iter()
            .filter(|(key, place)| self.covers(scope, **place) && !present.contains(*key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            if let Some(place) = self.open.remove(&key) {
                self.all[place].ended = Some(at);
                self.ended.insert(key, place);
            }
        }
        let mut is_alone = false;
        for one in drift {
            let key = (one.kind, one.subject());
            if self.open.contains_key(&key) {
                continue;
            }
            let place = self.all.len();
            let mass = masses.get(&one.kind).copied();
            let first = self.continued(&key, one, at).or(mass);
            self.all.push(Episode {
                kind: one.kind,
                subject: one.subject(),
                customer_ref: one.customer_ref.clone(),
                bridge_id: one.bridge_id,
                began: at,
                ended: None,
                first: place,
            });
            self.members.insert(place, vec![place]);
            if one.kind.rule().is_some() {
                self.untold.insert(place);
            }
            if let Some(first) = first {
                self.join(place, first);
            }
            self.open.insert(key, place);
            is_alone |= mass.is_none() || first != mass;
        }
        if is_alone {
            self.merge(at, learnt);
        }
    }

    /// When the present drift of this kind was recorded first.
    pub fn since(&self, drift: &Drift) -> Option<Moment> {
        self.open.get(&(drift.kind, drift.subject())).map(|place| self.all[*place].began)
    }

    /// The times in which nobody needed a bridge.
    pub fn wasted(&self, now: Moment) -> Vec<(i64, Moment, Moment)> {
        let wasted = self.all.iter().filter(|episode| episode.kind.wastes());
        wasted.filter_map(|one| Some((one.bridge_id?, one.began, one.ended.unwrap_or(now)))).collect()
    }

    /// The open drift of bridges that nobody has needed since this time.
    pub fn unneeded_since(&self, at: Moment) -> Vec<(Option<String>, i64)> {
        let open = self.open.values().map(|place| &self.all[*place]);
        let old = open.filter(|one| one.kind.wastes() && one.began <= at);
        let mut all: Vec<_> =
            old.filter_map(|one| Some((one.customer_ref.clone(), one.bridge_id?))).collect();
        all.sort_by_key(|(_, id)| *id);
        all
    }

    /// The incidents that have begun, those that ended too.
    pub fn incidents(&self, now: Moment) -> Vec<Incident> {
        self.members.keys().filter_map(|first| self.incident(*first, now)).collect()
    }

    /// The incidents of which the receiver of alerts has not heard everything, and whether it heard of their beginning.
    pub fn untold(&self, now: Moment) -> Vec<(Incident, bool)> {
        let begun = self.untold.iter().filter_map(|first| self.incident(*first, now));
        begun.map(|one| (one.clone(), self.sent.contains(&one.first))).collect()
    }

    /// The receiver of alerts has heard of this incident, so that it takes in no others.
    pub fn sent(&mut self, incident: &Incident) {
        self.sent.insert(incident.first);
        if incident.ended.is_some() {
            self.untold.remove(&incident.first);
            self.told_end.insert(incident.first);
        }
    }

    fn incident(&self, first: usize, now: Moment) -> Option<Incident> {
        let episodes: Vec<&Episode> =
            self.members.get(&first)?.iter().map(|place| &self.all[*place]).collect();
        incident(first, &episodes, now)
    }

    fn covers(&self, scope: Scope<'_>, place: usize) -> bool {
        match scope {
            Scope::All => true,
            Scope::Customer(customer_ref) => self.all[place].customer_ref.as_deref() == Some(customer_ref),
        }
    }

    /// The incident that goes on, because the bridge was well for too short a time.
    fn continued(&self, key: &(Kind, String), drift: &Drift, at: Moment) -> Option<usize> {
        let last = &self.all[*self.ended.get(key)?];
        let began = drift.since.map_or(at, |since| since.min(at));
        let ends_after = drift.kind.rule().map_or(10 * MINUTE, |rule| rule.ends_after);
        let goes_on = last.ended? > began - ends_after && !self.told_end.contains(&last.first);
        goes_on.then_some(last.first)
    }

    /// The lasting incident of many bridges that takes in what begins now, because it began a short time ago.
    fn mass(&self, kind: Kind, at: Moment) -> Option<usize> {
        let is_recent = |episode: &Episode| at - episode.began < MASS_WINDOW;
        let recent = self.all.iter().rev().take_while(|episode| is_recent(episode));
        let open = recent.filter(|episode| episode.kind == kind && episode.ended.is_none());
        let others = open.filter(|episode| episode.subject != self.all[episode.first].subject);
        let mut firsts = others.map(|episode| episode.first);
        firsts.find(|first| is_recent(&self.all[*first]) && !self.told_end.contains(first))
    }

    /// What begins on many bridges together is one incident.
    fn merge(&mut self, at: Moment, learnt: usize) {
        let mut recent: BTreeMap<Kind, Vec<usize>> = BTreeMap::new();
        for (place, episode) in self.all.iter().enumerate().rev() {
            if at - episode.began >= MASS_WINDOW {
                break;
            }
            if episode.ended.is_none_or(|ended| at - ended < MASS_WINDOW) {
                recent.entry(episode.kind).or_default().push(place);
            }
        }
        let enough = (MASS_SHARE * learnt as f64).max(MASS_BRIDGES as f64);
        for places in recent.values() {
            let subjects: BTreeSet<&str> =
                places.iter().map(|place| self.all[*place].subject.as_str()).collect();
            if (subjects.len() as f64) < enough {
                continue;
            }
            let alone: Vec<usize> = places.iter().copied().filter(|place| self.is_alone(*place)).collect();
            let many = places.iter().map(|place| self.all[*place].first).filter(|first| self.is_many(*first));
            let Some(first) = many.min().or_else(|| alone.iter().min().copied()) else { continue };
            for place in alone.into_iter().filter(|place| *place != first) {
                self.join(place, first);
            }
        }
    }

    /// Makes an episode part of an incident.
    fn join(&mut self, place: usize, first: usize) {
        self.all[place].first = first;
        self.members.remove(&place);
        self.untold.remove(&place);
        self.members.entry(first).or_default().push(place);
        if self.all[place].kind.rule().is_some() {
            self.untold.insert(first);
        }
    }

    /// Whether it is an incident of its own, which was not sent.
    fn is_alone(&self, place: usize) -> bool {
        self.members.get(&place).is_some_and(|members| members.len() == 1) && !self.sent.contains(&place)
    }

    fn is_many(&self, first: usize) -> bool {
        let subject = |place: &usize| &self.all[*place].subject;
        !self.told_end.contains(&first)
            && self
                .members
                .get(&first)
                .is_some_and(|all| all.iter().any(|place| subject(place) != subject(&first)))
    }
}

fn incident(first: usize, episodes: &[&Episode], now: Moment) -> Option<Incident> {
    let one = episodes.first()?;
    let rule = one.kind.rule()?;
    let began = episodes.iter().map(|episode| episode.began).min()?;
    let lasting = episodes.iter().filter(|episode| episode.ended.is_none()).count();
    let last_ended = episodes.iter().filter_map(|episode| episode.ended).max();
    let until = if lasting > 0 { now } else { last_ended? };
    if until - began < rule.begins_after {
        return None;
    }
    let subjects: BTreeSet<&str> = episodes.iter().map(|episode| episode.subject.as_str()).collect();
    let is_over = |ended: &Moment| lasting == 0 && now - *ended >= rule.ends_after;
    Some(Incident {
        kind: one.kind,
        of: (subjects.len() == 1).then(|| (one.customer_ref.clone(), one.bridge_id)),
        bridges: subjects.len(),
        lasting,
        began,
        ended: last_ended.filter(is_over),
        first,
    })
}
