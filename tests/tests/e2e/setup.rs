//! Tests `wab init`, which writes a fleet.yaml, and `wab init --sql-only`, which installs without the extension.

use anyhow::Result;
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::process::{self, Said};
use e2e::sandbox::Sandbox;

use crate::world;

/// A database without wab_ objects, and an ordinary role that may create objects in the schema public.
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

/// All objects of an installation, to compare before and after.
fn catalog(fleet: &Fleet) -> Result<String> {
    fleet.sql(
        "SELECT 'function', p.oid::regprocedure::text, p.xmin::text, p.proacl::text FROM pg_proc p WHERE p.proname ~ '^_?wab_'
         UNION ALL SELECT 'relation', c.oid::regclass::text, c.xmin::text, c.relacl::text FROM pg_class c WHERE c.relname ~ '^_?wab_'
         UNION ALL SELECT 'policy', p::text, p.xmin::text, NULL FROM _wab_policy p ORDER BY 1, 2",
    )
}

#[test]
fn init_writes_a_fleet_yaml_and_does_not_overwrite_one() -> Result<()> {
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
    assert!(
        written.contains("\n# bridges:\n") && written.contains("\n# policy:\n"),
        "only version and tenants are in force:\n{written}"
    );
    let section = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
    assert_eq!(written.lines().filter(section).collect::<Vec<_>>(), ["version: 1", "tenants:"]);
    assert_eq!(wab(&["validate"])?.code, 0);
    let said = wab(&["init"])?;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("fleet.yaml exists already"), "{}", said.stderr);
    assert_eq!(std::fs::read_to_string(dir.path().join("fleet.yaml"))?, written);
    let said = wab(&["init", "-f", "our fleet.yaml"])?;
    assert!(said.stdout.ends_with("wab plan -f 'our fleet.yaml'\n"), "{}", said.stdout);
    for (args, why) in [
        (&["-f", "-"][..], "writes a file"),
        (&["-f", "x.yaml", "--table", ""], "tenants.table: "),
        (&["-f", "x.yaml", "--wanted", " "], "tenants.wanted: "),
    ] {
        let said = wab(&[&["init"], args].concat())?;
        assert!(said.code == 1 && said.stderr.contains(why), "{args:?}: {}", said.stderr);
    }
    assert_eq!(std::fs::read_dir(dir.path())?.count(), 2, "a refused init writes nothing");
    Ok(())
}

