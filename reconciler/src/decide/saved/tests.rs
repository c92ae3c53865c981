//! Tests of saved plans: their checksum, age, origin and preconditions, with random plans too.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use wabridges::BridgeId;

use super::*;
use crate::config::Fleet;
use crate::decide::plan::{PlanOptions, plan};
use crate::decide::scope::Scope;
use crate::ground::Exit;
use crate::model::{Drift, Exception, Kind, Origin, PlanInput};

fn id(id: i64) -> BridgeId {
    BridgeId::new(id).unwrap()
}

fn customer_ref(text: &str) -> CustomerRef {
    CustomerRef::listed(text).unwrap()
}

fn row(kind: Kind, customer_ref: &str, bridge_id: i64) -> Drift {
    Drift {
        kind,
        severity: "warning".into(),
        tenant_id: Some(customer_ref.into()),
        bridge_id: BridgeId::new(bridge_id),
        customer_ref: Some(customer_ref.into()),
        stored: None,
        observed: Some("paired".into()),
        since: None,
        detail: "because".into(),
        monthly_cost: Default::default(),
        webhook_url: Some("https://app.example.com/secret".into()),
    }
}

fn planned(drift: Vec<Drift>) -> Plan {
    let yaml = "version: 1\npolicy: { max_creates: 1000, max_deletes: 1000 }\nbridges: { remove: [
        { customer_ref: old, bridge_id: 7, reason: left }, { customer_ref: c3, bridge_id: 103, reason: left } ] }";
    planned_by(drift, yaml)
}

fn planned_by(drift: Vec<Drift>, yaml: &str) -> Plan {
    let fleet = Fleet::parse(yaml, Path::new("fleet.yaml")).unwrap();
    let input = PlanInput { observation: "sha256".into(), ..PlanInput::of(drift) };
    let (limits, scope) = (fleet.limits(), Scope::default());
    plan(
        &input,
        &PlanOptions { policy: &fleet.policy, tombstones: &fleet.remove, limits: &limits, scope: &scope },
    )
}

fn origin() -> Origin {
    Origin {
        fleet_yaml_sha256: "fleet".into(),
        account_fingerprint: "account".into(),
        database: "app (oid 5, server 7), schema public".into(),
        listing_sha256: "listing".into(),
        made_at: DateTime::UNIX_EPOCH,
        valid_for: Duration::from_secs(60),
    }
}

fn everything() -> Plan {
    planned(vec![
        row(Kind::Missing, "new", 0),
        row(Kind::Unbound, "loose", 3),
        row(Kind::StatusDrift, "sick", 4),
        row(Kind::Orphaned, "old", 7),
        row(Kind::Churned, "left", 8),
    ])
}

fn text(saved: &SavedPlan) -> String {
    crate::render::json::saved(saved)
}

#[test]
fn a_plan_is_read_as_it_was_written_and_holds_no_secret() {
    let saved = SavedPlan::new(everything(), origin());
    let text = text(&saved);
    assert!(!text.contains("secret"), "{text}");
    let read = SavedPlan::parse(&text).unwrap();
    assert_eq!(read.sha256, saved.sha256);
    assert_eq!(
        read.plan.steps.iter().map(Step::essence).collect::<Vec<_>>(),
        saved.plan.steps.iter().map(Step::essence).collect::<Vec<_>>()
    );
    assert_eq!((read.plan.monthly_cost, read.plan.findings), (saved.plan.monthly_cost, saved.plan.findings));
}

/// What jq 1.6 makes of the document: it reads every number into a double, and writes whole ones without a point.
fn through_jq(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(through_jq),
        Value::Object(fields) => fields.values_mut().for_each(through_jq),
        Value::Number(number) => {
            let value = number.as_f64().unwrap();
            if value.fract() == 0.0 {
                *json = serde_json::from_str(&format!("{value:.0}")).unwrap();
            }
        }
        _ => {}
    }
}

#[test]
fn a_plan_that_jq_formatted_is_the_same_plan() {
    let saved = SavedPlan::new(everything(), origin());
    let text = text(&saved);
    assert!(text.contains("0.0"), "{text}");
    let mut json: Value = serde_json::from_str(&text).unwrap();
    through_jq(&mut json);
    for formatted in [format!("{json}"), format!("{json:#}")] {
        assert!(!formatted.contains("0.0"), "{formatted}");
        assert_eq!(SavedPlan::parse(&formatted).unwrap().sha256, saved.sha256);
    }
}

