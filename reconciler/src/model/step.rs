//! One step of a plan: what is done, to which bridge, on what ground, and why. Nothing is decided or done here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wabridges::{BridgeId, CustomerRef};

use crate::model::drift::Kind;

/// One thing that apply does. The order of the variants is the order of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    /// Writes the bridge_id on the tenant row.
    Link {
        #[schemars(with = "String")]
        customer_ref: CustomerRef,
        #[schemars(with = "i64")]
        bridge_id: BridgeId,
        was: Option<String>,
        reason: String,
    },
    /// Writes the status on the tenant row.
    SetStatus {
        #[schemars(with = "String")]
        customer_ref: CustomerRef,
        was: Option<String>,
        status: String,
        reason: String,
    },
    /// Has the provider make a bridge.
    Provision {
        #[schemars(with = "String")]
        customer_ref: CustomerRef,
        owner: Owner,
        /// Never shown: secrets belong into it.
        #[serde(skip)]
        webhook_url: Option<String>,
        was: Option<String>,
        reason: String,
    },
    /// Has the provider delete a bridge, for ever.
    Delete {
        #[schemars(with = "String")]
        customer_ref: CustomerRef,
        #[schemars(with = "i64")]
        bridge_id: BridgeId,
        /// Why nobody needs it, as observed.
        because: Kind,
        reason: String,
    },
}

/// Who asks for a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// A tenant row.
    Tenant,
    /// fleet.yaml's `bridges.extra`.
    Extra,
}

impl Step {
    /// The kinds, in the order of work.
    pub const KINDS: [&str; 4] = ["link", "set_status", "provision", "delete"];

    /// The kind in the journal's word.
    pub const fn kind(&self) -> &'static str {
        Self::KINDS[self.rank()]
    }

    /// Its place in the order of work.
    pub const fn rank(&self) -> usize {
        match self {
            Self::Link { .. } => 0,
            Self::SetStatus { .. } => 1,
            Self::Provision { .. } => 2,
            Self::Delete { .. } => 3,
        }
    }

    /// Whose bridge it is about.
    pub const fn customer_ref(&self) -> &CustomerRef {
        match self {
            Self::Link { customer_ref, .. }
            | Self::SetStatus { customer_ref, .. }
            | Self::Provision { customer_ref, .. }
            | Self::Delete { customer_ref, .. } => customer_ref,
        }
    }

    /// The bridge it is about, where that is known beforehand.
    pub const fn bridge_id(&self) -> Option<BridgeId> {
        match self {
            Self::Link { bridge_id, .. } | Self::Delete { bridge_id, .. } => Some(*bridge_id),
            Self::SetStatus { .. } | Self::Provision { .. } => None,
        }
    }

    /// Whether both are about the same thing, whatever was observed of it.
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        let deletes = matches!(self, Self::Delete { .. });
        self.rank() == other.rank()
            && self.customer_ref() == other.customer_ref()
            && (!deletes || self.bridge_id() == other.bridge_id())
    }

    /// The same with nothing in it that the ground does not depend on.
    pub fn essence(&self) -> Self {
        let mut step = self.clone();
        match &mut step {
            Self::Link { reason, .. } | Self::SetStatus { reason, .. } | Self::Delete { reason, .. } => {
                reason.clear()
            }
            Self::Provision { reason, webhook_url, .. } => {
                reason.clear();
                *webhook_url = None;
            }
        }
        step
    }
}
