//! Tests that `wab doctor` finds each kind of problem, reports several at once, and changes nothing.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::process;
use e2e::sandbox::{KEY, Sandbox};
use serde_json::{Value, json};

use crate::world;

/// The verdict and the text of each check.
type Checks = BTreeMap<String, (String, String)>;

/// Runs `wab doctor --json` with these environment variables; returns its exit code and the checks.
fn doctor(fleet: &Fleet, env: &[(&str, &str)]) -> Result<(i32, Checks)> {
    let said = process::run(fleet.wab_command(&["doctor", "--json"])?.envs(env.iter().copied()))?;
    let document: Value = serde_json::from_str(&said.stdout).with_context(|| said.stderr.clone())?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = document["checks"].as_array().context("no checks")?.iter().map(|check| {
        let words = format!("{} {}", text(&check["says"]), text(&check["hint"]));
        (text(&check["check"]), (text(&check["verdict"]), words))
    });
    Ok((said.code, checks.collect()))
}

/// Checks that these checks have these verdicts, with texts that contain these words, and that all other checks are ok.
fn expect(fleet: &Fleet, env: &[(&str, &str)], code: i32, expected: &[(&str, &str, &str)]) -> Result<()> {
    let (exit, checks) = doctor(fleet, env)?;
    for (check, (verdict, says)) in &checks {
        let (wanted, words) = expected
            .iter()
            .find(|(name, ..)| name == check)
            .map_or(("ok", ""), |(_, verdict, words)| (verdict, words));
        assert!(
            verdict == wanted && says.contains(words),
            "{check}: {verdict}: {says}\nnot {wanted}: {words}"
        );
    }
    assert_eq!((exit, checks.len()), (code, 14), "{checks:?}");
    Ok(())
}

#[tokio::test]
async fn it_finds_all_well_with_and_without_the_extension() -> Result<()> {
    for install in [Install::Extension, Install::SqlOnly] {
        let sandbox = Sandbox::start(&["--list-status", "--speed", "60"])?;
        let fleet = Fleet::installed(install, sandbox, &[])?;
        world::fill(&fleet).await?;
        fleet.fleet_yaml(world::YAML)?;
        let before = world::observed(&fleet)?;
        let said = fleet.wab(&["doctor"])?;
        assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains("All is well."), "{}", said.stdout);
        assert!(
            said.stdout.contains("fingerprint ") && said.stdout.contains("lists 20 bridges"),
            "{}",
            said.stdout
        );
        assert!(!said.stdout.contains(KEY) && said.stdout.contains("unique index"), "{}", said.stdout);
        expect(&fleet, &[], 0, &[])?;
        assert_eq!(world::observed(&fleet)?, before);
        assert_eq!(fleet.sandbox.calls("GET").await?, fleet.sandbox.ledger().await?.len());
    }
    Ok(())
}

#[tokio::test]
async fn a_job_gets_an_annotation_for_each_problem_and_a_comment_that_begins_with_the_problems() -> Result<()>
{
    let mut fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    let github = fleet.wab(&["doctor", "--format", "github"])?.stdout;
    assert!(!github.contains("\n::"), "{github}");
    fleet.sandbox.stop()?;
    let github = fleet.wab(&["doctor", "--format", "github"])?.stdout;
    assert!(github.contains("\n::error title=wab doctor%3A provider::cannot list the fleet"), "{github}");
    let markdown = fleet.wab(&["doctor", "--format", "markdown"])?.stdout;
    assert!(markdown.starts_with("<!-- wab:doctor -->\n### wab doctor\n\n**1 problem, "), "{markdown}");
    let first = markdown.lines().find(|line| line.starts_with("- ")).unwrap_or_default();
    assert!(first.starts_with("- **problem**, provider: `"), "{markdown}");
    Ok(())
}

