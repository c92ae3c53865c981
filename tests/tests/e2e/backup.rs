//! Tests dump and restore with the usual tools and options: the restored database has all data, and the product works on it.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use e2e::cluster::Cluster;
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::process;
use e2e::sandbox::{KEY, Sandbox};
use e2e::wait;

use crate::picture::Picture;
use crate::world;

/// Schemas and tables with names that break careless dumps: one sorts before all tables of the product, one after them.
const HOSTILE: [(&str, &str); 2] = [("0 \"\"; --", "Te\"\"n'a\\nts; --"), ("zé 'x'", "select")];

/// Dumps the database in this format; returns the file.
fn dump(fleet: &Fleet, format: &str) -> Result<PathBuf> {
    let file = fleet.write("dump", "")?;
    process::must(fleet.cluster.program("pg_dump", DATABASE).args([format, "-f"]).arg(&file))?;
    Ok(file)
}

fn restore_plain(cluster: &Cluster, database: &str, file: &PathBuf) -> Result<()> {
    let mut psql = cluster.program("psql", database);
    process::must(psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file)).map(drop)
}

fn restore_custom(cluster: &Cluster, database: &str, args: &[&str], file: &PathBuf) -> Result<()> {
    let mut pg_restore = cluster.program("pg_restore", database);
    process::must(pg_restore.args(["-d", database, "--exit-on-error"]).args(args).arg(file)).map(drop)
}

/// Renames the tenants table, moves it to another schema and changes fleet.yaml accordingly.
fn rename_tenants(fleet: &Fleet, (schema, table): (&str, &str)) -> Result<()> {
    fleet.sql(&format!(
        "CREATE SCHEMA \"{schema}\"; ALTER TABLE tenants SET SCHEMA \"{schema}\";
         ALTER TABLE \"{schema}\".tenants RENAME TO \"{table}\"; SELECT * FROM wab_bind_tenants()"
    ))?;
    fleet.fleet_yaml(&world::lived_in_yaml(&format!("\"{schema}\".\"{table}\""))).map(drop)
}

