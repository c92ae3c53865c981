//! The digest by which one plan is told from another: over all that it changes, and nothing that it only says.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Plan, Step};
use crate::facts::{Binding, Declared};

/// What the plan changes. The webhook_urls count too, though no output shows them.
#[derive(Serialize)]
struct Deeds<'a> {
    binding: Option<(&'a Binding, Option<&'a str>)>,
    declared: Declared,
    steps: Vec<(Step, Option<&'a str>)>,
}

/// SHA-256 (hex) over the canonical JSON of what the plan changes.
pub fn digest(plan: &Plan) -> String {
    let webhook_url = |step: &'_ Step| match step {
        Step::Provision { webhook_url, .. } => webhook_url.clone(),
        Step::Bind { .. } | Step::SetStatus { .. } | Step::Delete { .. } => None,
    };
    let urls: Vec<Option<String>> = plan.steps.iter().map(webhook_url).collect();
    let after = plan.binding.as_ref().map(|change| &change.after);
    sha256(&Deeds {
        binding: after.map(|after| (after, after.webhook_url.as_deref())),
        declared: plan.declared,
        steps: plan.steps.iter().zip(&urls).map(|(step, url)| (step.ground(), url.as_deref())).collect(),
    })
}

/// SHA-256 (hex) over a value's canonical JSON (RFC 8785).
pub fn sha256(value: &impl Serialize) -> String {
    // The values given here have text keys and finite numbers, so this cannot fail; nothing equals a digest of nothing.
    let json = serde_json_canonicalizer::to_vec(value).unwrap_or_default();
    Sha256::digest(&json).iter().map(|byte| format!("{byte:02x}")).collect()
}
