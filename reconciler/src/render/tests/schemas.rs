//! Validates the printed documents with the printed schemas, and checks that wrong documents are refused.

use serde_json::{Value, json};

use super::formats::{differences, everything, partly, stored};
use super::*;
use crate::model::Status;
use crate::render::schema;

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn assert_valid(schema: &Value, document: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Each change makes the document invalid.
fn assert_each_is_found(schema: &Value, document: &Value, changes: &[(&str, Value)]) {
    let validator = jsonschema::validator_for(schema).unwrap();
    for (pointer, wrong) in changes {
        let mut document = document.clone();
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = wrong.clone();
        assert!(!validator.is_valid(&document), "{pointer} = {wrong}");
    }
}

/// Checks that every field of the object is required.
fn assert_complete(schema: &Value, document: &Value, object: &str) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let keys: Vec<String> = document.pointer(object).unwrap().as_object().unwrap().keys().cloned().collect();
    for key in keys {
        let mut document = document.clone();
        document.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(&key);
        assert!(!validator.is_valid(&document), "{object} without {key}");
    }
}

#[test]
fn plans() {
    let (schema, document) = (value(&schema::plan()), value(&json::saved(&sealed(&everything()))));
    let kinds: Vec<&str> =
        document["steps"].as_array().unwrap().iter().filter_map(|step| step["kind"].as_str()).collect();
    assert!(
        ["link", "set_status", "provision", "delete"].iter().all(|kind| kinds.contains(kind)),
        "{kinds:?}"
    );
    assert!(["findings", "refusals", "notes"].iter().all(|list| document[list][0] != Value::Null));
    assert_valid(&schema, &document);
    assert_valid(&schema, &value(&json::saved(&sealed(&planned(Vec::new(), "")))));
    for object in [
        "",
        "/summary",
        "/monthly_cost",
        "/declared",
        "/binding",
        "/binding/after",
        "/findings/0",
        "/refusals/0",
        "/steps/0",
    ] {
        assert_complete(&schema, &document, object);
    }
    assert_each_is_found(
        &schema,
        &document,
        &[
            ("/format_version", json!(1)),
            ("/monthly_cost/change", json!("9.00")),
            ("/duration_seconds", json!(1.5)),
            ("/duration_seconds", json!(-1)),
            ("/steps/0/kind", json!("explode")),
            ("/steps/0/bridge_id", json!("1")),
            ("/steps/0/customer_ref", Value::Null),
            ("/findings/0/severity", json!("dull")),
            ("/summary/steps/link", json!(-1)),
            ("/refusals", Value::Null),
        ],
    );
}

#[test]
fn runs() {
    let plan = everything();
    let schema = value(&schema::apply());
    assert_valid(&schema, &value(&json::applied(&plan, None)));
    assert_valid(&schema, &value(&json::applied(&plan, Some(&Report::nothing_to_do()))));
    let report = partly(&plan);
    for end in [
        RunEnd::Finished,
        RunEnd::Interrupted,
        RunEnd::Deadline,
        RunEnd::GaveUp,
        RunEnd::Auth,
        RunEnd::Database("x".into()),
        RunEnd::Locked("x".into()),
        RunEnd::LogLost("x".into()),
    ] {
        assert_valid(&schema, &value(&json::applied(&plan, Some(&Report { end, ..report.clone() }))));
    }
    let document = value(&json::applied(&plan, Some(&report)));
    let outcomes: Vec<&Value> =
        document["run"]["steps"].as_array().unwrap().iter().map(|step| &step["outcome"]).collect();
    assert_eq!(outcomes, ["done", "failed", "unknown"]);
    for object in ["", "/run", "/run/steps/0", "/run/skipped/1", "/plan"] {
        assert_complete(&schema, &document, object);
    }
    assert_each_is_found(
        &schema,
        &document,
        &[
            ("/outcome", json!("great")),
            ("/run/steps/0/outcome", json!("great")),
            ("/run/steps/0/kind", json!("explode")),
            ("/run/end/why", json!("tired")),
            ("/done", json!("1")),
            ("/plan", Value::Null),
        ],
    );
}

#[test]
fn drifts() {
    let (schema, document) = (value(&schema::drift()), value(&json::drift(&seen(&differences()))));
    assert_valid(&schema, &document);
    assert_valid(&schema, &value(&json::drift(&seen(&[]))));
    assert_complete(&schema, &document, "/drift/0");
    assert_each_is_found(
        &schema,
        &document,
        &[
            ("/drift/0/kind", json!("bored")),
            ("/drift/0/monthly_cost", json!("3")),
            ("/drift/1/bridge_id", json!(1.5)),
        ],
    );
}

#[test]
fn statuses() {
    let (schema, document) = (value(&schema::status()), value(&json::status(&stored())));
    assert_valid(&schema, &document);
    let never = Status {
        observed_at: None,
        age_seconds: None,
        source: None,
        malformed: None,
        last_run: None,
        applying: None,
        ..stored()
    };
    assert_valid(&schema, &value(&json::status(&never)));
    for object in ["", "/last_run"] {
        assert_complete(&schema, &document, object);
    }
    assert_each_is_found(
        &schema,
        &document,
        &[("/bridges", json!("1")), ("/last_run/outcome", json!("great")), ("/observed_at", json!(7))],
    );
}