/// Checks that a restored database equals the dumped one and works: the binding, a refresh and a plan without steps.
fn is_restored(fleet: &Fleet, before: &Picture, (cluster, database): (&Cluster, &str)) -> Result<()> {
    let restored = Picture::of(cluster, database)?;
    let after = Picture::of(&fleet.cluster, DATABASE)?;
    restored.is_copy_of(before, &after)?;

    let bind = "SELECT * FROM wab_bind_tenants()";
    let bound = cluster.sql(database, bind)?;
    assert_eq!(bound, fleet.sql(&format!("BEGIN; {bind}; ROLLBACK"))?);
    Picture::of(cluster, database)?.is_copy_of(before, &Picture::of(&fleet.cluster, DATABASE)?)?;

    let history = "SELECT (SELECT count(*) FROM wab_observations), (SELECT count(*) FROM wab_bridge_events)";
    let counts =
        |text: String| -> Result<Vec<i64>> { Ok(text.split('|').map(str::parse).collect::<Result<_, _>>()?) };
    // A new row of the history gets a key that no restored row has.
    cluster.sql(
        database,
        "INSERT INTO wab_bridge_events (at, bridge_id, event) VALUES (now(), 99, 'appeared');
         INSERT INTO wab_drift_episodes (kind, subject, wasted, began_at) VALUES ('state', '99', false, now());
         DELETE FROM wab_bridge_events WHERE bridge_id = 99; DELETE FROM wab_drift_episodes WHERE subject = '99'",
    )?;
    if fleet.install == Install::Extension {
        let was = counts(cluster.sql(database, history)?)?;
        cluster.sql(database, "SELECT * FROM wab_refresh()")?;
        let is = counts(cluster.sql(database, history)?)?;
        assert_eq!(is, [was[0] + 1, was[1]], "one observation, no event");
    }
    let said = fleet.wab_on(&cluster.url(database), &["plan", "--detailed-exitcode"])?;
    ensure!(said.code == 0, "the plan of the restored database has steps: {}{}", said.stdout, said.stderr);
    let said = fleet.wab_on(&cluster.url(database), &["apply", "-y"])?;
    ensure!(said.code == 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}

#[tokio::test]
async fn a_dump_takes_every_table_and_sequence_along() -> Result<()> {
    let fleet = world::lived_in(Install::Extension).await?;
    let left_out = fleet.sql(
        "SELECT c.oid::regclass FROM pg_extension e
         JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
         JOIN pg_class c ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
         WHERE e.extname = 'pg_wabridges' AND c.relkind IN ('r', 'p', 'm', 'S') AND c.oid <> ALL (e.extconfig)",
    )?;
    assert_eq!(left_out, "", "pg_extension_config_dump() must be called for each table and sequence");
    let only_some = fleet.sql(
        "SELECT c FROM pg_extension, unnest(extcondition) c WHERE extname = 'pg_wabridges' AND c <> ''",
    )?;
    assert_eq!(only_some, "", "pg_extension_config_dump() must leave out no row");
    Ok(())
}

#[tokio::test]
async fn a_plain_dump_restores_everything() -> Result<()> {
    for install in [Install::Extension, Install::SqlOnly] {
        let fleet = world::lived_in(install).await?;
        let before = Picture::of(&fleet.cluster, DATABASE)?;
        // After an apply the fleet has findings but no steps, so the views in EMPTY have no rows.
        let silent: Vec<_> = before.silent().into_iter().filter(|name| !EMPTY.contains(name)).collect();
        ensure!(silent.is_empty(), "these are empty, so comparing them proves nothing: {silent:?}");
        let file = dump(&fleet, "-Fp")?;
        fleet.sql("CREATE DATABASE copy")?;
        restore_plain(&fleet.cluster, "copy", &file)?;
        is_restored(&fleet, &before, (&fleet.cluster, "copy"))?;
    }
    Ok(())
}

/// Views of drift that an apply repairs, of a fleet that nobody observes, and of outages of the provider.
const EMPTY: [&str; 4] =
    ["_wab_provider_outages", "_wab_unobserved", "wab_missing_bridges", "wab_status_drift"];

#[tokio::test]
async fn a_restore_over_an_older_state_leaves_nothing_of_it() -> Result<()> {
    let fleet = world::lived_in(Install::Extension).await?;
    fleet.cluster.sql("postgres", &format!("CREATE DATABASE older TEMPLATE {DATABASE}"))?;
    let older = "UPDATE wab_policy SET price_per_bridge = 4; DELETE FROM tenants WHERE id > 'cust_10'; DELETE FROM wab_declared;
                 SELECT * FROM wab_refresh(); SELECT * FROM wab_bind_tenants('tenants', wanted => 'false')";
    fleet.cluster.sql("older", older)?;
    let before = Picture::of(&fleet.cluster, DATABASE)?;
    let file = dump(&fleet, "-Fc")?;
    restore_custom(&fleet.cluster, "older", &["--clean", "--if-exists"], &file)?;
    is_restored(&fleet, &before, (&fleet.cluster, "older"))?;
    // The second restore replaces the first, as in a nightly restore.
    restore_custom(&fleet.cluster, "older", &["--clean", "--if-exists", "--single-transaction"], &file)?;
    is_restored(&fleet, &before, (&fleet.cluster, "older"))
}

#[tokio::test]
async fn the_binding_finds_a_tenants_table_of_any_name_again() -> Result<()> {
    for name in HOSTILE {
        let fleet = world::lived_in(Install::Extension).await?;
        rename_tenants(&fleet, name)?;
        let before = Picture::of(&fleet.cluster, DATABASE)?;
        fleet.sql("CREATE DATABASE plain")?;
        let file = dump(&fleet, "-Fp")?;
        restore_plain(&fleet.cluster, "plain", &file)?;
        is_restored(&fleet, &before, (&fleet.cluster, "plain"))?;
        let file = dump(&fleet, "-Fc")?;
        restore_custom(&fleet.cluster, "plain", &["--clean", "--if-exists"], &file)?;
        is_restored(&fleet, &before, (&fleet.cluster, "plain"))?;
    }
    Ok(())
}

#[tokio::test]
async fn roles_grants_and_revokes_hold_on_another_server() -> Result<()> {
    let fleet = world::lived_in(Install::Extension).await?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql(
        "CREATE ROLE auditor LOGIN; GRANT SELECT ON wab_runs, wab_fleet TO auditor; GRANT EXECUTE ON FUNCTION wab_summary() TO auditor;
         CREATE ROLE sue LOGIN; GRANT wab_reader TO sue;
         REVOKE EXECUTE ON FUNCTION wab_normalize_status(text) FROM PUBLIC;
         REVOKE EXECUTE ON FUNCTION wab_delete_instance(bigint, text) FROM wab_operator;
         ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO auditor",
    )?;
    let before = Picture::of(&fleet.cluster, DATABASE)?;
    let roles = process::must(fleet.cluster.program("pg_dumpall", "postgres").arg("--roles-only"))?;
    let file = dump(&fleet, "-Fc")?;

    let other = Cluster::start(&[("wab.api_url", fleet.sandbox.url())])?;
    let key_file = other.write_secret("api_key", KEY)?.display().to_string();
    other.configure(&[("wab.api_key_file", &key_file)])?;
    other.reload()?;
    // The superuser exists on both servers.
    let roles: String = roles
        .lines()
        .filter(|line| *line != "CREATE ROLE postgres;")
        .map(|line| format!("{line}\n"))
        .collect();
    restore_plain(&other, "postgres", &fleet.write("roles.sql", &roles)?)?;
    other.sql("postgres", "CREATE DATABASE copy")?;
    restore_custom(&other, "copy", &[], &file)?;
    is_restored(&fleet, &before, (&other, "copy"))?;

    for (role, allowed) in [
        ("sue", "SELECT kind FROM wab_drift"),
        ("sue", "SELECT bridges FROM wab_summary()"),
        ("wab_operator", "SELECT * FROM wab_refresh()"),
        ("auditor", "SELECT count(*) FROM wab_runs"),
    ] {
        other.sql("copy", &format!("SET ROLE {role}; {allowed}"))?;
    }
    for (role, denied) in [
        ("sue", "SELECT * FROM wab_refresh()"),
        ("sue", "UPDATE wab_tenants SET bridge_id = 1"),
        ("auditor", "SELECT * FROM wab_bridges"),
        ("auditor", "SELECT wab_normalize_status('qr')"),
        ("auditor", "SELECT * FROM wab_get_instance(3)"),
        ("wab_operator", "SELECT * FROM wab_delete_instance(3, 'cust_03')"),
    ] {
        let (code, message) = other.sql_error("copy", &format!("SET ROLE {role}; {denied}"))?;
        assert_eq!(code, "42501", "{role}: {denied}: {message}");
    }
    Ok(())
}

/// The rows of all tables of the product.
const STORED: &str = "SELECT (SELECT price_per_bridge FROM wab_policy), (SELECT count(*) FROM wab_bridges),
    (SELECT count(*) FROM wab_status_words WHERE NOT built_in), (SELECT count(*) FROM wab_declared)";

#[tokio::test]
async fn the_data_alone_restores_into_a_fresh_installation() -> Result<()> {
    let fleet = world::lived_in(Install::Extension).await?;
    fleet.sql("UPDATE wab_policy SET price_per_bridge = 2.50")?;
    let schema = fleet.write("schema", "")?;
    process::must(fleet.cluster.program("pg_dump", DATABASE).args(["--schema-only", "-f"]).arg(&schema))?;
    let file = dump(&fleet, "-Fc")?;
    for (database, options) in [("plain", &[][..]), ("disabled", &["--disable-triggers"])] {
        fleet.sql(&format!("CREATE DATABASE {database}"))?;
        restore_plain(&fleet.cluster, database, &schema)?;
        restore_custom(&fleet.cluster, database, &[&["--data-only"], options].concat(), &file)?;
        assert_eq!(fleet.cluster.sql(database, STORED)?, fleet.sql(STORED)?, "{database}");
    }
    Ok(())
}

#[tokio::test]
async fn logical_replication_copies_everything_into_a_fresh_installation() -> Result<()> {
    let sandbox = Sandbox::start(&["--list-status", "--speed", "60"])?;
    let fleet = Fleet::installed(Install::Extension, sandbox, &[("wal_level", "logical")])?;
    world::fill(&fleet).await?;
    fleet.sql(
        "UPDATE wab_policy SET price_per_bridge = 2.50; INSERT INTO wab_status_words VALUES ('online', 'paired');
         CREATE PUBLICATION everything FOR ALL TABLES",
    )?;
    fleet.sql("CREATE DATABASE copy")?;
    fleet.sql("SELECT pg_create_logical_replication_slot('copy', 'pgoutput')")?;
    let schema = fleet.write("schema", "")?;
    process::must(
        fleet
            .cluster
            .program("pg_dump", DATABASE)
            .args(["--schema-only", "--no-publications", "-f"])
            .arg(&schema),
    )?;
    restore_plain(&fleet.cluster, "copy", &schema)?;
    fleet.cluster.sql(
        "copy",
        &format!(
            "CREATE SUBSCRIPTION copy CONNECTION 'host={} dbname={DATABASE} user=postgres' PUBLICATION everything
             WITH (create_slot = false, slot_name = 'copy')",
            fleet.cluster.socket_dir().display()
        ),
    )?;
    wait::until("every table is copied", || async {
        let left = fleet
            .cluster
            .sql("copy", "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')")?;
        Ok((left == "0").then_some(()))
    })
    .await?;
    assert_eq!(fleet.cluster.sql("copy", STORED)?, fleet.sql(STORED)?);
    Ok(())
}
