//! Tests of the exact output, for people and for programs.

mod formats;
mod hostile;
mod long;
mod schemas;

use std::time::Duration;

use rust_decimal::Decimal;
use wabridges::{BridgeId, CustomerRef};

use super::{json, lists, outcome, text};
use crate::config::Fleet;
use crate::decide::plan::{PlanOptions, plan};
use crate::decide::scope::Scope;
use crate::ground::{change, money, shown, span};
use crate::model::{
    Binding, BindingChange, Declared, Detail, Diff, Differences, Drift, Exception, Kind, Length, Origin,
    Outcome, Plan, PlanInput, Report, RunEnd, SavedPlan, SettingChange, StepReport,
};
use crate::render::words::Paint;

fn row(kind: Kind, customer_ref: &str, bridge_id: i64) -> Drift {
    Drift {
        kind,
        severity: "warning".into(),
        tenant_id: Some(customer_ref.into()),
        bridge_id: BridgeId::new(bridge_id),
        customer_ref: Some(customer_ref.into()),
        stored: (kind == Kind::StatusDrift).then(|| "paired".into()),
        observed: (kind != Kind::Missing).then(|| "disconnected".into()),
        since: None,
        detail: "because".into(),
        monthly_cost: Decimal::from(if kind == Kind::Orphaned { 3 } else { 0 }),
        webhook_url: None,
    }
}

fn exception(kind: &str, customer_ref: &str) -> Exception {
    Exception { customer_ref: customer_ref.into(), kind: kind.into(), until: None, webhook_url: None }
}

fn seen(rows: &[Drift]) -> Differences {
    Differences { rows: rows.to_vec(), malformed: 0 }
}

fn planned(drift: Vec<Drift>, yaml: &str) -> Plan {
    let fleet = Fleet::parse(&format!("version: 1\n{yaml}"), std::path::Path::new("fleet.yaml")).unwrap();
    let input = PlanInput { bridges: 4, listed: 4, ..PlanInput::of(drift) };
    let (limits, scope) = (fleet.limits(), Scope::default());
    plan(
        &input,
        &PlanOptions { policy: &fleet.policy, tombstones: &fleet.remove, limits: &limits, scope: &scope },
    )
}

fn sealed(plan: &Plan) -> SavedPlan {
    let origin = Origin {
        fleet_yaml_sha256: "f".into(),
        account_fingerprint: "a".into(),
        database: "app (oid 5, server 7), schema public".into(),
        listing_sha256: "o".into(),
        made_at: chrono::DateTime::UNIX_EPOCH,
        valid_for: Duration::from_secs(60),
    };
    SavedPlan::new(plan.clone(), origin)
}

fn small() -> Plan {
    let drift = vec![
        row(Kind::Missing, "cust_0003", 0),
        row(Kind::Unbound, "cust_1", 1),
        row(Kind::StatusDrift, "cust_1", 1),
        row(Kind::Orphaned, "left", 7),
        row(Kind::Orphaned, "demo", 8),
    ];
    planned(
        drift,
        "bridges: { remove: [ { customer_ref: left, bridge_id: 7, reason: left in March } ] }\npolicy: { max_deletes: 1 }",
    )
}

#[test]
fn a_small_plan_fits_a_glance() {
    let shown = text::plan(&small(), Paint::Plain, Length::Short.into());
    assert_eq!(
        shown,
        "\
Plan: 1 to provision, 1 to link, 1 status to write, 1 to delete.

+ provision 1 bridge
     cust_0003  because
     webhook: none

~ write the bridge_id on 1 tenant row
     cust_1  bridge 1  because

~ write the status on 1 tenant row
     cust_1  paired → disconnected

- delete 1 bridge for ever
     left  bridge 7  left in March

! 1 finding that apply does not repair
     orphaned  demo  bridge 8  because  $3.00/month

Monthly cost: $12.00, unchanged
The provider's limits allow all calls at once.
plan_sha256: 2a448f9a8069d616af818ebfb777263da03eec0a0e1f1a61401fc2c6a6712d8c
"
    );
}

