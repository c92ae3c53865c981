//! One row of wab_drift, mirrored; what is drift is decided in the views, and nothing here compares.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use clap::ValueEnum;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wabridges::BridgeId;

/// What kind of difference it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Kind {
    /// A wanted tenant with no live bridge.
    Missing,
    /// The tenant row holds no bridge_id, or another one.
    Unbound,
    /// The tenant row holds another status.
    StatusDrift,
    /// A live bridge that nobody owns.
    Orphaned,
    /// A live bridge whose tenant is no longer wanted.
    Churned,
    /// One more live bridge for a customer_ref.
    Duplicate,
    /// Disconnected for too long.
    Disconnected,
    /// Not paired for too long.
    AwaitingScan,
    /// The container is not running.
    State,
    /// The wanted webhook_url is not the last one set by us.
    Webhook,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::Missing,
        Self::Unbound,
        Self::StatusDrift,
        Self::Orphaned,
        Self::Churned,
        Self::Duplicate,
        Self::Disconnected,
        Self::AwaitingScan,
        Self::State,
        Self::Webhook,
    ];

    /// The view's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unbound => "unbound",
            Self::StatusDrift => "status_drift",
            Self::Orphaned => "orphaned",
            Self::Churned => "churned",
            Self::Duplicate => "duplicate",
            Self::Disconnected => "disconnected",
            Self::AwaitingScan => "awaiting_scan",
            Self::State => "state",
            Self::Webhook => "webhook",
        }
    }

    /// Whether it is a bridge that nobody needs, and that is paid for.
    pub const fn wastes(self) -> bool {
        matches!(self, Self::Orphaned | Self::Churned | Self::Duplicate)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.ok_or_else(|| {
            format!("wab_drift has a kind that this wab does not know: {text:?}; use a newer wab")
        })
    }
}

/// One difference, as the view words it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Drift {
    /// What kind of difference.
    pub kind: Kind,
    /// `critical`, `warning` or `info`.
    #[schemars(extend("enum" = ["critical", "warning", "info"]))]
    pub severity: String,
    /// The tenant, if there is a row for it.
    pub tenant_id: Option<String>,
    /// The bridge, if one is live.
    #[schemars(with = "Option<i64>")]
    pub bridge_id: Option<BridgeId>,
    /// The join key; a bridge may carry none.
    pub customer_ref: Option<String>,
    /// What the tenant row says.
    pub stored: Option<String>,
    /// What the provider says.
    pub observed: Option<String>,
    /// Since when, where it is known.
    pub since: Option<DateTime<Utc>>,
    /// In words.
    pub detail: String,
    /// US dollars per month that it wastes.
    #[serde(serialize_with = "crate::ground::money::serialize")]
    #[schemars(with = "f64")]
    pub monthly_cost: Decimal,
    /// The webhook_url that the bridge should have.
    pub webhook_url: Option<String>,
}

impl Drift {
    /// The order in which differences are shown.
    pub fn order(&self, other: &Self) -> Ordering {
        let (a, b) = (self, other);
        (a.kind, &a.customer_ref, a.bridge_id).cmp(&(b.kind, &b.customer_ref, b.bridge_id))
    }
}

/// The drift, and how far it can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// By kind, then by customer_ref.
    pub rows: Vec<Drift>,
    /// Listed rows that could not be read: with any of them no absence is believed.
    pub malformed: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_it_is_written() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(<Kind as ValueEnum>::from_str(kind.as_str(), false), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("bored".parse::<Kind>().unwrap_err().contains("newer wab"));
    }
}
