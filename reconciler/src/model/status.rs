//! The fleet as stored, and the runs on it.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;

/// The fleet as stored, and the runs on it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Status {
    /// When the fleet was last observed; `None`: never.
    pub observed_at: Option<DateTime<Utc>>,
    /// How long ago that was, in seconds.
    pub age_seconds: Option<i64>,
    /// Who stored it.
    pub source: Option<String>,
    /// Rows of that listing that could not be read.
    pub malformed: Option<i32>,
    /// Live bridges.
    pub bridges: i64,
    /// Of these, paired.
    pub paired: i64,
    /// Of these, waiting to be scanned.
    pub awaiting_scan: i64,
    /// Of these, disconnected.
    pub disconnected: i64,
    /// Of these, with a status that was never learnt.
    pub unknown: i64,
    /// Live bridges that nobody owns.
    pub orphaned: i64,
    /// Live bridges of tenants no longer wanted.
    pub churned: i64,
    /// More live bridges than one for a customer_ref.
    pub duplicate: i64,
    /// Wanted tenants with no live bridge.
    pub missing: i64,
    /// US dollars per month for all of them.
    #[serde(serialize_with = "crate::ground::money::serialize")]
    #[schemars(with = "f64")]
    pub monthly_cost: Decimal,
    /// US dollars per month for those that nobody needs.
    #[serde(serialize_with = "crate::ground::money::serialize")]
    #[schemars(with = "f64")]
    pub monthly_waste: Decimal,
    /// Who applies right now.
    pub applying: Option<String>,
    /// The last run that had steps.
    pub last_run: Option<LastRun>,
}

/// One run of `wab apply`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LastRun {
    /// Its id.
    pub run_id: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended by its own account.
    pub finished_at: Option<DateTime<Utc>>,
    /// Who ran it.
    pub who: String,
    /// The commit that CI ran it from.
    pub git_sha: Option<String>,
    /// The CI job that ran it.
    pub ci_url: Option<String>,
    /// The digest of its plan.
    pub plan_sha256: Option<String>,
    /// Steps that its plan had.
    pub steps: i32,
    /// done, partly, stopped, running or interrupted.
    #[schemars(extend("enum" = ["done", "partly", "stopped", "running", "interrupted"]))]
    pub outcome: String,
}
