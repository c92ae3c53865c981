//! The typed values of fleet.yaml.

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use wabridges::{ApiUrl, BridgeId, Config, CustomerRef, Limits, ProxyUrl};

use crate::config::policy::{IncidentRule, Policy, Settings};

/// The declared fleet.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// The provider's account.
    pub account: Account,
    /// The connection to the database.
    pub database: Database,
    /// The binding of the tenants table; `None`: the stored one.
    pub tenants: Option<Tenants>,
    /// The webhook of every bridge; `None`: the stored one.
    pub webhook: Option<Webhook>,
    /// The file with the keys for `{secret}` in a webhook_url.
    pub webhook_secret_file: Option<PathBuf>,
    /// Bridges that are wanted without a tenant row.
    pub extra: Vec<Extra>,
    /// Bridges that are kept without being wanted by a tenant.
    pub keep: Vec<Keep>,
    /// Tombstones: bridges to delete.
    pub remove: Vec<Tombstone>,
    /// What the provider's status words stand for; `None`: the stored ones.
    pub status_words: Option<Vec<StatusWord>>,
    /// The limits of a plan.
    pub policy: Policy,
    /// The values of `wab_policy`; the others stay as stored.
    pub settings: Settings,
    /// The addresses in `wab_policy` by their names, pairing_url and board_url; others stay as stored.
    pub addresses: Vec<(&'static str, String)>,
    /// When drift is an incident, for the kinds that the file lists.
    pub incidents: Vec<IncidentRule>,
    /// The URL to which alerts are posted.
    pub alert_url: KeySource,
    /// SHA-256 (hex) of the file's text.
    pub sha256: String,
}

/// The provider's account.
#[derive(Clone, Debug)]
pub struct Account {
    /// The API's base address.
    pub api_url: ApiUrl,
    /// The source of a secret.
    pub api_key: KeySource,
    /// The pinned fingerprints: one of them must be the key's. Empty: any key.
    pub key_fingerprints: Vec<String>,
    /// The provider's limits.
    pub limits: Limits,
    /// How long connecting may take.
    pub connect_timeout: Option<Duration>,
    /// How long one call may take, its retries included.
    pub request_timeout: Option<Duration>,
    /// PEM certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The proxy for calls to the provider.
    pub proxy: Option<ProxyUrl>,
}

/// The source of the API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
}

/// The connection to the database.
#[derive(Clone, Debug)]
pub struct Database {
    /// The variable that must hold the URL; `None`: DATABASE_URL, or else the PG* variables.
    pub url_env: Option<String>,
    /// The schema of the `wab_` objects; `None`: wab finds it.
    pub schema: Option<String>,
}

impl KeySource {
    /// The variable with the URL of the alerts' receiver, unless the file names another source.
    pub fn default_alert_url() -> Self {
        Self::Env("WAB_ALERT_URL".to_owned())
    }
}

impl Database {
    /// The variable that holds the URL.
    pub fn url_env(&self) -> &str {
        self.url_env.as_deref().unwrap_or("DATABASE_URL")
    }
}

/// The binding of the tenants table. `None`: as it is bound now; for another table, the default.
#[derive(Clone, Debug)]
pub struct Tenants {
    /// The table, with or without its schema.
    pub table: String,
    /// Its column with the tenant's id.
    pub tenant_id: Option<String>,
    /// Its column with the bridge_id.
    pub bridge_id: Option<String>,
    /// Its column with the status.
    pub bridge_status: Option<String>,
    /// SQL predicate over a row: whether the tenant should have a bridge.
    pub wanted: Option<String>,
    /// Regular expression for the customer_refs of this database's bridges.
    pub customer_refs: Option<Clearable>,
    /// SQL expression over a row: the tenant's own `policy.disconnected_after`.
    pub disconnected_after: Option<Clearable>,
    /// SQL expression over a row: the tenant's own `policy.awaiting_scan_after`.
    pub awaiting_scan_after: Option<Clearable>,
    /// SQL expression over a row: the phone that its bridge should be paired with.
    pub phone: Option<Clearable>,
}

/// A part of the binding that need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clearable {
    /// `none` in fleet.yaml. It clears the bound one.
    None,
    /// This text.
    Text(String),
}

/// Where the provider sends what happens on a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Webhook {
    /// Nowhere: `none` in fleet.yaml. It clears the stored webhook_url.
    None,
    /// To this URL.
    Url(WebhookTemplate),
}

impl Webhook {
    /// The URL, if there is one.
    pub fn template(&self) -> Option<&WebhookTemplate> {
        match self {
            Self::None => None,
            Self::Url(template) => Some(template),
        }
    }
}

/// A webhook_url in which `{tenant_id}` stands for the percent-encoded tenant id, and `{secret}` for its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookTemplate(pub(super) String);

impl WebhookTemplate {
    /// Stands for the tenant's id. `{secret}` stays in the URL until it is sent.
    pub const PLACEHOLDER: &str = "{tenant_id}";

    /// The template's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A bridge that is wanted without a tenant row.
#[derive(Clone, Debug)]
pub struct Extra {
    /// Its customer_ref.
    pub tenant_id: CustomerRef,
    /// The reason, for people.
    pub reason: String,
}

/// A bridge that is kept without being wanted by a tenant.
#[derive(Clone, Debug)]
pub struct Keep {
    /// Its customer_ref.
    pub customer_ref: CustomerRef,
    /// The reason, for people.
    pub reason: String,
    /// The last day on which the bridge is kept.
    pub until: Option<NaiveDate>,
}

/// A bridge to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Its customer_ref.
    pub customer_ref: CustomerRef,
    /// Its id. Both ids must match the live bridge.
    pub bridge_id: BridgeId,
    /// The reason, for people.
    pub reason: String,
}

/// A status word of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusWord {
    /// The word, as written.
    pub word: String,
    /// The status that it stands for.
    pub status: String,
}

impl StatusWord {
    /// The statuses that a word may stand for.
    pub const STATUSES: [&str; 4] = ["paired", "awaiting_scan", "disconnected", "unknown"];

    /// The form in which words are compared, as `_wab_status_word()` computes it.
    pub fn compared(&self) -> String {
        self.word.replace(['_', ' ', '-'], "").to_ascii_lowercase()
    }
}

impl Fleet {
    /// The provider's limits, scaled by `policy.rate_budget`; at least one call per window remains.
    pub fn limits(&self) -> Limits {
        let mut limits = self.account.limits;
        for limit in [&mut limits.provision, &mut limits.proxy, &mut limits.other] {
            let share = u64::from(limit.count) * u64::from(self.policy.rate_budget.0) / 100;
            limit.count = u32::try_from(share).unwrap_or(limit.count).max(1);
        }
        limits
    }

    /// The client's configuration, besides the key. The client waits only 2 s after a 429: its callers wait
    /// longer, and can be interrupted.
    pub fn client_config(&self) -> Config {
        let mut config = Config::new(self.account.api_url.clone());
        config.ca_file.clone_from(&self.account.ca_file);
        config.proxy.clone_from(&self.account.proxy);
        config.limits = self.limits();
        config.connect_timeout = self.account.connect_timeout.unwrap_or(config.connect_timeout);
        config.request_timeout = self.account.request_timeout.unwrap_or(config.request_timeout);
        config.rate_limit_patience = Duration::from_secs(2);
        config
    }
}
