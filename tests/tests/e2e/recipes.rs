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

/// A step of a job.
struct Step {
    /// GitHub's condition.
    condition: Option<String>,
    command: String,
    /// The variables that it sets; expressions of GitHub are left out.
    variables: Vec<(String, String)>,
}

impl Step {
    /// Whether it runs after a step that failed.
    fn runs_after_failure(&self) -> bool {
        self.condition.as_ref().is_some_and(|condition| condition.contains("!cancelled()"))
    }
}

/// The commands of a job: `run` of GitHub's steps, or GitLab's `script` and `after_script`.
fn steps(recipe: &Value, job: &str) -> Result<Vec<Step>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut steps = Vec::new();
    for step in recipe["jobs"][job]["steps"].as_array().into_iter().flatten() {
        let Some(command) = text(&step["run"]) else { continue };
        let variables = step["env"].as_object().into_iter().flatten();
        let variables = variables
            .filter_map(|(name, value)| Some((name.clone(), text(value)?)))
            .filter(|(_, value)| !value.contains("${{"))
            .collect();
        steps.push(Step { condition: text(&step["if"]), command, variables });
    }
    for (key, condition) in [("script", None), ("after_script", Some("!cancelled()".to_owned()))] {
        for line in recipe[job][key].as_array().into_iter().flatten().filter_map(text) {
            steps.push(Step { condition: condition.clone(), command: line, variables: Vec::new() });
        }
    }
    anyhow::ensure!(!steps.is_empty(), "no job {job}, or it has no commands");
    Ok(steps)
}

/// Stands in for GitHub, which cannot be here: keeps the comments of the pull request in a file, with numbers as ids.
const GH: &str = r#"#!/bin/bash -e
echo "gh $*" >> gh.log
[ -f comments.json ] || echo '[]' > comments.json
case "$1 $2" in
"api repos/acme/fleet/issues/12/comments")
    [ "$3 $4" = "--paginate --jq" ]
    jq -r "$5" comments.json ;;
"api --method")
    [ "$3 $5 $6" = "PATCH --field body=@plan.md" ]
    jq --argjson id "${4##*/}" --rawfile body plan.md 'map(if .id == $id then .body = $body else . end)' comments.json > new.json
    mv new.json comments.json ;;
"pr comment")
    [ "$3 $4 $5" = "12 --body-file plan.md" ]
    [ -s plan.md ]
    jq --rawfile body plan.md '. + [{id: (length + 1), user: {login: "github-actions[bot]"}, body: $body}]' comments.json > new.json
    mv new.json comments.json ;;
*)
    echo "gh $*: unknown" >&2
    exit 1 ;;
esac
"#;

/// A directory with `gh`.
fn tools(fleet: &Fleet) -> Result<PathBuf> {
    let gh = fleet.write("gh", GH)?;
    std::fs::set_permissions(&gh, std::fs::Permissions::from_mode(0o755))?;
    Ok(gh.with_file_name(""))
}

/// What happened in the repository.
#[derive(Clone, Copy)]
struct Occasion {
    /// `github.event_name`.
    event: &'static str,
    /// The repository that the branch of a pull request is in.
    head: &'static str,
}

const PUSH: Occasion = Occasion { event: "push", head: "" };
const PULL: Occasion = Occasion { event: "pull_request", head: "acme/fleet" };
const FORK: Occasion = Occasion { event: "pull_request", head: "mallory/fleet" };
const NIGHT: Occasion = Occasion { event: "schedule", head: "" };

/// Whether GitHub's condition holds. PostgreSQL evaluates it: its operators are written differently, and mean the same.
fn holds(fleet: &Fleet, condition: &str, on: Occasion) -> Result<bool> {
    let sql = condition
        .replace("${{", "(")
        .replace("}}", ")")
        .replace("github.event_name", &format!("'{}'", on.event))
        .replace("github.event.pull_request.head.repo.full_name", &format!("'{}'", on.head))
        .replace("github.repository", "'acme/fleet'")
        .replace("!cancelled()", "true")
        .replace("==", "=")
        .replace("!=", "<>")
        .replace("&&", "AND")
        .replace("||", "OR");
    Ok(fleet.sql(&format!("SELECT {sql}"))? == "t")
}

