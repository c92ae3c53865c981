//! Tests the output of `wab`: each format of each verb, the files of a CI job, the events of `--json`, and colours.

use std::path::PathBuf;

use anyhow::{Context, Result};
use e2e::fleet::Fleet;
use e2e::process::{self, Said};
use serde_json::{Value, json};

use crate::world;

/// The result of a step of a GitHub job: its output and the files that GitHub provides.
struct Step {
    said: Said,
    summary: String,
    outputs: String,
}

impl Step {
    /// Runs `wab` as a step of a job, with files that already have content.
    fn run(fleet: &Fleet, args: &[&str]) -> Result<Self> {
        let (summary, outputs) = Self::files(fleet)?;
        let said = process::run(
            fleet.wab_command(args)?.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_OUTPUT", &outputs),
        )?;
        Ok(Self {
            said,
            summary: std::fs::read_to_string(summary)?,
            outputs: std::fs::read_to_string(outputs)?,
        })
    }

    fn files(fleet: &Fleet) -> Result<(PathBuf, PathBuf)> {
        Ok((fleet.write("summary.md", "# of others")?, fleet.write("outputs", "other=1")?))
    }

    fn output(&self, name: &str) -> Option<&str> {
        self.outputs.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }
}

async fn broken() -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    world::break_everything(&fleet).await?;
    fleet.fleet_yaml(world::YAML)?;
    Ok(fleet)
}

fn schema(fleet: &Fleet, verb: &str) -> Result<Value> {
    let said = fleet.wab(&["schema", &format!("--{verb}"), "-f", "/nowhere"])?;
    assert_eq!(said.code, 0, "{}", said.stderr);
    Ok(serde_json::from_str(&said.stdout)?)
}

#[tokio::test]
async fn every_verb_writes_every_format_and_the_files_of_a_job() -> Result<()> {
    let fleet = broken().await?;
    for (verb, args, code) in [
        ("plan", &["plan"][..], 0),
        ("drift", &["drift"], 2),
        ("status", &["status"], 0),
        ("apply", &["apply", "-y"], 0),
    ] {
        for format in ["text", "json", "markdown", "github"] {
            let step = Step::run(&fleet, &[args, &["--format", format]].concat())?;
            let Said { stdout, stderr, code: actual } = &step.said;
            assert_eq!(*actual, code, "{verb} {format}: {stdout}{stderr}");
            let marker = format!("<!-- wab:{verb} -->\n");
            match format {
                "json" => {
                    drop(serde_json::from_str::<Value>(stdout).context("stdout must be one JSON document")?)
                }
                "markdown" => assert!(stdout.starts_with(&marker), "{stdout}"),
                "github" => assert!(verb == "status" || stdout.contains("::group::"), "{stdout}"),
                _ => assert!(!stdout.contains("::group::") && !stdout.contains("<!--"), "{stdout}"),
            }
            assert!(step.summary.starts_with("# of others\n\n<!-- wab:"), "{}", step.summary);
            assert!(step.summary.contains(&marker), "{}", step.summary);
            assert!(step.outputs.starts_with("other=1\n"), "{}", step.outputs);
            assert_eq!(step.output("exitcode"), Some(code.to_string().as_str()), "{}", step.outputs);
            if format == "text" {
                let (names, values): (&[&str], &[&str]) = match verb {
                    "plan" => (&["changes", "creates", "deletes", "refused"], &["true", "1", "0", "false"]),
                    "apply" => (&["changes", "outcome", "failed"], &["true", "done", "0"]),
                    "drift" => (&["changes"], &["true"]),
                    _ => (&["missing", "last_run"], &["1", "none"]),
                };
                let found: Vec<&str> = names.iter().filter_map(|name| step.output(name)).collect();
                assert_eq!(found, values, "{verb}: {}", step.outputs);
            }
        }
        assert_eq!(schema(&fleet, verb)?["title"], format!("wab {verb} --json"));
    }
    let step = Step::run(&fleet, &["plan"])?;
    assert_eq!(
        (step.output("changes"), step.output("steps")),
        (Some("false"), Some("0")),
        "{}",
        step.outputs
    );
    Ok(())
}

#[tokio::test]
async fn refusals_and_errors_reach_the_job_too() -> Result<()> {
    let fleet = broken().await?;
    fleet.fleet_yaml(
        "tenants: { table: public.tenants, wanted: status = 'active' }\npolicy: { max_creates: 0 }\n",
    )?;
    for args in [&["plan"][..], &["apply", "-y"]] {
        let step = Step::run(&fleet, &[args, &["--format", "github"]].concat())?;
        assert_eq!((step.said.code, step.output("exitcode")), (5, Some("5")), "{}", step.outputs);
        assert_eq!(step.output("refused"), Some("true"));
        assert!(
            step.said.stdout.contains("\n::error title=wab%3A refused by max_creates::"),
            "{}",
            step.said.stdout
        );
        assert!(step.summary.contains("**Refused** by `max_creates`"), "{}", step.summary);
    }
    fleet.sandbox.add_one("x\n::error::y", "connected").await?;
    fleet.write("broken.yaml", "version: 2\n")?;
    for format in ["text", "markdown", "github"] {
        let step = Step::run(&fleet, &["plan", "-f", "broken.yaml", "--format", format])?;
        assert_eq!((step.said.code, step.output("exitcode")), (1, Some("1")), "{}", step.outputs);
        assert!(step.summary.contains("wab plan failed (exit 1)"), "{}", step.summary);
        assert_eq!(
            step.said.stdout.starts_with("<!-- wab:plan -->\n"),
            format == "markdown",
            "{}",
            step.said.stdout
        );
        assert_eq!(
            step.said.stderr.starts_with("::error file=broken.yaml,line=1,")
                && step.said.stderr.contains("\n::error title=wab::"),
            format == "github",
            "{}",
            step.said.stderr
        );
    }
    // `wab` cannot append to a directory; it prints a warning and does not fail.
    let said = process::run(
        fleet
            .wab_command(&["status"])?
            .env("GITHUB_STEP_SUMMARY", "/")
            .env("GITHUB_OUTPUT", "/nowhere/outputs"),
    )?;
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(
        ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"].iter().all(|name| said.stderr.contains(name)),
        "{}",
        said.stderr
    );
    Ok(())
}

