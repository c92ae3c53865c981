//! The digest by which one plan is told from another: over all that it changes, and nothing that it only says.

use serde::Serialize;

use crate::ground::sha256;
use crate::model::{Binding, Declared, Plan, Step};

/// What the plan changes. The webhook_urls count too, though no output shows them.
#[derive(Serialize)]
struct Deeds<'a> {
    binding: Option<(&'a Binding, Option<&'a str>)>,
    declared: Declared,
    steps: Vec<(Step, Option<&'a str>)>,
}

/// SHA-256 (hex) over what the plan changes.
pub fn plan_sha256(plan: &Plan) -> String {
    let webhook_url = |step: &'_ Step| match step {
        Step::Provision { webhook_url, .. } => webhook_url.clone(),
        Step::Link { .. } | Step::SetStatus { .. } | Step::Delete { .. } => None,
    };
    let urls: Vec<Option<String>> = plan.steps.iter().map(webhook_url).collect();
    let after = plan.binding.as_ref().map(|change| &change.after);
    sha256::of_value(&Deeds {
        binding: after.map(|after| (after, after.webhook_url.as_deref())),
        declared: plan.declared,
        steps: plan.steps.iter().zip(&urls).map(|(step, url)| (step.essence(), url.as_deref())).collect(),
    })
}
