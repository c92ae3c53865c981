//! The raw shape of fleet.yaml: its keys and the kinds of their values. The JSON Schema is made from these
//! types: an editor shows their comments and uses their patterns.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::file_policy::Policy;
use crate::config::scalar::{Fingerprints, Id, Scalar};

/// The declared fleet of WhatsApp bridges. Only `version` is required.
// Every field is optional here, because `shape` reports missing ones.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "fleet.yaml")]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The version of this file's format: 1.
    #[schemars(required, extend("enum" = [1, "1"]))]
    pub version: Option<Scalar>,
    pub account: Option<Account>,
    pub database: Option<Database>,
    pub tenants: Option<Tenants>,
    pub bridges: Option<Bridges>,
    pub policy: Option<Policy>,
    pub alerts: Option<Alerts>,
}

/// The receiver of alerts. Its URL is a secret.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// The environment variable that holds the URL to which wab alert posts: its name, not the URL.
    #[schemars(with = "Option<String>", extend("default" = "WAB_ALERT_URL", "pattern" = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub url_env: Option<Scalar>,
    /// The file that holds the URL, instead of a variable. A relative name starts at the folder of fleet.yaml.
    #[schemars(extend("minLength" = 1))]
    pub url_file: Option<Scalar>,
}

/// The provider's account.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The provider's API.
    #[schemars(with = "Option<String>", extend("default" = "https://wabridges.com", "pattern" = "^https?://"))]
    pub api_url: Option<Scalar>,
    /// The environment variable that holds the API key: its name, not the key.
    #[schemars(with = "Option<String>", extend("default" = "WA_API_KEY", "pattern" = "^(?!sk_)[A-Za-z_][A-Za-z0-9_]*$"))]
    pub api_key_env: Option<Scalar>,
    /// The file that holds the API key, instead of a variable. A relative name starts at the folder of
    /// fleet.yaml.
    #[schemars(extend("minLength" = 1))]
    pub api_key_file: Option<Scalar>,
    /// Pins the account: with another key no call is made. The first 16 hexadecimal digits of the key's
    /// SHA-256. A list allows several keys, so that one can replace another.
    pub key_fingerprint: Option<Fingerprints>,
    pub limits: Option<Limits>,
    /// How long connecting to the provider may take. Default: 5s.
    #[schemars(with = "Option<String>")]
    pub connect_timeout: Option<Scalar>,
    /// How long one call to the provider may take, its retries included. Default: 30s.
    #[schemars(with = "Option<String>")]
    pub request_timeout: Option<Scalar>,
    /// PEM certificates to trust besides the system's. A relative name starts at the folder of fleet.yaml.
    #[schemars(extend("minLength" = 1))]
    pub ca_file: Option<Scalar>,
    /// The HTTP proxy for calls to the provider, like http://proxy.example.com:3128. wab never takes one from the environment.
    #[schemars(with = "Option<String>", extend("pattern" = "^https?://"))]
    pub proxy: Option<Scalar>,
}

/// Calls per window that the provider allows you.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Calls that create a bridge.
    #[schemars(with = "Option<String>", extend("default" = "10/60s", "pattern" = "^[0-9]+ */ *[0-9]+(ms|s|m|h)?$"))]
    pub provision: Option<Scalar>,
    /// Calls to the sessions of bridges.
    #[schemars(with = "Option<String>", extend("default" = "120/60s", "pattern" = "^[0-9]+ */ *[0-9]+(ms|s|m|h)?$"))]
    pub proxy: Option<Scalar>,
    /// All other calls.
    #[schemars(with = "Option<String>", extend("default" = "120/60s", "pattern" = "^[0-9]+ */ *[0-9]+(ms|s|m|h)?$"))]
    pub other: Option<Scalar>,
}

/// The connection to the database.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The environment variable that holds the URL: its name, not the URL. If named here, it must be set.
    /// Default: DATABASE_URL if it is set, else PGHOST, PGUSER, PGDATABASE … and .pgpass.
    #[schemars(with = "Option<String>", extend("pattern" = "^(?!sk_)[A-Za-z_][A-Za-z0-9_]*$"))]
    pub url_env: Option<Scalar>,
    /// The schema of the wab_ objects. Default: wab finds it.
    #[schemars(extend("minLength" = 1))]
    pub schema: Option<Scalar>,
}

