//! Whether a saved plan is fresh and ours, and which of its steps still stand.

#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use wabridges::CustomerRef;

use crate::model::{Declared, Error, Plan, Precondition, SavedPlan, Selection, Step};

impl SavedPlan {
    /// An error if the time is up.
    pub fn require_fresh(&self, now: DateTime<Utc>) -> Result<(), Error> {
        if now < self.expires_at {
            return Ok(());
        }
        let at = self.expires_at.format("%Y-%m-%d %H:%M:%S UTC");
        Err(Error::stale(format!("the saved plan expired at {at}")))
    }

    /// An error unless it was made from this fleet.yaml and for this account.
    pub fn require_same_origin(
        &self,
        fleet_yaml_sha256: &str,
        account_fingerprint: &str,
    ) -> Result<(), Error> {
        if self.account_fingerprint != account_fingerprint {
            return Err(Error::Account {
                what: "the saved plan was made with a key whose fingerprint is",
                pinned: self.account_fingerprint.clone(),
                actual: account_fingerprint.to_owned(),
            });
        }
        if self.fleet_yaml_sha256 != fleet_yaml_sha256 {
            return Err(Error::stale("fleet.yaml is no longer the one that the saved plan was made from"));
        }
        Ok(())
    }
}

/// The customer_refs of the saved steps that would not be planned as they were: their preconditions is to be looked at.
pub fn in_question<'a>(saved: &'a Plan, fresh: &Plan) -> Vec<&'a CustomerRef> {
    let stands = by_customer_ref(&fresh.steps);
    let moved = |step: &&Step| counterpart(step, &stands).is_none_or(|now| now.essence() != step.essence());
    saved.steps.iter().filter(moved).map(Step::customer_ref).collect()
}

/// Compares each saved step with what would be planned now; a whole-fleet change that differs is an error.
pub fn select(saved: &Plan, fresh: &Plan, preconditions: &[Precondition]) -> Result<Selection, Error> {
    let shown = |plan: &Plan| plan.binding.as_ref().map(|change| change.without_secrets());
    if fresh.binding.is_some() && shown(fresh) != shown(saved) {
        return Err(Error::stale("the tenants table is bound otherwise than when the plan was made"));
    }
    if fresh.declared != Declared::default() && fresh.declared != saved.declared {
        return Err(Error::stale(
            "other exceptions are declared in the database than when the plan was made",
        ));
    }
    let stands = by_customer_ref(&fresh.steps);
    let mut selection = Selection::default();
    for step in &saved.steps {
        match counterpart(step, &stands) {
            Some(now) if now.essence() == step.essence() => selection.steps.push(now.clone()),
            Some(_) => selection.stale.push((step.clone(), "it would be another step now".to_owned())),
            None if is_true_already(step, preconditions) => selection.already.push(step.clone()),
            None => selection.stale.push((step.clone(), "it is no longer called for".to_owned())),
        }
    }
    Ok(selection)
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
        Step::Link { bridge_id, .. } => {
            rows.any(|row| row.bridge_id == Some(*bridge_id) && row.stored_bridge_id == Some(*bridge_id))
        }
        Step::SetStatus { status, .. } => rows.any(|row| row.stored_status.as_ref() == Some(status)),
        Step::Provision { .. } => rows.any(|row| row.wanted && row.bridge_id.is_some()),
        Step::Delete { bridge_id, .. } => !rows.any(|row| row.bridge_id == Some(*bridge_id)),
    }
}
