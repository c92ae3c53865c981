//! The guards: which plans are refused, with the numbers and the way on. They look at the plan and change nothing.

use std::borrow::Cow;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fleet::{Bound, Policy};
use crate::plan::Plan;

/// A guard's no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// The guard's name, which is the policy's key where there is one.
    pub guard: Cow<'static, str>,
    /// What is too much, with the numbers.
    pub message: String,
    /// What to do if it is meant.
    pub way_on: String,
}

/// The guards that look at a plan. Those that need no plan (empty and shrunken listings, a first run that is none) are in
/// the database's wab_observe() and in the store; the account's pin is in `fleet`.
#[cfg(test)]
pub const ALL: [&str; 5] =
    ["tenants_table", "min_observed", "max_creates", "max_deletes", "max_monthly_cost"];

/// All guards that refuse this plan.
pub fn refusals(plan: &Plan, policy: &Policy) -> Vec<Refusal> {
    [
        moved_table(plan),
        min_observed(plan, policy),
        too_many(plan, &Counted { guard: "max_creates", kind: "provision", bound: policy.max_creates }),
        too_many(plan, &Counted { guard: "max_deletes", kind: "delete", bound: policy.max_deletes }),
        max_monthly_cost(plan, policy),
    ]
    .into_iter()
    .flatten()
    .collect()
}

struct Counted {
    guard: &'static str,
    kind: &'static str,
    bound: Bound,
}

fn too_many(plan: &Plan, counted: &Counted) -> Option<Refusal> {
    let Counted { guard, kind, bound } = counted;
    let (steps, allowed) = (plan.count(kind), bound.of(plan.summary.listed));
    let meaning = match bound {
        Bound::Count(_) => format!("policy.{guard} is {bound}"),
        Bound::Share(_) => {
            format!("policy.{guard} is {bound} of {} bridges, which is {allowed}", plan.summary.listed)
        }
    };
    (steps > allowed).then(|| Refusal {
        guard: Cow::from(*guard),
        message: format!("{steps} to {kind}, but {meaning}"),
        way_on: format!("if all of them are meant, set policy.{guard}: {steps} in fleet.yaml"),
    })
}

fn min_observed(plan: &Plan, policy: &Policy) -> Option<Refusal> {
    let (listed, least) = (plan.summary.listed, policy.min_observed);
    (listed < least).then(|| Refusal {
        guard: "min_observed".into(),
        message: format!("the provider listed {listed} bridges; policy.min_observed is {least}"),
        way_on: format!(
            "check that the API key is the right account's; if so, set policy.min_observed: {listed} in fleet.yaml, \
             or for an account that never had a bridge use --first-run"
        ),
    })
}

fn max_monthly_cost(plan: &Plan, policy: &Policy) -> Option<Refusal> {
    let (most, cost) = (policy.max_monthly_cost?, plan.monthly_cost);
    // A fleet that is too dear already may still become cheaper, or be repaired.
    (cost.after > most && cost.change > Decimal::ZERO).then(|| Refusal {
        guard: "max_monthly_cost".into(),
        message: format!(
            "the fleet would cost ${:.2} a month (now ${:.2}); policy.max_monthly_cost is ${most:.2}",
            cost.after, cost.before
        ),
        way_on: format!("if that is meant, set policy.max_monthly_cost: {:.2} in fleet.yaml", cost.after),
    })
}

fn moved_table(plan: &Plan) -> Option<Refusal> {
    let change = plan.binding.as_ref().filter(|change| change.moves_table)?;
    let before = change.before.as_ref().map_or("none", |before| before.table.as_str());
    Some(Refusal {
        guard: "tenants_table".into(),
        message: format!("the bound tenants table is {before}; fleet.yaml names {}", change.after.table),
        way_on: format!(
            "if the tenants did move, bind the new table by hand: SELECT * FROM wab_bind_tenants('{}', …)",
            change.after.table
        ),
    })
}
