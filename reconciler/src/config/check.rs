//! The rules of fleet.yaml: turns raw values into typed ones and collects every problem.

mod bridges;
mod policy;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use wabridges::{ApiUrl, Limit, Limits, ProxyUrl};

use crate::config::document::Document;
use crate::config::file::{self, File};
use crate::config::fleet::{Account, Clearable, Database, Fleet, KeySource, Tenants};
use crate::config::problem::Wrong;
use crate::config::problems::{Problems, text};
use crate::config::scalar::{Fingerprints, Scalar};
use crate::ground::quoted;

/// Turns the raw file into a [`Fleet`], or adds all problems to `found`. `folder` is the folder of the file.
pub fn check(file: File, folder: &Path, document: &Document, found: &mut Vec<Wrong>) -> Option<Fleet> {
    let mut problems = Problems { document, found };
    problems.read("version", file.version, |version| match version {
        "1" => Ok(()),
        other => Err(format!("this wab reads version 1, not {}", quoted(other))),
    });
    let alert_url = alert_url(&mut problems, file.alerts.unwrap_or_default(), folder);
    let account = account(&mut problems, file.account.unwrap_or_default(), folder);
    let database = file.database.unwrap_or_default();
    let database = Database {
        url_env: problems.read("database.url_env", database.url_env, variable),
        schema: problems.read("database.schema", database.schema, text),
    };
    let tenants = file.tenants.and_then(|raw| tenants(&mut problems, raw));
    let bridges::Checked { webhook, webhook_secret_file, extra, keep, remove, status_words } =
        bridges::check(&mut problems, file.bridges.unwrap_or_default(), folder);
    let policy::Checked { settings, addresses, incidents, policy } =
        policy::check(&mut problems, file.policy.unwrap_or_default());
    let account = account.filter(|_| problems.found.is_empty())?;
    Some(Fleet {
        account,
        database,
        tenants,
        webhook,
        webhook_secret_file,
        extra,
        keep,
        remove,
        status_words,
        policy,
        settings,
        addresses,
        incidents,
        alert_url,
        sha256: String::new(),
    })
}

/// The name of an environment variable. The message does not repeat the value, because it may be a secret.
fn variable(text: &str) -> Result<String, &'static str> {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let fits = begins && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits && !text.starts_with("sk_") {
        Ok(text.to_owned())
    } else {
        Err("must be the name of an environment variable, not its value: letters, digits and _ only")
    }
}

fn account(problems: &mut Problems, raw: file::Account, folder: &Path) -> Option<Account> {
    let in_folder = |name: &str| text(name).map(|name| folder.join(PathBuf::from(name)));
    if raw.api_key_env.is_some() && raw.api_key_file.is_some() {
        problems.add("account.api_key_file", "name api_key_env or api_key_file, not both");
    }
    let env = problems.read("account.api_key_env", raw.api_key_env, variable);
    let api_key = match problems.read("account.api_key_file", raw.api_key_file, |name| {
        if name.starts_with("sk_") && !name.contains(['/', '.']) {
            return Err("must be the name of a file, not the key itself");
        }
        in_folder(name)
    }) {
        Some(path) => KeySource::File(path),
        None => KeySource::Env(env.unwrap_or_else(|| "WA_API_KEY".to_owned())),
    };
    let standard = Limits::default();
    let raw_limits = raw.limits.unwrap_or_default();
    let mut limit = |name: &str, value, standard| {
        problems.read(format!("account.limits.{name}"), value, Limit::from_str).unwrap_or(standard)
    };
    let limits = Limits {
        provision: limit("provision", raw_limits.provision, standard.provision),
        proxy: limit("proxy", raw_limits.proxy, standard.proxy),
        other: limit("other", raw_limits.other, standard.other),
    };
    let key_fingerprints = fingerprints(problems, raw.key_fingerprint);
    let connect_timeout = problems.read("account.connect_timeout", raw.connect_timeout, timeout);
    let request_timeout = problems.read("account.request_timeout", raw.request_timeout, timeout);
    let ca_file = problems.read("account.ca_file", raw.ca_file, in_folder);
    let proxy = problems.read("account.proxy", raw.proxy, ProxyUrl::parse);
    let api_url = raw.api_url.unwrap_or_else(|| Scalar("https://wabridges.com".to_owned()));
    let api_url = problems.read("account.api_url", Some(api_url), ApiUrl::parse)?;
    if proxy.is_some() && !api_url.is_https() {
        problems.add(
            "account.proxy",
            "is for an account.api_url that begins with https://: without it, the proxy would read the key",
        );
    }
    Some(Account {
        api_url,
        api_key,
        key_fingerprints,
        limits,
        connect_timeout,
        request_timeout,
        ca_file,
        proxy,
    })
}

