//! Fuzzes the reading of saved plans; the corpus is in `fuzz/corpus/plans`.

use serde_json::Value;

use super::select;
use crate::ground::sha256;
use crate::ground::steers;
use crate::model::saved::seal;
use crate::model::{Colour, Format, Length, SavedPlan};
use crate::render::screen::Screen;

#[test]
fn fuzz_plans() -> std::io::Result<()> {
    fuzz::target("plans", is_read)
}

fn is_read(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let plan = SavedPlan::parse(text);
    let Ok(mut json) = serde_json::from_str::<Value>(text) else {
        return assert!(plan.is_err_and(|what| !what.is_empty()));
    };
    hashes_do_not_depend_on_white_space(&json);
    if plan.is_ok() {
        assert_eq!(json["sha256"], seal(json.clone()));
    }
    // The fuzzer cannot compute the checksum, but a person who writes a plan can.
    if json.is_object() {
        json["sha256"] = seal(json.clone()).into();
    }
    if let Ok(plan) = SavedPlan::parse(&json.to_string()) {
        is_shown(&plan);
        let selection = select(&plan.plan, &plan.plan, &[]).unwrap();
        assert_eq!(selection.steps.len() + selection.stale.len(), plan.plan.steps.len());
        json["sha256"] = "".into();
        assert!(SavedPlan::parse(&json.to_string()).is_err(), "the checksum is verified");
    }
}

fn hashes_do_not_depend_on_white_space(json: &Value) {
    let pretty = serde_json::to_string_pretty(json).unwrap();
    let read: Value = serde_json::from_str(&pretty).unwrap();
    // A float with 17 digits may change in its last digit on the way; money, with two decimals, does not.
    assert!(read != *json || sha256::of_value(&read) == sha256::of_value(json), "{pretty}");
}

fn is_shown(plan: &SavedPlan) {
    let screen = Screen::new(Colour::Never);
    for format in [Format::Text, Format::Json, Format::Markdown, Format::Github] {
        for length in [Length::Short, Length::Full, Length::Concise] {
            let shown = screen.saved(plan, format, length.into());
            assert!(!shown.chars().any(|c| steers(c) && c != '\n'), "{shown:?}");
        }
    }
}
