//! The fleet.yaml that adopts an account; what it says is decided in `adopt`. No webhook_url is here: a secret may be in it.

use std::fmt::{Display, Write};
use std::path::Path;

use rust_decimal::Decimal;
use wabridges::Limits;

use super::words::{count, money, steers};
use crate::adopt::{Adoption, Why};
use crate::fleet::{Account, Bound, Database, Fleet, KeySource, Policy, Tenants};

/// The whole file, with comments on what it could not take in.
pub fn fleet(adoption: &Adoption) -> String {
    let Adoption { day, listed, fleet, .. } = adoption;
    let mut out = format!(
        "# Written by wab export on {day}, from {} at the provider. Look it over, then: wab validate, wab plan\n\
         # Every key is explained in fleet.yaml.example.\n\
         version: 1\n",
        count(*listed, "bridge")
    );
    if adoption.malformed > 0 {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "# INCOMPLETE: {} could not be read, and are missing here.",
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
            "\n# Wanted, and without a bridge: {missing}. wab plan names them, wab apply provisions them."
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

    /// A text from elsewhere, in quotes.
    fn text(&mut self, key: &str, text: &str) {
        self.plain(key, quoted(text));
    }

    /// What cannot be misread.
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
    if let Some(fingerprint) = &account.key_fingerprint {
        out.text("key_fingerprint", fingerprint);
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
    let Limits { provision, proxy, other } = account.limits;
    if account.limits != Limits::default() {
        out.plain("limits", format!("{{ provision: {provision}, proxy: {proxy}, other: {other} }}"));
    }
    out.0
}

/// A file's name counts from where fleet.yaml lies, and nobody knows where that will be.
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
        return "\n# No tenants table is bound, and none was named, so every bridge is kept below. wab plan needs one; export again\n\
                # with --table public.tenants --wanted \"status = 'active'\", or say it here:\n\
                # tenants: { table: public.tenants, wanted: status = 'active' }\n"
            .to_owned();
    };
    let mut out = Section::new("tenants");
    out.text("table", &tenants.table);
    out.text("tenant_id", &tenants.tenant_id);
    out.text("bridge_id", &tenants.bridge_id);
    out.text("bridge_status", &tenants.bridge_status);
    out.text("wanted", &tenants.wanted);
    out.0
}

