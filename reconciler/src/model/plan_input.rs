//! The input of a plan: drift, numbers, and the changes to the database's own settings.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wabridges::{BridgeId, Class};

use crate::config::{Clearable, Tenants};
use crate::ground::webhook::host_of_expression;
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
    /// Of the bridges that tombstones or wasteful drift name, those that may be in use all the same: by whom.
    pub uses: BTreeMap<BridgeId, String>,
    /// The SHA-256 of the listing, as stored with its observation.
    pub observation: String,
    /// Calls of earlier runs that may still count towards the provider's limits.
    pub recent: Vec<RecentCall>,
}

#[cfg(test)]
impl PlanInput {
    /// A fleet of twenty bridges with this drift.
    pub fn of(drift: Vec<Drift>) -> Self {
        Self {
            binding: None,
            declared: Declared::default(),
            settings: Vec::new(),
            live: drift.iter().filter_map(|row| Some((row.bridge_id?, row.customer_ref.clone()))).collect(),
            uses: BTreeMap::new(),
            drift,
            bridges: 20,
            price: Decimal::from(3),
            listed: 20,
            malformed: 0,
            observation: String::new(),
            recent: Vec::new(),
        }
    }
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
    /// SQL expression over a row: the phone that should be paired; `None` for none.
    #[serde(default)]
    pub phone: Option<String>,
    /// SQL expression for the webhook_url. It is never shown, because the URL may hold a secret.
    #[serde(skip)]
    pub webhook_url: Option<String>,
    /// Regular expression for the customer_refs of this database's bridges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_refs: Option<String>,
    /// SQL expression over a row: the tenant's own `policy.disconnected_after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disconnected_after: Option<String>,
    /// SQL expression over a row: the tenant's own `policy.awaiting_scan_after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaiting_scan_after: Option<String>,
}

impl Binding {
    /// Whether both are equal apart from the table, because a table's name can be written in several ways.
    pub fn reads_like(&self, other: &Self) -> bool {
        Self { table: other.table.clone(), ..self.clone() } == *other
    }
}

impl Binding {
    /// The declared binding, without a webhook_url. What it does not name stays as this table was bound before, or is
    /// the default.
    pub fn declared(tenants: &Tenants, before: Option<&Self>) -> Self {
        let part = |named: &Option<String>, bound: fn(&Self) -> &String, default: &str| {
            named.clone().or_else(|| before.map(bound).cloned()).unwrap_or_else(|| default.to_owned())
        };
        let optional = |named: &Option<Clearable>, bound: fn(&Self) -> &Option<String>| match named {
            Some(Clearable::Text(text)) => Some(text.clone()),
            Some(Clearable::None) => None,
            None => before.and_then(|before| bound(before).clone()),
        };
        Self {
            table: tenants.table.clone(),
            tenant_id: part(&tenants.tenant_id, |bound| &bound.tenant_id, "id"),
            bridge_id: part(&tenants.bridge_id, |bound| &bound.bridge_id, "bridge_id"),
            bridge_status: part(&tenants.bridge_status, |bound| &bound.bridge_status, "bridge_status"),
            wanted: part(&tenants.wanted, |bound| &bound.wanted, "true"),
            phone: optional(&tenants.phone, |bound| &bound.phone),
            webhook_url: None,
            customer_refs: optional(&tenants.customer_refs, |bound| &bound.customer_refs),
            disconnected_after: optional(&tenants.disconnected_after, |bound| &bound.disconnected_after),
            awaiting_scan_after: optional(&tenants.awaiting_scan_after, |bound| &bound.awaiting_scan_after),
        }
    }
}

impl From<Binding> for Tenants {
    fn from(binding: Binding) -> Self {
        Self {
            table: binding.table,
            tenant_id: Some(binding.tenant_id),
            bridge_id: Some(binding.bridge_id),
            bridge_status: Some(binding.bridge_status),
            wanted: Some(binding.wanted),
            customer_refs: binding.customer_refs.map(Clearable::Text),
            disconnected_after: binding.disconnected_after.map(Clearable::Text),
            awaiting_scan_after: binding.awaiting_scan_after.map(Clearable::Text),
            phone: binding.phone.map(Clearable::Text),
        }
    }
}

/// How the binding of the tenants table changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BindingChange {
    /// The current binding; `None` if there is none.
    pub before: Option<Binding>,
    /// The new binding.
    pub after: Binding,
    /// How the webhook changes, if it does.
    #[serde(default)]
    pub webhook: Option<WebhookChange>,
    /// The new binding names another table. This is refused.
    pub moves_table: bool,
}

/// How the webhook of the binding changes: only the hosts, because the rest may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookChange {
    /// The host before, or `none`.
    pub before: String,
    /// The host after, or `none`.
    pub after: String,
}

impl BindingChange {
    /// The change from one binding to another one.
    pub fn new(before: Option<Binding>, after: Binding) -> Self {
        let was = before.as_ref().and_then(|binding| binding.webhook_url.as_deref());
        let host = |url: Option<&str>| url.map_or_else(|| "none".to_owned(), host_of_expression);
        let webhook = (was != after.webhook_url.as_deref())
            .then(|| WebhookChange { before: host(was), after: host(after.webhook_url.as_deref()) });
        Self { before, after, webhook, moves_table: false }
    }

    /// Whether it changes which bridges of the account belong to this database.
    pub fn moves_customer_refs(&self) -> bool {
        self.before.as_ref().and_then(|before| before.customer_refs.as_ref())
            != self.after.customer_refs.as_ref()
    }

    /// A copy without the webhook_url, which is never written to a file.
    pub fn without_secrets(&self) -> Self {
        let without = |binding: &Binding| Binding { webhook_url: None, ..binding.clone() };
        Self { before: self.before.as_ref().map(without), after: without(&self.after), ..self.clone() }
    }
}

/// How the declared exceptions change in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Declared {
    /// New and changed ones, by customer_ref.
    pub written: Vec<Exception>,
    /// Those that fleet.yaml no longer declares, by customer_ref.
    pub removed: Vec<Exception>,
}

/// A declared exception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exception {
    /// The customer_ref; of an extra, it is the tenant_id too.
    pub customer_ref: String,
    /// `extra` or `keep`.
    #[schemars(extend("enum" = ["extra", "keep"]))]
    pub kind: String,
    /// The last day on which a bridge is kept, if there is one: YYYY-MM-DD, or infinity if SQL declared that.
    pub until: Option<String>,
    /// Of an extra, where its bridge sends its webhooks: the host, and a fingerprint of the whole address.
    pub webhook_url: Option<String>,
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
