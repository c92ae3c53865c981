//! fleet.yaml as typed values; how they are read and checked is in `load` and what it uses.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use wabridges::{ApiUrl, BridgeId, Config, CustomerRef, Limits};

/// Everything that fleet.yaml declares.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// The provider's account.
    pub account: Account,
    /// Where the database is.
    pub database: Database,
    /// How the tenants table is read; `None`: as it is bound already.
    pub tenants: Option<Tenants>,
    /// The webhook_url of every bridge; `None`: as it is bound already.
    pub webhook_url: Option<WebhookTemplate>,
    /// Bridges wanted with no tenant row.
    pub extra: Vec<Extra>,
    /// Bridges that are not drift though nobody owns them.
    pub keep: Vec<Keep>,
    /// Tombstones: the only way anything is deleted.
    pub remove: Vec<Tombstone>,
    /// What a plan may do.
    pub policy: Policy,
    /// SHA-256 (hex) of the file's text.
    pub sha256: String,
}

/// The provider's account.
#[derive(Clone, Debug)]
pub struct Account {
    /// The API's base address.
    pub api_url: ApiUrl,
    /// Where the key is.
    pub api_key: KeySource,
    /// The key's fingerprint, if it is pinned.
    pub key_fingerprint: Option<String>,
    /// Calls per window.
    pub limits: Limits,
    /// How long connecting may take.
    pub connect_timeout: Option<Duration>,
    /// How long one call may take, its retries included.
    pub request_timeout: Option<Duration>,
    /// PEM certificates trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// Where the API key is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
}

/// Where the database is.
#[derive(Clone, Debug)]
pub struct Database {
    /// The variable that holds its URL, and must; `None`: DATABASE_URL, or else the PG* variables.
    pub url_env: Option<String>,
    /// The schema of the wab_ objects; `None`: it is looked for.
    pub schema: Option<String>,
}

impl Database {
    /// The variable that holds the URL.
    pub fn url_env(&self) -> &str {
        self.url_env.as_deref().unwrap_or("DATABASE_URL")
    }
}

/// How the tenants table is read.
#[derive(Clone, Debug)]
pub struct Tenants {
    /// The table, with or without its schema.
    pub table: String,
    /// Its column that identifies a tenant.
    pub tenant_id: String,
    /// Its column that holds the bridge_id.
    pub bridge_id: String,
    /// Its column that holds the status.
    pub bridge_status: String,
    /// SQL predicate: who should have a bridge.
    pub wanted: String,
}

/// A webhook_url in which `{tenant_id}` stands for the percent-encoded tenant id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookTemplate(pub(super) String);

impl WebhookTemplate {
    /// The only placeholder.
    pub const PLACEHOLDER: &str = "{tenant_id}";

    /// The template's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A bridge wanted with no tenant row.
#[derive(Clone, Debug)]
pub struct Extra {
    /// Its customer_ref.
    pub tenant_id: CustomerRef,
    /// Why.
    pub reason: String,
}

/// A bridge that is not drift though nobody owns it.
#[derive(Clone, Debug)]
pub struct Keep {
    /// Its customer_ref.
    pub customer_ref: CustomerRef,
    /// Why.
    pub reason: String,
    /// The last day on which this holds.
    pub until: Option<NaiveDate>,
}

/// A bridge that shall be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Its customer_ref.
    pub customer_ref: CustomerRef,
    /// Its number; both must match the live bridge.
    pub bridge_id: BridgeId,
    /// Why.
    pub reason: String,
}

/// What a plan may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Bridges made in one run.
    pub max_creates: Bound,
    /// Bridges deleted in one run.
    pub max_deletes: Bound,
    /// Bridges that the provider must list.
    pub min_observed: usize,
    /// US dollars per month after the plan.
    pub max_monthly_cost: Option<Decimal>,
    /// Share of the provider's limits to use, 1 to 100.
    pub rate_budget: Percent,
}

/// A whole number from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub(super) u8);

/// A count, or a share of the observed fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// So many.
    Count(usize),
    /// So many in a hundred, rounded down.
    Share(Percent),
}

impl Bound {
    /// How many that is in a fleet of this size.
    pub fn of(self, fleet: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Share(Percent(percent)) => fleet.saturating_mul(percent.into()) / 100,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Share(Percent(percent)) => write!(f, "{percent}%"),
        }
    }
}

impl Fleet {
    /// The provider's limits, scaled by `policy.rate_budget`; at least one call per window stays.
    pub fn limits(&self) -> Limits {
        let mut limits = self.account.limits;
        for limit in [&mut limits.provision, &mut limits.proxy, &mut limits.other] {
            let share = u64::from(limit.count) * u64::from(self.policy.rate_budget.0) / 100;
            limit.count = u32::try_from(share).unwrap_or(limit.count).max(1);
        }
        limits
    }

    /// What a client needs besides the key. Hardly patient with 429: whoever calls waits, and can be interrupted.
    pub fn client_config(&self) -> Config {
        let mut config = Config::new(self.account.api_url.clone());
        config.ca_file.clone_from(&self.account.ca_file);
        config.limits = self.limits();
        config.connect_timeout = self.account.connect_timeout.unwrap_or(config.connect_timeout);
        config.request_timeout = self.account.request_timeout.unwrap_or(config.request_timeout);
        config.rate_limit_patience = Duration::from_secs(2);
        config
    }
}
