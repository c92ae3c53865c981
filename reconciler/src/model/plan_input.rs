//! The input of a plan: drift, numbers, and the changes to the database's own settings.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wabridges::{BridgeId, Class};

use crate::config::Tenants;
use crate::model::drift::Drift;

/// The input of a plan, besides the policy.
#[derive(Clone, Debug)]
pub struct PlanInput {
    /// How the binding of the tenants table changes, if it does.
    pub binding: Option<BindingChange>,
    /// How the declared exceptions change.
    pub declared: Declared,
    /// How the settings in the database change.
    pub settings: Vec<SettingChange>,
    /// The drift rows.
    pub drift: Vec<Drift>,
    /// Live bridges.
    pub bridges: i64,
    /// US dollars per bridge and month.
    pub price: Decimal,
    /// Bridges that the provider listed.
    pub listed: usize,
    /// Listed rows that could not be read.
    pub malformed: usize,
    /// The live bridges among those that tombstones name, with the customer_ref that they carry.
    pub live: BTreeMap<BridgeId, Option<String>>,
    /// The SHA-256 of the listing, as stored with its observation.
    pub observation: String,
    /// Calls of earlier runs that may still count towards the provider's limits.
    pub recent: Vec<RecentCall>,
}

/// A call of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentCall {
    /// The limit that the provider counts the call towards.
    pub class: Class,
    /// How long ago it ended.
    pub ago: Duration,
}

/// The binding of the tenants table: the table, its columns, and the expressions over its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Binding {
    /// The table.
    pub table: String,
    /// Its column with the tenant's id.
    pub tenant_id: String,
    /// Its column with the bridge_id.
    pub bridge_id: String,
    /// Its column with the status.
    pub bridge_status: String,
    /// SQL predicate over a row: whether the tenant should have a bridge.
    pub wanted: String,
    /// SQL expression for the webhook_url. It is never shown, because the URL may hold a secret.
    #[serde(skip)]
    pub webhook_url: Option<String>,
}

impl Binding {
    /// Whether both are equal apart from the table, because a table's name can be written in several ways.
    pub fn reads_like(&self, other: &Self) -> bool {
        Self { table: other.table.clone(), ..self.clone() } == *other
    }
}

impl From<&Tenants> for Binding {
    fn from(tenants: &Tenants) -> Self {
        Self {
            table: tenants.table.clone(),
            tenant_id: tenants.tenant_id.clone(),
            bridge_id: tenants.bridge_id.clone(),
            bridge_status: tenants.bridge_status.clone(),
            wanted: tenants.wanted.clone(),
            webhook_url: None,
        }
    }
}

impl From<Binding> for Tenants {
    fn from(binding: Binding) -> Self {
        let Binding { table, tenant_id, bridge_id, bridge_status, wanted, webhook_url: _ } = binding;
        Self { table, tenant_id, bridge_id, bridge_status, wanted }
    }
}

/// How the binding of the tenants table changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BindingChange {
    /// The current binding; `None` if there is none.
    pub before: Option<Binding>,
    /// The new binding.
    pub after: Binding,
    /// The new binding names another table. This is refused.
    pub moves_table: bool,
}

impl BindingChange {
    /// A copy without the webhook_url, which is never written to a file.
    pub fn without_secrets(&self) -> Self {
        let without = |binding: &Binding| Binding { webhook_url: None, ..binding.clone() };
        Self { before: self.before.as_ref().map(without), after: without(&self.after), ..self.clone() }
    }
}

/// How many declared exceptions change in the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Declared {
    /// New and changed ones.
    pub written: i64,
    /// Those that fleet.yaml no longer declares.
    pub removed: i64,
}

/// How one setting in the database changes: a status word, or a value of `wab_policy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingChange {
    /// Its key in fleet.yaml; for a status word, the word too.
    pub name: String,
    /// The value before; `None` for a word that fleet.yaml and SQL did not map.
    pub before: Option<String>,
    /// The value after; `None` for a word that fleet.yaml no longer maps.
    pub after: Option<String>,
}
