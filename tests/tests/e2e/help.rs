//! Tests that `wab_help()` lists every public function and view and fits a terminal of 100 columns.

use anyhow::Result;
use e2e::fleet::DATABASE;

use crate::world;

#[tokio::test]
async fn the_list_is_what_tab_completion_shows() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let public = fleet.sql(
        "SELECT p.proname FROM pg_proc p WHERE p.proname LIKE 'wab\\_%'
         UNION SELECT c.relname FROM pg_class c WHERE c.relname LIKE 'wab\\_%' AND c.relkind = 'v'
         ORDER BY 1",
    )?;
    assert_eq!(public, fleet.sql("SELECT h.name FROM wab_help() h ORDER BY 1")?);
    Ok(())
}

#[tokio::test]
async fn it_fits_a_hundred_columns() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let shown = e2e::process::run(fleet.cluster.program("psql", DATABASE).args([
        "-X",
        "-c",
        "SELECT * FROM wab_help()",
    ]))?
    .stdout;
    for line in shown.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(shown.lines().count() > 50, "{shown}");
    Ok(())
}
