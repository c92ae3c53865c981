//! A plan as a file: what it holds, whether it is whole and fresh, and which of its steps still stand. Pure but for reading
//! and writing the file.

#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wabridges::{BridgeId, CustomerRef};

use crate::error::Error;
use crate::facts::Declared;
use crate::plan::{Plan, Step, sha256};

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
    pub observation_digest: String,
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
    pub observation_digest: String,
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
            observation_digest: origin.observation_digest,
            plan,
            sha256: String::new(),
        };
        saved.sha256 = seal(serde_json::to_value(&saved).unwrap_or_default());
        saved
    }

    /// Writes the file in one piece: it is there as a whole, or as it was before.
    pub fn write(&self, path: &Path, text: &str) -> Result<(), Error> {
        let cannot = |error: std::io::Error| {
            Error::config(
                format!("cannot write the plan to {}: {error}", path.display()),
                "name a file in a directory that this user may write",
            )
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
        writeln!(file, "{text}").and_then(|()| file.as_file().sync_all()).map_err(cannot)?;
        file.persist(path).map(drop).map_err(|error| cannot(error.error))
    }

    /// Reads a file that is as it was written.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|error| {
            Error::config(
                format!("cannot read the plan {}: {error}", path.display()),
                "name a file that wab plan --out wrote",
            )
        })?;
        Self::parse(&text).map_err(|what| {
            Error::config(format!("{}: {what}", path.display()), "make the plan again: wab plan --out FILE")
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
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

    /// An error if the time is up.
    pub fn require_fresh(&self, now: DateTime<Utc>) -> Result<(), Error> {
        if now < self.expires_at {
            return Ok(());
        }
        let at = self.expires_at.format("%Y-%m-%d %H:%M:%S UTC");
        Err(Error::stale(format!("the saved plan expired at {at}")))
    }

    /// An error unless it was made from this fleet.yaml and for this account.
    pub fn require_same_origin(&self, origin: &Origin) -> Result<(), Error> {
        if self.account_fingerprint != origin.account_fingerprint {
            return Err(Error::Account {
                what: "the saved plan was made with a key whose fingerprint is",
                pinned: self.account_fingerprint.clone(),
                actual: origin.account_fingerprint.clone(),
            });
        }
        if self.fleet_yaml_sha256 != origin.fleet_yaml_sha256 {
            return Err(Error::stale("fleet.yaml is no longer the one that the saved plan was made from"));
        }
        Ok(())
    }
}

/// A name or digest that is none of ours. Ours are shown as they are, to terminals and CI runners too.
fn foreign_word(plan: &Plan) -> Option<&str> {
    let is_digest = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_name = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let counted = plan.summary.steps.keys().chain(plan.summary.findings.keys()).map(|kind| &**kind);
    let found = plan.findings.iter().flat_map(|finding| [&*finding.kind, &*finding.severity]);
    let guards = plan.refusals.iter().map(|refusal| &*refusal.guard);
    let digest = Some(&*plan.plan_sha256).filter(|word| !is_digest(word));
    digest.or_else(|| counted.chain(found).chain(guards).find(|word| !is_name(word)))
}

fn seal(mut document: Value) -> String {
    if let Some(fields) = document.as_object_mut() {
        fields.remove("sha256");
    }
    sha256(&document)
}

/// What wab_fleet says of a tenant or bridge now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
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

/// The customer_refs of the saved steps that would not be planned as they were: their ground is to be looked at.
pub fn in_question<'a>(saved: &'a Plan, fresh: &Plan) -> Vec<&'a CustomerRef> {
    let stands = by_customer_ref(&fresh.steps);
    let moved = |step: &&Step| counterpart(step, &stands).is_none_or(|now| now.ground() != step.ground());
    saved.steps.iter().filter(moved).map(Step::customer_ref).collect()
}

/// Compares each saved step with what would be planned now; a whole-fleet change that differs is an error.
pub fn select(saved: &Plan, fresh: &Plan, ground: &[Ground]) -> Result<Selection, Error> {
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
            Some(now) if now.ground() == step.ground() => selection.steps.push(now.clone()),
            Some(_) => selection.stale.push((step.clone(), "it would be another step now".to_owned())),
            None if is_true_already(step, ground) => selection.already.push(step.clone()),
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

fn is_true_already(step: &Step, ground: &[Ground]) -> bool {
    let mut rows = ground.iter().filter(|row| row.customer_ref == *step.customer_ref());
    match step {
        Step::Bind { bridge_id, .. } => {
            rows.any(|row| row.bridge_id == Some(*bridge_id) && row.stored_bridge_id == Some(*bridge_id))
        }
        Step::SetStatus { status, .. } => rows.any(|row| row.stored_status.as_ref() == Some(status)),
        Step::Provision { .. } => rows.any(|row| row.wanted && row.bridge_id.is_some()),
        Step::Delete { bridge_id, .. } => !rows.any(|row| row.bridge_id == Some(*bridge_id)),
    }
}