/// PostgreSQL with the version text of another engine.
#[test]
fn an_engine_whose_locks_lock_nothing_is_refused_before_anything_is_made() -> Result<()> {
    let fleet = bare()?;
    fleet.sql(
        "SET allow_system_table_mods = on; ALTER FUNCTION pg_catalog.version() RENAME TO version_before;
         CREATE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE AS
             $$ SELECT 'CockroachDB CCL v25.2.1 (x86_64-pc-linux-gnu, built 2025/06/23 16:24:04, go1.23.7)' $$",
    )?;
    let said = wab_as(&fleet, "deploy", &["init", "--sql-only"])?;
    assert_eq!(said.code, 5, "{}{}", said.stdout, said.stderr);
    assert!(
        said.stderr.contains("the server is CockroachDB, on which nothing was installed"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("two runs at once could make two bridges"), "{}", said.stderr);
    assert_eq!(fleet.sql("SELECT count(*) FROM pg_class WHERE relname ~ '^_?wab_'")?, "0");
    Ok(())
}

#[test]
fn public_may_call_the_same_with_and_without_the_extension() -> Result<()> {
    // Only the extension has _wab_row_json().
    let open = "SELECT p.proname, p.proacl IS NULL FROM pg_proc p WHERE p.proname ~ '^_?wab_' AND p.proname <> '_wab_row_json'
                AND has_function_privilege('public', p.oid, 'EXECUTE') ORDER BY 1";
    let fleet = bare()?;
    wab_as(&fleet, "deploy", &["init", "--sql-only"])?;
    let ours = fleet.sql(open)?;
    fleet.sql("DROP OWNED BY deploy CASCADE; CREATE EXTENSION pg_wabridges")?;
    assert!(ours.lines().count() > 15, "{ours}");
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
    let owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relname ~ '^_?wab_'";
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
fn dangerous_plans_are_refused_with_a_hint() -> Result<()> {
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
    assert_eq!(fleet.sql("SELECT count(*) FROM pg_class WHERE relname ~ '^_?wab_'")?, "0");

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
    refused("deploy", &[], 5, &["cannot upgrade from version 0.0.9"])?;
    assert_eq!(catalog(&fleet)?.lines().count(), before.lines().count());
    assert_eq!(fleet.sql("SELECT wab_version()")?, "0.0.9");
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
    assert!(
        said.stdout.contains("Schema \"My wab\" has version"),
        "init must not install a second time: {}",
        said.stdout
    );
    fleet.sql("CREATE TABLE tenants (id text PRIMARY KEY, status text, bridge_id bigint, bridge_status text); INSERT INTO tenants VALUES ('a', 'active')")?;
    fleet.fleet_yaml(world::YAML)?;
    let said = fleet.wab(&["apply", "-y", "--first-run"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}

#[tokio::test]
async fn an_ordinary_role_does_the_main_job_without_the_extension() -> Result<()> {
    let fleet = bare()?;
    wab_as(&fleet, "deploy", &["init", "--sql-only"])?;
    fleet.sql(
        "CREATE TABLE tenants (id uuid PRIMARY KEY, status text NOT NULL DEFAULT 'active', bridge_id bigint, bridge_status text);
         INSERT INTO tenants SELECT gen_random_uuid() FROM generate_series(1, 3);
         GRANT SELECT, UPDATE (bridge_id, bridge_status) ON tenants TO deploy",
    )?;
    fleet.sandbox.add_one("nobody", "connected").await?;
    fleet.fleet_yaml(world::YAML)?;
    for (verb, code) in
        [(&["doctor"][..], 0), (&["apply", "-y"], 0), (&["drift"], 2), (&["doctor"], 0), (&["status"], 0)]
    {
        let said = wab_as(&fleet, "deploy", verb)?;
        assert_eq!(said.code, code, "{verb:?}: {}{}", said.stdout, said.stderr);
    }
    assert_eq!(fleet.sandbox.calls("POST").await?, 3);
    assert_eq!(fleet.sql("SELECT count(bridge_id) FROM tenants WHERE bridge_status = 'awaiting_scan'")?, "3");
    assert_eq!(fleet.sql("SELECT kind, customer_ref FROM wab_drift")?, "orphaned|nobody");
    Ok(())
}

#[test]
fn a_database_of_another_encoding_is_refused_with_a_hint() -> Result<()> {
    let fleet = bare()?;
    for encoding in ["LATIN1", "SQL_ASCII", "EUC_JP"] {
        let database = encoding.to_lowercase();
        fleet.cluster.sql(
            "postgres",
            &format!("CREATE DATABASE {database} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"),
        )?;
        let sentence = format!("this database has the encoding {encoding}, and the wab_ objects need UTF8");
        let (code, message) = fleet.cluster.sql_error(&database, "CREATE EXTENSION pg_wabridges")?;
        assert!(
            code == "0A000" && message.contains(&sentence) && message.contains("ENCODING 'UTF8'"),
            "{message}"
        );
        let said = fleet.wab_on(&fleet.cluster.url(&database), &["init", "--sql-only"])?;
        assert!(said.code == 5 && said.stderr.contains(&sentence), "{}", said.stderr);
        assert!(said.stderr.contains("TEMPLATE template0"), "{}", said.stderr);
        let left = "SELECT count(*) FROM pg_class WHERE relname ~ '^_?wab_'";
        assert_eq!(fleet.cluster.sql(&database, left)?, "0");
    }
    Ok(())
}
