//! What the section `policy` of fleet.yaml says.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rust_decimal::Decimal;

/// Values of `wab_policy`, by column.
pub type Settings = BTreeMap<&'static str, Setting>;

/// A value of `wab_policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A time.
    Time(Duration),
    /// US dollars.
    Dollars(Decimal),
    /// A share, from 0 to 1.
    Share(Decimal),
    /// A whole number.
    Number(u32),
}

impl fmt::Display for Setting {
    /// As fleet.yaml writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => humantime::format_duration(*time).fmt(f),
            Self::Dollars(amount) => write!(f, "{amount:.2}"),
            Self::Share(share) => write!(f, "{}%", (*share * Decimal::ONE_HUNDRED).normalize()),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// When drift of one kind is an incident; what is `None` has its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRule {
    /// The kind of drift, as in `wab_incident_policy`.
    pub kind: String,
    /// critical, warning or info.
    pub severity: Option<String>,
    /// Drift that has lasted for this long is an incident.
    pub begins_after: Option<Duration>,
    /// Drift that comes back within this time belongs to the same incident.
    pub ends_after: Option<Duration>,
    /// Whether alerts are sent.
    pub alerts: Option<bool>,
}

/// The limits of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Bridges created in one run.
    pub max_creates: Bound,
    /// Bridges deleted in one run.
    pub max_deletes: Bound,
    /// Bridges that the provider must list at least.
    pub min_observed: usize,
    /// Tenants that may be provisioned although their rows hold a bridge that is live under another customer_ref.
    pub renamed_tenants: usize,
    /// US dollars per month after the plan.
    pub max_monthly_cost: Option<Decimal>,
    /// Share of the provider's limits that wab may use, 1 to 100.
    pub rate_budget: Percent,
}

/// A whole number from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub(super) u8);

/// A count, or a share of the observed fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A number.
    Count(usize),
    /// A percentage, rounded down.
    Share(Percent),
}

impl Bound {
    /// The number in a fleet of this size.
    pub fn of(self, fleet: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Share(Percent(percent)) => fleet.saturating_mul(percent.into()) / 100,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Share(Percent(percent)) => write!(f, "{percent}%"),
        }
    }
}
