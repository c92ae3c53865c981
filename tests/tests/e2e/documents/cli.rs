//! docs/cli.md: the help of every verb, as clap writes it.

use std::process::Command;

use anyhow::{Context, Result};
use e2e::process;

use super::generated::{self, MARK};

/// The help of a verb, or of `wab` itself.
fn help(verb: &[&str]) -> Result<String> {
    let mut wab = Command::new(process::built("wab")?);
    wab.arg("help").args(verb).env_remove("COLUMNS").env_remove("CLICOLOR_FORCE");
    let text = process::must(&mut wab)?;
    Ok(text.lines().map(|line| line.trim_end().to_owned() + "\n").collect())
}

fn page() -> Result<String> {
    let whole = help(&[])?;
    let commands = whole.split_once("Commands:\n").context("no commands")?.1;
    let verbs = commands.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
        let name = line.strip_prefix("  ")?;
        name.split_whitespace().next().filter(|_| !name.starts_with(' '))
    });
    let mut page = format!(
        "# `wab` on the command line\n{MARK}\n\nWhat `wab help` and `wab help VERB` print. [exit-codes.md](exit-codes.md) says what a script does with each exit code;\n\
         [ci.md](ci.md) has recipes for CI jobs and the formats of the output.\n\n```text\n{whole}```\n"
    );
    for verb in verbs.filter(|verb| *verb != "help") {
        page += &format!("\n## `wab {verb}`\n\n```text\n{}```\n", help(&[verb])?);
    }
    Ok(page)
}

#[test]
fn the_reference_of_the_command_line_is_its_help() -> Result<()> {
    let page = page()?;
    anyhow::ensure!(
        page.contains("\n## `wab plan`\n") && page.contains("\n## `wab man`\n"),
        "verbs are missing"
    );
    generated::hold("docs/cli.md", &page)
}
