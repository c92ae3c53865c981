//! Tests of fleet.yaml: valid files, and every rule for invalid ones.

mod any_text;
mod fuzzed;
mod places;
mod report;
mod schema;

use std::path::Path;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use wabridges::Limits;

use crate::config::error::ConfigError;
use crate::config::fleet::{Fleet, KeySource};
use crate::config::policy::{Bound, Percent};
use crate::ground::Exit;
use crate::model::Error;

fn parse(text: &str) -> Result<Fleet, ConfigError> {
    Fleet::parse(text, Path::new("conf/fleet.yaml"))
}

fn problems(text: &str) -> Vec<String> {
    match parse(text).unwrap_err() {
        ConfigError::Problems { problems, .. } => {
            problems.iter().map(|problem| format!("{}: {}", problem.at, problem.what)).collect()
        }
        other => vec![other.to_string()],
    }
}

#[test]
fn the_example_is_valid_and_has_its_values() {
    let fleet = parse(include_str!("../../../fleet.yaml.example")).unwrap();
    assert_eq!(fleet.tenants.as_ref().unwrap().wanted.as_deref(), Some("status = 'active'"));
    let webhook = fleet.webhook.as_ref().and_then(crate::config::Webhook::template).unwrap();
    assert_eq!(webhook.as_str(), "https://app.example.com/hooks/{tenant_id}");
    assert_eq!((fleet.extra.len(), fleet.keep.len(), fleet.remove.len()), (1, 1, 1));
    assert_eq!(fleet.keep[0].until, NaiveDate::from_ymd_opt(2027, 1, 31));
    assert_eq!(fleet.policy.max_creates, Bound::Count(50));
    assert_eq!(fleet.policy.max_monthly_cost, Some(Decimal::new(300_000, 2)));
    assert_eq!(fleet.limits(), Limits::default());
}

#[test]
fn everything_but_the_version_has_a_default() {
    let fleet = parse("version: 1\nbridges: {}\npolicy: {}\n").unwrap();
    assert_eq!(fleet.account.api_url.as_str(), "https://wabridges.com");
    assert_eq!(fleet.account.api_key, KeySource::Env("WA_API_KEY".into()));
    assert_eq!((fleet.database.url_env(), &fleet.database.url_env), ("DATABASE_URL", &None));
    assert!(fleet.tenants.is_none() && fleet.webhook.is_none());
    let policy = &fleet.policy;
    assert_eq!((policy.max_creates, policy.max_deletes), (Bound::Count(10), Bound::Count(0)));
    assert_eq!((policy.min_observed, policy.max_monthly_cost), (1, None));
}

#[test]
fn every_rule_is_hit_and_all_problems_are_reported_at_once() {
    let found = problems(
        "version: 2
account:
  api_url: http://wabridges.com
  api_key_env: A-B
  api_key_file: ''
  key_fingerprint: xyz
  limits: { provision: 10 per minute, proxy: 0/1s, other: 1/25h }
  connect_timeout: 0s
  request_timeout: soon
  ca_file: ' '
  proxy: http://me:s3cret@proxy:3128
database: { url_env: 'postgres://h', schema: \"a\\0b\" }
tenants: { table: '', tenant_id: '', bridge_id: '', bridge_status: '', wanted: '' }
bridges:
  webhook_url: https://x/{tenant}
  extra: [ { tenant_id: '', reason: a }, { tenant_id: 1.10, reason: ' ' } ]
  keep: [ { customer_ref: a, reason: '' }, { customer_ref: b, reason: c, until: tomorrow }, { customer_ref: '', reason: c } ]
  remove: [ { customer_ref: c, bridge_id: 0, reason: d }, { customer_ref: '', bridge_id: 1, reason: '' } ]
policy: { max_creates: 101%, max_deletes: -1, min_observed: many, max_monthly_cost: -3.00, rate_budget: 0% }
",
    );
    let paths: Vec<&str> = found.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "version",
            "account.api_url",
            "account.api_key_env",
            "account.api_key_file",
            "account.api_key_file",
            "account.key_fingerprint",
            "account.limits.provision",
            "account.limits.proxy",
            "account.limits.other",
            "account.connect_timeout",
            "account.request_timeout",
            "account.ca_file",
            "account.proxy",
            "database.url_env",
            "database.schema",
            "tenants.table",
            "tenants.tenant_id",
            "tenants.bridge_id",
            "tenants.bridge_status",
            "tenants.wanted",
            "bridges.webhook_url",
            "bridges.extra[0].tenant_id",
            "bridges.extra[1].tenant_id",
            "bridges.extra[1].reason",
            "bridges.keep[0].reason",
            "bridges.keep[1].until",
            "bridges.keep[2].customer_ref",
            "bridges.remove[0].bridge_id",
            "bridges.remove[1].customer_ref",
            "bridges.remove[1].reason",
            "policy.max_creates",
            "policy.max_deletes",
            "policy.min_observed",
            "policy.max_monthly_cost",
            "policy.rate_budget",
        ]
    );
}

