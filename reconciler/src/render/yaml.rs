//! Writes the fleet.yaml that adopts an account. It leaves out the webhook_url, because it may hold a secret.

pub mod removals;
#[cfg(test)]
mod tests;

use std::fmt::{Display, Write};
use std::path::Path;

use rust_decimal::Decimal;
use wabridges::Limits;

use crate::config::{
    Account, Bound, Clearable, Database, Fleet, KeySource, Policy, Tenants, Tombstone, Webhook,
};
use crate::ground::{count, money, steers};
use crate::model::{Adoption, Why};

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
    out + &policy(adoption)
}

/// A section of the file, written key by key.
struct Section(String);

impl Section {
    fn new(name: &str) -> Self {
        Self(format!("\n{name}:\n"))
    }

    /// Adds a foreign text, in quotes.
    fn text(&mut self, key: &str, text: &str) {
        self.plain(key, quoted(text));
    }

    /// Adds a value that needs no quotes.
    fn plain(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.0, "  {key}: {value}");
    }
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

/// A relative file name starts at the folder of fleet.yaml. That folder is unknown here, so the name is made
/// absolute.
fn path(file: &Path) -> String {
    let simple = file.parent().is_none_or(|folder| folder == Path::new(""));
    let file = if simple { file.to_owned() } else { std::path::absolute(file).unwrap_or(file.to_owned()) };
    file.display().to_string()
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

fn list(name: &str, items: Vec<String>) -> String {
    if items.is_empty() {
        return format!("  {name}: []\n");
    }
    items.iter().fold(format!("  {name}:\n"), |mut out, item| {
        let _ = writeln!(out, "    - {{ {item} }}");
        out
    })
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

fn policy(adoption: &Adoption) -> String {
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
    out.0
}

/// A text in double quotes on one line: a JSON string, with the further characters escaped that YAML
/// requires.
fn quoted(text: &str) -> String {
    // A text always has a JSON form.
    let json = serde_json::to_string(text).unwrap_or_default();
    json.chars().fold(String::with_capacity(json.len()), |mut out, c| {
        let escaped =
            steers(c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
        let _ = if escaped { write!(out, "\\u{:04x}", u32::from(c)) } else { out.write_char(c) };
        out
    })
}
