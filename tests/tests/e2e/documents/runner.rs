//! Runs the blocks of a page, in order, on a fleet of its own, and prints how many.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};
use e2e::fleet::{DATABASE, Fleet};
use e2e::process::{self, Said};

use super::block::{Block, Kind};
use super::fleets;
use super::generated::GENERATED;
use super::machine::Machine;
use super::mask;
use super::page::{Page, root, updates};
use crate::world;

/// The page from which `recipes.rs` takes its recipes.
const RECIPES: &str = "docs/ci.md";

/// Runs a page's blocks and compares their outputs; fails with everything that is wrong with the page.
pub async fn run(page: &Page) -> Result<()> {
    let blocks = page.blocks()?;
    if GENERATED.contains(&page.name.as_str())
        || blocks.iter().all(|block| matches!(block.kind(), Ok(Kind::Picture)))
    {
        return Ok(());
    }
    let fleet = fleets::start(page).await?;
    let dir = fleet.fleet_yaml(world::YAML)?.with_file_name("");
    std::os::unix::fs::symlink(root().join("sql").canonicalize()?, dir.join("sql"))?;

    let (mut wrong, mut outputs, mut said) = (Vec::new(), Vec::new(), None);
    let mut ran = 0;
    for block in &blocks {
        let at = format!("{}:{}", page.name, block.line);
        let done = match block.kind() {
            Ok(Kind::Sql) => sql(&fleet, block).map(Some),
            Ok(Kind::Shell) => shell(&fleet, &dir, &typed(&block.body)?).map(Some),
            Ok(Kind::Machine) => machine(&fleet, &dir, block).await.map(Some),
            Ok(Kind::FleetYaml) => fleet_yaml(&fleet, block).map(Some),
            Ok(Kind::Settings) => settings(&fleet, block).map(Some),
            Ok(Kind::Output) => compare(block, said.take().as_deref(), &mut outputs).map(|()| None),
            Ok(Kind::Recipe) if page.name != RECIPES => {
                Err(anyhow!("recipes.rs runs the recipes of {RECIPES} only"))
            }
            Ok(Kind::Recipe | Kind::Picture) => Ok(None),
            Err(unknown) => Err(unknown),
        };
        match done {
            Ok(Some(output)) => {
                ran += 1;
                said = Some(readable(&output, &dir));
            }
            Ok(None) => said = None,
            Err(error) => {
                said = None;
                wrong.push(format!("{at}: {error:#}"));
            }
        }
    }
    println!(
        "{}: {ran} blocks run, {} outputs compared",
        page.name,
        blocks.iter().filter(|block| matches!(block.kind(), Ok(Kind::Output))).count()
    );
    if updates() {
        page.rewrite(&outputs)?;
    }
    ensure!(wrong.is_empty(), "\n{}\n(UPDATE_DOCS=1 writes outputs anew)", wrong.join("\n"));
    ensure!(ran > 0, "{} has blocks, and none ran", page.name);
    Ok(())
}

/// The output as a reader may see it: without the folder of this run.
fn readable(output: &str, dir: &Path) -> String {
    let dir = dir.display().to_string();
    trimmed(&output.replace(&dir, "").replace(dir.trim_end_matches('/'), "."))
}

/// Without spaces at the end of lines and empty lines at the end.
fn trimmed(output: &str) -> String {
    let lines: String = output.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    lines.trim_end().to_owned() + "\n"
}

fn compare<'a>(block: &'a Block, said: Option<&str>, outputs: &mut Vec<(&'a Block, String)>) -> Result<()> {
    let said = said.context("this is the output of no block that ran")?;
    if mask::same(said, &trimmed(&block.body)) {
        return Ok(());
    }
    if updates() {
        outputs.push((block, said.to_owned()));
        return Ok(());
    }
    bail!("the page shows\n{}and the output is\n{said}", block.body)
}

/// Runs a program with both of its streams in one, as a terminal shows them.
fn in_one(command: &Command) -> Result<Said> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" 2>&1", "sh"]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(key, value),
            None => shell.env_remove(key),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        shell.current_dir(dir);
    }
    process::run(&mut shell)
}

fn sql(fleet: &Fleet, block: &Block) -> Result<String> {
    let file = fleet.write(".block.sql", &block.body)?;
    let psql = fleet.cluster.program("psql", DATABASE);
    // As typed: without -f, messages do not name a file.
    let script =
        format!("exec '{}' -X -v ON_ERROR_STOP=1 < '{}'", psql.get_program().display(), file.display());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).envs(psql.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let said = in_one(&shell)?;
    ensure!(said.code == 0, "psql ended with {}:\n{}{}", said.code, block.body, said.stdout);
    Ok(said.stdout)
}

/// The block without the commands of the Makefile, which are looked up: most of them would build or test the product again.
fn typed(body: &str) -> Result<String> {
    let mut script = String::new();
    for line in body.lines() {
        match line.strip_prefix("make ") {
            Some(target) => make(target)?,
            None => script += &format!("{line}\n"),
        }
    }
    Ok(script)
}

/// Runs a block that changes a machine or names another one, and checks what it made.
async fn machine(fleet: &Fleet, dir: &Path, block: &Block) -> Result<String> {
    let machine = Machine::new(fleet, dir)?;
    let said = shell(fleet, dir, &machine.script(fleet, &block.body))?;
    machine.check(fleet, &block.body).await?;
    Ok(said)
}