#[test]
fn the_rows_are_a_diff_too_where_it_is_asked_for() {
    let detail = Detail { length: Length::Short, diff: Diff::Shown };
    let shown = text::plan(&small(), Paint::Plain, detail);
    let diff = "
--- tenants
+++ tenants, after apply
-cust_1     bridge_id=null  bridge_status=paired
+cust_1     bridge_id=1  bridge_status=disconnected
-cust_0003  bridge_id=null
+cust_0003  bridge_id=(new)

";
    assert!(shown.contains(diff), "{shown}");
}

#[test]
fn the_headline_names_every_change_and_the_question_repeats_the_numbers() {
    assert_eq!(
        text::question(&small()),
        "Apply: 1 to provision, 1 to remove, 1 to link, 1 status to write, +$0.00 a month?"
    );
    let drift: Vec<Drift> = (0..30).map(|i| row(Kind::Missing, &format!("cust_{i:04}"), 0)).collect();
    let mut plan = planned(drift, "policy: { max_creates: 50 }");
    assert_eq!(text::question(&plan), "Apply: 30 to provision, 0 to remove, +$90.00 a month?");
    let binding = Binding {
        table: "t".into(),
        tenant_id: "id".into(),
        bridge_id: "bridge_id".into(),
        bridge_status: "bridge_status".into(),
        wanted: "true".into(),
        phone: None,
        webhook_url: None,
        customer_refs: None,
        disconnected_after: None,
        awaiting_scan_after: None,
    };
    plan.binding = Some(BindingChange::new(None, binding));
    plan.declared = Declared {
        written: vec![exception("extra", "a"), exception("keep", "b")],
        removed: vec![exception("keep", "c")],
    };
    plan.settings = vec![SettingChange { name: "x".into(), before: None, after: Some("1".into()) }];
    let others = "1 table to bind, 2 exceptions to write, 1 exception to drop, 1 setting to write";
    assert_eq!(text::headline(&plan), format!("Plan: 30 to provision, {others}."));
    let question = format!("Apply: 30 to provision, 0 to remove, {others}, +$90.00 a month?");
    assert_eq!(text::question(&plan), question);
}

#[test]
fn a_long_plan_is_shortened_without_full() {
    let drift: Vec<Drift> = (0..300).map(|i| row(Kind::Missing, &format!("cust_{i:04}"), 0)).collect();
    let plan = planned(drift, "policy: { max_creates: 5 }");
    let short = text::plan(&plan, Paint::Plain, Length::Short.into());
    assert!(short.contains("\n    … and 280 more (--full)\n"), "{short}");
    assert!(short.contains("Monthly cost: $12.00 → $912.00 (+$900.00/month)"), "{short}");
    assert!(short.contains("the calls take 29m."), "{short}");
    assert!(
        short.contains("Refused: 300 to provision, but policy.max_creates is 5 (max_creates)"),
        "{short}"
    );
    assert!(short.lines().count() < 80, "{short}");
    let full = text::plan(&plan, Paint::Plain, Length::Full.into());
    assert!(full.contains("cust_0299") && !full.contains("--full"));
}

#[test]
fn many_findings_are_a_line_a_kind() {
    let mut drift: Vec<Drift> = (1..=20).map(|i| row(Kind::State, &format!("cust_{i:02}"), i)).collect();
    drift.extend((31..=32).map(|i| row(Kind::Orphaned, &format!("left_{i}"), i)));
    let plan = planned(drift, "");
    let short = text::plan(&plan, Paint::Plain, Length::Short.into());
    let table = "\
! 22 findings that apply does not repair
     2   orphaned  left_31, left_32 (because)    $6.00/month
     20  state     cust_01, cust_02, cust_03, …
    all of them: wab plan --full
";
    assert!(short.contains(table), "{short}");
    assert!(text::plan(&plan, Paint::Plain, Length::Full.into()).contains("cust_20"));
}

#[test]
fn nothing_to_do_is_the_first_line() {
    let shown = text::plan(&planned(vec![row(Kind::State, "a", 1)], ""), Paint::Plain, Length::Short.into());
    assert!(shown.starts_with("Nothing to do.\n\n! 1 finding"), "{shown}");
}

