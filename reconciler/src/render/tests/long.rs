//! Tests with ten thousand items: grouping, and the size limit.

use insta::assert_snapshot;

use super::formats::{everything, partly};
use super::*;
use crate::render::{github, markdown};

const COMMENT: usize = 65_536;

/// Checks that every opened tag is closed, and that no table row is cut.
fn assert_whole(text: &str) {
    assert!(text.len() < COMMENT, "{} bytes", text.len());
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    assert_eq!(text.matches("```").count() % 2, 0);
    let mut columns = 0;
    for line in text.lines() {
        let pipes = line.matches('|').count();
        assert!(columns == 0 || pipes == 0 || pipes == columns, "{line}");
        columns = pipes;
    }
}

/// Drift rows: this many of each kind that leads to a step.
fn many(n: usize, name: impl Fn(usize) -> String) -> Plan {
    let kinds = [Kind::Missing, Kind::Unbound, Kind::StatusDrift, Kind::State, Kind::Webhook];
    let drift = (1..=n).map(|i| row(kinds[i % kinds.len()], &name(i), i as i64)).collect();
    planned(drift, "policy: { max_creates: 100% }")
}

#[test]
fn consecutive_ids_are_shortened() {
    let kinds = [Kind::Missing, Kind::Unbound, Kind::StatusDrift, Kind::State];
    let drift = (0..10_000).map(|i| row(kinds[i / 2_500], &format!("cust_{i:05}"), i as i64 + 1)).collect();
    let plan = planned(drift, "policy: { max_creates: 10000 }");
    assert_eq!(plan.steps.len(), 7_500);
    let text = markdown::plan(&plan, Length::Short.into());
    assert_whole(&text);
    assert_snapshot!("plan_markdown_long", text);
    assert_snapshot!("plan_text_long", text::plan(&plan, Paint::Plain, Length::Short.into()));
    assert_snapshot!("plan_github_long", github::plan(&plan, Length::Short.into()));
}

#[test]
fn the_limit_is_kept_for_all_ids_and_reasons_and_omissions_are_named() {
    let scattered = |i: usize| format!("{:x}-{}", i * 2_654_435_761, i % 7);
    for (n, wide) in [(2_000, 1), (10_000, 1), (10_000, 30), (2_000, 200)] {
        let plan = many(n, |i| scattered(i).repeat(wide).chars().take(200).collect());
        let text = markdown::plan(&plan, Length::Short.into());
        assert_whole(&text);
        assert!(text.contains("\nLeft out, because"), "{n} {wide}: {}", text.len());
        assert!(text.contains("wab plan --json"));
        let mut failed = partly(&plan);
        failed.steps = plan
            .steps
            .iter()
            .map(|step| StepReport {
                customer_ref: step.customer_ref().clone(),
                detail: format!("because of {}", "\u{1b}|`".repeat(50)),
                outcome: Outcome::Failed,
                ..failed.steps[0].clone()
            })
            .collect();
        assert_whole(&markdown::applied(&plan, Some(&failed), Length::Short.into()));
    }
}

#[test]
fn ten_thousand_reasons_are_grouped() {
    let drift = (0..10_000).map(|i| Drift {
        detail: format!("reason {}", i * 7),
        ..row(Kind::Missing, &format!("c{}", i * 3), 0)
    });
    let text = markdown::plan(&planned(drift.collect(), ""), Length::Short.into());
    assert_whole(&text);
    assert!(text.contains("10000 of them") || text.contains("10,000 of them"), "{}", &text[..2_000]);
}

#[test]
fn ten_thousand_drift_rows_fit_too() {
    let rows: Vec<Drift> =
        (0..10_000).map(|i| row(Kind::ALL[i % 10], &format!("c{}", i * 31), i as i64 + 1)).collect();
    assert_whole(&markdown::drift(&seen(&rows), Length::Full));
    let log = github::drift(&seen(&rows), Length::Full);
    assert_eq!(log.matches("::group::").count(), 10);
    assert!(log.lines().filter(|line| line.starts_with("::warning")).count() <= 10);
}

#[test]
fn a_head_full_of_hostile_text_leaves_room() {
    let mut plan = everything();
    let hostile = "\u{202e}".repeat(100_000);
    for refusal in &mut plan.refusals {
        (refusal.message, refusal.hint) = (hostile.clone(), hostile.clone());
    }
    plan.notes = vec![hostile.clone(); 10_000];
    plan.binding.as_mut().unwrap().after.wanted = hostile;
    assert_whole(&markdown::plan(&plan, Length::Full.into()));
}
