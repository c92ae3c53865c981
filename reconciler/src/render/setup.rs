//! Renders the results of `init`.

use std::path::Path;

use crate::db::install::{Done, Installation};
use crate::ground::harmless;
use crate::ground::version;

/// The result of writing a new fleet.yaml.
pub fn written(file: &Path) -> String {
    let name = harmless(&file.display().to_string());
    let flag = match file == Path::new("fleet.yaml") {
        true => String::new(),
        false => format!(" -f {}", shell_word(&name)),
    };
    format!(
        "{name} was written. Describe your tenants table in it, then run:\n  wab validate{flag}\n  wab doctor{flag}\n  \
         wab plan{flag}"
    )
}

/// The text as one word of a shell.
fn shell_word(text: &str) -> String {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The result of an installation without the extension.
pub fn installed(installation: &Installation) -> String {
    let (schema, ours) = (harmless(&installation.schema), version::OURS);
    match &installation.done {
        Done::Installed => format!(
            "Schema {schema} now has version {ours} of the wab_ tables and functions. Next: describe your tenants table in \
             fleet.yaml (wab init writes one), then run:\n  wab doctor\n  wab plan"
        ),
        Done::Nothing => {
            format!("Schema {schema} has version {ours} of the wab_ objects already: nothing was changed.")
        }
        Done::Updated { from } => {
            format!("Schema {schema} now has version {ours} of the wab_ functions and views; it had {from}.")
        }
    }
}