/// Runs a script in bash.
fn shell(fleet: &Fleet, dir: &Path, script: &str) -> Result<String> {
    let exits = script
        .split("# exits ")
        .nth(1)
        .and_then(|code| code.split_whitespace().next())
        .unwrap_or("0")
        .to_owned();
    let file = fleet.write(".block.sh", script)?;
    let (wab, psql) = (fleet.wab_command(&[])?, fleet.cluster.program("psql", DATABASE));
    let folder =
        |command: &Command| PathBuf::from(command.get_program()).with_file_name("").display().to_string();
    let mut bash = Command::new("bash");
    bash.arg("-e").arg(file).current_dir(dir);
    for (key, value) in wab.get_envs().chain(psql.get_envs()) {
        match value {
            Some(value) => bash.env(key, value),
            None => bash.env_remove(key),
        };
    }
    bash.env("PATH", format!("{}:{}:{}", folder(&wab), folder(&psql), std::env::var("PATH")?));
    let said = in_one(&bash)?;
    ensure!(said.code.to_string() == exits, "exits {} and not {exits}:\n{script}{}", said.code, said.stdout);
    Ok(said.stdout)
}

/// The target and the variables stand in the Makefile. `make -n` would run what is written with $(MAKE).
fn make(line: &str) -> Result<()> {
    let makefile = std::fs::read_to_string(root().join("Makefile"))?;
    for word in line.split('#').next().unwrap_or_default().split_whitespace() {
        let known = match word.split_once('=') {
            Some((variable, _)) => {
                makefile.lines().any(|line| line.split_whitespace().next() == Some(variable))
            }
            None => makefile.lines().any(|line| line.starts_with(&format!("{word}:"))),
        };
        ensure!(known, "make {line}: the Makefile has no {word}");
    }
    Ok(())
}

/// Puts the block into the place of fleet.yaml, with the account of the sandbox unless it has one, and checks it.
fn fleet_yaml(fleet: &Fleet, block: &Block) -> Result<String> {
    let account = if block.body.contains("\naccount:") {
        String::new()
    } else {
        format!("account: {{ api_url: {} }}\n", fleet.sandbox.url())
    };
    fleet.write("fleet.yaml", &format!("{}{account}", block.body))?;
    let said = fleet.wab(&["validate"])?;
    ensure!(said.code == 0, "{}{}", said.stdout, said.stderr);
    Ok(said.stdout)
}

/// Every setting exists, and one that is commented out is shown with its default.
fn settings(fleet: &Fleet, block: &Block) -> Result<String> {
    for line in block.body.lines().filter(|line| line.contains('=')) {
        let (name, value) = line.split_once('=').context("no value")?;
        let value = value.split('\'').nth(1).with_context(|| format!("no quotes: {line}"))?;
        let bare = name.trim().trim_start_matches('#');
        let is_default = fleet.sql(&format!(
            "LOAD 'pg_wabridges'; SELECT coalesce(s.boot_val, '') = '{value}' OR current_setting(s.name) = '{value}' FROM pg_settings s WHERE s.name = '{bare}'"
        ))?;
        ensure!(!is_default.is_empty(), "there is no setting {bare}");
        ensure!(is_default == "t" || bare == name.trim(), "{line}: this is not the default");
    }
    Ok(String::new())
}

/// A statement of the pages that makes the extension, and the one with which install.md puts it into a schema of its own.
const IN_PUBLIC: [&str; 2] =
    ["CREATE EXTENSION pg_wabridges;", "CREATE EXTENSION IF NOT EXISTS pg_wabridges;"];
const IN_ITS_SCHEMA: &str = "CREATE SCHEMA wab; CREATE EXTENSION pg_wabridges SCHEMA wab;";
const SEARCH_PATH: &str = "ALTER DATABASE app SET search_path = \"$user\", public, wab;";

#[tokio::test]
async fn the_first_blocks_run_for_a_bigint_id_and_in_a_schema_of_its_own() -> Result<()> {
    let install = Page::read("docs/install.md")?;
    ensure!(install.text.contains(IN_ITS_SCHEMA) && install.text.contains(SEARCH_PATH), "install.md differs");
    let fleet = fleets::bare(fleets::Ids::Bigint).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sql(&format!("{IN_ITS_SCHEMA} {SEARCH_PATH}"))?;
    for page in [Page::read("README.md")?, install] {
        for block in
            page.blocks()?.iter().filter(|block| matches!(block.kind(), Ok(Kind::Sql | Kind::FleetYaml)))
        {
            let mut block = block.clone();
            block.body = IN_PUBLIC.iter().fold(block.body, |body, create| body.replace(create, ""));
            match block.kind()? {
                Kind::FleetYaml => fleet_yaml(&fleet, &block)?,
                _ => sql(&fleet, &block)?,
            };
        }
        let said = fleet.wab(&["apply", "-y"])?;
        ensure!(said.code == 0, "{}: {}{}", page.name, said.stdout, said.stderr);
        let said = fleet.wab(&["plan", "--detailed-exitcode"])?;
        ensure!(said.code == 0, "{}: {}{}", page.name, said.stdout, said.stderr);
    }
    let linked =
        fleet.sql("SELECT customer_ref, webhook_url FROM wab.wab_tenants WHERE tenant_id = 9000000021")?;
    assert_eq!(linked, "9000000021|https://app.example.com/hooks/9000000021");
    Ok(())
}
