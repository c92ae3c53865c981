//! Computes the SHA-256 that identifies a plan: it covers the plan's changes, but none of its texts.

use serde::Serialize;

use crate::ground::sha256;
use crate::model::{Binding, Declared, Plan, SettingChange, Step};

/// The changes of a plan. The webhook_urls count by their fingerprints: no output shows them, and a role that only reads does
/// not see them.
#[derive(Serialize)]
struct Changes<'a> {
    binding: Option<(&'a Binding, Option<&'a str>)>,
    declared: &'a Declared,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    settings: &'a [SettingChange],
    steps: Vec<Step>,
}

/// SHA-256 (hex) over the plan's changes.
pub fn plan_sha256(plan: &Plan) -> String {
    let after = plan.binding.as_ref().map(|change| &change.after);
    sha256::of_value(&Changes {
        binding: after.map(|after| (after, after.webhook_url.as_deref())),
        declared: &plan.declared,
        settings: &plan.settings,
        steps: plan.steps.iter().map(Step::essence).collect(),
    })
}
