//! The stored state of the fleet, and its last run.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;

/// The stored state of the fleet, and its last run.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Status {
    /// When the fleet was last observed; `None` if never.
    pub observed_at: Option<DateTime<Utc>>,
    /// How long ago that was, in seconds.
    pub age_seconds: Option<i64>,
    /// The program that stored the observation.
    pub source: Option<String>,
    /// Rows of that listing that could not be read.
    pub malformed: Option<i32>,
    /// Listed bridges that belong to other databases: they do not match `customer_refs`. No other number counts them.
    pub outside: Option<i32>,
    /// Live bridges.
    pub bridges: i64,
    /// Live bridges that are paired.
    pub paired: i64,
    /// Live bridges that wait for the QR code to be scanned.
    pub awaiting_scan: i64,
    /// Live bridges that are disconnected.
    pub disconnected: i64,
    /// Live bridges with an unknown status.
    pub unknown: i64,
    /// Live bridges that belong to no tenant row and are not declared.
    pub orphaned: i64,
    /// Live bridges of tenants that are no longer wanted.
    pub churned: i64,
    /// Second and further live bridges for a customer_ref.
    pub duplicate: i64,
    /// Wanted tenants without a live bridge.
    pub missing: i64,
    /// Live bridges that have waited for the scan for longer than `wab_policy.awaiting_scan_after`: the drift.
    pub awaiting_scan_drift: i64,
    /// Live bridges that have been disconnected for longer than `wab_policy.disconnected_after`: the drift.
    pub disconnected_drift: i64,
    /// The number of rows of `wab_drift` of each kind that it has.
    pub drift: BTreeMap<String, i64>,
    /// `wab_policy.awaiting_scan_after`, in seconds.
    pub awaiting_scan_after: i64,
    /// `wab_policy.disconnected_after`, in seconds.
    pub disconnected_after: i64,
    /// US dollars per month for all live bridges.
    #[serde(serialize_with = "crate::ground::money::serialize")]
    #[schemars(with = "f64")]
    pub monthly_cost: Decimal,
    /// US dollars per month for unneeded bridges.
    #[serde(serialize_with = "crate::ground::money::serialize")]
    #[schemars(with = "f64")]
    pub monthly_waste: Decimal,
    /// The age of the status that was confirmed longest ago, in seconds.
    pub oldest_status_seconds: Option<i64>,
    /// Live bridges that the last listing showed without a status. Only a poll or an event confirms their status.
    pub polled: i64,
    /// The time of an observation in the future, which is not believed: the database's clock was set back since.
    pub future_observation: Option<DateTime<Utc>>,
    /// The session that holds the lock of `wab apply` now.
    pub applying: Option<String>,
    /// The last run that had steps.
    pub last_run: Option<LastRun>,
}

/// What an observation in the future means, and what follows.
pub fn set_back(future: DateTime<Utc>) -> String {
    format!(
        "the database's clock was set back: an observation is dated {}, in the future. It is not believed; a new listing \
         is, but times in the history overlap",
        future.format("%Y-%m-%d %H:%M:%S UTC")
    )
}

/// One run of `wab apply`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LastRun {
    /// Its id.
    pub run_id: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it ended; `None` if it is running or was interrupted.
    pub finished_at: Option<DateTime<Utc>>,
    /// The user or CI job that ran it.
    pub who: String,
    /// The commit that the CI job ran on.
    pub git_sha: Option<String>,
    /// The URL of the CI job.
    pub ci_url: Option<String>,
    /// The SHA-256 of its plan.
    pub plan_sha256: Option<String>,
    /// The number of steps in its plan.
    pub steps: i32,
    /// done, partly, stopped, running or interrupted.
    #[schemars(extend("enum" = ["done", "partly", "stopped", "running", "interrupted"]))]
    pub outcome: String,
}
