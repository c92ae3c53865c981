//! Writes NOTICE, and the texts of the licences for the packages, to stdout.

use std::io::{Error, Result, Write, stdout};
use std::path::Path;

use packaging::{linked, notice, texts};

const USAGE: &str = "usage: packaging notice | packaging texts";

fn main() -> Result<()> {
    let crates = linked(Path::new("."))?;
    let text = match std::env::args().nth(1).as_deref() {
        Some("notice") => notice(&crates),
        Some("texts") => texts(&crates)?,
        _ => return Err(Error::other(USAGE)),
    };
    stdout().write_all(text.as_bytes())
}