#[test]
fn colours_are_only_there_when_wanted() {
    assert!(text::plan(&small(), Paint::Ansi, Length::Short.into()).contains("\u{1b}["));
    assert!(!text::plan(&small(), Paint::Plain, Length::Short.into()).contains('\u{1b}'));
}

#[test]
fn foreign_text_cannot_control_the_terminal() {
    let plan = planned(vec![row(Kind::Missing, "a\u{1b}[2Jb\nc", 0), row(Kind::State, "\u{7}", 3)], "");
    let shown = text::plan(&plan, Paint::Plain, Length::Short.into());
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown}");
    assert!(shown.contains("a\\u{1b}[2Jb\\nc"), "{shown}");
}

#[test]
fn foreign_text_cannot_change_the_text_direction() {
    let plan = planned(vec![row(Kind::Missing, "a\u{202e}b\u{9b}c\u{2066}", 0)], "");
    for shown in [text::plan(&plan, Paint::Plain, Length::Short.into()), json::saved(&sealed(&plan))] {
        assert!(!shown.contains(['\u{202e}', '\u{9b}', '\u{2066}']), "{shown}");
    }
    let value: serde_json::Value = serde_json::from_str(&json::saved(&sealed(&plan))).unwrap();
    assert_eq!(value["steps"][0]["customer_ref"], "a\u{202e}b\u{9b}c\u{2066}");
}

#[test]
fn rows_that_begin_alike_are_rows_of_their_own() {
    let name = |end: &str| format!("{}{end}", "x".repeat(70));
    let drift = vec![row(Kind::Unbound, &name("a"), 1), row(Kind::Unbound, &name("b"), 2)];
    let detail = Detail { length: Length::Short, diff: Diff::Shown };
    let shown = text::plan(&planned(drift, ""), Paint::Plain, detail);
    assert!(shown.contains("bridge_id=1\n") && shown.contains("bridge_id=2\n"), "{shown}");
}

#[test]
fn the_webhook_url_is_not_shown() {
    let mut missing = row(Kind::Missing, "a", 0);
    missing.webhook_url = Some("https://app.example.com/secret".into());
    let mut plan = planned(vec![missing], "");
    let binding = |webhook_url: Option<&str>| Binding {
        table: "t".into(),
        tenant_id: "id".into(),
        bridge_id: "bridge_id".into(),
        bridge_status: "bridge_status".into(),
        wanted: "true".into(),
        phone: None,
        webhook_url: webhook_url.map(str::to_owned),
        customer_refs: None,
        disconnected_after: None,
        awaiting_scan_after: None,
    };
    plan.binding =
        Some(BindingChange::new(Some(binding(None)), binding(Some("'https://app.example.com/secret'"))));
    let shown = text::plan(&plan, Paint::Plain, Length::Full.into());
    assert!(shown.contains("\n     webhook: https://app.example.com/…\n"), "{shown}");
    assert!(
        shown.contains("webhook_url: none → https://app.example.com/…") && !shown.contains("secret"),
        "{shown}"
    );
    assert!(!json::saved(&sealed(&plan)).contains("secret"));
    let url = || Some("https://user:secret@app.example.com/secret?secret".to_owned());
    let drift = [Drift { stored: url(), observed: url(), webhook_url: url(), ..row(Kind::Webhook, "a", 1) }];
    let shown = json::drift(&seen(&drift));
    assert!(shown.contains("\"https://app.example.com/…\"") && !shown.contains("secret"), "{shown}");
}

#[test]
fn the_json_plan_has_its_documented_fields() {
    let value: serde_json::Value = serde_json::from_str(&json::saved(&sealed(&small()))).unwrap();
    assert_eq!(value["format_version"], 2);
    assert_eq!(value["summary"]["steps"]["provision"], 1);
    assert_eq!(value["summary"]["findings"]["orphaned"], 1);
    assert_eq!(
        value["steps"][0],
        serde_json::json!({"kind": "link", "customer_ref": "cust_1", "bridge_id": 1, "was": null, "reason": "because"})
    );
    assert_eq!(value["steps"][1]["kind"], "set_status");
    assert_eq!(value["steps"][3]["reason"], "left in March");
    assert_eq!(value["monthly_cost"], serde_json::json!({"before": 12.0, "after": 12.0, "change": 0.0}));
    assert_eq!((&value["duration_seconds"], &value["refusals"]), (&0.into(), &serde_json::json!([])));
}

