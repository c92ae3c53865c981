//! What the account pays for, to the cent: a bridge costs its share of the month, to the second.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::simulation::moment::{Moment, bounds};

/// US cents for a bridge and month.
const PRICE: i64 = 300;

/// Which bridge carried which customer_ref, as far as that is known.
#[derive(Clone, Debug, Default)]
pub struct Tenures(BTreeMap<i64, Vec<Tenure>>);

#[derive(Clone, Debug)]
struct Tenure {
    customer_ref: Option<String>,
    since: Moment,
    until: Option<Moment>,
}

/// The bill of one month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    pub bridges: BTreeSet<i64>,
    pub seconds: i64,
    pub wasted: i64,
    /// Seconds by customer_ref.
    pub by_tenant: BTreeMap<Option<String>, i64>,
}

impl Tenures {
    /// A bridge carries a customer_ref from this time on.
    pub fn begin(&mut self, bridge_id: i64, customer_ref: Option<&str>, since: Moment) {
        let customer_ref = customer_ref.map(str::to_owned);
        self.0.entry(bridge_id).or_default().push(Tenure { customer_ref, since, until: None });
    }

    /// The bridge was created at another time than was thought.
    pub fn born(&mut self, bridge_id: i64, at: Moment) {
        if let Some(tenure) = self.last(bridge_id) {
            tenure.since = at;
        }
    }

    /// The bridge is gone, or carries another customer_ref.
    pub fn end(&mut self, bridge_id: i64, at: Moment) {
        if let Some(tenure) = self.last(bridge_id) {
            tenure.until = Some(at);
        }
    }

    /// Since when the bridge has carried its present customer_ref.
    pub fn since(&self, bridge_id: i64) -> Option<Moment> {
        self.0.get(&bridge_id)?.last().map(|tenure| tenure.since)
    }

    /// The customer_refs that exactly one bridge carried after a time, and still carries, with the bridge.
    pub fn alone_since(&self, at: Moment) -> BTreeMap<&str, i64> {
        let mut carried: BTreeMap<&str, Vec<(i64, Option<Moment>)>> = BTreeMap::new();
        for (bridge_id, tenures) in &self.0 {
            for tenure in tenures.iter().filter(|tenure| tenure.until.is_none_or(|until| until > at)) {
                let customer_ref = tenure.customer_ref.as_deref().unwrap_or_default();
                carried.entry(customer_ref).or_default().push((*bridge_id, tenure.until));
            }
        }
        let alone = carried.into_iter().filter_map(|(customer_ref, bridges)| match bridges[..] {
            [(bridge_id, None)] => Some((customer_ref, bridge_id)),
            _ => None,
        });
        alone.collect()
    }

    /// The bill of a month up to now. `wasted` are the times in which nobody needed a bridge.
    pub fn bill(&self, month: NaiveDate, now: Moment, wasted: &[(i64, Moment, Moment)]) -> Bill {
        let (begins, ends) = bounds(month);
        let mut bill = Bill::default();
        let mut by_bridge: BTreeMap<i64, Vec<(Moment, Moment)>> = BTreeMap::new();
        for (wasted_id, since, until) in wasted {
            by_bridge.entry(*wasted_id).or_default().push((*since, *until));
        }
        for (bridge_id, tenure) in self.0.iter().flat_map(|(id, all)| all.iter().map(|one| (*id, one))) {
            let (since, until) = (tenure.since.max(begins), tenure.until.unwrap_or(now).min(ends));
            if since >= until {
                continue;
            }
            bill.bridges.insert(bridge_id);
            bill.seconds += until - since;
            *bill.by_tenant.entry(tenure.customer_ref.clone()).or_default() += until - since;
            let mut counted = since;
            let mut spans = by_bridge.get(&bridge_id).cloned().unwrap_or_default();
            spans.sort();
            for (from, to) in spans {
                let (from, to) = (from.max(counted), to.min(until));
                bill.wasted += (to - from).max(0);
                counted = counted.max(to);
            }
        }
        bill
    }

    fn last(&mut self, bridge_id: i64) -> Option<&mut Tenure> {
        self.0.get_mut(&bridge_id)?.last_mut()
    }
}

/// The price of so many seconds of a month, in dollars, rounded half up to the cent.
pub fn dollars(month: NaiveDate, seconds: i64) -> String {
    let (begins, ends) = bounds(month);
    let length = ends - begins;
    let cents = (2 * PRICE * seconds + length) / (2 * length);
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The exact price of so many seconds of a month, in cents.
pub fn cents(month: NaiveDate, seconds: i64) -> f64 {
    let (begins, ends) = bounds(month);
    PRICE as f64 * seconds as f64 / (ends - begins) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::moment::DAY;

    #[test]
    fn a_bridge_costs_its_share_of_the_month_and_waste_counts_once() {
        let start = Moment::START;
        let mut tenures = Tenures::default();
        tenures.begin(1, Some("a"), start);
        tenures.begin(2, None, start + DAY);
        tenures.end(2, start + 11 * DAY);
        let wasted = [(2, start, start + 5 * DAY), (2, start + 3 * DAY, start + 6 * DAY)];
        let bill = tenures.bill(start.month(), start + 31 * DAY, &wasted);
        // The month ends on the 28th day.
        assert_eq!((bill.seconds, bill.wasted), ((28 + 10) * DAY, 5 * DAY));
        assert_eq!(dollars(start.month(), bill.seconds), "3.68");
    }
}
