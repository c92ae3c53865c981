//! Checks the section `policy`: the limits of a plan, the values of wab_policy, and the rules of incidents.

use std::collections::BTreeMap;
use std::str::FromStr;

use rust_decimal::Decimal;

use crate::config::file_policy;
use crate::config::policy::{Bound, IncidentRule, Percent, Policy, Setting, Settings};
use crate::config::problems::{Problems, text};
use crate::config::scalar::Scalar;
use crate::ground::quoted;

/// What the section says.
pub struct Checked {
    pub settings: Settings,
    pub addresses: Vec<(&'static str, String)>,
    pub incidents: Vec<IncidentRule>,
    pub policy: Policy,
}

/// Reads the section, or adds its problems.
pub fn check(problems: &mut Problems, mut raw: file_policy::Policy) -> Checked {
    let settings = settings(
        problems,
        [
            ("disconnected_after", &raw.disconnected_after, grace),
            ("awaiting_scan_after", &raw.awaiting_scan_after, grace),
            ("state_after", &raw.state_after, grace),
            ("unmapped_after", &raw.unmapped_after, grace),
            ("max_gap", &raw.max_gap, window),
            ("silent_after", &raw.silent_after, grace),
            ("phone_changed_for", &raw.phone_changed_for, grace),
            ("max_shrink", &raw.max_shrink, shrink),
            ("price_per_bridge", &raw.price_per_bridge, price),
            ("flapping_changes", &raw.flapping_changes, at_least_one),
            ("flapping_window", &raw.flapping_window, window),
            ("mass_share", &raw.mass_share, shrink),
            ("mass_bridges", &raw.mass_bridges, at_least_two),
            ("mass_window", &raw.mass_window, window),
            ("unobserved_after", &raw.unobserved_after, window),
        ],
    );
    let pairing_url = problems.read("policy.pairing_url", raw.pairing_url.take(), pairing_url);
    let board_url = problems.read("policy.board_url", raw.board_url.take(), board_url);
    let addresses = [("pairing_url", pairing_url), ("board_url", board_url)];
    let addresses = addresses.into_iter().filter_map(|(name, url)| Some((name, url?))).collect();
    let incidents = incidents(problems, raw.incidents.take().unwrap_or_default());
    Checked { settings, addresses, incidents, policy: policy(problems, raw) }
}

fn incidents(problems: &mut Problems, raw: Vec<file_policy::IncidentRule>) -> Vec<IncidentRule> {
    let mut first = BTreeMap::new();
    let checked = raw.into_iter().enumerate().filter_map(|(nth, raw)| {
        let at = |field: &str| format!("policy.incidents[{nth}].{field}");
        let time = |text: &str| humantime::parse_duration(text).map_err(|_| not_a_time(text));
        let severity = problems.read(at("severity"), raw.severity, severity);
        let begins_after = problems.read(at("begins_after"), raw.begins_after, time);
        let ends_after = problems.read(at("ends_after"), raw.ends_after, time);
        let kind = problems.read(at("kind"), raw.kind, text)?;
        if let Some(before) = first.insert(kind.clone(), nth) {
            let what = format!("{} has a rule already, in policy.incidents[{before}]", quoted(&kind));
            problems.add(at("kind"), what);
        }
        Some(IncidentRule { kind, severity, begins_after, ends_after, alerts: raw.alerts })
    });
    checked.collect()
}

fn severity(text: &str) -> Result<String, String> {
    match text {
        "critical" | "warning" | "info" => Ok(text.to_owned()),
        other => Err(format!("{} is not a severity: known are critical, warning, info", quoted(other))),
    }
}

fn not_a_time(text: &str) -> String {
    format!("{} is not a duration: write it like 15m, 24h or 0s", quoted(text))
}

fn at_least_one(text: &str) -> Result<Setting, String> {
    at_least(1, text)
}

fn at_least_two(text: &str) -> Result<Setting, String> {
    at_least(2, text)
}

fn at_least(least: u32, text: &str) -> Result<Setting, String> {
    let number = text.parse::<u32>().ok().filter(|number| *number >= least && i32::try_from(*number).is_ok());
    number
        .map(Setting::Number)
        .ok_or_else(|| format!("{} is not a whole number of {least} or more", quoted(text)))
}

fn window(text: &str) -> Result<Setting, String> {
    match grace(text)? {
        Setting::Time(time) if time.is_zero() => {
            Err(format!("{} is no time: write it like 15m", quoted(text)))
        }
        time => Ok(time),
    }
}

/// A key of `policy` that sets a value of `wab_policy`: its name, its value, and how to read it.
type Set<'a> = (&'static str, &'a Option<Scalar>, fn(&str) -> Result<Setting, String>);

fn settings<const N: usize>(problems: &mut Problems, raw: [Set<'_>; N]) -> Settings {
    let read = |(name, value, read): Set<'_>| {
        let value = value.as_ref().map(|value| Scalar(value.0.clone()));
        problems.read(format!("policy.{name}"), value, read).map(|value| (name, value))
    };
    raw.into_iter().filter_map(read).collect()
}

/// wab_policy holds a share with three decimals.
fn shrink(text: &str) -> Result<Setting, String> {
    let share = text.strip_suffix('%').and_then(|share| Decimal::from_str(share.trim_end()).ok());
    share
        .filter(|share| !share.is_sign_negative() && *share <= Decimal::ONE_HUNDRED && share.scale() <= 1)
        .map(|share| Setting::Share(share / Decimal::ONE_HUNDRED))
        .ok_or_else(|| format!("{} is not a percentage from 0% to 100%: write it like 20%", quoted(text)))
}

/// wab_policy holds a price in whole cents.
fn price(text: &str) -> Result<Setting, String> {
    let amount = Decimal::from_str(text).ok().map(|amount| amount.normalize());
    amount
        .filter(|amount| {
            !amount.is_sign_negative() && amount.scale() <= 2 && *amount < Decimal::from(100_000_000)
        })
        .map(Setting::Dollars)
        .ok_or_else(|| format!("{} is not a price in US dollars: write it like 3.00", quoted(text)))
}

fn grace(text: &str) -> Result<Setting, String> {
    humantime::parse_duration(text).map(Setting::Time).map_err(|_| not_a_time(text))
}

/// By the rule of wab_policy. The token of a link follows the address, after `#`.
fn pairing_url(text: &str) -> Result<String, String> {
    let address = Address::of(text)
        .filter(|address| address.is_https || matches!(address.host, "localhost" | "127.0.0.1" | "[::1]"));
    let is_page = |path: &str| {
        let folders =
            path.strip_prefix('/').and_then(|path| path.strip_suffix("/p").or((path == "p").then_some("p")));
        folders.is_some_and(|folders| {
            folders.split('/').all(|folder| !folder.is_empty() && folder.bytes().all(is_plain))
        })
    };
    if address.is_some_and(|address| is_page(address.path)) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{} is not the address of the pairing page: write it like https://pair.example.com/p, with /p at its end; http is for \
         this machine only",
        quoted(text)
    ))
}

