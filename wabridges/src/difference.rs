//! A trick for speed: narrows a listing down to what may differ from wab_bridges, in one pass over both.
//!
//! The database decides what a listing changes (`_wab_store_listing` in `sql/observe.sql`), whatever part of it is handed over: more
//! than differs does no harm. Most of a listing is as the table has it, and handing all of it over costs several times what the rest
//! of a refresh does. The extension and `wab` read `wab_bridges` and compare each row as it comes; no copy of the table is kept.

use crate::{Bridge, Listing};

/// What is known of a bridge.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The provider's id.
    pub id: i64,
    /// The customer_ref it carries.
    pub customer_ref: Option<&'a str>,
    /// The container's state.
    pub state: Option<&'a str>,
    /// The session's status in the provider's words.
    pub raw_status: Option<&'a str>,
    /// When it was created, in microseconds since 1970-01-01 UTC.
    pub created_at: Option<i64>,
}

impl Known<'_> {
    /// Whether a listed bridge says nothing new. A list that brings no status says nothing of it.
    fn is_as(&self, bridge: &Bridge) -> bool {
        let raw_status = bridge.raw_status.as_deref();
        self.customer_ref == bridge.customer_ref.as_ref().map(|it| it.as_str())
            && self.state == bridge.state.as_deref()
            && (raw_status.is_none() || raw_status == self.raw_status)
            && self.created_at == bridge.created_at.map(|at| at.timestamp_micros())
    }
}

/// Compares a listing with the bridges that are known, in whatever order these come.
#[derive(Debug)]
pub struct Comparison<'a> {
    listed: &'a [Bridge],
    /// Which of the listed ones are known.
    known: Vec<bool>,
    /// Where the next known one is found, if they come in the order of their ids.
    next: usize,
    difference: Difference<'a>,
}

/// What differs.
#[derive(Debug, Default)]
pub struct Difference<'a> {
    /// Listed bridges that are not known, or not as they are listed.
    pub listed: Vec<&'a Bridge>,
    /// Ids of known bridges that are not listed.
    pub absent: Vec<i64>,
    /// Whether bridges came, went, or changed hands.
    moved: bool,
}

/// The bridges whose drift may change when a difference is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// These alone.
    Bridges(Vec<i64>),
    /// Any: bridges came, went or changed hands.
    Anyone,
}

impl Touched {
    /// These bridges; `None` stands for any.
    pub fn bridges(&self) -> Option<&[i64]> {
        match self {
            Self::Bridges(ids) => Some(ids),
            Self::Anyone => None,
        }
    }
}

impl Difference<'_> {
    /// The bridges whose drift may change when it is stored.
    pub fn touched(&self) -> Touched {
        if self.moved {
            return Touched::Anyone;
        }
        Touched::Bridges(self.listed.iter().map(|bridge| bridge.id.get()).collect())
    }
}

impl<'a> Comparison<'a> {
    /// Of this listing with nothing yet.
    #[must_use]
    pub fn of(listing: &'a Listing) -> Self {
        let listed = &listing.bridges[..];
        Self { listed, known: vec![false; listed.len()], next: 0, difference: Difference::default() }
    }

    /// Takes note of a known bridge.
    pub fn know(&mut self, known: Known<'_>) {
        let expected = self.listed.get(self.next).filter(|bridge| bridge.id.get() == known.id);
        let found = expected
            .map(|_| self.next)
            .or_else(|| self.listed.binary_search_by_key(&known.id, |bridge| bridge.id.get()).ok());
        let Some((at, bridge)) = found.and_then(|at| Some((at, self.listed.get(at)?))) else {
            self.difference.absent.push(known.id);
            self.difference.moved = true;
            return;
        };
        self.next = at + 1;
        if let Some(it) = self.known.get_mut(at) {
            *it = true;
        }
        if !known.is_as(bridge) {
            self.difference.listed.push(bridge);
            self.difference.moved |= known.customer_ref != bridge.customer_ref.as_ref().map(|it| it.as_str());
        }
    }

    /// What differs, now that all that is known was said.
    #[must_use]
    pub fn end(mut self) -> Difference<'a> {
        let unknown = self.known.iter().zip(self.listed).filter(|(known, _)| !**known);
        let before = self.difference.listed.len();
        self.difference.listed.extend(unknown.map(|(_, bridge)| bridge));
        self.difference.moved |= self.difference.listed.len() > before;
        self.difference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"[
        {"id":1,"customer_ref":"a","state":"running","status":"connected","created_at":"2026-01-31T12:00:00Z"},
        {"id":2,"customer_ref":"b","state":"running"},
        {"id":4,"state":"running","status":"qr"}
    ]"#;

    const KNOWN: [Known<'static>; 3] = [
        Known {
            id: 1,
            customer_ref: Some("a"),
            state: Some("running"),
            raw_status: Some("connected"),
            created_at: Some(1_769_860_800_000_000),
        },
        Known {
            id: 2,
            customer_ref: Some("b"),
            state: Some("running"),
            raw_status: Some("qr"),
            created_at: None,
        },
        Known { id: 4, customer_ref: None, state: Some("running"), raw_status: Some("qr"), created_at: None },
    ];

    /// Ids that differ, ids that are absent, and whether anything moved.
    fn compare(known: &[Known<'_>]) -> (Vec<i64>, Vec<i64>, bool) {
        let listing = crate::listing::listing(&LIST.into()).unwrap();
        let mut comparison = Comparison::of(&listing);
        known.iter().for_each(|known| comparison.know(*known));
        let difference = comparison.end();
        let mut ids: Vec<i64> = difference.listed.iter().map(|bridge| bridge.id.get()).collect();
        ids.sort_unstable();
        (ids, difference.absent, difference.moved)
    }

    #[test]
    fn what_is_known_so_in_any_order_does_not_differ() {
        let [a, b, c] = KNOWN;
        for known in [[a, b, c], [c, b, a], [b, a, c]] {
            assert_eq!(compare(&known), (vec![], vec![], false));
        }
    }

    #[test]
    fn each_field_counts() {
        let [a, b, c] = KNOWN;
        for (other, moved) in [
            (Known { customer_ref: Some("x"), ..a }, true),
            (Known { customer_ref: None, ..a }, true),
            (Known { state: None, ..a }, false),
            (Known { raw_status: None, ..a }, false),
            (Known { raw_status: Some("qr"), ..a }, false),
            (Known { created_at: None, ..a }, false),
            (Known { created_at: a.created_at.map(|at| at + 1), ..a }, false),
        ] {
            assert_eq!(compare(&[other, b, c]), (vec![1], vec![], moved), "{other:?}");
        }
    }

    #[test]
    fn who_comes_and_who_goes_moves() {
        let [a, b, c] = KNOWN;
        assert_eq!(compare(&[a, c]), (vec![2], vec![], true));
        assert_eq!(compare(&[]), (vec![1, 2, 4], vec![], true));
        assert_eq!(
            compare(&[a, b, Known { id: 3, ..b }, c, Known { id: 9, ..b }]),
            (vec![], vec![3, 9], true)
        );
    }
}