/// The messages do not repeat the values, because they may be the URL itself.
fn alert_url(problems: &mut Problems, raw: file::Alerts, folder: &Path) -> KeySource {
    if raw.url_env.is_some() && raw.url_file.is_some() {
        problems.add("alerts.url_file", "name url_env or url_file, not both");
    }
    let env = problems.read("alerts.url_env", raw.url_env, variable);
    let file = problems.read("alerts.url_file", raw.url_file, |name| match name.contains("://") {
        true => Err("must be the name of a file, not the URL itself"),
        false => text(name).map(|name| folder.join(PathBuf::from(name))),
    });
    file.map_or_else(|| env.map_or_else(KeySource::default_alert_url, KeySource::Env), KeySource::File)
}

fn timeout(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).ok().filter(|time| !time.is_zero());
    time.ok_or_else(|| format!("{} is not a duration: write it like 30s or 500ms", quoted(text)))
}

fn fingerprints(problems: &mut Problems, raw: Option<Fingerprints>) -> Vec<String> {
    const AT: &str = "account.key_fingerprint";
    match raw {
        None => Vec::new(),
        Some(Fingerprints::One(one)) => problems.read(AT, Some(one), fingerprint).into_iter().collect(),
        Some(Fingerprints::Any(any)) => {
            if any.is_empty() {
                problems.add(AT, "the list is empty: name a fingerprint, or leave the key out");
            }
            let read = |(nth, one)| problems.read(format!("{AT}[{nth}]"), Some(one), fingerprint);
            any.into_iter().enumerate().filter_map(read).collect()
        }
    }
}

fn fingerprint(text: &str) -> Result<String, &'static str> {
    if text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(
            "must be the first 16 hexadecimal digits of the key's SHA-256, in quotes if all are decimal digits",
        )
    }
}

fn tenants(problems: &mut Problems, raw: file::Tenants) -> Option<Tenants> {
    let mut part = |name: &str, value: Option<Scalar>| problems.read(format!("tenants.{name}"), value, text);
    let tenant_id = part("tenant_id", raw.tenant_id);
    let bridge_id = part("bridge_id", raw.bridge_id);
    let bridge_status = part("bridge_status", raw.bridge_status);
    let wanted = part("wanted", raw.wanted);
    let mut part =
        |name: &str, value: Option<Scalar>| problems.read(format!("tenants.{name}"), value, clearable);
    let customer_refs = part("customer_refs", raw.customer_refs);
    let disconnected_after = part("disconnected_after", raw.disconnected_after);
    let awaiting_scan_after = part("awaiting_scan_after", raw.awaiting_scan_after);
    let phone = part("phone", raw.phone);
    let table = problems.read("tenants.table", raw.table, text)?;
    Some(Tenants {
        table,
        tenant_id,
        bridge_id,
        bridge_status,
        wanted,
        customer_refs,
        disconnected_after,
        awaiting_scan_after,
        phone,
    })
}

fn clearable(value: &str) -> Result<Clearable, &'static str> {
    if value == "none" { Ok(Clearable::None) } else { text(value).map(Clearable::Text) }
}
