//! Getting started, and looking whether all is well: `wab init`, `wab init --sql-only`, `wab doctor`.

use anyhow::Result;
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::process::{self, Said};
use e2e::sandbox::Sandbox;

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
