//! The raw shape of fleet.yaml, keys and kinds of values only; what the values may be is in `check`.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// The whole file. A section left empty is a section left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub version: Scalar,
    pub account: Option<Account>,
    pub database: Option<Database>,
    pub tenants: Option<Tenants>,
    pub bridges: Option<Bridges>,
    pub policy: Option<Policy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub api_url: Option<Scalar>,
    pub api_key_env: Option<Scalar>,
    pub api_key_file: Option<Scalar>,
    pub key_fingerprint: Option<Scalar>,
    pub limits: Option<Limits>,
    pub ca_file: Option<Scalar>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub provision: Option<Scalar>,
    pub proxy: Option<Scalar>,
    pub other: Option<Scalar>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url_env: Option<Scalar>,
    pub schema: Option<Scalar>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenants {
    pub table: Scalar,
    pub tenant_id: Option<Scalar>,
    pub bridge_id: Option<Scalar>,
    pub bridge_status: Option<Scalar>,
    pub wanted: Option<Scalar>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridges {
    pub webhook_url: Option<Scalar>,
    pub extra: Option<Vec<Extra>>,
    pub keep: Option<Vec<Keep>>,
    pub remove: Option<Vec<Remove>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    pub tenant_id: Scalar,
    pub reason: Scalar,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    pub customer_ref: Scalar,
    pub reason: Scalar,
    pub until: Option<Scalar>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    pub customer_ref: Scalar,
    pub bridge_id: Scalar,
    pub reason: Scalar,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub max_creates: Option<Scalar>,
    pub max_deletes: Option<Scalar>,
    pub min_observed: Option<Scalar>,
    pub max_monthly_cost: Option<Scalar>,
    pub rate_budget: Option<Scalar>,
}

/// A text or a number, as text: a customer_ref may well be written `42`.
#[derive(Debug)]
pub struct Scalar(pub String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsText;
        impl Visitor<'_> for AsText {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
        }
        deserializer.deserialize_any(AsText)
    }
}

/// The file's text as its raw shape; else the place (`:line:column`, or nothing) and what is wrong.
pub fn parse(text: &str) -> Result<File, (String, String)> {
    serde_yaml::from_str(text).map_err(|error| {
        let place = error.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
        let said = error.to_string();
        let what = said.split(" at line ").next().unwrap_or(&said).to_owned();
        (place, what)
    })
}