/// Runs a job's steps as CI does, each in a shell that stops at the first error, with the variables that CI sets.
fn run(fleet: &Fleet, shell: &[&str], steps: &[Step], on: Occasion) -> Result<Said> {
    let wab = fleet.wab_command(&[])?;
    let path = format!(
        "{}:{}:{}",
        PathBuf::from(wab.get_program()).with_file_name("").display(),
        tools(fleet)?.display(),
        std::env::var("PATH")?
    );
    let mut all = Said { code: 0, stdout: String::new(), stderr: String::new() };
    for step in steps {
        let applies = step.condition.as_ref().map_or(Ok(true), |condition| holds(fleet, condition, on))?;
        if !applies || (all.code != 0 && !step.runs_after_failure()) {
            continue;
        }
        let mut command = Command::new(shell[0]);
        command
            .args(&shell[1..])
            .arg(&step.command)
            .envs(wab.get_envs().filter_map(|(key, value)| Some((key, value?))))
            .envs(step.variables.iter().map(|(key, value)| (key, value)));
        command.current_dir(wab.get_current_dir().context("no directory")?);
        command.env("PATH", &path).env("CI", "true").env("PR", "12");
        command.env("GITHUB_REPOSITORY", "acme/fleet").env("GITHUB_EVENT_NAME", on.event);
        command.env("GITHUB_STEP_SUMMARY", tools(fleet)?.join("summary.md"));
        command.env("GITHUB_OUTPUT", tools(fleet)?.join("output"));
        let said = process::run(&mut command)?;
        all.stdout += &said.stdout;
        all.stderr += &said.stderr;
        all.code = if all.code == 0 { said.code } else { all.code };
    }
    Ok(all)
}

/// A file that the job wrote.
fn written(fleet: &Fleet, name: &str) -> Result<String> {
    Ok(std::fs::read_to_string(tools(fleet)?.join(name))?)
}

/// The comments of the pull request: author and text.
fn comments(fleet: &Fleet) -> Result<Vec<(String, String)>> {
    let all: Vec<Value> = serde_json::from_str(&written(fleet, "comments.json")?)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(all.iter().map(|one| (text(&one["user"]["login"]), text(&one["body"]))).collect())
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
    let said = run(&fleet, GITHUB, &steps(&recipe, "plan")?, PUSH)?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(written(&fleet, "gh.log").is_err(), "a push has no pull request to comment on");
    let output = written(&fleet, "output")?;
    assert!(output.contains("changes=true") && output.contains("creates=3"), "{output}");

    let said = run(&fleet, GITHUB, &steps(&recipe, "apply")?, PUSH)?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sandbox.calls("POST").await?, 3);

    let drift = steps(&recipe, "drift")?;
    let said = run(&fleet, GITHUB, &drift, NIGHT)?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    fleet.sandbox.add_one("nobody", "connected").await?;
    fleet.sandbox.change(5, json!({"status": "qr"})).await?;
    let said = run(&fleet, GITHUB, &drift, NIGHT)?;
    assert_eq!(said.code, 2, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("::warning"), "{}", said.stdout);
    Ok(())
}

