//! One step of a plan: its kind, its bridge, the values it was planned on, and its reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wabridges::{BridgeId, CustomerRef};

use crate::model::drift::Kind;

/// One change that apply makes. The order of the variants is the execution order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    /// Clears bridge_id and bridge_status on the row of a tenant that is not wanted and whose bridge is gone.
    Unlink {
        #[schemars(with = "String")]
        customer_ref: CustomerRef,
        was: Option<String>,
        reason: String,
    },
    /// Links a tenant row to a bridge: writes the bridge_id on the row.
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
    /// Asks the provider to create a bridge.
    Provision {
        #[schemars(with = "String")]
        customer_ref: CustomerRef,
        owner: Owner,
        /// Never shown, because the URL may hold a secret.
        #[serde(skip)]
        webhook_url: Option<String>,
        /// The first 12 hex digits of the SHA-256 of the webhook_url, by which a saved plan knows it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        webhook_fingerprint: Option<String>,
        was: Option<String>,
        /// The customer_ref under which the bridge in `was` is live: the tenant was probably renamed.
        renamed_from: Option<String>,
        reason: String,
    },
    /// Asks the provider to delete a bridge. This cannot be undone.
    Delete {
        #[schemars(with = "String")]
        customer_ref: CustomerRef,
        #[schemars(with = "i64")]
        bridge_id: BridgeId,
        /// The observed kind of drift that makes the bridge unneeded.
        because: Kind,
        reason: String,
    },
}

/// The source that asks for a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// A tenant row.
    Tenant,
    /// fleet.yaml's `bridges.extra`.
    Extra,
}

impl Step {
    /// The kinds, in execution order.
    pub const KINDS: [&str; 5] = ["unlink", "link", "set_status", "provision", "delete"];

    /// The kind, in the word of wab_operations.
    pub const fn kind(&self) -> &'static str {
        Self::KINDS[self.rank()]
    }

    /// Its place in the execution order.
    pub const fn rank(&self) -> usize {
        match self {
            Self::Unlink { .. } => 0,
            Self::Link { .. } => 1,
            Self::SetStatus { .. } => 2,
            Self::Provision { .. } => 3,
            Self::Delete { .. } => 4,
        }
    }

    /// Whether the step makes a bridge and then writes its id on a tenant row.
    pub const fn makes_tenants_bridge(&self) -> bool {
        matches!(self, Self::Provision { owner: Owner::Tenant, .. })
    }

    /// The customer_ref of the bridge.
    pub const fn customer_ref(&self) -> &CustomerRef {
        match self {
            Self::Unlink { customer_ref, .. }
            | Self::Link { customer_ref, .. }
            | Self::SetStatus { customer_ref, .. }
            | Self::Provision { customer_ref, .. }
            | Self::Delete { customer_ref, .. } => customer_ref,
        }
    }

    /// The bridge's id, if the plan knows it.
    pub const fn bridge_id(&self) -> Option<BridgeId> {
        match self {
            Self::Link { bridge_id, .. } | Self::Delete { bridge_id, .. } => Some(*bridge_id),
            Self::Unlink { .. } | Self::SetStatus { .. } | Self::Provision { .. } => None,
        }
    }

    /// The webhook_url of a bridge to create.
    pub fn webhook_url(&self) -> Option<&str> {
        match self {
            Self::Provision { webhook_url, .. } => webhook_url.as_deref(),
            _ => None,
        }
    }

    /// Whether both steps have the same target, regardless of the values that they were planned on.
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        let deletes = matches!(self, Self::Delete { .. });
        self.rank() == other.rank()
            && self.customer_ref() == other.customer_ref()
            && (!deletes || self.bridge_id() == other.bridge_id())
    }

    /// A copy without the fields that the step's preconditions do not depend on.
    pub fn essence(&self) -> Self {
        let mut step = self.clone();
        match &mut step {
            Self::Unlink { reason, .. }
            | Self::Link { reason, .. }
            | Self::SetStatus { reason, .. }
            | Self::Delete { reason, .. } => reason.clear(),
            Self::Provision { reason, webhook_url, .. } => {
                reason.clear();
                *webhook_url = None;
            }
        }
        step
    }
}
