//! Writes and reads the file of a saved plan.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::model::{Error, SavedPlan};

/// Replaces the file atomically: it holds either the whole plan or its old contents.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    let cannot = |error: std::io::Error| {
        Error::config(
            format!("cannot write the plan to {}: {error}", path.display()),
            "name a file in a writable directory",
        )
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
    writeln!(file, "{text}").and_then(|()| file.as_file().sync_all()).map_err(cannot)?;
    file.persist(path).map(drop).map_err(|error| cannot(error.error))
}

/// Reads the file and verifies the plan's checksum.
pub fn read(path: &Path) -> Result<SavedPlan, Error> {
    let text = fs::read_to_string(path).map_err(|error| {
        Error::config(
            format!("cannot read the plan {}: {error}", path.display()),
            "name a file that wab plan --out wrote",
        )
    })?;
    SavedPlan::parse(&text).map_err(|what| {
        Error::config(format!("{}: {what}", path.display()), "make the plan again: wab plan --out FILE")
    })
}