/// By the rule of wab_policy. The pages link to each other from the root.
fn board_url(text: &str) -> Result<String, String> {
    if Address::of(text).is_some_and(|address| matches!(address.path, "" | "/")) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{} is not the address of wab serve: write it like https://board.example.com, without a path",
        quoted(text)
    ))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// The parts of an http or https address with a valid host and port.
struct Address<'a> {
    is_https: bool,
    host: &'a str,
    /// With what separates it from the host.
    path: &'a str,
}

impl<'a> Address<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").filter(|_| text.len() <= 500)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (authority, "443"),
        };
        let is_port = port.len() <= 5 && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let is_valid = matches!(scheme, "http" | "https") && is_host(host) && is_port;
        is_valid.then_some(Self { is_https: scheme == "https", host, path })
    }
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => {
            !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b))
        }
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
    }
}

fn policy(problems: &mut Problems, raw: file_policy::Policy) -> Policy {
    Policy {
        max_creates: problems.read("policy.max_creates", raw.max_creates, bound).unwrap_or(Bound::Count(10)),
        max_deletes: problems.read("policy.max_deletes", raw.max_deletes, bound).unwrap_or(Bound::Count(0)),
        min_observed: problems.read("policy.min_observed", raw.min_observed, number).unwrap_or(1),
        renamed_tenants: problems.read("policy.renamed_tenants", raw.renamed_tenants, number).unwrap_or(0),
        max_monthly_cost: problems.read("policy.max_monthly_cost", raw.max_monthly_cost, money),
        rate_budget: problems.read("policy.rate_budget", raw.rate_budget, budget).unwrap_or(Percent(100)),
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{} is not a count: write a whole number, such as 1", quoted(text)))
}

fn percent(text: &str) -> Option<Percent> {
    text.strip_suffix('%')?.trim_end().parse().ok().filter(|percent| *percent <= 100).map(Percent)
}

fn bound(text: &str) -> Result<Bound, String> {
    let bound = percent(text).map(Bound::Share).or_else(|| text.parse().ok().map(Bound::Count));
    bound.ok_or_else(|| {
        format!("{} is neither a whole number nor a percentage: write 50 or 10%", quoted(text))
    })
}

fn budget(text: &str) -> Result<Percent, String> {
    percent(text)
        .filter(|share| share.0 > 0)
        .ok_or_else(|| format!("{} is not a percentage from 1% to 100%: write it like 50%", quoted(text)))
}

fn money(text: &str) -> Result<Decimal, String> {
    let amount = Decimal::from_str(text).ok().filter(|amount| !amount.is_sign_negative());
    amount.ok_or_else(|| format!("{} is not an amount of US dollars: write it like 3000.00", quoted(text)))
}
