//! Snapshots of every verb's result in every format.

use chrono::{DateTime, Utc};
use insta::assert_snapshot;

use super::*;
use crate::model::{Binding, BindingChange, Colour, Format, LastRun, Status};
use crate::render::screen::Screen;

const SCREEN: Screen = Screen { colour: Colour::Never, paint: Paint::Plain };

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A plan with every kind of content.
pub fn everything() -> Plan {
    let mut drift = vec![
        row(Kind::Missing, "cust_0003", 0),
        row(Kind::Missing, "cust_0004", 0),
        row(Kind::Unbound, "cust_1", 1),
        row(Kind::StatusDrift, "cust_1", 1),
        row(Kind::Orphaned, "left", 7),
        row(Kind::Orphaned, "demo", 8),
        row(Kind::State, "cust_2", 2),
        row(Kind::Missing, "\u{e9}\u{300}".repeat(200).as_str(), 0),
    ];
    drift[6].severity = "critical".into();
    let mut plan = planned(
        drift,
        "bridges: { remove: [ { customer_ref: left, bridge_id: 7, reason: left in March }, { customer_ref: gone, bridge_id: 9, reason: x }, { customer_ref: cust_1, bridge_id: 1, reason: y } ] }\n\
         policy: { max_creates: 1, max_deletes: 0 }",
    );
    let binding = |bridge_id: &str| Binding {
        table: "public.tenants".into(),
        tenant_id: "id".into(),
        bridge_id: bridge_id.into(),
        bridge_status: "bridge_status".into(),
        wanted: "status = 'active' OR note = '|'".into(),
        phone: None,
        webhook_url: None,
        customer_refs: None,
        disconnected_after: None,
        awaiting_scan_after: None,
    };
    plan.binding = Some(BindingChange::new(Some(binding("bridge")), binding("bridge_id")));
    plan.declared = Declared {
        written: vec![exception("extra", "a"), exception("keep", "b")],
        removed: vec![exception("keep", "c")],
    };
    let text = |text: &str| Some(text.to_owned());
    plan.settings = vec![
        SettingChange { name: "policy.unmapped_after".into(), before: text("0s"), after: text("5m") },
        SettingChange { name: "bridges.status_words online".into(), before: None, after: text("paired") },
    ];
    plan
}

/// A run of this plan with every outcome.
pub fn partly(plan: &Plan) -> Report {
    let outcomes = [Outcome::Done, Outcome::Failed, Outcome::Unknown];
    let steps = plan.steps.iter().zip(outcomes).enumerate().map(|(nth, (step, outcome))| StepReport {
        step: nth + 1,
        kind: step.kind(),
        customer_ref: step.customer_ref().clone(),
        bridge_id: step.bridge_id(),
        outcome,
        detail: "the provider failed".into(),
    });
    Report {
        run_id: Some("0b0e".into()),
        end: RunEnd::Interrupted,
        steps: steps.collect(),
        skipped: Report::skipped(
            &plan.steps[..1],
            &[(plan.steps[1].clone(), "the step is no longer needed".into())],
        ),
    }
}

pub fn stored() -> Status {
    Status {
        observed_at: Some(at("2026-03-01T10:00:00Z")),
        age_seconds: Some(75),
        source: Some("wab".into()),
        malformed: Some(2),
        outside: Some(0),
        bridges: 21,
        paired: 17,
        awaiting_scan: 1,
        disconnected: 2,
        unknown: 1,
        orphaned: 1,
        churned: 1,
        duplicate: 0,
        missing: 3,
        monthly_cost: Decimal::from(63),
        monthly_waste: Decimal::from(6),
        oldest_status_seconds: Some(3120),
        polled: 20,
        future_observation: None,
        drift: [("awaiting_scan".to_owned(), 1), ("state".to_owned(), 4)].into(),
        awaiting_scan_drift: 1,
        disconnected_drift: 2,
        awaiting_scan_after: 86_400,
        disconnected_after: 0,
        applying: Some("server process 7, role deploy".into()),
        last_run: Some(LastRun {
            run_id: "0b0e".into(),
            started_at: at("2026-03-01T09:00:00Z"),
            finished_at: None,
            who: "deploy@ci".into(),
            git_sha: Some("c0ffee".into()),
            ci_url: Some("https://ci.example.com/job/7".into()),
            plan_sha256: Some("6eb329ce".into()),
            steps: 5,
            outcome: "interrupted".into(),
        }),
    }
}

pub fn differences() -> Vec<Drift> {
    let mut rows: Vec<Drift> = Kind::ALL.into_iter().map(|kind| row(kind, "cust_1", 1)).collect();
    rows[0].severity = "critical".into();
    rows[1].severity = "info".into();
    rows[3].since = Some(at("2026-02-01T10:00:00Z"));
    rows
}

#[test]
fn a_plan() {
    let plan = everything();
    let show = |format, length: Length| SCREEN.saved(&sealed(&plan), format, length.into());
    assert_snapshot!("plan_text", show(Format::Text, Length::Short));
    assert_snapshot!("plan_text_concise", show(Format::Text, Length::Concise));
    assert_snapshot!("plan_json", show(Format::Json, Length::Short));
    assert_snapshot!("plan_markdown", show(Format::Markdown, Length::Short));
    assert_snapshot!("plan_markdown_concise", show(Format::Markdown, Length::Concise));
    assert_snapshot!("plan_github", show(Format::Github, Length::Short));
    assert_snapshot!("plan_github_concise", show(Format::Github, Length::Concise));
}

#[test]
fn a_run() {
    let plan = small();
    let report = partly(&plan);
    let show = |format| SCREEN.applied(&plan, Some(&report), format, Length::Short.into());
    assert_snapshot!("apply_text", show(Format::Text));
    assert_snapshot!("apply_json", show(Format::Json));
    assert_snapshot!("apply_markdown", show(Format::Markdown));
    assert_snapshot!("apply_github", show(Format::Github));
}

#[test]
fn the_drift() {
    let rows = differences();
    let show = |format, length| SCREEN.drift(&Differences { malformed: 2, ..seen(&rows) }, format, length);
    assert_snapshot!("drift_text", show(Format::Text, Length::Full));
    assert_snapshot!("drift_text_concise", show(Format::Text, Length::Concise));
    assert_snapshot!("drift_json", show(Format::Json, Length::Full));
    assert_snapshot!("drift_markdown", show(Format::Markdown, Length::Full));
    assert_snapshot!("drift_github", show(Format::Github, Length::Full));
    assert_snapshot!(SCREEN.drift(&seen(&[]), Format::Markdown, Length::Full), @r"
    <!-- wab:drift -->
    ### wab drift

    **No drift.**
    ");
}

#[test]
fn the_status() {
    let status = stored();
    assert_snapshot!("status_text", SCREEN.status(&status, Format::Text));
    assert_snapshot!("status_json", SCREEN.status(&status, Format::Json));
    assert_snapshot!("status_markdown", SCREEN.status(&status, Format::Markdown));
    assert_snapshot!("status_github", SCREEN.status(&status, Format::Github));
}
