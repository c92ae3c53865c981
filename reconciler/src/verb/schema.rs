//! `wab schema`: the JSON Schema of fleet.yaml, for editors; no file is read.

use crate::error::Error;
use crate::exit::Exit;
use crate::fleet;
use crate::render::Screen;

/// Writes the schema to stdout.
pub fn schema(screen: Screen) -> Result<Exit, Error> {
    screen.result(&format!("{:#}", fleet::schema()))?;
    Ok(Exit::Done)
}
