//! Tests that a written fleet.yaml is read back unchanged, and a snapshot of one whole file.

use std::path::Path;

use chrono::NaiveDate;
use proptest::prelude::*;
use rust_decimal::Decimal;
use wabridges::{BridgeId, CustomerRef};

use super::*;
use crate::config::{Extra, Keep};
use crate::model::FoundBridge;

const EVERYTHING: &str = "\
version: 1
account:
  api_url: https://bridges.example.com/base
  api_key_file: /run/key
  key_fingerprint: '1234567890123456'
  connect_timeout: 1500ms
  request_timeout: 2m
  ca_file: ca.pem
  proxy: http://proxy.example.com:3128
  limits: { provision: 4/1s, proxy: 100/60s, other: 90/30s }
database: { url_env: APP_DB, schema: Wa Bridges }
tenants: { table: app.\"Tenants\", tenant_id: Id, bridge_id: b, bridge_status: s, wanted: \"status = 'a: b' -- #\\n or x\" }
bridges:
  webhook_url: https://app.example.com/s3cret/{tenant_id}
  extra: [{ tenant_id: ops, reason: 'ours: all' }]
  keep: [{ customer_ref: '5e3', reason: demo, until: 2027-01-31 }, { customer_ref: ' true', reason: '#x' }]
  remove: [{ customer_ref: 'null', bridge_id: 42, reason: left }]
  status_words: [{ word: 'on line: #', status: paired }]
policy: { max_creates: 10%, max_deletes: 3, min_observed: 7, max_monthly_cost: 12.50, rate_budget: 50%, disconnected_after: 1h 30m, unmapped_after: 0s, incidents: [
  { kind: disconnected, severity: warning, begins_after: 1h 30m, ends_after: 0s, alerts: false }, { kind: state }, { kind: 'a b', alerts: true } ] }
alerts: { url_file: /run/alert_url }
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
        unowned: Vec::new(),
        left: Vec::new(),
    }
}

fn parsed(text: &str) -> Fleet {
    Fleet::parse(text, Path::new("fleet.yaml")).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn every_value_is_written_again_except_the_webhook_url() {
    let (given, mut said) = (parsed(EVERYTHING), fleet(&adoption(parsed(EVERYTHING))));
    assert!(!said.contains("s3cret"), "{said}");
    said = said.replace("  # webhook_url:", "  webhook_url: https://app.example.com/s3cret/{tenant_id} #");
    assert_eq!(said_by(&parsed(&said)), said_by(&given), "{said}");
    let variable = parsed("{ version: 1, alerts: { url_env: ALERT_HOOK } }");
    assert_eq!(said_by(&parsed(&fleet(&adoption(variable.clone())))), said_by(&variable));
    let least = parsed("version: 1");
    assert_eq!(said_by(&parsed(&fleet(&adoption(least.clone())))), said_by(&least));
}

#[test]
fn the_file_reads_like_one_written_by_hand() {
    let mut adoption = adoption(parsed("version: 1"));
    adoption.left = vec![
        (
            Why::NoRef,
            FoundBridge {
                bridge_id: BridgeId::new(7).unwrap(),
                customer_ref: None,
                status: None,
                drift: vec![],
                kept: false,
            },
        ),
        (
            Why::Churned,
            FoundBridge {
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

/// All values of a fleet.yaml, independent of its spelling.
fn said_by(fleet: &Fleet) -> String {
    format!("{:?}", Fleet { sha256: String::new(), ..fleet.clone() })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn ids_and_reasons_are_read_back_unchanged(ids in prop::collection::btree_set("(?s)[^\0]{1,12}", 1..6), word in "(?s)\\PC{0,5}[^\0]{0,8}") {
            let mut given = parsed("version: 1");
            let reason = format!("x{word}x");
            for (nth, id) in ids.iter().enumerate() {
                match (nth % 2, CustomerRef::new(id.clone())) {
                    (0, Ok(tenant_id)) => given.extra.push(Extra { tenant_id, reason: reason.clone() }),
                    _ => given.keep.push(Keep { customer_ref: CustomerRef::listed(id.clone()).unwrap(), reason: reason.clone(), until: None }),
                }
            }
            given.tenants = Some(Tenants {
                table: reason.clone(), tenant_id: Some(reason.clone()), bridge_id: Some(reason.clone()),
                bridge_status: Some(reason.clone()), wanted: Some(reason.clone()),
                customer_refs: Some(Clearable::Text(reason.clone())), disconnected_after: Some(Clearable::None),
                awaiting_scan_after: Some(Clearable::Text(reason.clone())), phone: Some(Clearable::Text(reason)),
            });
            let mut adoption = adoption(given.clone());
            adoption.left = given.keep.iter().map(|keep| (Why::Duplicate, FoundBridge {
                bridge_id: BridgeId::new(1).unwrap(), customer_ref: Some(keep.customer_ref.clone()), status: None, drift: vec![],
kept: false,
            })).collect();
            prop_assert_eq!(said_by(&parsed(&fleet(&adoption))), said_by(&given));
        }
    }
