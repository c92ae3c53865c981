//! Opens every page in every state of the fleet and of its database.

use anyhow::{Result, ensure};
use e2e::chromium::Chromium;
use e2e::fleet::Fleet;
use e2e::served::Served;
use e2e::tab::Tab;

use crate::audit::Audit;
use crate::fleets;

/// Whether a page may be answered with an error, which Chromium reports on its console.
fn is_error(page: &str) -> bool {
    page.contains("no-such-page") || page.contains("after_bridge=x")
}

/// Pages that were shown before the database went down.
const SHOWN: [&str; 3] = ["/", "/tenants", "/drift"];

/// Opens and checks all pages.
fn walk(fleet: &Fleet, board: &Served, tab: &Tab, audit: &Audit) -> Result<()> {
    for page in fleets::pages(fleet)? {
        tab.open(&format!("{}{page}", board.url()))?;
        audit.page(tab)?;
        if !is_error(&page) {
            audit.age(tab)?;
            ensure!(tab.complaints().is_empty(), "{page}: {:#?}", tab.complaints());
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_empty_fleet() -> Result<()> {
    let fleet = fleets::empty()?;
    let (board, browser) = (Served::open(&fleet)?, Chromium::start()?);
    walk(&fleet, &board, &browser.tab()?, &Audit::new("empty")?)
}

#[tokio::test]
async fn ten_thousand_tenants() -> Result<()> {
    let fleet = fleets::full().await?;
    let (board, browser) = (Served::open(&fleet)?, Chromium::start()?);
    let tab = browser.tab()?;
    walk(&fleet, &board, &tab, &Audit::new("full")?)?;
    tab.open(&format!("{}/tenants", board.url()))?;
    ensure!(tab.evaluate("document.querySelectorAll('tbody tr').length")? == 100);
    Ok(())
}

#[tokio::test]
async fn an_observation_of_three_hours_ago() -> Result<()> {
    let fleet = fleets::empty()?;
    fleet.cluster.restart_with_clock("-3h")?;
    fleet.sandbox.add_one("acme", "disconnected").await?;
    fleet.observe().await?;
    fleet.cluster.restart()?;
    let (board, browser) = (Served::open(&fleet)?, Chromium::start()?);
    let tab = browser.tab()?;
    walk(&fleet, &board, &tab, &Audit::new("stale")?)?;
    tab.open(&format!("{}/tenants/acme", board.url()))?;
    let state = tab.text("document.querySelector('.state.alert').textContent")?;
    ensure!(state.contains("Fleet observed 3h"), "{state}");
    Ok(())
}

/// An open page says within seconds that the database is down, pages that were shown before still are, and others say why they are
/// not. An open page is renewed once the database answers again.
#[tokio::test]
async fn a_database_that_is_down() -> Result<()> {
    let fleet = fleets::demo().await?;
    fleet.cluster.expect_in_log(&["terminating connection due to immediate shutdown command"]);
    let (board, browser) = (Served::open(&fleet)?, Chromium::start()?);
    let (tab, open, audit) = (browser.tab()?, browser.tab()?, Audit::new("down")?);
    let pages = fleets::pages(&fleet)?;
    let at = |page: &str| format!("{}{page}", board.url());
    open.open(&at("/"))?;
    for page in SHOWN {
        tab.open(&at(page))?;
    }
    fleet.cluster.crash()?;
    open.until("document.querySelector('[role=alert]')?.textContent.includes('It is from') ?? false")?;
    audit.page(&open)?;
    audit.age(&open)?;
    for page in pages.iter().filter(|page| !is_error(page)) {
        tab.open(&at(page))?;
        audit.page(&tab)?;
        let shown = tab.text("document.querySelector('main').textContent")?;
        let was_shown = SHOWN.contains(&page.as_str());
        let says = if was_shown { "It is from" } else { "The fleet cannot be read" };
        ensure!(shown.contains(says), "{page}: {shown}");
        if was_shown {
            audit.age(&tab)?;
        }
    }
    fleet.cluster.start_again()?;
    open.until("document.querySelector('[role=alert]') === null")
}

#[tokio::test]
async fn hostile_texts_stay_texts() -> Result<()> {
    let fleet = fleets::attacked().await?;
    let (board, browser) = (Served::open(&fleet)?, Chromium::start()?);
    let (tab, audit) = (browser.tab()?, Audit::new("hostile")?);
    walk(&fleet, &board, &tab, &audit)?;
    for text in fleets::hostile() {
        // The link that the list of tenants has for it.
        tab.open(&format!(
            "{}/tenants?q={}",
            board.url(),
            url_encoded(&fleet, text.get(..100).unwrap_or(&text))?
        ))?;
        tab.loading(|| tab.evaluate("document.querySelector('tbody td.id a').click()").map(drop))?;
        audit.widths(&tab)?;
        let hacked = tab.evaluate("typeof hacked")?;
        ensure!(hacked == "undefined" && tab.complaints().is_empty(), "{text:?}: {:#?}", tab.complaints());
        let shown = tab.text("document.body.innerText + document.title")?;
        let is_raw = |char: char| {
            char.is_control() && !char.is_ascii_whitespace() || "\u{202e}\u{2066}".contains(char)
        };
        let raw = shown.lines().find(|line| line.contains(is_raw));
        ensure!(raw.is_none(), "{text:?} is shown as it is: {raw:?}");
        if !text.contains(is_raw) && text.len() < 100 && text != ".." {
            ensure!(shown.contains(&text), "{text:?} is not shown: {shown}");
        }
    }
    Ok(())
}

fn url_encoded(fleet: &Fleet, text: &str) -> Result<String> {
    fleet.sql(&format!("SELECT wab_url_encode({})", fleets::literal(text)))
}
