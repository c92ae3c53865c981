//! A plan: steps, findings, refusals, and the reason for each. The planning is in `decide::plan`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wabridges::BridgeId;

use crate::model::plan_input::{BindingChange, Declared, SettingChange};
use crate::model::step::Step;

/// A problem that no step solves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The kind of drift, `tombstone`, or `unusable_ref`.
    pub kind: Cow<'static, str>,
    /// `critical`, `warning` or `info`.
    #[schemars(extend("enum" = ["critical", "warning", "info"]))]
    pub severity: String,
    /// The customer_ref, if there is one.
    pub customer_ref: Option<String>,
    /// The bridge, if there is one.
    #[schemars(with = "Option<i64>")]
    pub bridge_id: Option<BridgeId>,
    /// A sentence for people.
    pub detail: String,
    /// US dollars per month spent on an unneeded bridge.
    #[serde(with = "crate::ground::money")]
    #[schemars(with = "f64")]
    pub monthly_cost: Decimal,
}

/// US dollars per month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Before the plan.
    #[serde(with = "crate::ground::money")]
    #[schemars(with = "f64")]
    pub before: Decimal,
    /// After the plan.
    #[serde(with = "crate::ground::money")]
    #[schemars(with = "f64")]
    pub after: Decimal,
    /// The difference.
    #[serde(with = "crate::ground::money")]
    #[schemars(with = "f64")]
    pub change: Decimal,
}

/// The plan in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Live bridges before the plan.
    pub bridges: i64,
    /// Bridges that the provider listed.
    pub listed: usize,
    /// Listed rows that could not be read.
    pub malformed: usize,
    /// Steps, by kind.
    pub steps: BTreeMap<Cow<'static, str>, usize>,
    /// Findings, by kind.
    pub findings: BTreeMap<Cow<'static, str>, usize>,
}

/// The steps, the findings, and the reason for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The numbers.
    pub summary: Summary,
    /// How the binding of the tenants table changes.
    pub binding: Option<BindingChange>,
    /// How the declared exceptions change.
    pub declared: Declared,
    /// How the settings in the database change.
    #[serde(default)]
    pub settings: Vec<SettingChange>,
    /// In execution order, then by customer_ref.
    pub steps: Vec<Step>,
    /// Where the bridges to provision send their webhooks: the hosts, or `none`.
    #[serde(default)]
    pub webhooks: Vec<String>,
    /// Problems that no step solves.
    pub findings: Vec<Finding>,
    /// The guards that refuse the plan. With any of them, nothing is written.
    pub refusals: Vec<Refusal>,
    /// Remarks that need no action.
    pub notes: Vec<String>,
    /// The shortest possible duration at the provider's limits.
    #[serde(rename = "duration_seconds", with = "crate::ground::span")]
    #[schemars(with = "u64")]
    pub duration: Duration,
    /// US dollars per month.
    pub monthly_cost: Cost,
    /// SHA-256 (hex) over everything that the plan changes: equal hashes mean equal changes.
    pub plan_sha256: String,
}

impl Plan {
    /// Whether apply would change anything besides the stored observation.
    pub fn has_changes(&self) -> bool {
        !self.steps.is_empty()
            || self.binding.is_some()
            || self.declared != Declared::default()
            || !self.settings.is_empty()
    }

    /// How many steps have this kind.
    pub fn count(&self, kind: &str) -> usize {
        self.summary.steps.get(kind).copied().unwrap_or(0)
    }
}

/// Why a guard refused a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// The name of the guard: the policy's key, if there is one.
    pub guard: Cow<'static, str>,
    /// The limit that is exceeded, with the numbers.
    pub message: String,
    /// How to allow it.
    pub hint: String,
}
