//! The raw shape of single values in fleet.yaml.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// One fingerprint of a key, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Fingerprints {
    One(Scalar),
    Any(Vec<Scalar>),
}

impl JsonSchema for Fingerprints {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fingerprints".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        const ONE: &str = "^[0-9A-Fa-f]{16}$";
        json_schema!({
            "type": ["string", "number", "array"],
            "pattern": ONE,
            "minItems": 1,
            "items": { "type": ["string", "number"], "pattern": ONE }
        })
    }
}

/// A text or a number, as written.
#[derive(Debug, Deserialize)]
pub struct Scalar(pub String);

impl JsonSchema for Scalar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"] })
    }
}

/// An id, as written. YAML reads `5e3`, `1.10` and `0x1F` as numbers, which would turn them into other ids.
#[derive(Debug, Deserialize)]
pub struct Id(pub String);

impl JsonSchema for Id {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}
