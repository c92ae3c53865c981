//! How long the sessions have not been asked for their status while the provider's list lacks it, by docs/operations.md.

use std::collections::BTreeMap;

use crate::simulation::mismatch::{Mismatch, mismatch};
use crate::simulation::moment::Moment;

/// Sessions that one wab_reconcile() asks at most: a third of a fleet of 60.
pub const CALLS: usize = 20;

/// The bridges that wait to be asked.
#[derive(Clone, Debug, Default)]
pub struct Polling(BTreeMap<i64, Waiting>);

/// A bridge that was not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// For so many rounds.
    pub rounds: usize,
    /// The most bridges that one of these rounds could ask.
    pub bridges: usize,
}

impl Polling {
    /// A round of calls: some of these bridges were asked.
    pub fn round(&mut self, bridges: &BTreeMap<i64, bool>) {
        let before = std::mem::take(&mut self.0);
        let waiting = bridges.iter().filter(|(_, asked)| !**asked);
        self.0 = waiting
            .map(|(id, _)| {
                let Waiting { rounds, bridges: most } = before.get(id).copied().unwrap_or_default();
                (*id, Waiting { rounds: rounds + 1, bridges: bridges.len().max(most) })
            })
            .collect();
    }

    /// The list tells the statuses.
    pub fn end(&mut self) {
        self.0.clear();
    }

    /// Polling is fair: no bridge waits for longer than the docs promise.
    pub fn compare(&self, at: Moment) -> Vec<Mismatch> {
        let starved = self.starved().map(|(id, waiting)| {
            let promised = format!("asked within 1.5 x {} / {CALLS} rounds", waiting.bridges);
            let real = format!("not asked in {} rounds", waiting.rounds);
            mismatch("polling", at, id.to_string(), Some(promised), Some(real))
        });
        starved.collect()
    }

    /// The bridges that have waited for longer than bridges / calls x 1.5 rounds, and one more because rounds are whole.
    fn starved(&self) -> impl Iterator<Item = (i64, Waiting)> {
        let is_starved = |one: &Waiting| 2 * CALLS * one.rounds > 3 * one.bridges + 2 * CALLS;
        self.0.iter().map(|(id, waiting)| (*id, *waiting)).filter(move |(_, waiting)| is_starved(waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_that_is_never_asked_is_starved_after_its_rounds() {
        let mut polling = Polling::default();
        let bridges = (1..=40).map(|id| (id, id != 7)).collect();
        for _ in 0..4 {
            polling.round(&bridges);
            assert_eq!(polling.starved().count(), 0);
        }
        polling.round(&bridges);
        assert_eq!(polling.starved().collect::<Vec<_>>(), [(7, Waiting { rounds: 5, bridges: 40 })]);
        polling.end();
        assert_eq!(polling.starved().count(), 0);
    }
}
