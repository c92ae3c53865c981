//! Runs fuzzing targets, each a check and its corpus: `cargo test` replays the corpus, and `make fuzz` lets libFuzzer derive new
//! inputs from it. The crates define the checks beside the code that they check.

#[cfg(fuzzing)]
mod libfuzzer;

use std::fs;
use std::io::{Error, Result};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Runs a check, which panics on a violation, on every file of the target's corpus. Under `make fuzz` libFuzzer runs it on derived
/// inputs instead.
///
/// # Errors
/// The name of the first file that fails, or a missing or empty corpus.
pub fn target(name: &str, check: fn(&[u8])) -> Result<()> {
    #[cfg(fuzzing)]
    libfuzzer::run(check)?;
    let files = corpus(name)?;
    for file in &files {
        let bytes = fs::read(file)?;
        catch_unwind(|| check(&bytes)).map_err(|_| Error::other(format!("{} fails", file.display())))?;
    }
    if files.is_empty() { Err(Error::other(format!("the corpus of {name} is empty"))) } else { Ok(()) }
}

fn corpus(name: &str) -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    Ok(files)
}
