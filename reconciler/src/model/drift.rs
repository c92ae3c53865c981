//! Rows of the view `wab_drift`. The views decide what counts as drift; this file only mirrors their columns.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use clap::ValueEnum;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use wabridges::BridgeId;

use crate::ground::Natural;

/// The kind of drift.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Kind {
    /// A wanted tenant has no live bridge.
    Missing,
    /// The tenant's id does not match tenants.customer_refs.
    Outside,
    /// The tenant row holds no bridge_id, or the id of another bridge.
    Unbound,
    /// The tenant row holds a status that differs from the observed one.
    StatusDrift,
    /// The row of a tenant that is not wanted still holds a bridge that is gone.
    StaleBinding,
    /// A live bridge that belongs to no tenant row and is not declared.
    Orphaned,
    /// A live bridge of a tenant that is no longer wanted.
    Churned,
    /// A second live bridge for the same customer_ref.
    Duplicate,
    /// The session has been disconnected for too long.
    Disconnected,
    /// The session has not been paired for too long.
    AwaitingScan,
    /// The status changes too often.
    Flapping,
    /// The provider's status word is mapped to no status.
    UnmappedStatus,
    /// The container is not running.
    State,
    /// The wanted webhook_url differs from the one that was set last through wab.
    Webhook,
    /// Another phone is paired than before.
    PhoneChanged,
    /// The phone is paired with another live bridge too.
    PhoneShared,
    /// The paired phone is not the one of the tenant row.
    PhoneUnexpected,
    /// Paired, but without a message for too long.
    Silent,
    /// A kind that this version does not know: it comes from newer views or from a row that the user added.
    /// It is only reported.
    #[value(skip)]
    #[serde(untagged)]
    #[schemars(skip)]
    Other(Word),
}

impl Kind {
    /// All known kinds, in display order.
    pub const ALL: [Self; 18] = [
        Self::Missing,
        Self::Outside,
        Self::Unbound,
        Self::StatusDrift,
        Self::StaleBinding,
        Self::Orphaned,
        Self::Churned,
        Self::Duplicate,
        Self::Disconnected,
        Self::AwaitingScan,
        Self::Flapping,
        Self::UnmappedStatus,
        Self::State,
        Self::Webhook,
        Self::PhoneChanged,
        Self::PhoneShared,
        Self::PhoneUnexpected,
        Self::Silent,
    ];

    /// The word that the view uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Outside => "outside",
            Self::Unbound => "unbound",
            Self::StatusDrift => "status_drift",
            Self::StaleBinding => "stale_binding",
            Self::Orphaned => "orphaned",
            Self::Churned => "churned",
            Self::Duplicate => "duplicate",
            Self::Disconnected => "disconnected",
            Self::AwaitingScan => "awaiting_scan",
            Self::Flapping => "flapping",
            Self::UnmappedStatus => "unmapped_status",
            Self::State => "state",
            Self::Webhook => "webhook",
            Self::PhoneChanged => "phone_changed",
            Self::PhoneShared => "phone_shared",
            Self::PhoneUnexpected => "phone_unexpected",
            Self::Silent => "silent",
            Self::Other(word) => word.0,
        }
    }

    /// The kinds of these rows, in display order.
    pub fn of(rows: &[Drift]) -> BTreeSet<Self> {
        rows.iter().map(|row| row.kind).collect()
    }

    /// Whether a bridge of this kind costs money although no tenant needs it.
    pub const fn wastes(self) -> bool {
        matches!(self, Self::Orphaned | Self::Churned | Self::Duplicate)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<&str> for Kind {
    fn from(text: &str) -> Self {
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.unwrap_or_else(|| Self::Other(text.into()))
    }
}

/// The view's word for an unknown kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Word(&'static str);

impl From<&str> for Word {
    /// Leaks each distinct word once: a view has few kinds and many rows, and `Kind` stays `Copy`.
    fn from(text: &str) -> Self {
        static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = words.get(text).copied();
        Self(known.unwrap_or_else(|| {
            let word: &'static str = Box::leak(text.into());
            words.insert(word);
            word
        }))
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| text.as_str().into())
    }
}

/// One row of `wab_drift`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Drift {
    /// The kind of drift.
    pub kind: Kind,
    /// `critical`, `warning` or `info`.
    #[schemars(extend("enum" = ["critical", "warning", "info"]))]
    pub severity: String,
    /// The tenant, if there is a row for it.
    pub tenant_id: Option<String>,
    /// The bridge, if one is live.
    #[schemars(with = "Option<i64>")]
    pub bridge_id: Option<BridgeId>,
    /// The customer_ref; a bridge may carry none.
    pub customer_ref: Option<String>,
    /// The value on the tenant row.
    pub stored: Option<String>,
    /// The value at the provider.
    pub observed: Option<String>,
    /// When the difference began, if it is known.
    pub since: Option<DateTime<Utc>>,
    /// A sentence for people.
    pub detail: String,
    /// US dollars per month spent on an unneeded bridge.
    #[serde(serialize_with = "crate::ground::money::serialize")]
    #[schemars(with = "f64")]
    pub monthly_cost: Decimal,
    /// The webhook_url that the bridge should have.
    pub webhook_url: Option<String>,
}

impl Drift {
    /// The display order.
    pub fn order(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }

    fn place(&self) -> (Kind, Option<Natural<'_>>, Option<BridgeId>) {
        (self.kind, self.customer_ref.as_deref().map(Natural), self.bridge_id)
    }
}

/// The drift rows, and the number of rows that were not readable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Sorted by kind, then by customer_ref.
    pub rows: Vec<Drift>,
    /// Listed rows that could not be read. If there are any, no bridge is treated as gone.
    pub malformed: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_it_is_written() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from(kind.as_str()), kind);
            assert_eq!(<Kind as ValueEnum>::from_str(kind.as_str(), false), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn a_kind_that_is_not_known_keeps_its_word_and_comes_last() {
        let bored = Kind::from("bored");
        assert_eq!((bored.as_str(), bored, bored.wastes()), ("bored", Kind::from("bored"), false));
        assert_eq!(serde_json::to_value(bored).unwrap(), "bored");
        assert_eq!(serde_json::from_str::<Kind>("\"bored\"").unwrap(), bored);
        assert_eq!(serde_json::from_str::<Kind>("\"webhook\"").unwrap(), Kind::Webhook);
        assert!(bored > Kind::Silent);
    }
}
