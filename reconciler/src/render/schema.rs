//! The JSON Schemas of what `--json` prints, derived from the very types that are printed.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use crate::model::{SavedPlan, Status};
use crate::render::json::{Applied, Document, Listed};

/// Of `wab plan --json`.
pub fn plan() -> String {
    of::<SavedPlan>("wab plan --json")
}

/// Of `wab apply --json`.
pub fn apply() -> String {
    of::<Document<Applied<'_>>>("wab apply --json")
}

/// Of `wab drift --json`.
pub fn drift() -> String {
    of::<Document<Listed<'_>>>("wab drift --json")
}

/// Of `wab status --json`.
pub fn status() -> String {
    of::<Document<Status>>("wab status --json")
}

/// What is written is described, not what would be read: every field is there.
fn of<T: JsonSchema>(title: &str) -> String {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    format!("{:#}", schema.as_value())
}
