//! Writes the fleet.yaml that adopts an account. It leaves out the webhook_url, because it may hold a secret.

mod policy;
pub mod removals;
mod section;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use wabridges::Limits;

use crate::config::{Account, Clearable, Database, Fleet, KeySource, Tenants, Tombstone, Webhook};
use crate::ground::count;
use crate::model::{Adoption, Why};
use crate::render::yaml::section::{Section, list, path, quoted};

/// The whole file, with comments on bridges that it could not adopt.
pub fn fleet(adoption: &Adoption) -> String {
    let Adoption { day, listed, fleet, .. } = adoption;
    let mut out = format!(
        "# Written by wab export on {day}, from {} at the provider. Read it, then run: wab validate, wab plan\n\
         # Every key is explained in the file that this writes: wab init -f example.yaml.\n\
         version: 1\n",
        count(*listed, "bridge")
    );
    if adoption.malformed > 0 {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "# INCOMPLETE: {} could not be read and are missing here.",
            count(adoption.malformed, "listed row")
        );
    }
    out += &account(&fleet.account);
    out += &database(&fleet.database);
    out += &tenants(fleet.tenants.as_ref());
    if adoption.missing > 0 {
        let missing = adoption.missing;
        let _ = writeln!(
            out,
            "\n# Wanted tenants without a bridge: {missing}. wab plan shows them, wab apply provisions them."
        );
    }
    out += &bridges(fleet);
    out += &left(adoption);
    out += &policy::policy(adoption);
    out + &policy::alerts(&fleet.alert_url)
}

fn account(account: &Account) -> String {
    let mut out = Section::new("account");
    out.text("api_url", account.api_url.as_str());
    match &account.api_key {
        KeySource::Env(name) => out.text("api_key_env", name),
        KeySource::File(file) => out.text("api_key_file", &path(file)),
    }
    match &account.key_fingerprints[..] {
        [] => {}
        [one] => out.text("key_fingerprint", one),
        any => {
            let any: Vec<String> = any.iter().map(|one| quoted(one)).collect();
            out.plain("key_fingerprint", format!("[ {} ]", any.join(", ")));
        }
    }
    for (key, time) in
        [("connect_timeout", account.connect_timeout), ("request_timeout", account.request_timeout)]
    {
        if let Some(time) = time {
            out.text(key, &humantime::format_duration(time).to_string());
        }
    }
    if let Some(file) = &account.ca_file {
        out.text("ca_file", &path(file));
    }
    if let Some(proxy) = &account.proxy {
        out.text("proxy", proxy.as_str());
    }
    let Limits { provision, proxy, other } = account.limits;
    if account.limits != Limits::default() {
        out.plain("limits", format!("{{ provision: {provision}, proxy: {proxy}, other: {other} }}"));
    }
    out.0
}

fn database(database: &Database) -> String {
    let mut out = Section::new("database");
    match (&database.url_env, &database.schema) {
        (None, None) => return String::new(),
        (url_env, schema) => {
            for (key, value) in [("url_env", url_env), ("schema", schema)] {
                value.iter().for_each(|value| out.text(key, value));
            }
        }
    }
    out.0
}

fn tenants(tenants: Option<&Tenants>) -> String {
    let Some(tenants) = tenants else {
        return "\n# No tenants table is bound or named, so every bridge is kept below. wab plan needs a tenants table: export again\n\
                # with --table public.tenants --wanted \"status = 'active'\", or add it here:\n\
                # tenants: { table: public.tenants, wanted: status = 'active' }\n"
            .to_owned();
    };
    let mut out = Section::new("tenants");
    out.text("table", &tenants.table);
    for (key, value) in [
        ("tenant_id", &tenants.tenant_id),
        ("bridge_id", &tenants.bridge_id),
        ("bridge_status", &tenants.bridge_status),
        ("wanted", &tenants.wanted),
    ] {
        value.iter().for_each(|value| out.text(key, value));
    }
    for (key, value) in [
        ("customer_refs", &tenants.customer_refs),
        ("disconnected_after", &tenants.disconnected_after),
        ("awaiting_scan_after", &tenants.awaiting_scan_after),
        ("phone", &tenants.phone),
    ] {
        match value {
            Some(Clearable::Text(text)) => out.text(key, text),
            Some(Clearable::None) => out.plain(key, "none"),
            None => {}
        }
    }
    out.0
}

fn bridges(fleet: &Fleet) -> String {
    let mut out = Section::new("bridges").0;
    if fleet.webhook == Some(Webhook::None) {
        out += "  webhook_url: none\n";
    } else if fleet.webhook.is_some() {
        out += "  # webhook_url: copy it from your fleet.yaml. It is not repeated here, because it may hold a secret.\n";
    }
    if let Some(file) = &fleet.webhook_secret_file {
        let _ = writeln!(out, "  webhook_secret_file: {}", quoted(&path(file)));
    }
    let extra = fleet.extra.iter().map(|item| {
        format!("tenant_id: {}, reason: {}", quoted(item.tenant_id.as_str()), quoted(&item.reason))
    });
    let keep = fleet.keep.iter().map(|item| {
        let until = item.until.map_or_else(String::new, |day| format!(", until: {day}"));
        format!(
            "customer_ref: {}, reason: {}{until}",
            quoted(item.customer_ref.as_str()),
            quoted(&item.reason)
        )
    });
    let remove = fleet.remove.iter().map(tombstone);
    out += &list("extra", extra.collect());
    out += &list("keep", keep.collect());
    out += &list("remove", remove.collect());
    match &fleet.status_words {
        None => out,
        Some(words) => {
            let words =
                words.iter().map(|item| format!("word: {}, status: {}", quoted(&item.word), item.status));
            out + &list("status_words", words.collect())
        }
    }
}

fn tombstone(Tombstone { customer_ref, bridge_id, reason }: &Tombstone) -> String {
    let (customer_ref, reason) = (quoted(customer_ref.as_str()), quoted(reason));
    format!("customer_ref: {customer_ref}, bridge_id: {bridge_id}, reason: {reason}")
}

/// The bridges that are not adopted, as comments. Ids are quoted, so that none of them ends its comment.
fn left(adoption: &Adoption) -> String {
    let mut out = String::new();
    let mut before = None;
    for (why, bridge) in &adoption.left {
        if before.replace(*why) != Some(*why) {
            let _ = writeln!(out, "\n# {}", explained(*why));
        }
        let customer_ref =
            bridge.customer_ref.as_ref().map(|text| format!(", customer_ref: {}", quoted(text.as_str())));
        let _ = writeln!(out, "#   bridge_id: {}{}", bridge.bridge_id, customer_ref.unwrap_or_default());
    }
    out
}

const fn explained(why: Why) -> &'static str {
    match why {
        Why::NoRef => {
            "Bridges without a customer_ref: fleet.yaml cannot name them, so wab plan still reports them:"
        }
        Why::Removed => "Without a tenant row, and not kept because bridges.remove names their customer_ref:",
        Why::Expired => "Without a tenant row, and kept above only until a date that has passed:",
        Why::Duplicate => "Another bridge serves the same customer_ref; wab plan still reports these:",
        Why::Churned => {
            "Their tenants are no longer wanted; wab plan still reports them unless they are kept above:"
        }
    }
}