#[tokio::test]
async fn it_goes_on_whatever_is_broken() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let yaml = fleet.fleet_yaml(world::YAML)?;
    let valid = std::fs::read_to_string(&yaml)?;

    let skipped = [("key", "skipped", ""), ("provider", "skipped", ""), ("binding", "skipped", "")];
    std::fs::remove_file(&yaml)?;
    expect(&fleet, &[], 1, &[&[("fleet.yaml", "problem", "wab init")], &skipped[..]].concat())?;
    fleet.write("fleet.yaml", "version: 1\npolicy: { max_create: 1 }\n")?;
    expect(&fleet, &[], 1, &[&[("fleet.yaml", "problem", "max_create")], &skipped[..]].concat())?;

    fleet.write(
        "fleet.yaml",
        &valid.replace("account:\n", "account:\n  key_fingerprint: 0123456789abcdef\n"),
    )?;
    fleet.sandbox.clear_ledger().await?;
    expect(&fleet, &[], 3, &[("key", "problem", "0123456789abcdef"), ("provider", "skipped", "")])?;
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0, "the key of another account must not be sent");
    fleet.write("fleet.yaml", &valid)?;
    expect(&fleet, &[("WA_API_KEY", "sk_wrong")], 3, &[("provider", "problem", "401")])?;
    fleet.sandbox.fault(json!({"path": "/api/instances", "kind": "status", "code": 500})).await?;
    expect(&fleet, &[], 1, &[("provider", "problem", "500")])?;
    fleet.sandbox.heal().await?;

    let all = [
        "objects",
        "rights",
        "binding",
        "index",
        "hidden rows",
        "observation",
        "statuses",
        "runs",
        "pg_cron",
    ];
    let no_objects: Vec<_> =
        all.map(|check| (check, if check == "objects" { "problem" } else { "skipped" }, "")).into();
    expect(&fleet, &[("DATABASE_URL", &fleet.cluster.url("postgres"))], 1, &no_objects)?;
    let nowhere: Vec<_> = all.map(|check| (check, "skipped", "")).into();
    let nowhere = [&nowhere[..], &[("database", "problem", "cannot connect")]].concat();
    expect(&fleet, &[("DATABASE_URL", "postgres:///nowhere?host=/nonexistent")], 1, &nowhere)?;
    Ok(())
}

#[tokio::test]
async fn it_sees_what_is_wrong_in_the_database() -> Result<()> {
    let fleet = Fleet::installed(Install::SqlOnly, Sandbox::start(&["--speed", "60"])?, &[])?;
    fleet.fleet_yaml("tenants: { table: tenants }\n")?;
    fleet.sql("CREATE TABLE tenants (id text, status text NOT NULL DEFAULT 'active', bridge_id bigint, bridge_status text)")?;
    let unbound = ["index", "hidden rows", "observation", "statuses"]
        .map(|check| (check, "skipped", "no tenants table is bound"));
    expect(&fleet, &[], 0, &[&[("binding", "warning", "wab apply binds it")], &unbound[..]].concat())?;

    fleet.sql("DROP TABLE tenants")?;
    world::fill(&fleet).await?;
    fleet.fleet_yaml(world::YAML)?;
    let unknown = ("statuses", "warning", "--poll-status");
    fleet.sql(
        "ALTER TABLE tenants DROP CONSTRAINT tenants_pkey;
         UPDATE wab_observations SET observed_at = observed_at - interval '2 days', malformed = 0",
    )?;
    expect(
        &fleet,
        &[],
        0,
        &[
            unknown,
            ("index", "warning", "CREATE UNIQUE INDEX ON public.tenants (id)"),
            ("observation", "warning", "2d"),
        ],
    )?;

    fleet.sql(
        "CREATE UNIQUE INDEX ON tenants (id); UPDATE wab_observations SET observed_at = now();
         INSERT INTO wab_runs (run_id, who, tool, steps) VALUES (gen_random_uuid(), 'me@here', 'wab', 3);
         CREATE OR REPLACE FUNCTION wab_version() RETURNS text LANGUAGE sql IMMUTABLE RETURN '0.2.0';
         DROP VIEW wab_churned_bridges; CREATE TABLE others (LIKE tenants)",
    )?;
    expect(
        &fleet,
        &[],
        1,
        &[unknown, ("objects", "problem", "wab init --sql-only"), ("runs", "warning", "interrupted")],
    )?;
    fleet.sql(&format!(
        "CREATE OR REPLACE FUNCTION wab_version() RETURNS text LANGUAGE sql IMMUTABLE RETURN '{}';
         SELECT * FROM wab_bind_tenants();
         UPDATE wab_runs SET finished_at = now(), outcome = 'done'",
        env!("CARGO_PKG_VERSION")
    ))?;
    fleet.fleet_yaml("tenants: { table: others }\n")?;
    expect(&fleet, &[], 1, &[unknown, ("binding", "problem", "fleet.yaml names others")])?;
    fleet.fleet_yaml("tenants: { table: tenants, wanted: status = 'paying' }\n")?;
    expect(&fleet, &[], 0, &[unknown, ("binding", "warning", "wab apply binds it again")])?;

    fleet.fleet_yaml(world::YAML)?;
    let mut other = fleet.connect().await?;
    sqlx::query("SELECT pg_advisory_lock(_wab_lock_id('apply'))").execute(&mut other).await?;
    expect(
        &fleet,
        &[],
        0,
        &[unknown, ("runs", "ok", "an apply holds the lock: another program (server process")],
    )?;
    drop(other);

    fleet.sql(
        "CREATE ROLE half LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO half; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO half;
         REVOKE UPDATE ON tenants FROM half",
    )?;
    let url = fleet.cluster.url(DATABASE).replace("user=postgres", "user=half");
    expect(
        &fleet,
        &[("DATABASE_URL", &url)],
        1,
        &[unknown, ("rights", "problem", "GRANT UPDATE (bridge_id) ON public.tenants")],
    )?;
    Ok(())
}

