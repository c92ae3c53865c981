//! Measures `wab serve`: receiving webhooks and showing pages.

use anyhow::Result;

use crate::report::Row;
use crate::scene::Scene;
use crate::{pages, receivers};

/// The bridges, and as many tenants.
pub const SIZE: u32 = 10_000;

/// Measures every row and passes each to `tell` at once.
pub fn all(mut tell: impl FnMut(Row)) -> Result<()> {
    let scene = Scene::on_disk(SIZE)?;
    pages::rows(&scene, &mut tell)?;
    receivers::rows(&scene, &mut tell)
}
