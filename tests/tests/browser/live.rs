//! An open page renews itself: without taking the focus or the place in a table away, and only while it can be seen.

use anyhow::{Result, ensure};
use e2e::chromium::Chromium;
use e2e::fleet::Fleet;
use e2e::served::Served;
use e2e::tab::{Scheme, Tab};
use serde_json::{Value, json};

use crate::fleets;

/// Counts what the polite line says.
const LISTEN: &str = "window.said = []; new MutationObserver(() => said.push(live.textContent)).observe(live, { childList: true })";

/// Changes the fleet: one more bridge lost its phone.
async fn disconnect(fleet: &Fleet, id: i64) -> Result<()> {
    fleet.sandbox.change(id, json!({"status": "disconnected"})).await?;
    fleet.observe().await
}

#[tokio::test]
async fn a_change_is_shown_and_disturbs_nobody() -> Result<()> {
    let fleet = fleets::demo().await?;
    let (board, browser) = (Served::open(&fleet)?, Chromium::start()?);
    let tab = browser.tab()?;
    tab.view(390, Scheme::Light)?;
    tab.open(&format!("{}/", board.url()))?;
    let number = "document.querySelector('.tile.disconnected strong').textContent";
    let before = tab.text(number)?;
    // The reader has moved a table aside and gone to a link in the navigation.
    tab.evaluate(LISTEN)?;
    tab.evaluate(
        "document.querySelector('.scroll').scrollLeft = 120; document.querySelector('nav a[href=\"/drift\"]').focus();
         scrollTo(0, 300)",
    )?;
    disconnect(&fleet, 40).await?;
    tab.until(&format!("{number} !== '{before}'"))?;
    let place = tab.evaluate(
        "[document.querySelector('.scroll').scrollLeft, document.activeElement.getAttribute('href'), scrollY]",
    )?;
    ensure!(place == json!([120, "/drift", 300]), "{place}");
    let said = tab.evaluate("said")?;
    let said = said.as_array().map(Vec::as_slice).unwrap_or_default();
    ensure!(matches!(said, [Value::String(once)] if once.starts_with("Renewed at")), "{said:?}");
    in_a_table(&fleet, &tab).await
}

/// A table in which the focus is stays as it is, until the reader leaves it.
async fn in_a_table(fleet: &Fleet, tab: &Tab) -> Result<()> {
    let rows = "document.querySelector('[data-live=todo]').textContent";
    let before = tab.text(rows)?;
    tab.evaluate(
        "window.link = document.querySelector('[data-live=todo] td a'); link.focus(); said.length = 0",
    )?;
    disconnect(fleet, 41).await?;
    tab.until("said.length > 0")?;
    ensure!(tab.evaluate("document.activeElement === link")? == true, "the focus was taken away");
    ensure!(tab.text(rows)? == before, "the table in use was replaced");
    tab.press("Tab")?;
    tab.evaluate("document.querySelector('nav a').focus()")?;
    tab.until(&format!("{rows} !== {}", json!(before)))
}

#[tokio::test]
async fn a_hidden_page_holds_no_connection() -> Result<()> {
    let fleet = fleets::demo().await?;
    let (board, browser) = (Served::open(&fleet)?, Chromium::start()?);
    let tab = browser.tab()?;
    tab.open(&format!("{}/", board.url()))?;
    tab.until("source !== null && source.readyState === EventSource.OPEN")?;
    ensure!(connections(&tab) == 1);
    let number = "document.querySelector('.tile.disconnected strong').textContent";
    let before = tab.text(number)?;
    let other = browser.tab_in(&tab.context)?;
    other.show()?;
    tab.until("document.hidden")?;
    wait_for_connections(&tab, 0)?;
    disconnect(&fleet, 40).await?;
    tab.show()?;
    tab.until("!document.hidden")?;
    wait_for_connections(&tab, 1)?;
    tab.until(&format!("{number} !== '{before}'"))
}

/// How many requests for /live have begun and not ended.
fn connections(tab: &Tab) -> usize {
    let events = tab.events();
    let with = |method: &str| events.iter().filter(|event| event["method"] == method).collect::<Vec<_>>();
    let is_over = |id: &Value| {
        with("Network.loadingFailed")
            .iter()
            .chain(&with("Network.loadingFinished"))
            .any(|event| event["params"]["requestId"] == *id)
    };
    with("Network.requestWillBeSent")
        .iter()
        .filter(|event| event["params"]["request"]["url"].as_str().is_some_and(|url| url.ends_with("/live")))
        .filter(|event| !is_over(&event["params"]["requestId"]))
        .count()
}

fn wait_for_connections(tab: &Tab, wanted: usize) -> Result<()> {
    let start = std::time::Instant::now();
    while connections(tab) != wanted {
        ensure!(start.elapsed().as_secs() < 10, "{} connections, not {wanted}", connections(tab));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Ok(())
}
