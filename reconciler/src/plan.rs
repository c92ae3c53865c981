//! What to do about the drift: a pure function from facts and policy to a plan. It never compares desired with observed.

mod digest;
mod pace;
mod scope;
mod step;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wabridges::{BridgeId, CustomerRef, Limits};

use crate::drift::{Drift, Kind};
use crate::facts::{BindingChange, Declared, Facts};
use crate::fleet::{Policy, Tombstone};
use crate::guard::{self, Refusal};

pub use digest::sha256;
use pace::Pace;
pub use scope::Scope;
pub use step::{Owner, Step};

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
    #[serde(with = "crate::render::money_as_number")]
    #[schemars(with = "f64")]
    pub monthly_cost: Decimal,
}

/// US dollars per month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Now.
    #[serde(with = "crate::render::money_as_number")]
    #[schemars(with = "f64")]
    pub before: Decimal,
    /// After the plan.
    #[serde(with = "crate::render::money_as_number")]
    #[schemars(with = "f64")]
    pub after: Decimal,
    /// The difference.
    #[serde(with = "crate::render::money_as_number")]
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
    #[serde(rename = "duration_seconds", with = "crate::render::duration_as_seconds")]
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

/// What is allowed and asked for, besides the facts.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// What a plan may do.
    pub policy: &'a Policy,
    /// The only way anything is deleted.
    pub tombstones: &'a [Tombstone],
    /// The limits that the run will keep to.
    pub limits: &'a Limits,
    /// Whose bridges the plan is about.
    pub scope: &'a Scope,
}

/// Makes the plan.
pub fn plan(facts: &Facts, terms: &Terms<'_>) -> Plan {
    let mut draft = Draft::default();
    let scope = terms.scope;
    for tombstone in terms.tombstones.iter().filter(|it| scope.covers(Some(it.customer_ref.as_str()))) {
        draft.bury(tombstone, facts);
    }
    let deleted: BTreeSet<BridgeId> = draft.steps.iter().filter_map(Step::bridge_id).collect();
    let (inside, outside): (Vec<&Drift>, Vec<&Drift>) =
        facts.drift.iter().partition(|drift| scope.covers(drift.customer_ref.as_deref()));
    // A bridge that is deleted needs nothing else, and is no finding either.
    for drift in inside.into_iter().filter(|drift| drift.bridge_id.is_none_or(|id| !deleted.contains(&id))) {
        draft.repair(drift, facts.malformed);
    }
    draft.notes.extend(scope.note(outside.len()));
    draft.finish(facts, terms)
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
        let useless = |drift: &&Drift| {
            drift.bridge_id == Some(*bridge_id)
                && matches!(drift.kind, Kind::Orphaned | Kind::Churned | Kind::Duplicate)
        };
        let unneeded = facts.drift.iter().filter(useless).min_by_key(|drift| drift.kind);
        let detail = if live_ref.as_deref() != Some(customer_ref.as_str()) {
            let carries = live_ref
                .as_deref()
                .map_or("no customer_ref".to_owned(), |live| format!("customer_ref {live}"));
            format!("not deleted: bridge {bridge_id} carries {carries}, not {customer_ref}")
        } else if let Some(drift) = unneeded {
            self.steps.push(Step::Delete {
                customer_ref: customer_ref.clone(),
                bridge_id: *bridge_id,
                because: drift.kind,
                reason: reason.clone(),
            });
            return;
        } else {
            format!("not deleted: bridge {bridge_id} serves {customer_ref}, which is wanted or kept")
        };
        self.findings.push(Finding {
            kind: "tombstone".into(),
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

    fn finish(mut self, facts: &Facts, terms: &Terms<'_>) -> Plan {
        self.steps.sort_by(|a, b| {
            (a.rank(), a.customer_ref(), a.bridge_id()).cmp(&(b.rank(), b.customer_ref(), b.bridge_id()))
        });
        self.findings.sort_by(|a, b| {
            (&a.kind, &a.customer_ref, a.bridge_id).cmp(&(&b.kind, &b.customer_ref, b.bridge_id))
        });
        let mut findings = BTreeMap::new();
        for finding in &self.findings {
            *findings.entry(finding.kind.clone()).or_default() += 1;
        }
        let mut plan = Plan {
            summary: Summary {
                bridges: facts.bridges,
                listed: facts.listed,
                malformed: facts.malformed,
                steps: BTreeMap::new(),
                findings,
            },
            binding: facts.binding.clone(),
            declared: facts.declared,
            steps: self.steps,
            findings: self.findings,
            refusals: Vec::new(),
            notes: self.notes,
            duration: Duration::ZERO,
            monthly_cost: Cost { before: Decimal::ZERO, after: Decimal::ZERO, change: Decimal::ZERO },
            plan_sha256: String::new(),
        };
        plan.sum_up(facts, terms);
        plan
    }
}

impl Plan {
    /// Everything that follows from the steps: their number, time and money, and what the guards say.
    pub fn sum_up(&mut self, facts: &Facts, terms: &Terms<'_>) {
        let mut steps: BTreeMap<_, _> = Step::KINDS.map(|kind| (Cow::from(kind), 0)).into();
        for step in &self.steps {
            *steps.entry(step.kind().into()).or_default() += 1;
        }
        self.summary.steps = steps;
        let (creates, deletes) = (self.count("provision"), self.count("delete"));
        let before = Decimal::from(facts.bridges) * facts.price;
        let change = (Decimal::from(creates) - Decimal::from(deletes)) * facts.price;
        self.monthly_cost = Cost { before, after: before + change, change };
        self.duration = Pace { limits: terms.limits, recent: &facts.recent }.duration(creates, deletes);
        self.plan_sha256 = digest::digest(self);
        self.refusals = guard::refusals(self, terms.policy);
    }
}

fn finding(drift: &Drift, kind: &'static str, detail: String) -> Finding {
    Finding {
        kind: kind.into(),
        severity: drift.severity.clone(),
        customer_ref: drift.customer_ref.clone(),
        bridge_id: drift.bridge_id,
        detail,
        monthly_cost: drift.monthly_cost,
    }
}
