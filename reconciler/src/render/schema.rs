//! The JSON Schemas of the `--json` output, derived from the printed types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use crate::model::{SavedPlan, Status};
use crate::render::json::{Applied, Document, Listed};

/// The schema of `wab plan --json`.
pub fn plan() -> String {
    of::<SavedPlan>("wab plan --json")
}

/// The schema of `wab apply --json`.
pub fn apply() -> String {
    of::<Document<Applied<'_>>>("wab apply --json")
}

/// The schema of `wab drift --json`.
pub fn drift() -> String {
    of::<Document<Listed<'_>>>("wab drift --json")
}

/// The schema of `wab status --json`.
pub fn status() -> String {
    of::<Document<Status>>("wab status --json")
}

/// Uses the settings for output: every field that is always written is required.
fn of<T: JsonSchema>(title: &str) -> String {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    format!("{:#}", schema.as_value())
}
