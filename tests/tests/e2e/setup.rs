//! Getting started, and looking whether all is well: `wab init`, `wab init --sql-only`, `wab doctor`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::process::{self, Said};
use e2e::sandbox::{KEY, Sandbox};
use serde_json::{Value, json};

use crate::world;

/// A database with no wab_ object in it, and an ordinary role, which may create in the schema public.
fn bare() -> Result<Fleet> {
    let sandbox = Sandbox::start(&["--list-status", "--speed", "60"])?;
    let fleet = Fleet::installed(Install::Nothing, sandbox, &[])?;
    fleet.sql("CREATE ROLE deploy LOGIN; GRANT CREATE ON SCHEMA public TO deploy")?;
    Ok(fleet)
}

/// Runs `wab` as this role.
fn wab_as(fleet: &Fleet, role: &str, args: &[&str]) -> Result<Said> {
    let url = fleet.cluster.url(DATABASE).replace("user=postgres", &format!("user={role}"));
    process::run(fleet.wab_command(args)?.env("DATABASE_URL", url))
}

/// Everything that an installation consists of, to compare before and after.
fn catalog(fleet: &Fleet) -> Result<String> {
    fleet.sql(
        "SELECT 'function', p.oid::regprocedure::text, p.xmin::text, p.proacl::text FROM pg_proc p WHERE p.proname LIKE 'wab\\_%'
         UNION ALL SELECT 'relation', c.oid::regclass::text, c.xmin::text, c.relacl::text FROM pg_class c WHERE c.relname LIKE 'wab\\_%'
         UNION ALL SELECT 'policy', p::text, p.xmin::text, NULL FROM wab_policy p ORDER BY 1, 2",
    )
}

#[test]
fn init_writes_a_fleet_yaml_and_overwrites_none() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let wab = |args: &[&str]| {
        process::run(
            std::process::Command::new(process::built("wab")?).args(args).current_dir(dir.path()).env_clear(),
        )
    };
    let said = wab(&["init", "--table", "app.customers", "--wanted", "plan <> 'free'"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    let written = std::fs::read_to_string(dir.path().join("fleet.yaml"))?;
    assert!(
        written.contains("  table: \"app.customers\"\n") && written.contains("  wanted: \"plan <> 'free'\"")
    );
    assert_eq!(wab(&["validate"])?.code, 0);
    let said = wab(&["init"])?;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("fleet.yaml is there already"), "{}", said.stderr);
    assert_eq!(std::fs::read_to_string(dir.path().join("fleet.yaml"))?, written);
    assert_eq!(wab(&["init", "-f", "other.yaml"])?.code, 0);
    Ok(())
}

#[test]
fn public_may_call_the_same_with_and_without_the_extension() -> Result<()> {
    let open = "SELECT p.proname, p.proacl IS NULL FROM pg_proc p WHERE p.proname LIKE 'wab\\_%'
                AND has_function_privilege('public', p.oid, 'EXECUTE') ORDER BY 1";
    let fleet = bare()?;
    wab_as(&fleet, "deploy", &["init", "--sql-only"])?;
    let ours = fleet.sql(open)?;
    fleet.sql("DROP OWNED BY deploy CASCADE; CREATE EXTENSION pg_wabridges")?;
    assert!(ours.lines().count() == 5, "{ours}");
    assert_eq!(ours, fleet.sql(open)?);
    Ok(())
}

