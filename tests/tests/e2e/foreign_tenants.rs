//! Tests the product on a tenants table that is in another database and is reached by postgres_fdw.

use anyhow::Result;
use e2e::fleet::{Fleet, Install};
use e2e::sandbox::Sandbox;
use e2e::{process, wait};
use serde_json::json;

use crate::world;

/// Twenty healthy tenants, `cust_01` … `cust_20`, in the table customers of the database crm.
async fn foreign(install: Install) -> Result<Fleet> {
    let fleet = Fleet::installed(install, Sandbox::start(&["--list-status", "--speed", "60"])?, &[])?;
    fleet.cluster.sql("postgres", "CREATE DATABASE crm")?;
    fleet.cluster.sql(
        "crm",
        "CREATE TABLE customers (id text PRIMARY KEY, status text NOT NULL, bridge_id bigint, bridge_status text)",
    )?;
    fleet.sql(&format!(
        "CREATE EXTENSION postgres_fdw;
         CREATE SERVER crm FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'crm', host '{}', port '{}');
         CREATE USER MAPPING FOR postgres SERVER crm OPTIONS (user 'postgres')",
        fleet.cluster.socket_dir().display(),
        fleet.cluster.port()
    ))?;
    let table = "CREATE FOREIGN TABLE tenants (id text NOT NULL, status text NOT NULL DEFAULT 'active', bridge_id bigint,
                     bridge_status text) SERVER crm OPTIONS (table_name 'customers')";
    world::fill_table(&fleet, table).await?;
    Ok(fleet)
}

/// The rows of these tenants in the other database.
fn rows(fleet: &Fleet, ids: &str) -> Result<String> {
    let rows =
        "SELECT string_agg(concat_ws(' ', id, bridge_id, bridge_status), ', ' ORDER BY id) FROM customers";
    fleet.cluster.sql("crm", &format!("{rows} WHERE id = ANY ('{{{ids}}}')"))
}

