//! What must hold on each page: axe-core finds no barrier, nothing is wider than the window, the page complains about nothing, and
//! the heading and the age of the observation can be seen.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use e2e::process;
use e2e::tab::{Scheme, Tab};
use serde_json::Value;

/// 1280 and 390 px, and both at 200 %.
const WIDTHS: [u32; 4] = [1280, 640, 390, 195];

const VISIBLE: &str =
    "(selector => document.querySelector(selector)?.checkVisibility({ opacityProperty: true }) ?? false)";

/// What does not fit, to find out why.
const TOO_WIDE: &str = "[...document.querySelectorAll('main *, header *, footer *')]
    .filter((part) => part.getBoundingClientRect().right > innerWidth && !part.closest('.scroll, pre'))
    .map((part) => `${part.tagName}.${part.className} ${part.textContent.slice(0, 60)}`).slice(0, 5).join('; ')";

/// Rows are alike, and axe-core takes 15 s for 500 of them.
const FEWER_ROWS: &str =
    "document.querySelectorAll('tbody tr:nth-child(n + 10)').forEach((row) => row.remove())";

/// Checks the pages of a board.
pub struct Audit {
    axe: String,
    /// The name of the fleet, for the names of pictures.
    name: &'static str,
    /// Where pictures go, if somebody wants to look at them.
    pictures: Option<PathBuf>,
}

impl Audit {
    /// `WAB_PICTURES=1` leaves a picture of each page in `target/browser`.
    pub fn new(name: &'static str) -> Result<Self> {
        let target = process::target_dir()?;
        let axe = std::fs::read_to_string(target.join("axe.min.js")).context("run make test-tools")?;
        let pictures = std::env::var_os("WAB_PICTURES").map(|_| target.join("browser"));
        if let Some(folder) = &pictures {
            std::fs::create_dir_all(folder)?;
        }
        Ok(Self { axe, name, pictures })
    }

    /// Checks the page that is open in this tab.
    pub fn page(&self, tab: &Tab) -> Result<()> {
        self.widths(tab)?;
        let address = tab.text("location.pathname + location.search")?;
        for (width, scheme) in [(1280, Scheme::Light), (390, Scheme::Dark)] {
            tab.view(width, scheme)?;
            self.picture(tab, &format!("{address}-{width}"))?;
        }
        tab.evaluate(FEWER_ROWS)?;
        for (width, scheme) in [(1280, Scheme::Light), (390, Scheme::Dark)] {
            tab.view(width, scheme)?;
            let found = self.barriers(tab)?;
            ensure!(
                found.is_empty(),
                "{} {address}, {width} px, {scheme:?}: {}",
                self.name,
                found.join("\n")
            );
        }
        tab.view(1280, Scheme::Light)?;
        ensure!(
            tab.evaluate(&format!("{VISIBLE}('h1')"))? == true,
            "{} {address} shows no heading",
            self.name
        );
        Ok(())
    }

    /// Checks that nothing is wider than the window.
    pub fn widths(&self, tab: &Tab) -> Result<()> {
        for width in WIDTHS {
            tab.view(width, Scheme::Light)?;
            let page =
                tab.evaluate(&format!("[document.documentElement.scrollWidth, {TOO_WIDE}, location.href]"))?;
            ensure!(
                page[0].as_u64().is_some_and(|needed| needed <= width.into()),
                "{}, {width} px: {page}",
                self.name
            );
        }
        Ok(())
    }

    /// Checks that the page says how old the observation is.
    pub fn age(&self, tab: &Tab) -> Result<()> {
        let state = tab.text("document.querySelector('.state').textContent")?;
        ensure!(
            state.contains("Fleet observed") || state.contains("was never observed"),
            "{}: {state}",
            self.name
        );
        ensure!(tab.evaluate(&format!("{VISIBLE}('.state')"))? == true, "{}: the age is hidden", self.name);
        Ok(())
    }

    /// What axe-core finds with all rules that are on by default, which include WCAG 2 AA.
    fn barriers(&self, tab: &Tab) -> Result<Vec<String>> {
        if tab.evaluate("typeof axe")? != "object" {
            tab.evaluate(&format!("{}; undefined", self.axe))?;
        }
        let found = tab.evaluate(
            "axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations.map((rule) =>
                 [rule.id, rule.help, ...rule.nodes.slice(0, 3).map((node) => node.html.slice(0, 200) + node.failureSummary)].join('\\n')))",
        )?;
        let found = found.as_array().with_context(|| format!("axe-core returned {found}"))?;
        Ok(found.iter().map(Value::to_string).collect())
    }

    fn picture(&self, tab: &Tab, name: &str) -> Result<()> {
        let Some(folder) = &self.pictures else { return Ok(()) };
        let name: String =
            name.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).take(60).collect();
        tab.picture(&folder.join(format!("{}{name}.png", self.name)), 1600)
    }
}
