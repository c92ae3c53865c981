//! The raw shape of the policy in fleet.yaml.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::scalar::Scalar;

/// A duration such as 15m, 24h, 0s or 1h 30m.
const DURATION: &str = "^([0-9]+ *(ms|s|sec|m|min|h|d|days?|hours?|minutes?|seconds?) *)+$";

/// The rule of wab_policy.pairing_url.
const PAIRING_URL: &str = "^(https://([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])|http://(localhost|127[.]0[.]0[.]1|\\[::1\\]))(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/p$";

/// The rule of wab_policy.board_url.
const BOARD_URL: &str = "^https?://([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?/?$";

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