#[tokio::test]
async fn json_writes_events() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 12) n")?;
    fleet.sql("UPDATE tenants SET bridge_id = NULL WHERE id = 'cust_01'")?;
    fleet.fleet_yaml(&format!("  limits: {{ provision: 10/6s }}\n{}", world::YAML))?;
    fleet
        .sandbox
        .fault(serde_json::json!({"method": "POST", "path": "/api/instances", "kind": "status", "code": 400, "after": 1, "times": 1}))
        .await?;
    let said = fleet.wab(&["apply", "-y", "--json"])?;
    assert_eq!(said.code, 4, "{}{}", said.stdout, said.stderr);
    let document: Value = serde_json::from_str(&said.stdout)?;
    assert_eq!((&document["done"], &document["failed"]), (&12.into(), &1.into()));
    let events: Vec<Value> = said
        .stderr
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .context(said.stderr.clone())?;
    assert!(events.iter().all(|event| event["ts"].is_string() && event["event"].is_string()), "{events:?}");
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    assert_eq!(of("started")[0]["total"], 13);
    let steps = of("step");
    assert_eq!(steps.len(), 13, "{events:?}");
    assert_eq!(steps.iter().filter(|step| step["outcome"] == "failed").count(), 1);
    let waits = of("waiting");
    assert!(!waits.is_empty(), "{events:?}");
    for field in ["done", "total", "rate_per_minute", "eta_seconds", "wait_seconds"] {
        assert!(waits.iter().all(|wait| wait[field].is_number()), "{field}: {waits:?}");
    }
    let last = events.last().context("no event")?;
    assert_eq!(
        (&last["event"], &last["done"], &last["outcome"]),
        (&"finished".into(), &12.into(), &"partly".into())
    );

    for (args, code, words) in [
        (&["apply", "-y", "--json", "--first-run"][..], 5, "first"),
        (&["apply", "--json"], 1, "approval"),
        (&["apply", "-y", "--json", "-f", "nowhere.yaml"], 1, "nowhere.yaml"),
    ] {
        let said = fleet.wab(args)?;
        assert_eq!(said.code, code, "{args:?}: {}{}", said.stdout, said.stderr);
        let error: Value = serde_json::from_str(said.stderr.trim()).context(said.stderr.clone())?;
        assert_eq!((&error["event"], &error["exitcode"]), (&"error".into(), &said.code.into()));
        assert!(said.stderr.contains(words), "{}", said.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn colours_need_a_terminal_or_are_forced() -> Result<()> {
    let fleet = broken().await?;
    for (variables, flags, coloured) in [
        (&[][..], &["plan"][..], false),
        (&[("CLICOLOR_FORCE", "1")], &["plan"], true),
        (&[("CLICOLOR_FORCE", "0")], &["plan"], false),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &["plan"], false),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")], &["plan"], true),
        (&[("CLICOLOR_FORCE", "1")], &["plan", "--no-color"], false),
        (&[("CLICOLOR_FORCE", "1")], &["plan", "--format", "github"], false),
        (&[("CLICOLOR_FORCE", "1")], &["plan", "--format", "markdown"], false),
    ] {
        let said = process::run(fleet.wab_command(flags)?.envs(variables.iter().copied()))?;
        assert_eq!(said.stdout.contains('\u{1b}'), coloured, "{variables:?} {flags:?}: {:?}", said.stdout);
    }
    Ok(())
}

#[tokio::test]
async fn the_status_names_every_kind_of_drift() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    fleet.sql(
        "UPDATE wab_policy SET state_after = '0'; UPDATE tenants SET bridge_id = NULL WHERE id = 'cust_09'",
    )?;
    for (id, state) in [(1, "stopped"), (2, "exited"), (3, "Running")] {
        fleet.sandbox.change(id, json!({"state": state})).await?;
    }
    fleet.observe().await?;
    let said = fleet.wab(&["status"])?.stdout;
    assert!(said.contains(", 2 state, 1 unbound\n"), "{said}");
    let said = fleet.wab(&["status", "--format", "markdown"])?.stdout;
    assert!(said.contains(", 2 state, 1 unbound."), "{said}");
    Ok(())
}