#[test]
fn an_ordinary_role_installs_and_a_second_time_changes_nothing() -> Result<()> {
    let fleet = bare()?;
    let said = wab_as(&fleet, "deploy", &["init", "--sql-only"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sql("SELECT wab_version()")?, env!("CARGO_PKG_VERSION"));
    assert_eq!(fleet.sql("SELECT count(*) FROM pg_extension WHERE extname = 'pg_wabridges'")?, "0");
    let owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relname LIKE 'wab\\_%'";
    assert_eq!(fleet.sql(owners)?, "deploy");
    fleet.sql("UPDATE wab_policy SET price_per_bridge = 2.50")?;
    let before = catalog(&fleet)?;
    let said = wab_as(&fleet, "deploy", &["init", "--sql-only"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("nothing was changed"), "{}", said.stdout);
    assert_eq!(catalog(&fleet)?, before);
    Ok(())
}

#[test]
fn two_installations_at_once_are_one() -> Result<()> {
    let fleet = bare()?;
    let start = || -> Result<_> {
        Ok(fleet.wab_command(&["init", "--sql-only"])?.stdout(std::process::Stdio::piped()).spawn()?)
    };
    let mut said: Vec<String> = [start()?, start()?, start()?]
        .into_iter()
        .map(|wab| {
            let output = wab.wait_with_output()?;
            assert_eq!(output.status.code(), Some(0));
            Ok(String::from_utf8(output.stdout)?)
        })
        .collect::<Result<_>>()?;
    said.sort_by_key(|said| said.contains("nothing was changed"));
    let changed: Vec<_> = said.iter().map(|said| !said.contains("nothing was changed")).collect();
    assert_eq!(changed, [true, false, false], "{said:?}");
    Ok(())
}

#[test]
fn what_could_do_harm_is_refused_and_says_the_way_on() -> Result<()> {
    let fleet = bare()?;
    let refused = |role: &str, args: &[&str], code: i32, words: &[&str]| -> Result<()> {
        let said = wab_as(&fleet, role, &[&["init", "--sql-only"], args].concat())?;
        assert_eq!(said.code, code, "{args:?}: {}{}", said.stdout, said.stderr);
        for word in words {
            assert!(said.stderr.contains(word), "{args:?}: no {word:?} in {}", said.stderr);
        }
        Ok(())
    };
    fleet.sql("CREATE ROLE guest LOGIN; CREATE SCHEMA \"it's\"")?;
    refused("guest", &[], 1, &["may not create", "GRANT CREATE ON SCHEMA public TO guest"])?;
    refused(
        "guest",
        &["--schema", "mine"],
        1,
        &["no schema mine", "CREATE SCHEMA mine AUTHORIZATION guest"],
    )?;
    refused("postgres", &["--schema", "it's"], 5, &["it's"])?;
    refused("postgres", &["-f", "nowhere.yaml"], 1, &["nowhere.yaml"])?;
    assert_eq!(fleet.sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'wab\\_%'")?, "0");

    fleet.sql("CREATE EXTENSION pg_wabridges")?;
    refused("postgres", &[], 5, &["has the extension pg_wabridges"])?;
    fleet.sql("DROP EXTENSION pg_wabridges")?;

    wab_as(&fleet, "deploy", &["init", "--sql-only"])?;
    let stamped = |version: &str| {
        fleet.sql(&format!(
            "CREATE OR REPLACE FUNCTION wab_version() RETURNS text LANGUAGE sql IMMUTABLE RETURN '{version}'"
        ))
    };
    stamped("99.0.0")?;
    let before = catalog(&fleet)?;
    refused("deploy", &[], 5, &["version 99.0.0", "newer"])?;
    stamped("0.0.9")?;
    refused("guest", &[], 5, &["belong to role deploy"])?;
    fleet
        .sql("ALTER TABLE wab_bridges ALTER status DROP NOT NULL; ALTER TABLE wab_runs DROP COLUMN steps")?;
    refused("deploy", &[], 5, &["not those of wab", ": wab_bridges, wab_runs"])?;
    assert_eq!(catalog(&fleet)?.lines().count(), before.lines().count());
    assert_eq!(fleet.sql("SELECT wab_version()")?, "0.0.9");
    Ok(())
}

#[tokio::test]
async fn an_older_installation_is_brought_up_to_date() -> Result<()> {
    let sandbox = Sandbox::start(&["--list-status", "--speed", "60"])?;
    let fleet = Fleet::installed(Install::SqlOnly, sandbox, &[])?;
    world::fill(&fleet).await?;
    // As an older version might have been: another body, another signature, other views, no right taken from PUBLIC.
    fleet.sql(
        "CREATE OR REPLACE FUNCTION wab_version() RETURNS text LANGUAGE sql IMMUTABLE RETURN '0.0.9';
         CREATE OR REPLACE FUNCTION wab_lock_id(purpose text) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT RETURN 1;
         CREATE FUNCTION wab_write_statuses() RETURNS integer LANGUAGE sql RETURN 1;
         GRANT EXECUTE ON FUNCTION wab_observe_statuses TO PUBLIC;
         CREATE OR REPLACE VIEW wab_missing_bridges AS SELECT f.tenant_id, f.customer_ref, f.stored_bridge_id, f.webhook_url FROM wab_fleet f;
         UPDATE wab_policy SET price_per_bridge = 2.50",
    )?;
    let said = fleet.wab(&["init", "--sql-only"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("it had 0.0.9"), "{}", said.stdout);
    assert_eq!(fleet.sql("SELECT wab_version()")?, env!("CARGO_PKG_VERSION"));
    assert_eq!(
        fleet.sql("SELECT count(*) FROM wab_missing_bridges")?,
        "0",
        "the views are those of this version"
    );
    assert_eq!(fleet.sql("SELECT wab_lock_id('apply'), wab_write_statuses()")?, "7761620003|0");
    assert_eq!(fleet.sql("SELECT has_function_privilege('public', 'wab_observe_statuses(bigint[],text[],timestamptz)', 'EXECUTE')")?, "f");
    assert_eq!(fleet.sql("SELECT price_per_bridge FROM wab_policy")?, "2.50", "what was set stays");
    fleet.fleet_yaml(world::YAML)?;
    let said = fleet.wab(&["plan", "--detailed-exitcode"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}

#[test]
fn the_schema_is_that_of_the_flag_or_of_fleet_yaml_and_is_found_again() -> Result<()> {
    let fleet = bare()?;
    fleet.sql("CREATE SCHEMA \"My wab\"; CREATE SCHEMA other")?;
    fleet.fleet_yaml("database: { schema: My wab }\n")?;
    let said = fleet.wab(&["init", "--sql-only", "--schema", "other"])?;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    let said = fleet.wab(&["init", "--sql-only"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sql("SELECT \"My wab\".wab_version()")?, env!("CARGO_PKG_VERSION"));
    fleet.fleet_yaml("")?;
    let said = fleet.wab(&["init", "--sql-only"])?;
    assert!(said.stdout.contains("Schema \"My wab\" has version"), "no second installation: {}", said.stdout);
    fleet.sql("CREATE TABLE tenants (id text PRIMARY KEY, status text, bridge_id bigint, bridge_status text); INSERT INTO tenants VALUES ('a', 'active')")?;
    fleet.fleet_yaml(world::YAML)?;
    let said = fleet.wab(&["apply", "-y", "--first-run"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}

/// Runs `wab doctor --json` with this environment; returns its exit code and each check's verdict and words.
fn doctor(fleet: &Fleet, env: &[(&str, &str)]) -> Result<(i32, BTreeMap<String, (String, String)>)> {
    let said = process::run(fleet.wab_command(&["doctor", "--json"])?.envs(env.iter().copied()))?;
    let document: Value = serde_json::from_str(&said.stdout).with_context(|| said.stderr.clone())?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = document["checks"].as_array().context("no checks")?.iter().map(|check| {
        let words = format!("{} {}", text(&check["says"]), text(&check["hint"]));
        (text(&check["check"]), (text(&check["verdict"]), words))
    });
    Ok((said.code, checks.collect()))
}

/// Expects these verdicts, in words that hold these, and every other check to be well.
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
    assert_eq!((exit, checks.len()), (code, 13), "{checks:?}");
    Ok(())
}

#[tokio::test]
async fn doctor_finds_all_well_with_and_without_the_extension() -> Result<()> {
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
async fn doctor_goes_on_whatever_is_broken() -> Result<()> {
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
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0, "another account's key is not sent anywhere");
    fleet.write("fleet.yaml", &valid)?;
    expect(&fleet, &[("WA_API_KEY", "sk_wrong")], 3, &[("provider", "problem", "401")])?;
    fleet.sandbox.fault(json!({"path": "/api/instances", "kind": "status", "code": 500})).await?;
    expect(&fleet, &[], 1, &[("provider", "problem", "500")])?;
    fleet.sandbox.heal().await?;

    let all = ["objects", "rights", "binding", "index", "observation", "statuses", "runs", "pg_cron"];
    let no_objects: Vec<_> =
        all.map(|check| (check, if check == "objects" { "problem" } else { "skipped" }, "")).into();
    expect(&fleet, &[("DATABASE_URL", &fleet.cluster.url("postgres"))], 1, &no_objects)?;
    let nowhere: Vec<_> = all.map(|check| (check, "skipped", "")).into();
    let nowhere = [&nowhere[..], &[("database", "problem", "cannot connect")]].concat();
    expect(&fleet, &[("DATABASE_URL", "postgres:///nowhere?host=/nonexistent")], 1, &nowhere)?;
    Ok(())
}

#[tokio::test]
async fn doctor_sees_what_is_wrong_in_the_database() -> Result<()> {
    let fleet = Fleet::installed(Install::SqlOnly, Sandbox::start(&["--speed", "60"])?, &[])?;
    fleet.fleet_yaml("tenants: { table: tenants }\n")?;
    fleet.sql("CREATE TABLE tenants (id text, status text NOT NULL DEFAULT 'active', bridge_id bigint, bridge_status text)")?;
    let unbound =
        ["index", "observation", "statuses"].map(|check| (check, "skipped", "no tenants table is bound"));
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
         CREATE OR REPLACE FUNCTION wab_version() RETURNS text LANGUAGE sql IMMUTABLE RETURN '0.0.9';
         DROP VIEW wab_churned_bridges; CREATE TABLE others (LIKE tenants)",
    )?;
    expect(
        &fleet,
        &[],
        1,
        &[unknown, ("objects", "problem", "wab init --sql-only"), ("runs", "warning", "interrupted")],
    )?;
    fleet.wab(&["init", "--sql-only"])?;
    fleet.sql("UPDATE wab_runs SET finished_at = now(), outcome = 'done'")?;
    fleet.fleet_yaml("tenants: { table: others }\n")?;
    expect(&fleet, &[], 1, &[unknown, ("binding", "problem", "fleet.yaml says others")])?;
    fleet.fleet_yaml("tenants: { table: tenants, wanted: status = 'paying' }\n")?;
    expect(&fleet, &[], 0, &[unknown, ("binding", "warning", "wab apply binds it anew")])?;

    fleet.fleet_yaml(world::YAML)?;
    let mut other = fleet.connect().await?;
    sqlx::query("SELECT pg_advisory_lock(wab_lock_id('apply'))").execute(&mut other).await?;
    expect(&fleet, &[], 0, &[unknown, ("runs", "ok", "an apply holds the lock: server process")])?;
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
