//! The digest by which one plan is told from another: over all that it changes, and nothing that it only says.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Plan, Step};
use crate::facts::{Binding, Declared};

/// What the plan changes. The webhook_urls count too, though no output shows them.
#[derive(Serialize)]
struct Deeds<'a> {
    binding: Option<(&'a Binding, Option<&'a str>)>,
    declared: Declared,
    steps: Vec<(Step, Option<&'a str>)>,
}

/// SHA-256 (hex) over what the plan changes.
pub fn digest(plan: &Plan) -> String {
    let webhook_url = |step: &'_ Step| match step {
        Step::Provision { webhook_url, .. } => webhook_url.clone(),
        Step::Bind { .. } | Step::SetStatus { .. } | Step::Delete { .. } => None,
    };
    let urls: Vec<Option<String>> = plan.steps.iter().map(webhook_url).collect();
    let after = plan.binding.as_ref().map(|change| &change.after);
    sha256(&Deeds {
        binding: after.map(|after| (after, after.webhook_url.as_deref())),
        declared: plan.declared,
        steps: plan.steps.iter().zip(&urls).map(|(step, url)| (step.ground(), url.as_deref())).collect(),
    })
}

/// SHA-256 (hex) over a value's canonical JSON: keys sorted, no white space.
pub fn sha256(value: &impl Serialize) -> String {
    // The values given here have text keys and finite numbers, so this cannot fail.
    let value = serde_json::to_value(value).unwrap_or_default();
    let mut json = String::new();
    write_canonical(&value, &mut json);
    Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 8785 would round whole numbers beyond 2^53, and two bridges could share a digest.
fn write_canonical(value: &Value, json: &mut String) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            json.push('{');
            for (nth, (name, value)) in sorted.into_iter().enumerate() {
                if nth > 0 {
                    json.push(',');
                }
                *json += &Value::from(name.as_str()).to_string();
                json.push(':');
                write_canonical(value, json);
            }
            json.push('}');
        }
        Value::Array(items) => {
            json.push('[');
            for (nth, item) in items.iter().enumerate() {
                if nth > 0 {
                    json.push(',');
                }
                write_canonical(item, json);
            }
            json.push(']');
        }
        scalar => *json += &scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_those_of_json_are_told_apart() {
        let (a, b) = (9_007_199_254_740_992_i64, 9_007_199_254_740_993_i64);
        assert_ne!(sha256(&a), sha256(&b));
        assert_ne!(sha256(&a), sha256(&serde_json::Value::Null));
    }

    #[test]
    fn the_order_of_keys_and_the_white_space_do_not_count() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let (one, other) = (
            parse("{\"a\":[1,{\"c\":2,\"b\":3.0}],\"\\u007f\":null}"),
            parse("{ \"\u{7f}\": null, \"a\": [1, {\"b\": 3.0, \"c\": 2}] }"),
        );
        assert_eq!(sha256(&one), sha256(&other));
        assert_ne!(sha256(&parse("[1,2]")), sha256(&parse("[2,1]")));
        assert_ne!(sha256(&parse("[[1],2]")), sha256(&parse("[1,[2]]")));
    }
}
