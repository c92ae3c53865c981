//! Builds `wab` with a changed text in one of its source files. The working tree stays as it is: cargo builds a copy.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process;

/// The top folder of the sources.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The content of a source file with the change.
///
/// # Errors
/// If the file does not have the text.
pub fn changed(file: &str, from: &str, to: &str) -> Result<String> {
    let content = std::fs::read_to_string(Path::new(SOURCES).join(file)).with_context(|| file.to_owned())?;
    ensure!(content.contains(from), "{from} is not in {file}");
    Ok(content.replace(from, to))
}

/// Builds `wab` with the change, and returns the program.
pub fn wab(file: &str, from: &str, to: &str) -> Result<PathBuf> {
    let changed = changed(file, from, to)?;
    let copy = process::target_dir()?.join("rebuild");
    let sources = copy.join("sources");
    std::fs::create_dir_all(&sources)?;
    process::must(
        Command::new("sh")
            .args([
                "-c",
                "git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t \"$0\"",
            ])
            .arg(&sources)
            .current_dir(SOURCES),
    )?;
    std::fs::write(sources.join(file), changed)?;
    process::must(
        Command::new("cargo")
            .args(["build", "--quiet", "--package", "reconciler", "--bin", "wab", "--target-dir"])
            .arg(&copy)
            .current_dir(&sources),
    )?;
    Ok(copy.join("debug/wab"))
}
