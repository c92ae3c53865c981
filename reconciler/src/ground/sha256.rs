//! SHA-256 over the canonical JSON of a value.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Number, Value};

/// Whether the text has the form of a SHA-256: 64 hexadecimal digits.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// SHA-256 (hex) over a value's canonical JSON: keys sorted, no white space, no `.0` behind a whole number.
pub fn of_value(value: &impl Serialize) -> String {
    // The values given here have text keys and finite numbers, so this cannot fail.
    let value = serde_json::to_value(value).unwrap_or_default();
    let mut json = String::new();
    write_canonical(&value, &mut json);
    wabridges::sha256::of(json)
}

/// Not RFC 8785: that would round whole numbers beyond 2^53, and two bridges could share a hash.
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
        Value::Number(number) => *json += &written(number),
        scalar => *json += &scalar.to_string(),
    }
}

/// A number as programs write it that read it into a double: `0.00` becomes `0`.
fn written(number: &Number) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64().filter(|value| number.is_f64() && value.fract() == 0.0 && value.abs() < EXACT) {
        // Adding zero turns -0 into 0.
        Some(whole) => format!("{:.0}", whole + 0.0),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_2_to_the_53_differ() {
        let (a, b) = (9_007_199_254_740_992_i64, 9_007_199_254_740_993_i64);
        assert_ne!(of_value(&a), of_value(&b));
        assert_ne!(of_value(&a), of_value(&serde_json::Value::Null));
    }

    #[test]
    fn the_order_of_keys_and_the_white_space_do_not_count() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let (one, other) = (
            parse("{\"a\":[1,{\"c\":2,\"b\":3.0}],\"\\u007f\":null}"),
            parse("{ \"\u{7f}\": null, \"a\": [1, {\"b\": 3.0, \"c\": 2}] }"),
        );
        assert_eq!(of_value(&one), of_value(&other));
        for (written, rewritten) in [
            ("[0.00]", "[0]"),
            ("[90.0]", "[90]"),
            ("[-0.0]", "[0]"),
            ("[1e3]", "[1000]"),
            ("[3.30]", "[3.3]"),
        ] {
            assert_eq!(of_value(&parse(written)), of_value(&parse(rewritten)), "{written}");
        }
        assert_ne!(of_value(&parse("[0.5]")), of_value(&parse("[0]")));
        assert_ne!(of_value(&parse("[1e300]")), of_value(&parse("[1e299]")));
        assert_ne!(of_value(&parse("[1,2]")), of_value(&parse("[2,1]")));
        assert_ne!(of_value(&parse("[[1],2]")), of_value(&parse("[1,[2]]")));
    }
}
