//! `wab status`: the fleet as last observed and the runs on it; the provider is not called.

use crate::cli::Output;
use crate::error::Error;
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::render::{Screen, ci};
use crate::store::Store;

/// Shows the status.
pub async fn status(fleet: &Fleet, output: &Output, screen: Screen) -> Result<Exit, Error> {
    let status = Store::connect(&fleet.database).await?.status().await?;
    screen.result(&screen.status(&status, output.format()))?;
    ci::status(&status, Exit::Done);
    Ok(Exit::Done)
}
