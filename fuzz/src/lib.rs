//! A fuzzing target is a check and its corpus: `cargo test` replays the corpus, `make fuzz` lets libFuzzer go on from it.
//! What is checked is said beside what is checked, in the tests of the crates.

#[cfg(fuzzing)]
mod libfuzzer;

use std::fs;
use std::io::{Error, Result};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Holds every file of the target's corpus against a check that panics when something is wrong; then, under
/// `make fuzz`, whatever libFuzzer makes of them.
///
/// # Errors
/// A file that fails, by its name; a corpus that is not there.
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