#[test]
fn a_status_that_moved_while_the_plan_waited_is_written_as_it_is_now() {
    let with = |status: &str| Drift { observed: Some(status.into()), ..row(Kind::StatusDrift, "sick", 4) };
    let (saved, fresh) = (planned(vec![with("disconnected")]), planned(vec![with("paired")]));
    let selection = select(&saved, &fresh, &[]).unwrap();
    assert_eq!((selection.steps, selection.stale), (fresh.steps, vec![]));
}

#[test]
fn every_change_in_the_file_is_noticed() {
    let saved = SavedPlan::new(everything(), origin());
    let whole: Value = serde_json::from_str(&text(&saved)).unwrap();
    let refused = |json: &Value| SavedPlan::parse(&json.to_string()).unwrap_err();
    let mut places = Vec::new();
    leaves(&whole, String::new(), &mut places);
    assert!(places.len() > 50);
    for place in places {
        let mut json = whole.clone();
        let value = json.pointer_mut(&place).unwrap();
        *value = match &value {
            Value::Number(number) => (number.as_i64().unwrap_or(0) + 1).into(),
            Value::String(text) => format!("{text}x").into(),
            Value::Bool(it) => (!*it).into(),
            _ => "x".into(),
        };
        refused(&json);
    }
    let mut more = whole.clone();
    more["steps"].as_array_mut().unwrap().remove(0);
    assert!(refused(&more).contains("was changed after it was made"));
    for nonsense in ["", "[]", "{}", "null", "{\"format_version\":3}", "{\"format_version\":2}"] {
        assert!(SavedPlan::parse(nonsense).is_err(), "{nonsense}");
    }
}

/// JSON pointers to all scalar values.
fn leaves(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                leaves(value, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), places);
            }
        }
        Value::Array(items) => {
            for (nth, value) in items.iter().enumerate() {
                leaves(value, format!("{at}/{nth}"), places);
            }
        }
        _ => places.push(at),
    }
}

#[test]
fn another_account_another_file_and_a_late_hour_are_refused() {
    let saved = SavedPlan::new(everything(), origin());
    let same = |fleet, account, database| saved.require_same_origin(fleet, account, database);
    let database = "app (oid 5, server 7), schema public";
    same("fleet", "account", database).unwrap();
    assert_eq!(same("fleet", "other", database).unwrap_err().exit(), Exit::Auth);
    assert_eq!(same("other", "account", database).unwrap_err().exit(), Exit::Stale);
    let other = same("fleet", "account", "app (oid 5, server 8), schema public").unwrap_err();
    assert!(other.exit() == Exit::Error && other.to_string().contains("server 7"), "{other}");
    let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
    saved.require_fresh(at(59)).unwrap();
    let error = saved.require_fresh(at(60)).unwrap_err();
    assert_eq!(error.exit(), Exit::Stale);
    assert!(error.to_string().contains("1970-01-01 00:01:00 UTC"), "{error}");
}

#[test]
fn preconditions_decide_whether_a_step_is_done_already_or_stale() {
    let saved = everything();
    let absent = Precondition {
        customer_ref: customer_ref("new"),
        wanted: true,
        bridge_id: None,
        stored_bridge_id: None,
        stored_status: None,
    };
    let precondition = |name: &str| Precondition { customer_ref: customer_ref(name), ..absent.clone() };
    for (step, now, already) in [
        ("new", Precondition { bridge_id: Some(id(9)), ..precondition("new") }, true),
        ("new", Precondition { bridge_id: Some(id(9)), wanted: false, ..precondition("new") }, false),
        ("new", Precondition { wanted: false, ..precondition("new") }, false),
        (
            "loose",
            Precondition { bridge_id: Some(id(3)), stored_bridge_id: Some(id(3)), ..precondition("loose") },
            true,
        ),
        (
            "loose",
            Precondition { bridge_id: Some(id(5)), stored_bridge_id: Some(id(5)), ..precondition("loose") },
            false,
        ),
        ("sick", Precondition { stored_status: Some("paired".into()), ..precondition("sick") }, true),
        ("sick", Precondition { stored_status: Some("disconnected".into()), ..precondition("sick") }, true),
        ("old", precondition("other"), true),
        ("old", Precondition { bridge_id: Some(id(7)), ..precondition("old") }, false),
    ] {
        let selection = select(&saved, &planned(vec![]), std::slice::from_ref(&now)).unwrap();
        assert!(selection.steps.is_empty());
        let done = selection.already.iter().any(|it| it.customer_ref().as_str() == step);
        let stale = selection.stale.iter().any(|(it, _)| it.customer_ref().as_str() == step);
        assert_eq!((done, stale), (already, !already), "{now:?}");
    }
}