#[test]
fn lists_do_not_contradict_themselves_or_each_other() {
    let found = problems(
        "version: 1
bridges:
  extra: [ { tenant_id: a, reason: r }, { tenant_id: a, reason: r } ]
  keep: [ { customer_ref: a, reason: r }, { customer_ref: b, reason: r } ]
  remove:
    - { customer_ref: b, bridge_id: 1, reason: r }
    - { customer_ref: c, bridge_id: 1, reason: r }
",
    );
    assert_eq!(
        found,
        [
            "bridges.extra[1].tenant_id: a is declared already, as bridges.extra[0].tenant_id",
            "bridges.keep[0].customer_ref: a is declared already, as bridges.extra[0].tenant_id",
            "bridges.remove[0].customer_ref: b is kept by bridges.keep[1]: remove one of the two entries",
            "bridges.remove[1].bridge_id: bridge 1 is named already, in bridges.remove[0]",
        ]
    );
}

#[test]
fn a_rule_of_incidents_has_its_kind_once_and_values_that_can_be_read() {
    let found = problems(
        "version: 1
policy:
  flapping_changes: 0
  mass_bridges: 1
  mass_window: 0s
  incidents:
    - { kind: state, begins_after: soon, severity: grave }
    - { kind: state, alerts: maybe }
    - { alerts: false }
",
    );
    assert_eq!(
        found,
        [
            "policy.flapping_changes: \"0\" is not a whole number of 1 or more",
            "policy.mass_bridges: \"1\" is not a whole number of 2 or more",
            "policy.mass_window: \"0s\" is no time: write it like 15m",
            "policy.incidents[0].begins_after: \"soon\" is not a duration: write it like 15m, 24h or 0s",
            "policy.incidents[0].severity: \"grave\" is not a severity: known are critical, warning, info",
            "policy.incidents[1].kind: \"state\" has a rule already, in policy.incidents[0]",
            "policy.incidents[1].alerts: must be true or false, not a text",
            "policy.incidents[2].kind: kind is missing",
        ]
    );
}

#[test]
fn a_status_word_is_mapped_once_and_to_a_status() {
    let found = problems(
        "version: 1
bridges:
  status_words:
    - { word: on_line, status: paired }
    - { word: On-Line, status: disconnected }
    - { word: banned, status: connected }
    - { word: '', status: paired }
policy: { unmapped_after: soon }
",
    );
    assert_eq!(
        found,
        [
            "bridges.status_words[1].word: \"On-Line\" is mapped already, by bridges.status_words[0]",
            "bridges.status_words[2].status: \"connected\" is not a status: known are paired, awaiting_scan, disconnected, unknown",
            "bridges.status_words[3].word: must not be empty",
            "policy.unmapped_after: \"soon\" is not a duration: write it like 15m, 24h or 0s",
        ]
    );
}

#[test]
fn places_count_entries_that_are_wrong_too() {
    let found = problems(
        "version: 1
bridges:
  keep: [ { customer_ref: '', reason: r }, { customer_ref: b, reason: r } ]
  remove: [ { customer_ref: b, bridge_id: x, reason: r }, { customer_ref: b, bridge_id: 2, reason: r } ]
",
    );
    let kept = "bridges.remove[1].customer_ref: b is kept by bridges.keep[1]: remove one of the two entries";
    assert_eq!(found.last().map(String::as_str), Some(kept));
}

#[test]
fn a_webhook_url_is_a_web_address_with_one_kind_of_placeholder() {
    let parsed = |url: &str| parse(&format!("version: 1\nbridges: {{ webhook_url: '{url}' }}\n"));
    for good in [
        "https://x.example/{tenant_id}/a/{tenant_id}",
        "http://localhost:1/hook",
        "https://{tenant_id}.x.example/",
    ] {
        assert!(parsed(good).is_ok(), "{good}");
    }
    for wrong in [
        "ftp://x.example/{tenant_id}",
        "hooks/{tenant_id}",
        "https://x/{tenant_id",
        "https://x/{id}",
        "https://",
    ] {
        assert!(parsed(wrong).is_err(), "{wrong}");
    }
    for blank in
        ["https://x.example/a b", "https://x.example/{tenant_id}?name=\u{a0}b", "https://x.example/\\u0085a"]
    {
        let text = format!("{{\"version\": 1, \"bridges\": {{\"webhook_url\": \"{blank}\"}}}}");
        let found = problems(&text);
        assert!(
            found.len() == 1 && found[0].contains("a space or a control character"),
            "{blank:?}: {found:?}"
        );
    }
}

