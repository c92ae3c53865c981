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
    steps: Vec<(Step, Option<String>)>,
}

/// SHA-256 (hex) over the plan's changes.
pub fn plan_sha256(plan: &Plan) -> String {
    let webhook_url = |step: &'_ Step| match step {
        Step::Provision { webhook_url, .. } => webhook_url.as_deref().map(fingerprint),
        Step::Unlink { .. } | Step::Link { .. } | Step::SetStatus { .. } | Step::Delete { .. } => None,
    };
    let after = plan.binding.as_ref().map(|change| &change.after);
    sha256::of_value(&Changes {
        binding: after.map(|after| (after, after.webhook_url.as_deref())),
        declared: &plan.declared,
        settings: &plan.settings,
        steps: plan.steps.iter().map(|step| (step.essence(), webhook_url(step))).collect(),
    })
}

/// The fingerprint of a webhook_url, which `_wab_hidden_url()` leaves at the end of what it hides.
fn fingerprint(url: &str) -> String {
    match url.rsplit_once("/... ") {
        Some((_, fingerprint)) if fingerprint.len() == 12 => fingerprint.to_owned(),
        _ => {
            let mut sha256 = wabridges::sha256::of(url);
            sha256.truncate(12);
            sha256
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_and_what_a_reader_sees_of_it_have_one_fingerprint() {
        let (url, hidden) = ("https://app.example.com/hooks/tok", "https://app.example.com/... 4e6a595743d9");
        assert_eq!(fingerprint(url), fingerprint(hidden));
        assert_ne!(fingerprint(url), fingerprint("https://app.example.com/hooks/tik"));
    }
}
