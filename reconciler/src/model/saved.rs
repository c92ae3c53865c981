//! Saved plans: a plan, its origin, and a checksum. Reading and writing the file is in `verb::plan_file`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wabridges::{BridgeId, CustomerRef};

use crate::ground::sha256;
use crate::model::plan::Plan;
use crate::model::step::Step;

/// Increases when a field changes its meaning or is removed.
pub const FORMAT_VERSION: u32 = 2;

/// A plan with its origin. It holds no secret. `wab plan --json` prints the same document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SavedPlan {
    /// The version of this format.
    #[schemars(extend("const" = FORMAT_VERSION))]
    pub format_version: u32,
    /// The program and version that made the plan.
    pub tool: String,
    /// When the plan was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub made_at: DateTime<Utc>,
    /// After this time the plan is refused.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub expires_at: DateTime<Utc>,
    /// SHA-256 (hex) of the fleet.yaml.
    pub fleet_yaml_sha256: String,
    /// Fingerprint of the API key.
    pub account_fingerprint: String,
    /// The database that the plan was made on: its name, its oid and its server's system identifier, and the schema of
    /// the wab_ objects.
    pub database: String,
    /// SHA-256 (hex) of the listing, as in wab_observations.
    pub listing_sha256: String,
    /// The plan.
    #[serde(flatten)]
    pub plan: Plan,
    /// SHA-256 (hex) over the canonical JSON (keys sorted, no white space, no .0 behind a whole number) of everything else in this document.
    pub sha256: String,
}

/// The origin of a plan, and how long it is valid.
#[derive(Clone, Debug)]
pub struct Origin {
    /// SHA-256 (hex) of fleet.yaml.
    pub fleet_yaml_sha256: String,
    /// Fingerprint of the API key.
    pub account_fingerprint: String,
    /// The database, as in [`SavedPlan::database`].
    pub database: String,
    /// SHA-256 (hex) of the listing.
    pub listing_sha256: String,
    /// When the plan was made.
    pub made_at: DateTime<Utc>,
    /// How long it may be applied.
    pub valid_for: Duration,
}

impl SavedPlan {
    /// Adds the origin and the checksum to a plan.
    pub fn new(plan: Plan, origin: Origin) -> Self {
        let valid_for = chrono::Duration::from_std(origin.valid_for).unwrap_or(chrono::Duration::MAX);
        let mut saved = Self {
            format_version: FORMAT_VERSION,
            tool: concat!("wab ", env!("CARGO_PKG_VERSION")).to_owned(),
            made_at: origin.made_at,
            expires_at: origin.made_at.checked_add_signed(valid_for).unwrap_or(DateTime::<Utc>::MAX_UTC),
            fleet_yaml_sha256: origin.fleet_yaml_sha256,
            account_fingerprint: origin.account_fingerprint,
            database: origin.database,
            listing_sha256: origin.listing_sha256,
            plan,
            sha256: String::new(),
        };
        saved.sha256 = seal(serde_json::to_value(&saved).unwrap_or_default());
        saved
    }

    /// Reads a document and verifies its checksum.
    pub fn parse(text: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(text).map_err(|error| format!("not a saved plan: {error}"))?;
        match json.get("format_version").and_then(Value::as_u64) {
            Some(version) if version == u64::from(FORMAT_VERSION) => {}
            Some(version) => {
                return Err(format!("its format_version is {version}; this wab reads {FORMAT_VERSION}"));
            }
            None => return Err("not a saved plan: it has no format_version".to_owned()),
        }
        let saved: Self =
            serde_json::from_value(json.clone()).map_err(|error| format!("not a saved plan: {error}"))?;
        if let Some(word) = foreign_word(&saved.plan) {
            return Err(format!("not a saved plan: no version of wab writes the word {word:?}"));
        }
        if saved.sha256 != seal(json) {
            return Err("the plan was changed after it was made: its sha256 does not match".to_owned());
        }
        Ok(saved)
    }
}

/// A name or sha256 in the plan that wab does not write. Those that it writes are shown unescaped, to
/// terminals and CI runners too.
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

/// The state of a tenant or bridge in wab_fleet that a step depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    /// The customer_ref.
    pub customer_ref: CustomerRef,
    /// Whether the tenant should have a bridge.
    pub wanted: bool,
    /// The live bridge.
    pub bridge_id: Option<BridgeId>,
    /// The bridge_id on the tenant row.
    pub stored_bridge_id: Option<BridgeId>,
    /// The status on the tenant row.
    pub stored_status: Option<String>,
}

/// The steps of a saved plan, by what to do with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// To be done, as they would be planned now.
    pub steps: Vec<Step>,
    /// Done already, by another run or by hand.
    pub already: Vec<Step>,
    /// Their preconditions changed, and how.
    pub stale: Vec<(Step, String)>,
}
