//! What a plan is made from: drift, numbers, and how the database's own settings change. Plain data; no decision is here.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wabridges::{BridgeId, Class};

use crate::config::Tenants;
use crate::model::drift::Drift;

/// Everything that a plan is made from, besides the policy.
#[derive(Clone, Debug)]
pub struct PlanInput {
    /// How the reading of the tenants table changes, if it does.
    pub binding: Option<BindingChange>,
    /// How the declared exceptions change.
    pub declared: Declared,
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
    /// Those of the tombstones' bridges that are live, with the customer_ref that they carry.
    pub live: BTreeMap<BridgeId, Option<String>>,
    /// The digest of the listing, as stored with its observation.
    pub observation: String,
    /// Calls of earlier runs that may still count for the provider's limits.
    pub recent: Vec<RecentCall>,
}

/// A call of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentCall {
    /// What the provider counts it as.
    pub class: Class,
    /// How long ago it ended.
    pub ago: Duration,
}

/// How the tenants table is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Binding {
    /// The table.
    pub table: String,
    /// Its column that identifies a tenant.
    pub tenant_id: String,
    /// Its column that holds the bridge_id.
    pub bridge_id: String,
    /// Its column that holds the status.
    pub bridge_status: String,
    /// SQL predicate: who should have a bridge.
    pub wanted: String,
    /// SQL expression: the webhook_url. Never shown: secrets belong into it.
    #[serde(skip)]
    pub webhook_url: Option<String>,
}

impl Binding {
    /// The same but for the table, whose name can be written in several ways.
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

/// How the reading of the tenants table changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BindingChange {
    /// As it was bound; `None`: not at all.
    pub before: Option<Binding>,
    /// As it will be.
    pub after: Binding,
    /// It would be another table: refused.
    pub moves_table: bool,
}

impl BindingChange {
    /// The same without the webhook_url, which is never written down.
    pub fn without_secrets(&self) -> Self {
        let without = |binding: &Binding| Binding { webhook_url: None, ..binding.clone() };
        Self { before: self.before.as_ref().map(without), after: without(&self.after), ..self.clone() }
    }
}

/// How many declared exceptions change in the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Declared {
    /// New or changed ones.
    pub written: i64,
    /// Those that fleet.yaml no longer declares.
    pub removed: i64,
}
