//! Every page works without scripts.

use anyhow::{Result, ensure};
use e2e::chromium::Chromium;
use e2e::served::Served;

use crate::audit::Audit;
use crate::fleets;

#[tokio::test]
async fn every_page_works_without_scripts() -> Result<()> {
    let fleet = fleets::demo().await?;
    let (board, browser) = (Served::open(&fleet)?, Chromium::start()?);
    let (tab, audit) = (browser.tab()?, Audit::new("plain")?);
    tab.without_scripts()?;
    for page in fleets::pages(&fleet)?
        .iter()
        .filter(|page| !page.contains("after_bridge") && !page.contains("no-such"))
    {
        tab.open(&format!("{}{page}", board.url()))?;
        ensure!(
            tab.evaluate("typeof live === 'object' && typeof source === 'undefined'")? == true,
            "a script ran"
        );
        audit.age(&tab)?;
    }
    let click = |selector: &str| {
        tab.loading(|| tab.evaluate(&format!("document.querySelector('{selector}').click()")).map(drop))
    };
    tab.open(&format!("{}/", board.url()))?;
    click("nav a[href=\"/tenants\"]")?;
    let first = tab.text("document.querySelector('tbody tr').textContent")?;
    click("a[rel=next]")?;
    let second = tab.text("document.querySelector('tbody tr').textContent")?;
    ensure!(first != second, "{first}");
    tab.evaluate("document.querySelector('[name=q]').value = 'cust_0077'")?;
    click("form button")?;
    let found = tab.text("document.querySelector('tbody').textContent")?;
    ensure!(
        found.contains("cust_0077") && tab.evaluate("document.querySelectorAll('tbody tr').length")? == 1,
        "{found}"
    );
    click("td.id a")?;
    ensure!(tab.text("document.querySelector('h1').textContent")? == "Tenant cust_0077");
    Ok(())
}