#[tokio::test]
async fn a_pull_request_has_one_comment_with_the_plan_or_with_what_is_wrong() -> Result<()> {
    let (fleet, recipe) = (drifted().await?, recipe(".github/workflows/fleet.yml")?);
    let plan = steps(&recipe, "plan")?;
    // Comments of others stay: of a person who copied the marker, and of another job of this repository.
    let others = json!([
        {"id": 1, "user": {"login": "mallory"}, "body": "<!-- wab:plan -->\nlooks good"},
        {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "coverage 80 %"},
    ]);
    fleet.write("comments.json", &others.to_string())?;
    let planned = |code: i32, words: &[&str]| -> Result<Said> {
        let said = run(&fleet, GITHUB, &plan, PULL)?;
        assert_eq!(said.code, code, "{}{}", said.stdout, said.stderr);
        let all = comments(&fleet)?;
        assert_eq!(all.len(), 3, "one comment of this job: {all:?}");
        assert_eq!(
            (all[0].1.as_str(), all[1].1.as_str()),
            ("<!-- wab:plan -->\nlooks good", "coverage 80 %")
        );
        for word in words {
            assert!(
                all[2].1.starts_with("<!-- wab:plan -->") && all[2].1.contains(word),
                "{word}: {}",
                all[2].1
            );
        }
        Ok(said)
    };
    planned(0, &["3 to provision"])?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('new_4')")?;
    planned(0, &["4 to provision"])?;
    fleet
        .fleet_yaml("tenants: { table: tenants, wanted: status = 'active' }\npolicy: { max_creates: 2 }\n")?;
    planned(5, &["**Refused** by `max_creates`"])?;
    fleet.write("fleet.yaml", "version: 1\npolice: {}\n")?;
    let said = planned(1, &["wab plan failed (exit 1)", "unknown key \"police\": did you mean policy?"])?;
    assert!(said.stdout.contains("::error file=fleet.yaml,line=2"), "{}", said.stdout);
    assert!(written(&fleet, "summary.md")?.contains("unknown key \"police\""));
    std::fs::remove_file(tools(&fleet)?.join("fleet.yaml"))?;
    let said = planned(1, &["cannot read fleet.yaml"])?;
    assert!(said.stderr.contains("::error title=wab::error: cannot read fleet.yaml"), "{}", said.stderr);
    Ok(())
}

#[tokio::test]
async fn jobs_run_for_their_own_events_and_never_for_forks() -> Result<()> {
    let (fleet, recipe) = (drifted().await?, recipe(".github/workflows/fleet.yml")?);
    for (job, events) in [
        ("plan", [true, true, false, false]),
        ("apply", [true, false, false, false]),
        ("drift", [false, false, false, true]),
    ] {
        let condition = recipe["jobs"][job]["if"].as_str().context("a job without a condition")?;
        let found: Vec<bool> = [PUSH, PULL, FORK, NIGHT]
            .into_iter()
            .map(|on| holds(&fleet, condition, on))
            .collect::<Result<_>>()?;
        assert_eq!(found, events, "{job}: {condition}");
    }
    Ok(())
}

#[tokio::test]
async fn the_recipe_for_gitlab_works_as_written() -> Result<()> {
    let (fleet, recipe) = (drifted().await?, recipe(".gitlab-ci.yml")?);
    // Of the shells that GitLab uses, one knows no pipefail.
    for shell in [GITLAB, &["sh", "-e", "-c"]] {
        fleet.fleet_yaml("policy: { max_creates: 1 }")?;
        let said = run(&fleet, shell, &steps(&recipe, "plan")?, PUSH)?;
        assert_eq!(said.code, 5, "{}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains("**Refused** by `max_creates`"), "{}", said.stdout);
    }
    assert_eq!(recipe["plan"]["artifacts"]["when"], "always");
    fleet.fleet_yaml(world::YAML)?;
    let said = run(&fleet, GITLAB, &steps(&recipe, "plan")?, PUSH)?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("3 to provision"), "{}", said.stdout);
    let said = run(&fleet, GITLAB, &steps(&recipe, "apply")?, PUSH)?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sandbox.calls("POST").await?, 3);
    let drift = steps(&recipe, "drift")?;
    assert_eq!(run(&fleet, GITLAB, &drift, NIGHT)?.code, 0);
    fleet.sandbox.add_one("nobody", "connected").await?;
    let said = run(&fleet, GITLAB, &drift, NIGHT)?;
    assert_eq!(said.code, 2, "{}{}", said.stdout, said.stderr);
    Ok(())
}
