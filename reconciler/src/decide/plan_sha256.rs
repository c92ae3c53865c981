//! Computes the SHA-256 that identifies a plan: it covers the plan's changes, but none of its texts.

use serde::Serialize;

use crate::ground::sha256;
use crate::model::{Binding, Declared, Plan, SettingChange, Step};

/// The changes of a plan. The webhook_urls count, although no output shows them.
#[derive(Serialize)]
struct Changes<'a> {
    binding: Option<(&'a Binding, Option<&'a str>)>,
    declared: Declared,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    settings: &'a [SettingChange],
    steps: Vec<(Step, Option<&'a str>)>,
}

/// SHA-256 (hex) over the plan's changes.
pub fn plan_sha256(plan: &Plan) -> String {
    let webhook_url = |step: &'_ Step| match step {
        Step::Provision { webhook_url, .. } => webhook_url.clone(),
        Step::Unlink { .. } | Step::Link { .. } | Step::SetStatus { .. } | Step::Delete { .. } => None,
    };
    let urls: Vec<Option<String>> = plan.steps.iter().map(webhook_url).collect();
    let after = plan.binding.as_ref().map(|change| &change.after);
    sha256::of_value(&Changes {
        binding: after.map(|after| (after, after.webhook_url.as_deref())),
        declared: plan.declared,
        settings: &plan.settings,
        steps: plan.steps.iter().zip(&urls).map(|(step, url)| (step.essence(), url.as_deref())).collect(),
    })
}
