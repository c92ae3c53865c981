//! A plan that was saved: with what it was made from, and sealed. Reading and writing its file is not done here.

use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wabridges::{BridgeId, CustomerRef};

use crate::ground::sha256;
use crate::model::plan::Plan;
use crate::model::step::Step;

/// Grows when a field changes its meaning or goes away.
pub const FORMAT_VERSION: u32 = 1;

/// A plan with what it was made from. Holds no secret. This is what `wab plan --json` prints, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SavedPlan {
    /// Of this document.
    #[schemars(extend("const" = FORMAT_VERSION))]
    pub format_version: u32,
    /// Program and version that made it.
    pub tool: String,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub made_at: DateTime<Utc>,
    /// From when on it is refused.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub expires_at: DateTime<Utc>,
    /// SHA-256 (hex) of the fleet.yaml that it was made from.
    pub fleet_yaml_sha256: String,
    /// Fingerprint of the API key that it was made with.
    pub account_fingerprint: String,
    /// SHA-256 (hex) of the listing that it was made from, as in wab_observations.
    pub listing_sha256: String,
    /// What would be done.
    #[serde(flatten)]
    pub plan: Plan,
    /// SHA-256 (hex) over the canonical JSON (keys sorted, no white space) of everything else in this document.
    pub sha256: String,
}

/// What a plan was made from, and until when it holds.
#[derive(Clone, Debug)]
pub struct Origin {
    /// SHA-256 (hex) of fleet.yaml.
    pub fleet_yaml_sha256: String,
    /// Fingerprint of the API key.
    pub account_fingerprint: String,
    /// Digest of the listing.
    pub listing_sha256: String,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// For how long it may be applied.
    pub valid_for: Duration,
}

impl SavedPlan {
    /// Seals a plan.
    pub fn new(plan: Plan, origin: Origin) -> Self {
        let valid_for = chrono::Duration::from_std(origin.valid_for).unwrap_or(chrono::Duration::MAX);
        let mut saved = Self {
            format_version: FORMAT_VERSION,
            tool: concat!("wab ", env!("CARGO_PKG_VERSION")).to_owned(),
            made_at: origin.made_at,
            expires_at: origin.made_at.checked_add_signed(valid_for).unwrap_or(DateTime::<Utc>::MAX_UTC),
            fleet_yaml_sha256: origin.fleet_yaml_sha256,
            account_fingerprint: origin.account_fingerprint,
            listing_sha256: origin.listing_sha256,
            plan,
            sha256: String::new(),
        };
        saved.sha256 = seal(serde_json::to_value(&saved).unwrap_or_default());
        saved
    }

    /// Reads a document that is as it was written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let json: Value =
            serde_json::from_str(text).map_err(|error| format!("this is no saved plan: {error}"))?;
        match json.get("format_version").and_then(Value::as_u64) {
            Some(version) if version == u64::from(FORMAT_VERSION) => {}
            Some(version) => {
                return Err(format!("its format_version is {version}; this wab reads {FORMAT_VERSION}"));
            }
            None => return Err("this is no saved plan: it has no format_version".to_owned()),
        }
        let saved: Self = serde_json::from_value(json.clone())
            .map_err(|error| format!("this is no saved plan: {error}"))?;
        if let Some(word) = foreign_word(&saved.plan) {
            return Err(format!("this is no saved plan: {word:?} is no word that a wab writes"));
        }
        if saved.sha256 != seal(json) {
            return Err("the plan was changed after it was made: its sha256 does not fit".to_owned());
        }
        Ok(saved)
    }
}

/// A name or sha256 that is none of ours. Ours are shown as they are, to terminals and CI runners too.
fn foreign_word(plan: &Plan) -> Option<&str> {
    let is_name = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let counted = plan.summary.steps.keys().chain(plan.summary.findings.keys()).map(|kind| &**kind);
    let found = plan.findings.iter().flat_map(|finding| [&*finding.kind, &*finding.severity]);
    let guards = plan.refusals.iter().map(|refusal| &*refusal.guard);
    let sha256 = Some(&*plan.plan_sha256).filter(|word| !sha256::is_sha256(word));
    sha256.or_else(|| counted.chain(found).chain(guards).find(|word| !is_name(word)))
}

pub fn seal(mut document: Value) -> String {
    if let Some(fields) = document.as_object_mut() {
        fields.remove("sha256");
    }
    sha256::of_value(&document)
}

/// What wab_fleet says of a tenant or bridge now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    /// Whose.
    pub customer_ref: CustomerRef,
    /// Whether there should be a bridge.
    pub wanted: bool,
    /// The live bridge.
    pub bridge_id: Option<BridgeId>,
    /// What the tenant row holds.
    pub stored_bridge_id: Option<BridgeId>,
    /// The status that the tenant row holds.
    pub stored_status: Option<String>,
}

/// Which steps of a saved plan are to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// These, as they would be planned now.
    pub steps: Vec<Step>,
    /// Somebody was faster.
    pub already: Vec<Step>,
    /// Their ground moved, and how.
    pub stale: Vec<(Step, String)>,
}
