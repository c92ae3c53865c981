//! Turns drift and policy into a plan. It never compares the desired with the observed state: the views did
//! that.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rust_decimal::Decimal;
use wabridges::{BridgeId, CustomerRef, Limits};

use crate::config::{Policy, Tombstone};
use crate::decide::guard::{self, Guarded, Renamed};
use crate::decide::pace::Pace;
use crate::decide::plan_sha256::plan_sha256;
use crate::decide::scope::Scope;
use crate::ground::Natural;
use crate::ground::webhook::{fingerprint, host_only};
use crate::model::{Cost, Drift, Finding, Kind, Owner, Plan, PlanInput, Step, Summary};

/// The options of a plan: its limits, its tombstones and its scope.
#[derive(Clone, Copy, Debug)]
pub struct PlanOptions<'a> {
    /// The limits of the plan.
    pub policy: &'a Policy,
    /// The tombstones: without one, no bridge is deleted.
    pub tombstones: &'a [Tombstone],
    /// The provider's limits that the run keeps.
    pub limits: &'a Limits,
    /// The customer_refs that the plan covers.
    pub scope: &'a Scope,
}

/// Makes the plan.
pub fn plan(input: &PlanInput, options: &PlanOptions<'_>) -> Plan {
    let mut draft = Draft::default();
    let scope = options.scope;
    for tombstone in options.tombstones.iter().filter(|it| scope.covers(Some(it.customer_ref.as_str()))) {
        draft.remove(tombstone, input);
    }
    draft.note_gone();
    let deleted: BTreeSet<BridgeId> = draft.steps.iter().filter_map(Step::bridge_id).collect();
    let (inside, outside): (Vec<&Drift>, Vec<&Drift>) =
        input.drift.iter().partition(|drift| scope.covers(drift.customer_ref.as_deref()));
    // A bridge that will be deleted needs no repair, and is not a finding.
    for drift in inside.into_iter().filter(|drift| drift.bridge_id.is_none_or(|id| !deleted.contains(&id))) {
        draft.repair(drift, input.malformed);
    }
    draft.notes.extend(scope.note(outside.len()));
    draft.finish(input, options)
}

/// An unfinished plan.
#[derive(Default)]
struct Draft {
    steps: Vec<Step>,
    findings: Vec<Finding>,
    notes: Vec<String>,
    /// The bridges of tombstones that were applied.
    gone: Vec<String>,
}

/// How many of the bridges that are gone a note names.
const NAMED: usize = 10;

impl Draft {
    /// One note for all tombstones that were applied, because they stay in fleet.yaml until they are removed.
    fn note_gone(&mut self) {
        let note = match &self.gone[..] {
            [] => return,
            [one] => {
                format!("bridges.remove: {one} is already gone; to remove its entry: wab removals --prune")
            }
            all => {
                let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
                let more = match all.len().saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!(
                    "bridges.remove: {} bridges are already gone: {named}{more}; to remove their entries: wab removals --prune",
                    all.len()
                )
            }
        };
        self.notes.push(note);
    }

