//! The picture in the documentation.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use e2e::chromium::Chromium;
use e2e::served::Served;
use e2e::tab::Scheme;

use crate::fleets;

/// No more bytes than this.
const LARGEST: usize = 200_000;

/// `UPDATE_DOCS=1` takes it anew.
#[tokio::test]
async fn the_picture_of_the_board_is_small() -> Result<()> {
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/board.png"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let fleet = fleets::demo().await?;
        let (board, browser) = (Served::open(&fleet)?, Chromium::start()?);
        let tab = browser.tab()?;
        tab.view(1280, Scheme::Light)?;
        tab.open(&format!("{}/", board.url()))?;
        tab.picture(&file, 845)?;
    }
    let picture = std::fs::read(&file).context("UPDATE_DOCS=1 takes docs/board.png")?;
    ensure!(picture.len() < LARGEST, "{} bytes", picture.len());
    ensure!(
        picture.starts_with(b"\x89PNG\r\n\x1a\n") && picture[16..20] == 1280_u32.to_be_bytes(),
        "no PNG of 1280 px"
    );
    Ok(())
}
