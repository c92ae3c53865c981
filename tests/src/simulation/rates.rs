//! How often things happen in an ordinary life.

use crate::simulation::words::Status;

/// Shares of the fleet per day: 3 % of the tenants leave in a month, and as many come.
pub const SIGN_UPS: f64 = 0.001;
pub const CHURN: f64 = 0.001;
pub const RETURNS: f64 = 0.0001;
pub const FORGOTTEN: f64 = 0.0001;
pub const OUTAGES: f64 = 0.05;
pub const FLAPS: f64 = 0.001;
pub const CONTAINERS: f64 = 0.003;
pub const MADE: f64 = 0.0003;
pub const DELETED: f64 = 0.0003;
pub const RENAMED: f64 = 0.0003;
/// Shares of the days.
pub const PROVIDER_DOWN: f64 = 0.1;
pub const RESTART: f64 = 0.07;
pub const LISTS_WITHOUT_STATUSES: f64 = 0.05;
pub const KEY_ROTATED: f64 = 0.02;
pub const LIST_BROKEN: f64 = 0.07;
pub const LOST_REPLY: f64 = 0.3;
pub const CRASH: f64 = 0.1;
pub const KEPT: f64 = 0.2;
pub const EXTRA: f64 = 0.05;
pub const TOGETHER: f64 = 0.1;
pub const WORD_CHANGED: f64 = 0.005;
pub const FAILOVER: f64 = 0.01;

/// The words that the provider gives up one day, each with the new one and its status.
pub const WORDS: [(&str, &str, Status); 2] =
    [("connected", "linked", Status::Paired), ("disconnected", "offline", Status::Disconnected)];