#[tokio::test]
async fn it_sees_that_transactions_are_read_only() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    for (on, off) in [
        (
            format!("ALTER DATABASE {DATABASE} SET default_transaction_read_only = on"),
            format!("ALTER DATABASE {DATABASE} RESET ALL"),
        ),
        (
            "ALTER ROLE postgres SET default_transaction_read_only = on".to_owned(),
            "ALTER ROLE postgres RESET ALL".to_owned(),
        ),
    ] {
        fleet.sql(&on)?;
        let (code, checks) = doctor(&fleet, &[])?;
        let (verdict, says) = &checks["rights"];
        assert!(code == 1 && verdict == "problem", "{on}: {code}: {says}");
        assert!(says.contains("SET default_transaction_read_only = off"), "{says}");
        for verb in [&["plan"][..], &["apply", "-y"]] {
            let said = fleet.wab(verb)?;
            assert!(
                said.code == 1 && said.stderr.contains("default_transaction_read_only"),
                "{verb:?}: {}",
                said.stderr
            );
        }
        fleet.sql(&format!("BEGIN READ WRITE; {off}; COMMIT"))?;
        let (code, checks) = doctor(&fleet, &[])?;
        assert!(code == 0 && checks["rights"].0 == "ok", "{checks:?}");
    }
    Ok(())
}

#[tokio::test]
async fn it_asks_for_the_index_that_a_large_table_with_numbers_as_ids_lacks() -> Result<()> {
    let fleet = Fleet::installed(Install::SqlOnly, Sandbox::start(&["--speed", "60"])?, &[])?;
    fleet.fleet_yaml("tenants: { table: tenants }\n")?;
    fleet.sql(
        "CREATE TABLE tenants (id bigint PRIMARY KEY, bridge_id bigint, bridge_status text);
         INSERT INTO tenants SELECT n FROM generate_series(1, 100) n; ANALYZE tenants;
         SELECT * FROM wab_bind_tenants('tenants')",
    )?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql("CREATE ROLE reader LOGIN IN ROLE wab_reader; GRANT SELECT ON tenants TO reader")?;
    let url = fleet.cluster.url(DATABASE).replace("user=postgres", "user=reader");
    let index = |words: (&str, &str)| -> Result<()> {
        let (_, checks) = doctor(&fleet, &[("DATABASE_URL", &url)])?;
        let (verdict, says) = &checks["index"];
        assert!(verdict == words.0 && says.contains(words.1), "{verdict}: {says}\nnot {words:?}");
        Ok(())
    };
    index(("ok", "unique index"))?;
    fleet.sql("INSERT INTO tenants SELECT n FROM generate_series(101, 60000) n; ANALYZE tenants")?;
    let statement = "CREATE INDEX ON public.tenants (((id)::pg_catalog.text))";
    index(("warning", statement))?;
    fleet.sql(&format!("{statement}; ANALYZE tenants"))?;
    index(("ok", "unique index"))
}

