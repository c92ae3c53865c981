//! The raw shape of fleet.yaml: its keys and the kinds of their values. The JSON Schema is made from these
//! types: an editor shows their comments and uses their patterns.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// A duration such as 15m, 24h, 0s or 1h 30m.
const DURATION: &str = "^([0-9]+ *(ms|s|sec|m|min|h|d|days?|hours?|minutes?|seconds?) *)+$";

/// The rule of wab_policy.pairing_url.
const PAIRING_URL: &str = "^(https://([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])|http://(localhost|127[.]0[.]0[.]1|\\[::1\\]))(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/p$";

/// The rule of wab_policy.board_url.
const BOARD_URL: &str = "^https?://([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?/?$";

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
    #[schemars(with = "Option<String>", extend("pattern" = "^(none|https?://([^{}]|\\{tenant_id\\}|\\{secret\\})+)$"))]
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

/// The limits of a plan. A plan that exceeds one of them is refused before anything is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Bridges created in one run: a number, or a share of the observed fleet such as 10%.
    #[schemars(extend("default" = 10, "minimum" = 0, "pattern" = "^[0-9]+ *%?$"))]
    pub max_creates: Option<Scalar>,
    /// Bridges deleted in one run: a number, or a share of the observed fleet such as 10%.
    #[schemars(extend("default" = 0, "minimum" = 0, "pattern" = "^[0-9]+ *%?$"))]
    pub max_deletes: Option<Scalar>,
    /// Bridges that the provider must list at least.
    #[schemars(extend("default" = 1, "minimum" = 0, "pattern" = "^[0-9]+$"))]
    pub min_observed: Option<Scalar>,
    /// Tenants that the plan may provision although their rows hold a bridge that is live under another customer_ref. This happens when a tenant's id was changed.
    #[schemars(extend("default" = 0, "minimum" = 0, "pattern" = "^[0-9]+$"))]
    pub renamed_tenants: Option<Scalar>,
    /// US dollars per month after the plan. Default: no limit.
    #[schemars(extend("minimum" = 0))]
    pub max_monthly_cost: Option<Scalar>,
    /// Share of the provider's limits that wab may use, 1% to 100%.
    #[schemars(with = "Option<String>", extend("default" = "100%", "pattern" = "^[0-9]{1,3} *%$"))]
    pub rate_budget: Option<Scalar>,
    /// US dollars per bridge and month. Default: the one stored in wab_policy.
    #[schemars(extend("minimum" = 0))]
    pub price_per_bridge: Option<Scalar>,
    /// Share of the known bridges that may be absent from a listing; a listing with more absent is refused. Default: the one
    /// stored in wab_policy.
    #[schemars(with = "Option<String>", extend("pattern" = "^[0-9]{1,3}([.][0-9])? *%$"))]
    pub max_shrink: Option<Scalar>,
    /// Time between two observations that are further apart than this counts as not observed. Default: the one stored in
    /// wab_policy.
    #[schemars(with = "Option<String>", extend("pattern" = DURATION))]
    pub max_gap: Option<Scalar>,
    /// After which time a disconnected bridge is drift, such as 15m; 0s for at once. Default: the one stored in
    /// wab_policy.
    #[schemars(with = "Option<String>", extend("pattern" = DURATION))]
    pub disconnected_after: Option<Scalar>,
    /// After which time an unpaired bridge is drift, such as 24h. Default: the one stored in wab_policy.
    #[schemars(with = "Option<String>", extend("pattern" = DURATION))]
    pub awaiting_scan_after: Option<Scalar>,
    /// After which time a container that is not running is drift. Default: the one stored in wab_policy.
    #[schemars(with = "Option<String>", extend("pattern" = DURATION))]
    pub state_after: Option<Scalar>,
    /// After which time a status word that no mapping knows is drift. Default: the one stored in wab_policy.
    #[schemars(with = "Option<String>", extend("pattern" = DURATION))]
    pub unmapped_after: Option<Scalar>,
    /// After which time without a message event a paired bridge is drift, such as 48h. Default: the one stored in wab_policy.
    #[schemars(with = "Option<String>", extend("pattern" = DURATION))]
    pub silent_after: Option<Scalar>,
    /// How long another phone than before is drift, unless it is accepted; 0s for never. Default: the one stored in
    /// wab_policy.
    #[schemars(with = "Option<String>", extend("pattern" = DURATION))]
    pub phone_changed_for: Option<Scalar>,
    /// Changes of status within flapping_window from which a bridge is drift of kind flapping. Default: the number stored in
    /// wab_policy.
    #[schemars(extend("minimum" = 1, "pattern" = "^[0-9]+$"))]
    pub flapping_changes: Option<Scalar>,
    /// See flapping_changes. Default: the one stored in wab_policy.
    #[schemars(with = "Option<String>", extend("pattern" = DURATION))]
    pub flapping_window: Option<Scalar>,
    /// Share of the bridges on which drift must begin within mass_window to be one incident. Default: the one stored in
    /// wab_policy.
    #[schemars(with = "Option<String>", extend("pattern" = "^[0-9]{1,3}([.][0-9])? *%$"))]
    pub mass_share: Option<Scalar>,
    /// Bridges on which drift must begin within mass_window to be one incident. Default: the number stored in wab_policy.
    #[schemars(extend("minimum" = 2, "pattern" = "^[0-9]+$"))]
    pub mass_bridges: Option<Scalar>,
    /// See mass_share. Default: the one stored in wab_policy.
    #[schemars(with = "Option<String>", extend("pattern" = DURATION))]
    pub mass_window: Option<Scalar>,
    /// After which time without an observation there is an incident. Default: the one stored in wab_policy.
    #[schemars(with = "Option<String>", extend("pattern" = DURATION))]
    pub unobserved_after: Option<Scalar>,
    /// The address at which your customers reach the pairing page of wab serve: https, or http on this machine; it ends in /p. Default: the one
    /// stored in wab_policy.
    #[schemars(with = "Option<String>", extend("maxLength" = 500, "pattern" = PAIRING_URL))]
    pub pairing_url: Option<Scalar>,
    /// The address at which your people reach the pages of wab serve. Default: the one stored in wab_policy.
    #[schemars(with = "Option<String>", extend("maxLength" = 500, "pattern" = BOARD_URL))]
    pub board_url: Option<Scalar>,
    /// When drift of a kind is an incident. Kinds that are not listed stay as stored in wab_incident_policy.
    pub incidents: Option<Vec<IncidentRule>>,
}

