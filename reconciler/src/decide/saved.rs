//! Checks a saved plan: its age, its origin, and which of its steps still apply.

#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use wabridges::CustomerRef;

use crate::ground::harmless;
use crate::model::{Declared, Error, Plan, Precondition, SavedPlan, Selection, Step};

impl SavedPlan {
    /// Fails if the plan has expired.
    pub fn require_fresh(&self, now: DateTime<Utc>) -> Result<(), Error> {
        if now < self.expires_at {
            return Ok(());
        }
        let at = self.expires_at.format("%Y-%m-%d %H:%M:%S UTC");
        Err(Error::stale(format!("the saved plan expired at {at}")))
    }

    /// Fails unless the plan was made from this fleet.yaml, for this account and on this database.
    pub fn require_same_origin(
        &self,
        fleet_yaml_sha256: &str,
        account_fingerprint: &str,
        database: &str,
    ) -> Result<(), Error> {
        if self.account_fingerprint != account_fingerprint {
            return Err(Error::Account {
                what: "the saved plan was made with the key fingerprint",
                pinned: self.account_fingerprint.clone(),
                actual: account_fingerprint.to_owned(),
            });
        }
        if self.database != database {
            return Err(Error::config(
                format!(
                    "the saved plan was made on another database: {}, and this is {database}",
                    harmless(&self.database)
                ),
                "connect to that database, or make a plan for this one: wab plan --out FILE",
            ));
        }
        if self.fleet_yaml_sha256 != fleet_yaml_sha256 {
            return Err(Error::stale("fleet.yaml was changed after the saved plan was made"));
        }
        Ok(())
    }
}

/// The customer_refs of saved steps that would be planned differently now: their preconditions must be
/// checked.
pub fn changed_refs<'a>(saved: &'a Plan, fresh: &Plan) -> Vec<&'a CustomerRef> {
    let current = by_customer_ref(&fresh.steps);
    let moved = |step: &&Step| counterpart(step, &current).is_none_or(|now| now.essence() != step.essence());
    saved.steps.iter().filter(moved).map(Step::customer_ref).collect()
}

/// Compares each saved step with the step that would be planned now. Fails if a change to the whole fleet
/// differs.
pub fn select(saved: &Plan, fresh: &Plan, preconditions: &[Precondition]) -> Result<Selection, Error> {
    let shown = |plan: &Plan| plan.binding.as_ref().map(|change| change.without_secrets());
    if fresh.binding.is_some() && shown(fresh) != shown(saved) {
        return Err(Error::stale("the binding of the tenants table changed after the plan was made"));
    }
    if fresh.declared != Declared::default() && fresh.declared != saved.declared {
        return Err(Error::stale("the declared exceptions changed after the plan was made"));
    }
    if !fresh.settings.is_empty() && fresh.settings != saved.settings {
        return Err(Error::stale("the settings in the database changed after the plan was made"));
    }
    let current = by_customer_ref(&fresh.steps);
    let mut selection = Selection::default();
    for step in &saved.steps {
        match counterpart(step, &current) {
            Some(now) if now.essence() == step.essence() || writes_the_status(step) => {
                selection.steps.push(now.clone());
            }
            Some(_) => selection.stale.push((step.clone(), "the step would be different now".to_owned())),
            None if is_true_already(step, preconditions) => selection.already.push(step.clone()),
            None => selection.stale.push((step.clone(), "the step is no longer needed".to_owned())),
        }
    }
    Ok(selection)
}

/// Whether the step copies the provider's status to the tenant row. That is what was approved, whatever the status is by
/// now: a number that is paired again while the plan waits makes no other work.
fn writes_the_status(step: &Step) -> bool {
    matches!(step, Step::SetStatus { .. })
}

type Steps<'a> = BTreeMap<&'a CustomerRef, Vec<&'a Step>>;

fn by_customer_ref(steps: &[Step]) -> Steps<'_> {
    let mut all = Steps::new();
    for step in steps {
        all.entry(step.customer_ref()).or_default().push(step);
    }
    all
}

fn counterpart<'a>(step: &Step, among: &Steps<'a>) -> Option<&'a Step> {
    among.get(step.customer_ref())?.iter().find(|other| other.is_about_the_same(step)).copied()
}

fn is_true_already(step: &Step, preconditions: &[Precondition]) -> bool {
    let mut rows = preconditions.iter().filter(|row| row.customer_ref == *step.customer_ref());
    match step {
        Step::Unlink { .. } => rows.all(|row| row.stored_bridge_id.is_none()),
        Step::Link { bridge_id, .. } => {
            rows.any(|row| row.bridge_id == Some(*bridge_id) && row.stored_bridge_id == Some(*bridge_id))
        }
        // No row of drift is left, so the tenant row holds the status that the provider reports now.
        Step::SetStatus { .. } => true,
        Step::Provision { .. } => rows.any(|row| row.wanted && row.bridge_id.is_some()),
        Step::Delete { bridge_id, .. } => !rows.any(|row| row.bridge_id == Some(*bridge_id)),
    }
}
