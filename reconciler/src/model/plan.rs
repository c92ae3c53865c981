//! A plan: what will be done, what will not, and why. How it is made is not known here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wabridges::BridgeId;

use crate::model::plan_input::{BindingChange, Declared};
use crate::model::step::Step;

/// Something to know that no step takes care of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The kind of drift, `tombstone`, or `unusable_ref`.
    pub kind: Cow<'static, str>,
    /// `critical`, `warning` or `info`.
    #[schemars(extend("enum" = ["critical", "warning", "info"]))]
    pub severity: String,
    /// The join key, if there is one.
    pub customer_ref: Option<String>,
    /// The bridge, if there is one.
    #[schemars(with = "Option<i64>")]
    pub bridge_id: Option<BridgeId>,
    /// In words.
    pub detail: String,
    /// US dollars per month that it wastes.
    #[serde(with = "crate::ground::money")]
    #[schemars(with = "f64")]
    pub monthly_cost: Decimal,
}

/// US dollars per month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Now.
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

/// What will be done, what will not, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The plan in numbers.
    pub summary: Summary,
    /// How the reading of the tenants table changes.
    pub binding: Option<BindingChange>,
    /// How the declared exceptions change.
    pub declared: Declared,
    /// In the order of work, then by customer_ref.
    pub steps: Vec<Step>,
    /// What no step takes care of.
    pub findings: Vec<Finding>,
    /// The guards that say no; with any of them nothing is written.
    pub refusals: Vec<Refusal>,
    /// Worth saying, nothing to do.
    pub notes: Vec<String>,
    /// How long the provider's limits make it take, at the least.
    #[serde(rename = "duration_seconds", with = "crate::ground::span")]
    #[schemars(with = "u64")]
    pub duration: Duration,
    /// US dollars per month.
    pub monthly_cost: Cost,
    /// SHA-256 (hex) over all that the plan changes: equal digests, equal deeds.
    pub plan_sha256: String,
}

impl Plan {
    /// Whether apply would change anything but the stored observation.
    pub fn has_changes(&self) -> bool {
        !self.steps.is_empty() || self.binding.is_some() || self.declared != Declared::default()
    }

    /// How many steps are of this kind.
    pub fn count(&self, kind: &str) -> usize {
        self.summary.steps.get(kind).copied().unwrap_or(0)
    }
}

/// Why a guard refused a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// The guard's name, which is the policy's key where there is one.
    pub guard: Cow<'static, str>,
    /// What is too much, with the numbers.
    pub message: String,
    /// What to do if it is meant.
    pub hint: String,
}
