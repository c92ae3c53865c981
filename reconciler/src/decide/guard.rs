//! The guards: they refuse a plan that exceeds a limit, with the numbers and how to allow it.

use std::borrow::Cow;

use rust_decimal::Decimal;

use crate::config::{Bound, Policy};
use crate::ground::count;
use crate::model::{BindingChange, Cost, Refusal, Step};

/// The numbers that the guards check.
pub struct Guarded<'a> {
    /// How the binding of the tenants table changes.
    pub binding: Option<&'a BindingChange>,
    /// Bridges that the provider listed.
    pub listed: usize,
    /// Tenants to provision that were renamed: another customer_ref carries the bridge that the tenant row holds.
    pub renamed: Vec<Renamed<'a>>,
    /// Bridges to create.
    pub creates: usize,
    /// Bridges to delete.
    pub deletes: usize,
    /// US dollars per month.
    pub cost: Cost,
}

/// A tenant that was probably renamed: its bridge still carries the old customer_ref.
pub struct Renamed<'a> {
    tenant: &'a str,
    bridge_id: &'a str,
    carried: &'a str,
}

impl<'a> Renamed<'a> {
    /// `None` unless the step provisions such a tenant.
    pub fn of(step: &'a Step) -> Option<Self> {
        match step {
            Step::Provision { customer_ref, was: Some(bridge_id), renamed_from: Some(carried), .. } => {
                Some(Self { tenant: customer_ref.as_str(), bridge_id, carried })
            }
            _ => None,
        }
    }
}

/// The guards that check a plan. Three others need no plan: empty and shrunken listings (`wab_observe()`),
/// `--first-run` with known bridges (`db`), and the pinned account (`config`).
#[cfg(test)]
pub const ALL: [&str; 6] =
    ["tenants_table", "min_observed", "renamed_tenants", "max_creates", "max_deletes", "max_monthly_cost"];

/// The refusals of all guards.
pub fn refusals(plan: &Guarded<'_>, policy: &Policy) -> Vec<Refusal> {
    let creates =
        Counted { guard: "max_creates", kind: "provision", steps: plan.creates, bound: policy.max_creates };
    let deletes =
        Counted { guard: "max_deletes", kind: "delete", steps: plan.deletes, bound: policy.max_deletes };
    [
        moved_table(plan),
        min_observed(plan, policy),
        renamed_tenants(plan, policy),
        too_many(plan, &creates),
        too_many(plan, &deletes),
        max_monthly_cost(plan, policy),
    ]
    .into_iter()
    .flatten()
    .collect()
}

struct Counted {
    guard: &'static str,
    kind: &'static str,
    steps: usize,
    bound: Bound,
}

fn too_many(plan: &Guarded<'_>, counted: &Counted) -> Option<Refusal> {
    let Counted { guard, kind, steps, bound } = counted;
    let allowed = bound.of(plan.listed);
    let meaning = match bound {
        Bound::Count(_) => format!("policy.{guard} is {bound}"),
        Bound::Share(_) => {
            format!("policy.{guard} is {bound} of {} bridges, which is {allowed}", plan.listed)
        }
    };
    (*steps > allowed).then(|| Refusal {
        guard: Cow::from(*guard),
        message: format!("{steps} to {kind}, but {meaning}"),
        hint: format!("to allow all of them, set policy.{guard}: {steps} in fleet.yaml"),
    })
}

fn min_observed(plan: &Guarded<'_>, policy: &Policy) -> Option<Refusal> {
    let (listed, least) = (plan.listed, policy.min_observed);
    (listed < least).then(|| Refusal {
        guard: "min_observed".into(),
        message: format!(
            "the provider listed {listed} bridges of this database; policy.min_observed is {least}"
        ),
        hint: match listed {
            // An empty listing is refused by wab_observe() too.
            0 => "check that the API key belongs to the right account; if it never had a bridge, use --first-run; if all of them are \
                  gone, set policy.min_observed: 0 in fleet.yaml and use --accept-shrink"
                .to_owned(),
            _ => format!(
                "check that the API key belongs to the right account; if so, set policy.min_observed: {listed} in fleet.yaml"
            ),
        },
    })
}

fn renamed_tenants(plan: &Guarded<'_>, policy: &Policy) -> Option<Refusal> {
    let (renamed, allowed) = (&plan.renamed, policy.renamed_tenants);
    let first = renamed.first().filter(|_| renamed.len() > allowed)?;
    let all = count(renamed.len(), "tenant");
    Some(Refusal {
        guard: "renamed_tenants".into(),
        message: format!(
            "{all} to provision hold a bridge that is live under another customer_ref, for instance {} holds bridge {} of {}; \
             policy.renamed_tenants is {allowed}",
            first.tenant, first.bridge_id, first.carried
        ),
        hint: format!(
            "to keep a bridge, give its tenant the old id back; to provision other bridges and pay for both, set \
             policy.renamed_tenants: {} in fleet.yaml, or set bridge_id to null on these rows",
            renamed.len()
        ),
    })
}

fn max_monthly_cost(plan: &Guarded<'_>, policy: &Policy) -> Option<Refusal> {
    let (most, cost) = (policy.max_monthly_cost?, plan.cost);
    // A fleet over the limit may still become cheaper, and its tenant rows may still be repaired.
    (cost.after > most && cost.change > Decimal::ZERO).then(|| Refusal {
        guard: "max_monthly_cost".into(),
        message: format!(
            "the fleet would cost ${:.2} a month (now ${:.2}); policy.max_monthly_cost is ${most:.2}",
            cost.after, cost.before
        ),
        hint: format!("to allow it, set policy.max_monthly_cost: {:.2} in fleet.yaml", cost.after),
    })
}

fn moved_table(plan: &Guarded<'_>) -> Option<Refusal> {
    let change = plan.binding.filter(|change| change.moves_table)?;
    let before = change.before.as_ref().map_or("none", |before| before.table.as_str());
    Some(Refusal {
        guard: "tenants_table".into(),
        message: format!("the bound tenants table is {before}; fleet.yaml names {}", change.after.table),
        hint: format!(
            "if the tenants have moved, bind the new table by hand: SELECT * FROM wab_bind_tenants('{}', …)",
            change.after.table
        ),
    })
}