fn report(end: RunEnd, outcomes: &[Outcome]) -> Report {
    let steps = outcomes.iter().enumerate().map(|(nth, outcome)| StepReport {
        step: nth + 1,
        kind: "provision",
        customer_ref: CustomerRef::new("c").unwrap(),
        bridge_id: None,
        outcome: *outcome,
        detail: "the provider failed".into(),
    });
    Report { run_id: Some("id".into()), end, steps: steps.collect(), skipped: Vec::new() }
}

#[test]
fn a_report_shows_the_outcome_of_each_step() {
    let plan =
        planned(vec![row(Kind::Missing, "c", 0), row(Kind::Missing, "d", 0), row(Kind::Missing, "e", 0)], "");
    let done = report(RunEnd::Finished, &[Outcome::Done; 3]);
    assert_eq!(outcome::report(&plan, &done, Paint::Plain), "Applied: 3 of 3 steps done.\n");
    let partly = report(RunEnd::Interrupted, &[Outcome::Done, Outcome::Unknown]);
    let shown = outcome::report(&plan, &partly, Paint::Plain);
    assert!(
        shown.starts_with("Partly applied: 1 of 3 steps done, 0 failed, 1 unknown, 1 not begun."),
        "{shown}"
    );
    assert!(
        shown.contains("a signal stopped it") && shown.contains("unknown  provision  c  the provider failed"),
        "{shown}"
    );
    let value: serde_json::Value = serde_json::from_str(&json::applied(&plan, Some(&partly))).unwrap();
    assert_eq!(
        (&value["outcome"], &value["unknown"], &value["not_begun"]),
        (&"stopped".into(), &1.into(), &1.into())
    );
    assert_eq!(value["run"]["steps"][1]["outcome"], "unknown");
    let value: serde_json::Value = serde_json::from_str(&json::applied(&plan, None)).unwrap();
    assert_eq!(
        (&value["outcome"], &value["run"], &value["not_begun"]),
        (&"refused".into(), &().into(), &3.into())
    );
}

#[test]
fn drift_is_listed_with_its_counts() {
    assert_eq!(lists::drift(&[], Paint::Plain, Length::Full), "No drift.");
    let rows = [row(Kind::Missing, "a", 0), row(Kind::Orphaned, "b", 2), row(Kind::Orphaned, "c", 3)];
    let shown = lists::drift(&rows, Paint::Plain, Length::Full);
    assert!(shown.starts_with("Drift: 1 missing, 2 orphaned.\n"), "{shown}");
    assert!(shown.contains("orphaned  warning  b  bridge 2  because"), "{shown}");
}

#[test]
fn the_cost_of_a_large_fleet_fits_into_60_columns() {
    let mut plan = small();
    let cost = &mut plan.monthly_cost;
    (cost.before, cost.after, cost.change) =
        (Decimal::from(300_000), Decimal::from(300_090), Decimal::from(90));
    let text = text::plan(&plan, Paint::Plain, Detail { length: Length::Short, diff: Diff::Hidden });
    let line = text.lines().find(|line| line.starts_with("Monthly cost: ")).unwrap();
    assert_eq!(line, "Monthly cost: $300,000.00 → $300,090.00 (+$90.00/month)");
    assert!(line.chars().count() <= 60, "{line}");
}

#[test]
fn money_and_time_are_readable() {
    assert_eq!(money(Decimal::new(123_456_750, 2)), "$1,234,567.50");
    assert_eq!(
        (money(Decimal::from(-3)), change(Decimal::from(3))),
        ("-$3.00".into(), "+$3.00/month".into())
    );
    for (seconds, words) in [
        (0, "0s"),
        (54, "54s"),
        (60, "1m"),
        (108, "1m 48s"),
        (5940, "1h 39m"),
        (3600, "1h"),
        (90_061, "1d 1h"),
    ] {
        assert_eq!(span(Duration::from_secs(seconds)), words);
    }
    assert_eq!(span(Duration::from_millis(1)), "1s");
    assert_eq!(shown(&"x".repeat(100)).chars().count(), 61);
}