/// When drift of one kind is an incident. What is left out has its default.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentRule {
    /// The kind of drift, as in wab_incident_policy.
    #[schemars(required, extend("minLength" = 1))]
    pub kind: Option<Scalar>,
    /// How grave it is.
    #[schemars(with = "Option<String>", extend("enum" = ["critical", "warning", "info"]))]
    pub severity: Option<Scalar>,
    /// Drift that has lasted for this long is an incident.
    #[schemars(with = "Option<String>", extend("pattern" = DURATION))]
    pub begins_after: Option<Scalar>,
    /// Drift that comes back within this time belongs to the same incident.
    #[schemars(with = "Option<String>", extend("pattern" = DURATION))]
    pub ends_after: Option<Scalar>,
    /// Whether alerts are sent.
    pub alerts: Option<bool>,
}

/// One fingerprint of a key, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Fingerprints {
    One(Scalar),
    Any(Vec<Scalar>),
}

impl JsonSchema for Fingerprints {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fingerprints".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        const ONE: &str = "^[0-9A-Fa-f]{16}$";
        json_schema!({
            "type": ["string", "number", "array"],
            "pattern": ONE,
            "minItems": 1,
            "items": { "type": ["string", "number"], "pattern": ONE }
        })
    }
}

/// A text or a number, as written.
#[derive(Debug, Deserialize)]
pub struct Scalar(pub String);

impl JsonSchema for Scalar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"] })
    }
}

/// An id, as written. YAML reads `5e3`, `1.10` and `0x1F` as numbers, which would turn them into other ids.
#[derive(Debug, Deserialize)]
pub struct Id(pub String);

impl JsonSchema for Id {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}
