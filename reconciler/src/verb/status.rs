//! `wab status`: shows the fleet as last observed, and the last run. It does not call the provider.

use crate::config::Fleet;
use crate::db::store::Store;
use crate::ground::Exit;
use crate::model::Error;
use crate::render::ci;
use crate::render::screen::Screen;
use crate::verb::flags::Output;

/// Shows the status.
pub async fn status(fleet: &Fleet, output: &Output, screen: Screen) -> Result<Exit, Error> {
    let status = Store::connect(&fleet.database).await?.status().await?;
    screen.result(&screen.status(&status, output.format()))?;
    ci::status(&status, Exit::Done);
    Ok(Exit::Done)
}