#[test]
fn a_step_that_would_be_different_now_is_stale_and_a_new_one_is_not_done() {
    let saved = planned(vec![row(Kind::Unbound, "a", 1), row(Kind::Missing, "b", 0)]);
    let fresh =
        planned(vec![row(Kind::Unbound, "a", 2), row(Kind::Missing, "b", 0), row(Kind::Missing, "c", 0)]);
    let asked = changed_refs(&saved, &fresh);
    assert_eq!(asked, [&customer_ref("a")]);
    let selection = select(&saved, &fresh, &[]).unwrap();
    assert_eq!(selection.steps.iter().map(|step| step.customer_ref().as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(selection.stale.len(), 1);
    assert_eq!(selection.stale[0].1, "the step would be different now");
}

#[test]
fn another_declaration_is_stale_as_a_whole() {
    let saved = planned(vec![]);
    let mut fresh = saved.clone();
    fresh.declared.removed = vec![exception("a")];
    assert_eq!(select(&saved, &fresh, &[]).unwrap_err().exit(), Exit::Stale);
    let mut same = saved.clone();
    same.declared.removed = vec![exception("a")];
    assert!(select(&same, &fresh, &[]).is_ok());
    let mut other = saved.clone();
    other.declared.removed = vec![exception("b")];
    assert_eq!(select(&other, &fresh, &[]).unwrap_err().exit(), Exit::Stale);
    assert!(select(&same, &saved, &[]).is_ok(), "it was declared meanwhile");
}

fn exception(customer_ref: &str) -> Exception {
    Exception { customer_ref: customer_ref.into(), kind: "keep".into(), until: None, webhook_url: None }
}

fn drifts() -> impl Strategy<Value = Vec<Drift>> {
    let one = (0..Kind::ALL.len(), 0..12_i64).prop_map(|(kind, nth)| {
        let kind = Kind::ALL[kind];
        row(kind, &format!("c{nth}"), if kind == Kind::Missing { 0 } else { 100 + nth })
    });
    // The view has one row per bridge and kind, and no bridge is both missing and live.
    prop::collection::vec(one, 0..40).prop_map(|mut all| {
        all.sort_by(|a, b| (&a.customer_ref, a.kind).cmp(&(&b.customer_ref, b.kind)));
        all.dedup_by(|a, b| (&a.customer_ref, a.kind) == (&b.customer_ref, b.kind));
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_depends_on_its_input_and_not_on_the_order_of_rows(drift in drifts(), seed in any::<u64>()) {
        let plan = planned(drift.clone());
        let mut turned = drift.clone();
        let by = if turned.is_empty() { 0 } else { usize::try_from(seed).unwrap_or(0) % turned.len() };
        turned.rotate_left(by);
        prop_assert_eq!(&planned(turned), &plan);
        let missing = drift.iter().filter(|row| row.kind == Kind::Missing).count();
        prop_assert_eq!(plan.count("provision"), missing);
        let useless = |id: BridgeId| drift.iter().any(|row| {
            row.bridge_id == Some(id) && matches!(row.kind, Kind::Orphaned | Kind::Churned | Kind::Duplicate)
        });
        for step in &plan.steps {
            if let Step::Delete { bridge_id, customer_ref, .. } = step {
                prop_assert!(useless(*bridge_id) && *bridge_id == id(103) && customer_ref.as_str() == "c3");
            }
        }
    }

    #[test]
    fn without_tombstones_nothing_is_deleted(drift in drifts()) {
        prop_assert_eq!(planned_by(drift, "version: 1").count("delete"), 0);
    }

    #[test]
    fn a_saved_plan_survives_the_file_and_stands_as_long_as_nothing_moves(drift in drifts()) {
        let saved = SavedPlan::new(planned(drift.clone()), origin());
        let read = SavedPlan::parse(&text(&saved)).unwrap();
        prop_assert!(changed_refs(&read.plan, &saved.plan).is_empty());
        let selection = select(&read.plan, &saved.plan, &[]).unwrap();
        prop_assert_eq!(selection, Selection { steps: saved.plan.steps, ..Selection::default() });
    }
}
