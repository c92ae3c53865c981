//! Reads the bodies of control calls strictly, so that a typing error in a test is refused with its reason.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bridge::NewBridge;
use crate::seed::PREFIX;

/// The most bridges that one call can seed.
const MAX_SEED: u32 = 1_000_000;

/// The two forms of a `POST bridges` body.
#[derive(Debug)]
pub enum Addition {
    Listed(Vec<NewBridge>),
    Seeded { seed: u32, prefix: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    seed: u32,
    #[serde(default = "prefix")]
    prefix: String,
}

/// The body of `POST windows`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alignment {
    /// The new age of the current window, in real milliseconds.
    pub elapsed_ms: i64,
}

/// The body of `POST clock`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The time at which the clock shall stand still.
    pub now: DateTime<Utc>,
}

/// The body of `POST settings`; absent settings stay unchanged.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSettings {
    /// The API key that is accepted from now on.
    pub key: Option<String>,
    /// Whether the list shows the status of each bridge from now on.
    pub list_status: Option<bool>,
}

/// Reads a body as JSON.
pub fn parse(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))
}

/// Reads a JSON object. serde would also accept an array of the same values in order; this function refuses it.
pub fn object<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    if !value.is_object() {
        return Err("the body must be a JSON object: {…}".to_owned());
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Reads either form of a `POST bridges` body.
pub fn addition(value: Value) -> Result<Addition, String> {
    let Value::Array(rows) = value else {
        let Seed { seed, prefix } = object(value)?;
        if seed > MAX_SEED {
            return Err(format!("`seed` must be at most {MAX_SEED}, not {seed}"));
        }
        return Ok(Addition::Seeded { seed, prefix });
    };
    let bridge = |(index, row)| object(row).map_err(|why| format!("bridge at index {index}: {why}"));
    rows.into_iter().enumerate().map(bridge).collect::<Result<_, _>>().map(Addition::Listed)
}

fn prefix() -> String {
    PREFIX.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let listed =
            addition(parse(br#"[{"customer_ref":null},{"customer_ref":"a","id":7}]"#).unwrap()).unwrap();
        assert!(
            matches!(listed, Addition::Listed(rows) if rows[0].customer_ref.is_none() && rows[0].status == "qr")
        );
        let seeded = addition(parse(br#"{"seed":3}"#).unwrap()).unwrap();
        assert!(matches!(seeded, Addition::Seeded { seed: 3, prefix } if prefix == PREFIX));
    }

    #[test]
    fn mistakes_are_named() {
        let cases: [(&[u8], &str); 8] = [
            (b"", "not JSON"),
            (b"7", "JSON object"),
            (br#"[{}]"#, "index 0: missing field `customer_ref`"),
            (br#"[{"customer_ref":"a"},["a"]]"#, "index 1: the body must be"),
            (br#"[{"customer_ref":"a","colour":"red"}]"#, "unknown field `colour`"),
            (br#"[{"customer_ref":"a","id":0}]"#, "not between 1 and"),
            (br#"{"seed":1,"colour":"red"}"#, "unknown field `colour`"),
            (br#"{"seed":4000000}"#, "at most 1000000"),
        ];
        for (body, reason) in cases {
            let why = parse(body).and_then(addition).unwrap_err();
            assert!(why.contains(reason), "{body:?}: {why}");
        }
    }
}