fn bridges(fleet: &Fleet) -> String {
    let mut out = Section::new("bridges").0;
    if fleet.webhook_url.is_some() {
        out += "  # webhook_url: copy it from your fleet.yaml. It is not repeated here, for a secret may be in it.\n";
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
    let remove = fleet.remove.iter().map(|item| {
        let (customer_ref, reason) = (quoted(item.customer_ref.as_str()), quoted(&item.reason));
        format!("customer_ref: {customer_ref}, bridge_id: {}, reason: {reason}", item.bridge_id)
    });
    out += &list("extra", extra.collect());
    out += &list("keep", keep.collect());
    out + &list("remove", remove.collect())
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

/// What remains drift, as comments; ids are quoted, so that none of them ends its comment.
fn left(adoption: &Adoption) -> String {
    let mut out = String::new();
    let mut before = None;
    for (why, stray) in &adoption.left {
        if before.replace(*why) != Some(*why) {
            let _ = writeln!(out, "\n# {}", explained(*why));
        }
        let customer_ref =
            stray.customer_ref.as_ref().map(|text| format!(", customer_ref: {}", quoted(text.as_str())));
        let _ = writeln!(out, "#   bridge_id: {}{}", stray.bridge_id, customer_ref.unwrap_or_default());
    }
    out
}

const fn explained(why: Why) -> &'static str {
    match why {
        Why::NoRef => {
            "Bridges without a customer_ref: nothing here can name them, so plan goes on reporting them:"
        }
        Why::Buried => "Owned by nobody, and not kept because bridges.remove names their customer_ref:",
        Why::Expired => "Owned by nobody, and kept above only until a day that has passed:",
        Why::Duplicate => "Another bridge serves the same customer_ref; plan goes on reporting these:",
        Why::Churned => {
            "Their tenants are no longer wanted; plan goes on reporting them unless they are kept above:"
        }
    }
}

fn policy(adoption: &Adoption) -> String {
    let Policy { max_creates, max_deletes, min_observed, max_monthly_cost, rate_budget } =
        &adoption.fleet.policy;
    let mut out = Section::new("policy");
    out.plain("max_creates", max_creates);
    out.plain("max_deletes", max_deletes);
    out.plain("min_observed", min_observed);
    if *min_observed <= 1 && adoption.listed > 10 {
        let most = adoption.listed * 9 / 10;
        out.plain("# min_observed", format!("{most}   # refuses a listing that is a tenth too short"));
    }
    match max_monthly_cost {
        Some(most) => out.plain("max_monthly_cost", most),
        None => {
            let (now, most) =
                (money(adoption.monthly_cost), (adoption.monthly_cost * Decimal::new(12, 1)).round_dp(2));
            out.plain(
                "# max_monthly_cost",
                format!("{most:.2}   # allows a fifth more than the {now} of now"),
            );
        }
    }
    out.plain("rate_budget", Bound::Share(*rate_budget));
    out.0
}

/// A text in double quotes on one line. JSON's strings are YAML's too; what YAML wants escaped besides, is.
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

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::prelude::*;
    use wabridges::{BridgeId, CustomerRef};

    use super::*;
    use crate::adopt::Stray;
    use crate::fleet::{Extra, Keep};

    const EVERYTHING: &str = "\
version: 1
account:
  api_url: https://bridges.example.com/base
  api_key_file: /run/key
  key_fingerprint: '1234567890123456'
  connect_timeout: 1500ms
  request_timeout: 2m
  ca_file: ca.pem
  limits: { provision: 4/1s, proxy: 100/60s, other: 90/30s }
database: { url_env: APP_DB, schema: Wa Bridges }
tenants: { table: app.\"Tenants\", tenant_id: Id, bridge_id: b, bridge_status: s, wanted: \"status = 'a: b' -- #\\n or x\" }
bridges:
  webhook_url: https://app.example.com/s3cret/{tenant_id}
  extra: [{ tenant_id: ops, reason: 'ours: all' }]
  keep: [{ customer_ref: '5e3', reason: demo, until: 2027-01-31 }, { customer_ref: ' true', reason: '#x' }]
  remove: [{ customer_ref: 'null', bridge_id: 42, reason: left }]
policy: { max_creates: 10%, max_deletes: 3, min_observed: 7, max_monthly_cost: 12.50, rate_budget: 50% }
";

    fn adoption(fleet: Fleet) -> Adoption {
        Adoption {
            day: NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(),
            listed: 30,
            malformed: 0,
            missing: 2,
            monthly_cost: Decimal::from(90),
            fleet,
            rows: Vec::new(),
            strangers: Vec::new(),
            left: Vec::new(),
        }
    }

    fn parsed(text: &str) -> Fleet {
        Fleet::parse(text, Path::new("fleet.yaml")).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn everything_said_is_said_again_but_for_the_webhook_url() {
        let (given, mut said) = (parsed(EVERYTHING), fleet(&adoption(parsed(EVERYTHING))));
        assert!(!said.contains("s3cret"), "{said}");
        said =
            said.replace("  # webhook_url:", "  webhook_url: https://app.example.com/s3cret/{tenant_id} #");
        assert_eq!(format!("{:?}", parsed(&said)), format!("{given:?}"), "{said}");
        let least = parsed("version: 1");
        assert_eq!(format!("{:?}", parsed(&fleet(&adoption(least.clone())))), format!("{least:?}"));
    }

    #[test]
    fn the_file_reads_like_one_written_by_hand() {
        let mut adoption = adoption(parsed("version: 1"));
        adoption.left = vec![
            (
                Why::NoRef,
                Stray {
                    bridge_id: BridgeId::new(7).unwrap(),
                    customer_ref: None,
                    status: None,
                    drift: vec![],
                    kept: false,
                },
            ),
            (
                Why::Churned,
                Stray {
                    bridge_id: BridgeId::new(8).unwrap(),
                    customer_ref: Some(CustomerRef::new("x\nversion: 2").unwrap()),
                    status: None,
                    drift: vec![],
                    kept: false,
                },
            ),
        ];
        insta::assert_snapshot!(fleet(&adoption));
    }

    proptest! {
            #[test]
            fn no_id_and_no_reason_is_read_as_another(ids in prop::collection::btree_set("(?s)[^\0]{1,12}", 1..6), word in "(?s)\\PC{0,5}[^\0]{0,8}") {
                let mut given = parsed("version: 1");
                let reason = format!("x{word}x");
                for (nth, id) in ids.iter().enumerate() {
                    match (nth % 2, CustomerRef::new(id.clone())) {
                        (0, Ok(tenant_id)) => given.extra.push(Extra { tenant_id, reason: reason.clone() }),
                        _ => given.keep.push(Keep { customer_ref: CustomerRef::listed(id.clone()).unwrap(), reason: reason.clone(), until: None }),
                    }
                }
                given.tenants = Some(Tenants {
                    table: reason.clone(), tenant_id: reason.clone(), bridge_id: reason.clone(),
                    bridge_status: reason.clone(), wanted: reason,
                });
                let mut adoption = adoption(given.clone());
                adoption.left = given.keep.iter().map(|keep| (Why::Duplicate, Stray {
                    bridge_id: BridgeId::new(1).unwrap(), customer_ref: Some(keep.customer_ref.clone()), status: None, drift: vec![],
    kept: false,
                })).collect();
                prop_assert_eq!(format!("{:?}", parsed(&fleet(&adoption))), format!("{:?}", given));
            }
        }
}
