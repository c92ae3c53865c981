//! What to do about the drift: a pure function from facts and policy to a plan. It never compares desired with observed.

mod pace;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;
use wabridges::{BridgeId, CustomerRef, Limits};

use crate::drift::{Drift, Kind};
use crate::facts::{BindingChange, Declared, Facts};
use crate::fleet::{Policy, Tombstone};
use crate::guard::{self, Refusal};

use pace::Pace;

/// One thing that apply does. The order of the variants is the order of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    /// Writes the bridge_id on the tenant row.
    Bind {
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
        reason: String,
    },
}

/// Who asks for a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// A tenant row.
    Tenant,
    /// fleet.yaml's `bridges.extra`.
    Extra,
}

impl Step {
    /// The kinds, in the order of work.
    pub const KINDS: [&str; 4] = ["bind", "set_status", "provision", "delete"];

    /// The kind in the journal's word.
    pub const fn kind(&self) -> &'static str {
        Self::KINDS[self.rank()]
    }

    const fn rank(&self) -> usize {
        match self {
            Self::Bind { .. } => 0,
            Self::SetStatus { .. } => 1,
            Self::Provision { .. } => 2,
            Self::Delete { .. } => 3,
        }
    }

    /// Whose bridge it is about.
    pub const fn customer_ref(&self) -> &CustomerRef {
        match self {
            Self::Bind { customer_ref, .. }
            | Self::SetStatus { customer_ref, .. }
            | Self::Provision { customer_ref, .. }
            | Self::Delete { customer_ref, .. } => customer_ref,
        }
    }

    /// The bridge it is about, where that is known beforehand.
    pub const fn bridge_id(&self) -> Option<BridgeId> {
        match self {
            Self::Bind { bridge_id, .. } | Self::Delete { bridge_id, .. } => Some(*bridge_id),
            Self::SetStatus { .. } | Self::Provision { .. } => None,
        }
    }
}

/// Something to know that no step takes care of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The kind of drift, `tombstone`, or `unusable_ref`.
    pub kind: &'static str,
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
    #[serde(serialize_with = "crate::render::money_as_number")]
    #[schemars(with = "f64")]
    pub monthly_cost: Decimal,
}

/// US dollars per month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cost {
    /// Now.
    #[serde(serialize_with = "crate::render::money_as_number")]
    #[schemars(with = "f64")]
    pub before: Decimal,
    /// After the plan.
    #[serde(serialize_with = "crate::render::money_as_number")]
    #[schemars(with = "f64")]
    pub after: Decimal,
    /// The difference.
    #[serde(serialize_with = "crate::render::money_as_number")]
    #[schemars(with = "f64")]
    pub change: Decimal,
}

/// The plan in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// Live bridges before the plan.
    pub bridges: i64,
    /// Bridges that the provider listed.
    pub listed: usize,
    /// Listed rows that could not be read.
    pub malformed: usize,
    /// Steps, by kind.
    pub steps: BTreeMap<&'static str, usize>,
    /// Findings, by kind.
    pub findings: BTreeMap<&'static str, usize>,
}

/// What will be done, what will not, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
    #[serde(rename = "duration_seconds", serialize_with = "crate::render::duration_as_seconds")]
    #[schemars(with = "u64")]
    pub duration: Duration,
    /// US dollars per month.
    pub monthly_cost: Cost,
}

impl Plan {
    /// Whether apply would change anything but the stored observation.
    pub fn has_changes(&self) -> bool {
        !self.steps.is_empty() || self.binding.is_some() || self.declared != Declared::default()
    }

    /// Whether both plans change the same: what was approved of one holds for the other.
    pub fn does_as(&self, other: &Self) -> bool {
        self.steps == other.steps && self.binding == other.binding && self.declared == other.declared
    }

    /// How many steps are of this kind.
    pub fn count(&self, kind: &str) -> usize {
        self.summary.steps.get(kind).copied().unwrap_or(0)
    }
}

/// Makes the plan. `limits` are those that the run will keep to.
pub fn plan(facts: &Facts, policy: &Policy, tombstones: &[Tombstone], limits: &Limits) -> Plan {
    let mut draft = Draft::default();
    for tombstone in tombstones {
        draft.bury(tombstone, facts);
    }
    let deleted: BTreeSet<BridgeId> = draft.steps.iter().filter_map(Step::bridge_id).collect();
    // A bridge that is deleted needs nothing else, and is no finding either.
    for drift in facts.drift.iter().filter(|drift| drift.bridge_id.is_none_or(|id| !deleted.contains(&id))) {
        draft.repair(drift, facts.malformed);
    }
    draft.finish(facts, policy, limits)
}

/// A plan in the making.
#[derive(Default)]
struct Draft {
    steps: Vec<Step>,
    findings: Vec<Finding>,
    notes: Vec<String>,
}

