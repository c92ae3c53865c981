//! Defines the kinds of drift, a difference, and when it is an incident.

use crate::simulation::moment::{DAY, HOUR, MINUTE, Moment};

/// A kind of drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Missing,
    Unbound,
    StatusDrift,
    StaleBinding,
    Orphaned,
    Churned,
    Duplicate,
    Disconnected,
    AwaitingScan,
    Flapping,
    UnmappedStatus,
    State,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    pub kind: Kind,
    pub customer_ref: Option<String>,
    pub bridge_id: Option<i64>,
    pub stored: Option<String>,
    pub observed: Option<String>,
    /// When the status began; `None` for kinds whose time is that of the record.
    pub since: Option<Moment>,
}

/// When drift of a kind is an incident, by docs/incidents.md.
pub struct Rule {
    pub begins_after: i64,
    pub ends_after: i64,
}

impl Kind {
    /// The name of the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
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
        }
    }

    /// Whether the bridge is paid for and nobody needs it.
    pub fn wastes(self) -> bool {
        matches!(self, Self::Orphaned | Self::Churned | Self::Duplicate)
    }

    /// When it is an incident for a person; `None` for drift that wab repairs.
    pub fn rule(self) -> Option<Rule> {
        let (begins_after, ends_after) = match self {
            Self::Unbound | Self::StatusDrift | Self::StaleBinding => return None,
            Self::Missing => (15 * MINUTE, 0),
            Self::Orphaned | Self::Duplicate => (HOUR, 0),
            Self::Churned => (DAY, 0),
            Self::Disconnected | Self::State => (0, 10 * MINUTE),
            Self::Flapping => (0, HOUR),
            Self::AwaitingScan | Self::UnmappedStatus => (0, 0),
        };
        Some(Rule { begins_after, ends_after })
    }
}

impl Drift {
    /// What drifts: the bridge, or the tenant without one.
    pub fn subject(&self) -> String {
        let id = self.bridge_id.map(|id| id.to_string());
        id.or_else(|| self.customer_ref.clone()).unwrap_or_default()
    }

    /// Drift of this kind, without values.
    pub fn of(kind: Kind, customer_ref: Option<&str>, bridge_id: Option<i64>) -> Self {
        Self {
            kind,
            customer_ref: customer_ref.map(str::to_owned),
            bridge_id,
            stored: None,
            observed: None,
            since: None,
        }
    }
}
