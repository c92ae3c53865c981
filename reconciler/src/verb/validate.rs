//! `wab validate`: fleet.yaml alone, offline.

use std::path::Path;

use crate::error::Error;
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::render::{self, Screen};

/// Says that the file is valid: loading it has said what is not.
pub fn validate(file: &Path, fleet: &Fleet, screen: Screen) -> Result<Exit, Error> {
    screen.result(&render::validated(file, fleet))?;
    Ok(Exit::Done)
}