#[tokio::test]
async fn apply_repairs_every_kind_of_drift() -> Result<()> {
    for install in [Install::Extension, Install::SqlOnly] {
        let fleet = foreign(install).await?;
        world::break_everything(&fleet).await?;
        fleet.fleet_yaml(world::YAML)?;
        let said = fleet.wab(&["apply", "-y"])?;
        assert_eq!(said.code, 0, "{install:?}: {}{}", said.stdout, said.stderr);
        assert!(fleet.wab(&["plan"])?.stdout.starts_with("Nothing to do"), "{install:?}");
        let written = rows(&fleet, "cust_02,cust_05,cust_23")?;
        assert_eq!(written, "cust_02 2 paired, cust_05 5 disconnected, cust_23", "{install:?}");
        let made = "SELECT bridge_id > 20, bridge_status FROM customers WHERE id = 'cust_22'";
        assert_eq!(fleet.cluster.sql("crm", made)?, "t|awaiting_scan", "{install:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_functions_write_its_rows_and_a_job_enqueues_its_signups() -> Result<()> {
    let fleet = foreign(Install::Extension).await?;
    fleet.cluster.sql("crm", "INSERT INTO customers VALUES ('new_1', 'active'), ('new_2', 'active')")?;
    assert_eq!(fleet.sql("SELECT bridge_id, outcome FROM wab_provision('new_1')")?, "21|created");
    let (code, message) = fleet.sql_error(include_str!("../../../sql/signup.sql"))?;
    assert!(code == "0A000" && message.contains("public.wab_enqueue_missing()"), "{code}: {message}");
    assert_eq!(fleet.sql("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'tenants'::regclass")?, "0");
    assert_eq!(fleet.sql("SELECT wab_enqueue_missing()")?, "1");
    fleet.sql("CALL wab_work_queue()")?;
    fleet.sandbox.change(4, json!({"status": "disconnected"})).await?;
    fleet.sql("SELECT count(*) FROM wab_reconcile()")?;
    let written = rows(&fleet, "cust_04,new_1,new_2")?;
    assert_eq!(written, "cust_04 4 disconnected, new_1 21 awaiting_scan, new_2 22 awaiting_scan");
    Ok(())
}

/// postgres_fdw locks each row that it fetches for an UPDATE.
#[tokio::test]
async fn a_write_locks_no_other_tenants_in_the_other_database() -> Result<()> {
    let fleet = foreign(Install::Extension).await?;
    let uuid = "00000000-0000-0000-0000-00000000000";
    for (id_type, first, second) in [
        ("text", "a".to_owned(), "b".to_owned()),
        ("bigint", "1".to_owned(), "2".to_owned()),
        ("uuid", format!("{uuid}1"), format!("{uuid}2")),
    ] {
        let columns = format!("(id {id_type} NOT NULL, bridge_id bigint, bridge_status text)");
        fleet.cluster.sql(
            "crm",
            &format!("CREATE TABLE of_{id_type} {columns}; INSERT INTO of_{id_type} VALUES ('{first}'), ('{second}')"),
        )?;
        fleet.sql(&format!(
            "CREATE FOREIGN TABLE of_{id_type} {columns} SERVER crm; SELECT * FROM wab_bind_tenants('of_{id_type}')"
        ))?;
        let mut writer = fleet.connect().await?;
        let write = format!("BEGIN; SELECT * FROM _wab_write_rows('{{{first}}}', '{{1}}', '{{paired}}')");
        sqlx::raw_sql(sqlx::AssertSqlSafe(write)).execute(&mut writer).await?;
        let lock = |id: &str| format!("SELECT id FROM of_{id_type} WHERE id = '{id}' FOR UPDATE NOWAIT");
        assert_eq!(fleet.cluster.sql("crm", &lock(&second))?, second);
        assert_eq!(fleet.cluster.sql_error("crm", &lock(&first))?.0, "55P03");
        sqlx::raw_sql("COMMIT").execute(&mut writer).await?;
        let written = format!("SELECT bridge_id, bridge_status FROM of_{id_type} WHERE id = '{first}'");
        assert_eq!(fleet.cluster.sql("crm", &written)?, "1|paired");
    }
    Ok(())
}

#[tokio::test]
async fn no_bridge_is_made_while_the_other_database_cannot_be_reached() -> Result<()> {
    let fleet = foreign(Install::Extension).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.cluster.sql("crm", "INSERT INTO customers VALUES ('new_1', 'active')")?;
    fleet.sandbox.clear_ledger().await?;
    fleet.sql("ALTER SERVER crm OPTIONS (SET dbname 'nowhere')")?;
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sql_error("SELECT * FROM wab_provision('new_1')")?.0, "08001");
    assert_eq!(fleet.sql_error("SELECT wab_enqueue_missing()")?.0, "08001");
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);
    fleet.sql("ALTER SERVER crm OPTIONS (SET dbname 'crm')")?;
    assert_eq!(fleet.wab(&["apply", "-y"])?.code, 0);
    assert_eq!(rows(&fleet, "new_1")?, "new_1 21 awaiting_scan");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_the_other_database_is_not_that_of_our_own() -> Result<()> {
    let fleet = foreign(Install::Extension).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.cluster.sql("crm", "INSERT INTO customers VALUES ('new_1', 'active')")?;
    let slow = json!({"method": "POST", "path_prefix": "/api/instances", "kind": "delay", "ms": 2000});
    fleet.sandbox.fault(slow).await?;
    fleet.sandbox.clear_ledger().await?;
    let apply = fleet.wab_command(&["apply", "-y", "--failover-timeout", "5s"])?;
    let apply = tokio::task::spawn_blocking(move || process::run(&mut { apply }));
    wait::until("the provider makes the bridge", || async {
        Ok((fleet.sandbox.calls("POST").await? == 1).then_some(()))
    })
    .await?;
    fleet.sql("ALTER SERVER crm OPTIONS (SET dbname 'nowhere')")?;
    let said = apply.await??;
    assert_eq!(said.code, 4, "{}{}", said.stdout, said.stderr);
    assert!(!said.stderr.contains("the database is away"), "{}", said.stderr);
    let outcome = fleet.sql("SELECT outcome, detail LIKE '%nowhere%' FROM wab_operations")?;
    assert_eq!(outcome, "unknown|t");
    fleet.sql("ALTER SERVER crm OPTIONS (SET dbname 'crm')")?;
    assert_eq!(fleet.wab(&["apply", "-y"])?.code, 0);
    assert_eq!(rows(&fleet, "new_1")?, "new_1 21 awaiting_scan");
    Ok(())
}
