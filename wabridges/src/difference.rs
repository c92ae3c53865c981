//! Reduces a listing to the bridges that may differ from `wab_bridges`, in one pass over both, for speed.
//!
//! `_wab_store_listing` in `sql/observe.sql` decides which changes a listing makes; passing more bridges than differ does no
//! harm. Most bridges of a listing are unchanged, and passing all of them takes several times as long as the rest of a refresh.
//! The extension and `wab` compare each row of `wab_bridges` as they read it, without a copy of the table.

use crate::{Bridge, Listing};

/// A row of `wab_bridges`.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The provider's id.
    pub id: i64,
    /// The customer_ref it carries.
    pub customer_ref: Option<&'a str>,
    /// The container's state.
    pub state: Option<&'a str>,
    /// The session's status as the provider words it.
    pub raw_status: Option<&'a str>,
    /// When it was created, in microseconds since 1970-01-01 UTC.
    pub created_at: Option<i64>,
    /// Whether the last listing carried its status; `None` if that is not stored, as in objects of 0.2.0.
    pub status_listed: Option<bool>,
}

impl Known<'_> {
    /// Whether storing the listed bridge changes nothing. What the listing leaves out stays as it is known.
    fn is_as(&self, bridge: &Bridge) -> bool {
        let raw_status = bridge.raw_status.as_deref();
        self.customer_ref == bridge.customer_ref.as_ref().map(|it| it.as_str())
            && (bridge.state.is_none() || self.state == bridge.state.as_deref())
            && (raw_status.is_none() || raw_status == self.raw_status)
            && self.status_listed.is_none_or(|listed| listed == raw_status.is_some())
            && bridge.created_at.is_none_or(|at| self.created_at == Some(at.timestamp_micros()))
    }
}

/// Compares a listing with the known bridges, which may come in any order.
#[derive(Debug)]
pub struct Comparison<'a> {
    listed: &'a [Bridge],
    /// For each listed bridge, whether it is known.
    known: Vec<bool>,
    /// The index of the next known bridge in `listed`, if the known ones come in the order of their ids.
    next: usize,
    difference: Difference<'a>,
}

/// The part of a listing that differs from `wab_bridges`.
#[derive(Debug, Default)]
pub struct Difference<'a> {
    /// Listed bridges that are not known, or differ from their row.
    pub listed: Vec<&'a Bridge>,
    /// Ids of known bridges that are not listed.
    pub absent: Vec<i64>,
    /// Whether a bridge appeared, disappeared or changed its customer_ref.
    moved: bool,
}

/// The bridges whose drift may change when a difference is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The bridges with these ids.
    Bridges(Vec<i64>),
    /// Any bridge, because one appeared, disappeared or changed its customer_ref.
    Anyone,
}

impl Touched {
    /// The ids of the bridges; `None` stands for any bridge.
    pub fn bridges(&self) -> Option<&[i64]> {
        match self {
            Self::Bridges(ids) => Some(ids),
            Self::Anyone => None,
        }
    }
}

impl Difference<'_> {
    /// The bridges whose drift may change when the difference is stored.
    pub fn touched(&self) -> Touched {
        if self.moved {
            return Touched::Anyone;
        }
        Touched::Bridges(self.listed.iter().map(|bridge| bridge.id.get()).collect())
    }
}

impl<'a> Comparison<'a> {
    /// Starts a comparison of this listing.
    #[must_use]
    pub fn of(listing: &'a Listing) -> Self {
        let listed = &listing.bridges[..];
        Self { listed, known: vec![false; listed.len()], next: 0, difference: Difference::default() }
    }

    /// Compares one known bridge.
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

    /// The difference, after every known bridge was passed to [`Comparison::know`].
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
            status_listed: Some(true),
        },
        Known {
            id: 2,
            customer_ref: Some("b"),
            state: Some("running"),
            raw_status: Some("qr"),
            created_at: None,
            status_listed: None,
        },
        Known {
            id: 4,
            customer_ref: None,
            state: Some("running"),
            raw_status: Some("qr"),
            created_at: None,
            status_listed: Some(true),
        },
    ];

    /// Ids that differ, ids that are absent, and `moved`.
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
    fn an_unchanged_fleet_in_any_order_does_not_differ() {
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
            (Known { status_listed: Some(false), ..a }, false),
            (Known { created_at: a.created_at.map(|at| at + 1), ..a }, false),
        ] {
            assert_eq!(compare(&[other, b, c]), (vec![1], vec![], moved), "{other:?}");
        }
    }

    #[test]
    fn appeared_and_absent_bridges_set_moved() {
        let [a, b, c] = KNOWN;
        assert_eq!(compare(&[a, c]), (vec![2], vec![], true));
        assert_eq!(compare(&[]), (vec![1, 2, 4], vec![], true));
        assert_eq!(
            compare(&[a, b, Known { id: 3, ..b }, c, Known { id: 9, ..b }]),
            (vec![], vec![3, 9], true)
        );
    }
}