    /// Handles a tombstone: plans a deletion only if both ids match a live bridge that is unneeded
    /// and not in use.
    fn remove(&mut self, tombstone: &Tombstone, input: &PlanInput) {
        let Tombstone { customer_ref, bridge_id, reason } = tombstone;
        let Some(live_ref) = input.live.get(bridge_id) else {
            self.gone.push(format!("bridge {bridge_id} ({customer_ref})"));
            return;
        };
        let useless = |drift: &&Drift| drift.bridge_id == Some(*bridge_id) && drift.kind.wastes();
        let unneeded = input.drift.iter().filter(useless).min_by_key(|drift| drift.kind);
        let detail = if live_ref.as_deref() != Some(customer_ref.as_str()) {
            let carries = live_ref
                .as_deref()
                .map_or("no customer_ref".to_owned(), |live| format!("customer_ref {live}"));
            format!("not deleted: bridge {bridge_id} carries {carries}, not {customer_ref}")
        } else if let Some(by) = input.uses.get(bridge_id) {
            format!("not deleted: {by}")
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
            customer_ref: Some(customer_ref.as_str().to_owned()),
            bridge_id: Some(*bridge_id),
            detail,
            monthly_cost: Decimal::ZERO,
        });
    }

    /// Handles a drift row: plans a step if apply may repair it, else adds a finding.
    fn repair(&mut self, drift: &Drift, malformed: usize) {
        if !matches!(drift.kind, Kind::Missing | Kind::Unbound | Kind::StatusDrift | Kind::StaleBinding) {
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
                let detail =
                    format!("no bridge can carry this tenant's id: {error}; give the tenant another id");
                self.findings.push(finding(drift, "unusable_ref", detail));
                return;
            }
        };
        let was = drift.stored.clone();
        let reason = drift.detail.clone();
        let step = match (drift.kind, drift.bridge_id, drift.observed.clone()) {
            (Kind::Missing, _, renamed_from) => {
                let owner = if drift.tenant_id.is_some() { Owner::Tenant } else { Owner::Extra };
                let webhook_url = drift.webhook_url.clone();
                let webhook_fingerprint = webhook_url.as_deref().map(fingerprint);
                Step::Provision {
                    customer_ref,
                    owner,
                    webhook_url,
                    webhook_fingerprint,
                    was,
                    renamed_from,
                    reason,
                }
            }
            (Kind::StaleBinding, ..) => Step::Unlink { customer_ref, was, reason },
            (Kind::Unbound, Some(bridge_id), _) => Step::Link { customer_ref, bridge_id, was, reason },
            (Kind::StatusDrift, _, Some(status)) => Step::SetStatus { customer_ref, was, status, reason },
            _ => return self.findings.push(finding(drift, drift.kind.as_str(), reason)),
        };
        self.steps.push(step);
    }

    fn finish(mut self, input: &PlanInput, options: &PlanOptions<'_>) -> Plan {
        self.steps.sort_by(|a, b| place(a).cmp(&place(b)));
        self.findings.sort_by(|a, b| place_of(a).cmp(&place_of(b)));
        let mut findings = BTreeMap::new();
        for finding in &self.findings {
            *findings.entry(finding.kind.clone()).or_default() += 1;
        }
        let mut plan = Plan {
            summary: Summary {
                bridges: input.bridges,
                listed: input.listed,
                malformed: input.malformed,
                steps: BTreeMap::new(),
                findings,
            },
            binding: input.binding.clone(),
            declared: input.declared.clone(),
            settings: input.settings.clone(),
            steps: self.steps,
            webhooks: Vec::new(),
            findings: self.findings,
            refusals: Vec::new(),
            notes: self.notes,
            duration: Duration::ZERO,
            monthly_cost: Cost { before: Decimal::ZERO, after: Decimal::ZERO, change: Decimal::ZERO },
            plan_sha256: String::new(),
        };
        sum_up(&mut plan, input, options);
        plan
    }
}

/// Computes everything that follows from the steps: their number, duration and cost, and the refusals.
pub fn sum_up(plan: &mut Plan, input: &PlanInput, options: &PlanOptions<'_>) {
    let mut steps: BTreeMap<_, _> = Step::KINDS.map(|kind| (Cow::from(kind), 0)).into();
    for step in &plan.steps {
        *steps.entry(step.kind().into()).or_default() += 1;
    }
    plan.summary.steps = steps;
    let webhooks: BTreeSet<String> = plan.steps.iter().filter_map(webhook).collect();
    plan.webhooks = webhooks.into_iter().collect();
    let (creates, deletes) = (plan.count("provision"), plan.count("delete"));
    let before = Decimal::from(input.bridges) * input.price;
    let change = (Decimal::from(creates) - Decimal::from(deletes)) * input.price;
    plan.monthly_cost = Cost { before, after: before + change, change };
    plan.duration = Pace { limits: options.limits, recent: &input.recent }.duration(creates, deletes);
    plan.plan_sha256 = plan_sha256(plan);
    let renamed = plan.steps.iter().filter_map(Renamed::of).collect();
    let guarded = Guarded {
        renamed,
        binding: plan.binding.as_ref(),
        listed: plan.summary.listed,
        creates,
        deletes,
        cost: plan.monthly_cost,
    };
    plan.refusals = guard::refusals(&guarded, options.policy);
}

/// Where the bridge of a provision step sends its webhooks.
fn webhook(step: &Step) -> Option<String> {
    match step {
        Step::Provision { webhook_url, .. } => {
            Some(webhook_url.as_deref().map_or_else(|| "none".to_owned(), host_only))
        }
        Step::Unlink { .. } | Step::Link { .. } | Step::SetStatus { .. } | Step::Delete { .. } => None,
    }
}

/// The place of a step in the plan.
fn place(step: &Step) -> (usize, Natural<'_>, Option<BridgeId>) {
    (step.rank(), Natural(step.customer_ref().as_str()), step.bridge_id())
}

fn place_of(finding: &Finding) -> (&str, Option<Natural<'_>>, Option<BridgeId>) {
    (&finding.kind, finding.customer_ref.as_deref().map(Natural), finding.bridge_id)
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
