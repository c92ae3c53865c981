//! The CI recipes of docs/ci.md, tried as they are written: their commands are read from there and run by the shells of CI.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use e2e::fleet::Fleet;
use e2e::process::{self, Said};
use serde_json::{Value, json};

use crate::world;

/// The YAML block of docs/ci.md that begins with this comment.
fn recipe(name: &str) -> Result<Value> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ci.md"))?;
    let start = page.find(&format!("```yaml\n# {name}\n")).with_context(|| format!("no recipe {name}"))?;
    let block = &page[start + "```yaml\n".len()..];
    let end = block.find("```").context("the block does not end")?;
    Ok(serde_yaml::from_str(&block[..end])?)
}

/// The commands of a job: `run` of GitHub's steps, or GitLab's `script`.
fn commands(recipe: &Value, job: &str) -> Result<Vec<String>> {
    let lines: Vec<String> = match (&recipe["jobs"][job]["steps"], &recipe[job]["script"]) {
        (Value::Array(steps), _) => {
            steps.iter().filter_map(|step| step["run"].as_str()).map(str::to_owned).collect()
        }
        (_, Value::Array(lines)) => lines.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => anyhow::bail!("no job {job}"),
    };
    anyhow::ensure!(!lines.is_empty(), "{job} has no commands");
    Ok(lines)
}

/// A directory with `wab`, and a `gh` that says what it was asked for: GitHub itself cannot be here.
fn tools(fleet: &Fleet) -> Result<PathBuf> {
    let gh = fleet
        .write("gh", "#!/bin/sh\necho \"gh $*\" && cat \"$(echo \"$*\" | sed 's/.*--body-file //')\"\n")?;
    std::fs::set_permissions(&gh, std::fs::Permissions::from_mode(0o755))?;
    Ok(gh.with_file_name(""))
}

/// Runs a job's commands as CI does, each in a shell that stops at the first error.
fn run(fleet: &Fleet, shell: &[&str], commands: &[String]) -> Result<Said> {
    let wab = fleet.wab_command(&[])?;
    let path = format!(
        "{}:{}:{}",
        PathBuf::from(wab.get_program()).with_file_name("").display(),
        tools(fleet)?.display(),
        std::env::var("PATH")?
    );
    let mut all = Said { code: 0, stdout: String::new(), stderr: String::new() };
    for line in commands {
        let mut command = Command::new(shell[0]);
        command
            .args(&shell[1..])
            .arg(line)
            .envs(wab.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command.current_dir(wab.get_current_dir().context("no directory")?);
        command.env("PATH", &path).env("CI", "true").env("PR", "12");
        command.env("GITHUB_STEP_SUMMARY", tools(fleet)?.join("summary.md"));
        command.env("GITHUB_OUTPUT", tools(fleet)?.join("output"));
        let said = process::run(&mut command)?;
        all.stdout += &said.stdout;
        all.stderr += &said.stderr;
        all.code = said.code;
        if said.code != 0 {
            break;
        }
    }
    Ok(all)
}

async fn drifted() -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 3) n")?;
    fleet.fleet_yaml(world::YAML)?;
    Ok(fleet)
}

const GITHUB: &[&str] = &["bash", "-e", "-c"];
const GITLAB: &[&str] = &["bash", "-eo", "pipefail", "-c"];

#[tokio::test]
async fn the_recipe_for_github_actions_works_as_written() -> Result<()> {
    let (fleet, recipe) = (drifted().await?, recipe(".github/workflows/fleet.yml")?);
    let plan = commands(&recipe, "plan")?;
    let said = run(&fleet, GITHUB, &plan)?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("gh pr comment 12 --edit-last --create-if-none --body-file plan.md"));
    assert!(
        said.stdout.contains("<!-- wab:plan -->") && said.stdout.contains("3 to provision"),
        "{}",
        said.stdout
    );
    let output = std::fs::read_to_string(tools(&fleet)?.join("output"))?;
    assert!(output.contains("changes=true") && output.contains("creates=3"), "{output}");

    let said = run(&fleet, GITHUB, &commands(&recipe, "apply")?)?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sandbox.calls("POST").await?, 3);

    let drift = commands(&recipe, "drift")?;
    let said = run(&fleet, GITHUB, &drift)?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    fleet.sandbox.add_one("nobody", "connected").await?;
    fleet.sandbox.change(5, json!({"status": "qr"})).await?;
    let said = run(&fleet, GITHUB, &drift)?;
    assert_eq!(said.code, 2, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("::warning"), "{}", said.stdout);
    Ok(())
}

#[tokio::test]
async fn a_refused_plan_fails_the_job() -> Result<()> {
    let (fleet, recipe) = (drifted().await?, recipe(".github/workflows/fleet.yml")?);
    fleet
        .fleet_yaml("tenants: { table: tenants, wanted: status = 'active' }\npolicy: { max_creates: 2 }\n")?;
    let said = run(&fleet, GITHUB, &commands(&recipe, "plan")?)?;
    assert_eq!(said.code, 5, "{}{}", said.stdout, said.stderr);
    fleet.write("fleet.yaml", "version: 1\npolice: {}\n")?;
    let said = run(&fleet, GITHUB, &commands(&recipe, "plan")?)?;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("::error file=fleet.yaml,line=2"), "{}", said.stdout);
    Ok(())
}

#[tokio::test]
async fn the_recipe_for_gitlab_works_as_written() -> Result<()> {
    let (fleet, recipe) = (drifted().await?, recipe(".gitlab-ci.yml")?);
    let said = run(&fleet, GITLAB, &commands(&recipe, "plan")?)?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("3 to provision"), "{}", said.stdout);
    let said = run(&fleet, GITLAB, &commands(&recipe, "apply")?)?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sandbox.calls("POST").await?, 3);
    let drift = commands(&recipe, "drift")?;
    assert_eq!(run(&fleet, GITLAB, &drift)?.code, 0);
    fleet.sandbox.add_one("nobody", "connected").await?;
    let said = run(&fleet, GITLAB, &drift)?;
    assert_eq!(said.code, 2, "{}{}", said.stdout, said.stderr);
    Ok(())
}