/// The binding of your tenants table. Default: the binding stored in the database.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tenants {
    /// Your table, with or without its schema.
    #[schemars(required, extend("minLength" = 1))]
    pub table: Option<Scalar>,
    /// Its column with the tenant's id; as text it is the customer_ref. Default: as bound, or else id.
    #[schemars(extend("minLength" = 1))]
    pub tenant_id: Option<Scalar>,
    /// Its column for the bridge_id, which apply writes. Default: as bound, or else bridge_id.
    #[schemars(extend("minLength" = 1))]
    pub bridge_id: Option<Scalar>,
    /// Its column for the status, which apply writes. Default: as bound, or else bridge_status.
    #[schemars(extend("minLength" = 1))]
    pub bridge_status: Option<Scalar>,
    /// SQL predicate over a row: whether the tenant should have a bridge. Default: as bound, or else true.
    #[schemars(extend("minLength" = 1))]
    pub wanted: Option<Scalar>,
    /// For databases that share an account: a regular expression for the whole customer_ref of each bridge of this database.
    /// Other bridges are left alone. none: all bridges of the account. Default: as bound, or else none.
    #[schemars(with = "Option<String>", extend("minLength" = 1))]
    pub customer_refs: Option<Scalar>,
    /// SQL expression over a row: the tenant's own policy.disconnected_after, an interval; null for that of the fleet.
    /// none: no tenant has its own. Default: as bound, or else none.
    #[schemars(with = "Option<String>", extend("minLength" = 1))]
    pub disconnected_after: Option<Scalar>,
    /// The same for policy.awaiting_scan_after.
    #[schemars(with = "Option<String>", extend("minLength" = 1))]
    pub awaiting_scan_after: Option<Scalar>,
    /// SQL expression over a row: the phone that its bridge should be paired with, as text. none: none is expected. Default: as
    /// bound, or else none.
    #[schemars(with = "Option<String>", extend("minLength" = 1))]
    pub phone: Option<Scalar>,
}

/// The webhook_url, and exceptions to the tenants table.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bridges {
    /// The webhook_url of every bridge. {tenant_id} stands for the percent-encoded id, {secret} for its signature under the
    /// first key of webhook_secret_file. none: bridges get no webhook. Default: the stored one.
    #[schemars(with = "Option<String>", extend("pattern" = "^(none|https?://([^{}\\s\\x00-\\x1f\\x7f-\\x9f]|\\{tenant_id\\}|\\{secret\\})+)$"))]
    pub webhook_url: Option<Scalar>,
    /// The file with the keys for {secret}, one a line, two at most: the first signs, the second is the one before it. A
    /// relative name starts at the folder of fleet.yaml.
    #[schemars(extend("minLength" = 1))]
    pub webhook_secret_file: Option<Scalar>,
    /// Bridges that are wanted without a tenant row.
    pub extra: Option<Vec<Extra>>,
    /// Bridges that are not reported as orphaned or churned.
    pub keep: Option<Vec<Keep>>,
    /// Tombstones: wab deletes a bridge only if an entry here names it.
    pub remove: Option<Vec<Remove>>,
    /// What the provider's status words stand for, besides the built-in ones. A list here replaces the stored one.
    /// Default: the stored one.
    pub status_words: Option<Vec<StatusWord>>,
}

/// A status word of the provider. Upper and lower case, _, - and spaces make no difference.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusWord {
    /// The word.
    #[schemars(required, extend("minLength" = 1))]
    pub word: Option<Scalar>,
    /// The status that it stands for; unknown if it says nothing about the session.
    #[schemars(required, extend("enum" = ["paired", "awaiting_scan", "disconnected", "unknown"]))]
    pub status: Option<Scalar>,
}

/// A bridge that is wanted without a tenant row.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// Its customer_ref; in quotes if it looks like a number.
    #[schemars(required)]
    pub tenant_id: Option<Id>,
    /// The reason, for people.
    #[schemars(required, extend("minLength" = 1))]
    pub reason: Option<Scalar>,
}

/// A bridge that is not drift, although no wanted tenant has it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// Its customer_ref; in quotes if it looks like a number.
    #[schemars(required)]
    pub customer_ref: Option<Id>,
    /// The reason, for people.
    #[schemars(required, extend("minLength" = 1))]
    pub reason: Option<Scalar>,
    /// The last day on which the bridge is kept, such as 2027-01-31. From the next day on it is drift again.
    #[schemars(with = "Option<String>", extend("pattern" = "^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}$"))]
    pub until: Option<Scalar>,
}

/// A bridge to delete. Both ids must match the live bridge.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// Its customer_ref; in quotes if it looks like a number.
    #[schemars(required)]
    pub customer_ref: Option<Id>,
    /// Its id.
    #[schemars(required, extend("minimum" = 1, "pattern" = "^[0-9]+$"))]
    pub bridge_id: Option<Scalar>,
    /// The reason, for people.
    #[schemars(required, extend("minLength" = 1))]
    pub reason: Option<Scalar>,
}
