//! One test per page, so that a failure names the page.

use anyhow::Result;

use super::page::{Page, root};
use super::runner;

macro_rules! pages {
    ($($test:ident: $name:literal,)*) => {
        /// Every page that is held to the product.
        pub const ALL: &[&str] = &[$($name),*];
        $(
            #[tokio::test]
            async fn $test() -> Result<()> {
                runner::run(&Page::read($name)?).await
            }
        )*
    };
}

pages! {
    readme: "README.md",
    architecture: "ARCHITECTURE.md",
    contributing: "CONTRIBUTING.md",
    security: "SECURITY.md",
    bench: "bench/README.md",
    docs_index: "docs/README.md",
    docs_accounts: "docs/accounts.md",
    docs_ci: "docs/ci.md",
    docs_ci_failures: "docs/ci-failures.md",
    docs_cli: "docs/cli.md",
    docs_drift: "docs/drift.md",
    docs_engines: "docs/engines.md",
    docs_exit_codes: "docs/exit-codes.md",
    docs_fleet_yaml: "docs/fleet-yaml.md",
    docs_incidents: "docs/incidents.md",
    docs_install: "docs/install.md",
    docs_monday: "docs/monday.md",
    docs_operations: "docs/operations.md",
    docs_scale: "docs/scale.md",
    docs_serve: "docs/serve.md",
    docs_sql: "docs/sql.md",
    docs_troubleshooting: "docs/troubleshooting.md",
}

#[test]
fn every_page_of_docs_is_held() -> Result<()> {
    for entry in std::fs::read_dir(root().join("docs"))? {
        let name = format!("docs/{}", entry?.file_name().to_string_lossy());
        let is_page = !name.ends_with(".png");
        assert!(!is_page || ALL.contains(&name.as_str()), "{name} is in no test");
    }
    Ok(())
}

#[test]
fn the_readme_is_a_door() -> Result<()> {
    let lines = Page::read("README.md")?.text.lines().count();
    assert!(lines <= 150, "README.md has {lines} lines, and may have 150: the rest belongs into docs/");
    Ok(())
}
