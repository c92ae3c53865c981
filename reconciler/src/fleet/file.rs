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
    pub connect_timeout: Option<Scalar>,
    pub request_timeout: Option<Scalar>,
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
    pub tenant_id: Id,
    pub reason: Scalar,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    pub customer_ref: Id,
    pub reason: Scalar,
    pub until: Option<Scalar>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    pub customer_ref: Id,
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

/// A text or a number, as text.
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
            fn visit_i128<E: de::Error>(self, number: i128) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_u128<E: de::Error>(self, number: u128) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
        }
        deserializer.deserialize_any(AsText)
    }
}

/// An id. YAML reads `5e3`, `1.10` and `0x1F` as numbers, which would make other ids of them.
#[derive(Debug, PartialEq, Eq)]
pub enum Id {
    /// In quotes, or a text anyway, or a plain decimal number.
    Text(String),
    /// A whole number as YAML reads it; how it is written is not known yet.
    Whole(String),
    /// Any other number.
    Number,
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsId;
        impl Visitor<'_> for AsId {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id: put it in quotes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Id, E> {
                Ok(Id::Text(text.to_owned()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Id, E> {
                Ok(Id::Whole(number.to_string()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Id, E> {
                Ok(Id::Whole(number.to_string()))
            }
            fn visit_i128<E: de::Error>(self, _: i128) -> Result<Id, E> {
                Ok(Id::Number)
            }
            fn visit_u128<E: de::Error>(self, _: u128) -> Result<Id, E> {
                Ok(Id::Number)
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Id, E> {
                Ok(Id::Number)
            }
        }
        deserializer.deserialize_any(AsId)
    }
}

/// The ids of the file as they are written, whatever YAML makes of them.
#[derive(Deserialize)]
struct Written {
    bridges: Option<WrittenBridges>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenBridges {
    extra: Option<Vec<WrittenId>>,
    keep: Option<Vec<WrittenId>>,
    remove: Option<Vec<WrittenId>>,
}

#[derive(Deserialize)]
struct WrittenId {
    #[serde(alias = "tenant_id")]
    customer_ref: String,
}

impl File {
    /// Whole numbers are taken for texts where that is exactly how they are written.
    fn settle_ids(&mut self, written: Written) {
        let (Some(bridges), Some(written)) = (&mut self.bridges, written.bridges) else { return };
        let extra = bridges.extra.iter_mut().flatten().map(|item| &mut item.tenant_id);
        let keep = bridges.keep.iter_mut().flatten().map(|item| &mut item.customer_ref);
        let remove = bridges.remove.iter_mut().flatten().map(|item| &mut item.customer_ref);
        let written = [written.extra, written.keep, written.remove].into_iter().flatten().flatten();
        for (id, written) in extra.chain(keep).chain(remove).zip(written) {
            if matches!(id, Id::Whole(number) if *number == written.customer_ref) {
                *id = Id::Text(written.customer_ref);
            }
        }
    }
}

/// The file's text as its raw shape; else the place (`:line:column`, or nothing) and what is wrong.
pub fn parse(text: &str) -> Result<File, (String, String)> {
    let mut file: File = serde_yaml::from_str(text).map_err(placed)?;
    file.settle_ids(serde_yaml::from_str(text).map_err(placed)?);
    Ok(file)
}

fn placed(error: serde_yaml::Error) -> (String, String) {
    let place = error.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
    let said = error.to_string();
    let what = said.split(" at line ").next().unwrap_or(&said).to_owned();
    (place, what)
}