#[tokio::test]
async fn it_looks_at_the_jobs_of_pg_cron() -> Result<()> {
    // pg_cron starts no job here, because its launcher's connection is refused.
    let conf = [
        ("shared_preload_libraries", "pg_cron"),
        ("cron.database_name", DATABASE),
        ("cron.host", "/nonexistent"),
    ];
    let sandbox = Sandbox::start(&["--list-status", "--speed", "60"])?;
    let fleet = Fleet::installed(Install::Extension, sandbox, &conf)?;
    world::fill(&fleet).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sql("CREATE EXTENSION pg_cron")?;
    expect(&fleet, &[], 0, &[("pg_cron", "warning", "has scheduled no job")])?;
    let recipe = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/cron.sql");
    fleet.sql(&std::fs::read_to_string(recipe)?.replace("* * * * *", "0 0 1 1 *"))?;
    let words = "wab-prune, wab-reconcile, wab-summary, wab-work-queue: active, and no run yet";
    expect(&fleet, &[], 0, &[("pg_cron", "ok", words)])?;
    // A job that is never started is seen without pg_cron's help.
    assert_eq!(fleet.sql("SELECT failing_job FROM wab_status")?, "");
    fleet.sql("UPDATE wab_jobs SET scheduled_at = now() - interval '10 minutes' WHERE job = 'reconcile'")?;
    let failing = fleet.sql("SELECT failing_job, last_error FROM wab_status")?;
    assert!(failing.starts_with("reconcile|it has not run since "), "{failing}");
    fleet.sql(
        "INSERT INTO cron.job_run_details (jobid, runid, status, return_message)
         SELECT j.jobid, 1000, 'failed', 'no route to host' FROM cron.job j WHERE j.jobname = 'wab-reconcile';
         SELECT cron.alter_job(j.jobid, active := false) FROM cron.job j WHERE j.jobname = 'wab-prune'",
    )?;
    let words = "wab-prune is switched off; wab-reconcile failed last time: no route to host";
    expect(&fleet, &[], 0, &[("pg_cron", "warning", words)])?;
    fleet.sql(&std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/roles.sql"),
    )?)?;
    fleet.sql("CREATE ROLE ops LOGIN; GRANT wab_operator TO ops; REVOKE USAGE ON SCHEMA cron FROM PUBLIC")?;
    let url = fleet.cluster.url(DATABASE).replace("user=postgres", "user=ops");
    expect(&fleet, &[("DATABASE_URL", &url)], 0, &[("pg_cron", "warning", "GRANT USAGE ON SCHEMA cron")])?;
    Ok(())
}

#[tokio::test]
async fn an_expression_that_fails_on_a_row_is_a_problem() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("SELECT bound FROM wab_bind_tenants('tenants', wanted => '1 / (bridge_id - 99) < 2')")?;
    fleet.fleet_yaml("tenants: { table: tenants }\n")?;
    assert_eq!(fleet.wab(&["doctor"])?.code, 0);
    fleet.sql("UPDATE tenants SET bridge_id = 99 WHERE id = 'cust_05'")?;
    for verb in ["doctor", "plan", "drift"] {
        let said = fleet.wab(&[verb])?;
        let all = said.stdout + &said.stderr;
        assert!(said.code == 1 && all.contains("division by zero"), "{verb}: {all}");
        assert!(
            all.contains("an expression of the binding, wanted or webhook_url, fails on a row"),
            "{verb}: {all}"
        );
    }
    Ok(())
}