impl Draft {
    /// What follows from a tombstone: a deletion only if both ids match a live bridge that nobody needs.
    fn bury(&mut self, tombstone: &Tombstone, facts: &Facts) {
        let Tombstone { customer_ref, bridge_id, reason } = tombstone;
        let Some(live_ref) = facts.live.get(bridge_id) else {
            self.notes.push(format!(
                "bridges.remove: bridge {bridge_id} ({customer_ref}) is already gone; its entry can be taken out"
            ));
            return;
        };
        let unneeded = facts.drift.iter().any(|drift| {
            drift.bridge_id == Some(*bridge_id)
                && matches!(drift.kind, Kind::Orphaned | Kind::Churned | Kind::Duplicate)
        });
        let detail = if live_ref.as_deref() != Some(customer_ref.as_str()) {
            let carries = live_ref
                .as_deref()
                .map_or("no customer_ref".to_owned(), |live| format!("customer_ref {live}"));
            format!("not deleted: bridge {bridge_id} carries {carries}, not {customer_ref}")
        } else if !unneeded {
            format!("not deleted: bridge {bridge_id} serves {customer_ref}, which is wanted or kept")
        } else {
            self.steps.push(Step::Delete {
                customer_ref: customer_ref.clone(),
                bridge_id: *bridge_id,
                reason: reason.clone(),
            });
            return;
        };
        self.findings.push(Finding {
            kind: "tombstone",
            severity: "warning".to_owned(),
            customer_ref: Some(customer_ref.to_string()),
            bridge_id: Some(*bridge_id),
            detail,
            monthly_cost: Decimal::ZERO,
        });
    }

    /// What follows from a drift row: a step where apply may repair it, else a finding.
    fn repair(&mut self, drift: &Drift, malformed: usize) {
        if !matches!(drift.kind, Kind::Missing | Kind::Unbound | Kind::StatusDrift) {
            self.findings.push(finding(drift, drift.kind.as_str(), drift.detail.clone()));
            return;
        }
        if drift.kind == Kind::Missing && malformed > 0 {
            let detail = format!("not provisioned: the listing is incomplete; {}", drift.detail);
            return self.findings.push(finding(drift, drift.kind.as_str(), detail));
        }
        let text = drift.customer_ref.clone().unwrap_or_default();
        let usable = match drift.kind {
            Kind::Missing => CustomerRef::new(text),
            _ => CustomerRef::listed(text),
        };
        let customer_ref = match usable {
            Ok(customer_ref) => customer_ref,
            Err(error) => {
                let detail = format!("{}, but its id cannot be used: {error}", drift.detail);
                self.findings.push(finding(drift, "unusable_ref", detail));
                return;
            }
        };
        let was = drift.stored.clone();
        let reason = drift.detail.clone();
        let step = match (drift.kind, drift.bridge_id, drift.observed.clone()) {
            (Kind::Missing, ..) => {
                let owner = if drift.tenant_id.is_some() { Owner::Tenant } else { Owner::Extra };
                Step::Provision { customer_ref, owner, webhook_url: drift.webhook_url.clone(), was, reason }
            }
            (Kind::Unbound, Some(bridge_id), _) => Step::Bind { customer_ref, bridge_id, was, reason },
            (Kind::StatusDrift, _, Some(status)) => Step::SetStatus { customer_ref, was, status, reason },
            _ => return self.findings.push(finding(drift, drift.kind.as_str(), reason)),
        };
        self.steps.push(step);
    }

    fn finish(mut self, facts: &Facts, policy: &Policy, limits: &Limits) -> Plan {
        self.steps.sort_by(|a, b| {
            (a.rank(), a.customer_ref(), a.bridge_id()).cmp(&(b.rank(), b.customer_ref(), b.bridge_id()))
        });
        self.findings.sort_by(|a, b| {
            (a.kind, &a.customer_ref, a.bridge_id).cmp(&(b.kind, &b.customer_ref, b.bridge_id))
        });
        let mut steps: BTreeMap<_, _> = Step::KINDS.map(|kind| (kind, 0)).into();
        for step in &self.steps {
            *steps.entry(step.kind()).or_default() += 1;
        }
        let mut findings = BTreeMap::new();
        for finding in &self.findings {
            *findings.entry(finding.kind).or_default() += 1;
        }
        let (creates, deletes) = (steps["provision"], steps["delete"]);
        let before = Decimal::from(facts.bridges) * facts.price;
        let change = (Decimal::from(creates) - Decimal::from(deletes)) * facts.price;
        let mut plan = Plan {
            summary: Summary {
                bridges: facts.bridges,
                listed: facts.listed,
                malformed: facts.malformed,
                steps,
                findings,
            },
            binding: facts.binding.clone(),
            declared: facts.declared,
            steps: self.steps,
            findings: self.findings,
            refusals: Vec::new(),
            notes: self.notes,
            duration: Pace { limits, recent: &facts.recent }.duration(creates, deletes),
            monthly_cost: Cost { before, after: before + change, change },
        };
        plan.refusals = guard::refusals(&plan, policy);
        plan
    }
}

fn finding(drift: &Drift, kind: &'static str, detail: String) -> Finding {
    Finding {
        kind,
        severity: drift.severity.clone(),
        customer_ref: drift.customer_ref.clone(),
        bridge_id: drift.bridge_id,
        detail,
        monthly_cost: drift.monthly_cost,
    }
}
