//! Writes and reads the file of a saved plan.

use std::io;
use std::path::Path;

use crate::ground::file;
use crate::model::{Error, SavedPlan};
use crate::verb::out_file::Place;

/// Writes the plan to the place that `--out` names.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    Place::of(path).write(format!("{text}\n").as_bytes()).map_err(|error| {
        Error::config(
            format!("cannot write the plan to {}: {error}", path.display()),
            "name a file in a writable directory, or - for stdout",
        )
    })
}

/// Reads the file, or stdin for `-`, and verifies the plan's checksum.
pub fn read(path: &Path) -> Result<SavedPlan, Error> {
    let text = if path == Path::new("-") { file::all_text(io::stdin()) } else { file::read_text(path) };
    let text = text.map_err(|error| {
        Error::config(
            format!("cannot read the plan {}: {error}", path.display()),
            "name a file that wab plan --out wrote",
        )
    })?;
    SavedPlan::parse(&text).map_err(|what| {
        Error::config(format!("{}: {what}", path.display()), "make the plan again: wab plan --out FILE")
    })
}
