//! The keyboard alone is enough, and the focus can always be seen.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use e2e::chromium::Chromium;
use e2e::served::Served;
use e2e::tab::Tab;

use crate::fleets;

/// What has the focus, in words.
const FOCUS: &str = "(() => { const it = document.activeElement; return it === document.body ? '' :
    [it.tagName, it.closest('[class]')?.className ?? '', it.name ?? '', it.getAttribute('href') ?? '',
     it.getAttribute('aria-label') ?? it.textContent.trim().slice(0, 40)].join('|'); })()";

/// Whether it has an outline, within the window.
const IS_SEEN: &str = "(() => { const it = document.activeElement, style = getComputedStyle(it), place = it.getBoundingClientRect();
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && place.right > 0 && place.bottom > 0 &&
        place.top < innerHeight && place.left < innerWidth; })()";

/// Presses Tab until the focus is on this, and returns all that had it.
fn tab_to(tab: &Tab, what: &str) -> Result<BTreeSet<String>> {
    let mut passed = BTreeSet::new();
    for _ in 0..60 {
        tab.press("Tab")?;
        let focus = tab.text(FOCUS)?;
        ensure!(focus.is_empty() || tab.evaluate(IS_SEEN)? == true, "nobody sees that {focus} has the focus");
        passed.insert(focus.clone());
        if focus.contains(what) {
            return Ok(passed);
        }
    }
    anyhow::bail!("Tab does not reach {what}, but {passed:#?}");
}

#[tokio::test]
async fn tab_and_enter_go_everywhere() -> Result<()> {
    let fleet = fleets::demo().await?;
    let (board, browser) = (Served::open(&fleet)?, Chromium::start()?);
    let tab = browser.tab()?;
    tab.open(&format!("{}/", board.url()))?;
    let first = tab_to(&tab, "Skip to the content")?;
    ensure!(first.len() == 1, "the skip link is not the first: {first:?}");
    tab.press("Enter")?;
    tab.until("document.activeElement.id === 'main'")?;
    ensure!(tab.evaluate(IS_SEEN)? == true, "the content has the focus, and nobody sees it");
    tab_to(&tab, "/tenants?status=paired")?;
    let passed = tab_to(&tab, "/tenants/cust_")?;
    ensure!(
        passed.iter().any(|focus| focus.starts_with("DIV|scroll")),
        "no table can be scrolled: {passed:?}"
    );
    tab.loading(|| tab.press("Enter"))?;
    tab.until("document.querySelector('h1').textContent.startsWith('Tenant cust_')")?;
    tab_to(&tab, "|Tenants")?;
    tab.loading(|| tab.press("Enter"))?;
    search(&tab)
}

/// Fills in the form for rows, and goes to a row.
fn search(tab: &Tab) -> Result<()> {
    tab_to(tab, "|q|")?;
    for char in "cust_000".chars() {
        tab.press(&char.to_string())?;
    }
    tab_to(tab, "|status|")?;
    tab_to(tab, "|kind|")?;
    tab_to(tab, "BUTTON")?;
    tab.loading(|| tab.press("Enter"))?;
    tab.until("document.querySelectorAll('tbody tr').length === 9")?;
    tab_to(tab, "/tenants/cust_0001")?;
    tab.loading(|| tab.press("Enter"))?;
    tab.until("document.querySelector('h1').textContent === 'Tenant cust_0001'")
}
