//! Writes the sections `policy` and `alerts` of fleet.yaml.

use std::fmt::Write;
use std::time::Duration;

use rust_decimal::Decimal;

use crate::config::{Bound, IncidentRule, KeySource, Policy};
use crate::ground::money;
use crate::model::Adoption;
use crate::render::yaml::section::{Section, list, path, quoted};

/// The section `policy`, with limits for today's fleet as comments.
pub fn policy(adoption: &Adoption) -> String {
    let Policy { max_creates, max_deletes, min_observed, renamed_tenants, max_monthly_cost, rate_budget } =
        &adoption.fleet.policy;
    let mut out = Section::new("policy");
    out.plain("max_creates", max_creates);
    out.plain("max_deletes", max_deletes);
    out.plain("min_observed", min_observed);
    if *min_observed <= 1 && adoption.listed > 10 {
        let most = adoption.listed * 9 / 10;
        out.plain(
            "# min_observed",
            format!("{most}   # refuses a listing with less than 90 % of today's bridges"),
        );
    }
    if *renamed_tenants > 0 {
        out.plain("renamed_tenants", renamed_tenants);
    }
    match max_monthly_cost {
        Some(most) => out.plain("max_monthly_cost", most),
        None => {
            let (now, most) =
                (money(adoption.monthly_cost), (adoption.monthly_cost * Decimal::new(12, 1)).round_dp(2));
            out.plain("# max_monthly_cost", format!("{most:.2}   # 20 % more than the current {now}"));
        }
    }
    out.plain("rate_budget", Bound::Share(*rate_budget));
    for (name, value) in &adoption.fleet.settings {
        out.plain(name, value);
    }
    for (name, url) in &adoption.fleet.addresses {
        out.text(name, url);
    }
    match &adoption.fleet.incidents[..] {
        [] => out.0,
        rules => out.0 + &list("incidents", rules.iter().map(incident_rule).collect()),
    }
}

fn incident_rule(rule: &IncidentRule) -> String {
    let IncidentRule { kind, severity, begins_after, ends_after, alerts } = rule;
    let mut out = format!("kind: {}", quoted(kind));
    // Writing to a String cannot fail.
    let mut add = |key: &str, value: Option<String>| {
        let _ = value.map_or(Ok(()), |value| write!(out, ", {key}: {value}"));
    };
    let time = |time: Duration| humantime::format_duration(time).to_string();
    add("severity", severity.clone());
    add("begins_after", begins_after.map(time));
    add("ends_after", ends_after.map(time));
    add("alerts", alerts.map(|alerts| alerts.to_string()));
    out
}

/// The section `alerts`, unless it says what a file without it means. It names the place of the URL, which is the secret.
pub fn alerts(alert_url: &KeySource) -> String {
    let mut out = Section::new("alerts");
    match alert_url {
        source if *source == KeySource::default_alert_url() => return String::new(),
        KeySource::Env(name) => out.text("url_env", name),
        KeySource::File(file) => out.text("url_file", &path(file)),
    }
    out.0
}