#[test]
fn numbers_may_be_ids_and_files_lie_beside_the_file() {
    let fleet = parse(
        "version: 1
account: { api_key_file: key, ca_file: /etc/ca.pem }
bridges: { keep: [ { customer_ref: 42, reason: 7 } ] }
",
    )
    .unwrap();
    assert_eq!(fleet.keep[0].customer_ref.as_str(), "42");
    assert_eq!(fleet.account.api_key, KeySource::File("conf/key".into()));
    assert_eq!(fleet.account.ca_file, Some("/etc/ca.pem".into()));
}

#[test]
fn an_id_is_the_written_text_or_an_error() {
    let id = |text: &str| {
        let text = format!("version: 1\nbridges: {{ keep: [ {{ customer_ref: {text}, reason: r }} ] }}\n");
        parse(&text)
            .map(|fleet| fleet.keep[0].customer_ref.as_str().to_owned())
            .map_err(|_| problems(&text).concat())
    };
    for (written, read) in [
        ("42", "42"),
        ("007", "007"),
        ("-5", "-5"),
        ("'5e3'", "5e3"),
        ("\" a \"", " a "),
        ("'.'", "."),
        ("a1", "a1"),
    ] {
        assert_eq!(id(written).unwrap(), read, "{written}");
    }
    for wrong in ["5e3", "1.10", "0x1F", "+5", ".inf", "99999999999999999999999", "true", "[]"] {
        let said = id(wrong).unwrap_err();
        assert!(said.contains("put it in quotes"), "{wrong}: {said}");
    }
    let second = "version: 1
bridges:
  extra: [ { tenant_id: 7, reason: r } ]
  remove: [ { customer_ref: a, bridge_id: 1, reason: r }, { customer_ref: 0x7, bridge_id: 2, reason: r } ]
";
    assert_eq!(
        problems(second),
        ["bridges.remove[1].customer_ref: YAML parsers read this number in different ways: put it in quotes"]
    );
}

#[test]
fn a_variable_is_named_and_never_repeated() {
    for section in ["account: { api_key_env", "database: { url_env"] {
        let text = |name: &str| format!("version: 1\n{section}: '{name}' }}\n");
        assert!(parse(&text("_X9")).is_ok() && parse(&text("SK_KEY")).is_ok());
        for wrong in ["sk_live_1", "postgres://u:secret@h/d", "9X", "A B", "é"] {
            let said = report::rendered(&text(wrong));
            assert!(said.contains("must be the name") && !said.contains(wrong), "{said}");
        }
    }
}

#[test]
fn the_rate_budget_scales_the_limits_and_leaves_one_call() {
    let fleet = parse("version: 1\npolicy: { rate_budget: 5% }\n").unwrap();
    let limits = fleet.limits();
    assert_eq!((limits.provision.count, limits.proxy.count, limits.other.count), (1, 6, 6));
    assert_eq!(limits.provision.window, Limits::default().provision.window);
    assert_eq!(fleet.client_config().limits, limits);
}

#[test]
fn a_share_of_the_fleet_is_rounded_down() {
    assert_eq!(Bound::Share(Percent(10)).of(19), 1);
    assert_eq!(Bound::Share(Percent(10)).of(9), 0);
    assert_eq!(Bound::Count(3).of(0), 3);
}

#[test]
fn a_key_of_another_account_is_refused_and_never_shown() {
    let path = std::env::temp_dir().join(format!("wab-key-{}", uuid::Uuid::new_v4()));
    std::fs::write(&path, "sk_secret\n").unwrap();
    let fleet = |pin: &str| {
        let text =
            format!("version: 1\naccount: {{ api_key_file: {}, key_fingerprint: {pin} }}\n", path.display());
        parse(&text).unwrap().api_key()
    };
    let error = fleet("0123456789abcdef").unwrap_err();
    assert!(fleet("[ 0123456789abcdef, 1123456789abcdef ]").is_err());
    let error = Error::from(error);
    assert_eq!(error.exit(), Exit::Auth);
    assert!(!format!("{error} {:?}", error.hint()).contains("sk_secret"));
    let Error::Account { actual, .. } = error else { panic!("{error}") };
    // While one key replaces another, both are pinned.
    assert!(fleet(&format!("'{actual}'")).is_ok());
    assert!(fleet(&format!("[ 0123456789abcdef, '{actual}' ]")).is_ok());
    std::fs::remove_file(&path).unwrap();
}
