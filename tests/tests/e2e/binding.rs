//! Tests the binding of the tenants table: it follows renames, changes beside readers, and can be undone.

use anyhow::Result;
use e2e::fleet::{DATABASE, Fleet};
use e2e::process;

use crate::world;

const SIGNUP: &str = include_str!("../../../sql/signup.sql");
const ROLES: &str = include_str!("../../../sql/roles.sql");

/// Renames the schema, the table and the three bound columns.
const RENAME: &str =
    "CREATE SCHEMA shop; ALTER TABLE tenants SET SCHEMA shop; ALTER TABLE shop.tenants RENAME TO customers;
    ALTER TABLE shop.customers RENAME COLUMN id TO tenant_no;
    ALTER TABLE shop.customers RENAME COLUMN bridge_id TO bridge;
    ALTER TABLE shop.customers RENAME COLUMN bridge_status TO wa_status;";

fn applies(fleet: &Fleet) -> Result<()> {
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    let said = fleet.wab(&["plan", "--detailed-exitcode"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}

#[tokio::test]
async fn everything_goes_on_after_table_and_columns_were_renamed() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(SIGNUP)?;
    fleet.sql(ROLES)?;
    fleet.sql(RENAME)?;
    // The trigger, the writers and the plan.
    fleet.sql("INSERT INTO shop.customers (tenant_no) VALUES ('new')")?;
    assert_eq!(fleet.sql("SELECT customer_ref FROM wab_queue")?, "new");
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sql("SELECT bridge FROM shop.customers WHERE tenant_no = 'new'")?, "21");
    fleet.sql("UPDATE shop.customers SET wa_status = NULL WHERE tenant_no = 'cust_01'")?;
    fleet.sql("SELECT * FROM wab_reconcile()")?;
    assert_eq!(fleet.sql("SELECT wa_status FROM shop.customers WHERE tenant_no = 'cust_01'")?, "paired");
    fleet.sql("UPDATE shop.customers SET bridge = NULL WHERE tenant_no = 'cust_02'")?;
    fleet.fleet_yaml("policy: { max_creates: 1 }")?;
    applies(&fleet)?;
    assert_eq!(fleet.sql("SELECT bridge FROM shop.customers WHERE tenant_no = 'cust_02'")?, "2");
    // The recipes, a second binding, a dump, doctor and the plan of a fleet.yaml with the present names.
    fleet.sql(SIGNUP)?;
    fleet.sql(ROLES)?;
    assert_eq!(fleet.sql("SELECT * FROM wab_bind_tenants()")?, "shop.customers|21|21");
    fleet.sql("ALTER TABLE shop.customers RENAME COLUMN bridge TO bridge_no")?;
    fleet.cluster.sql("postgres", "CREATE DATABASE restored")?;
    let dump = process::must(fleet.cluster.program("pg_dump", DATABASE).args(["--no-sync"]))?;
    let file = fleet.write("dump.sql", &dump)?;
    process::must(
        fleet.cluster.program("psql", "restored").args(["-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file),
    )?;
    assert_eq!(
        fleet
            .cluster
            .sql("restored", "SELECT tenant_id, bridge_id, bridge_status FROM public._wab_binding()")?,
        "tenant_no|bridge_no|wa_status"
    );
    fleet.fleet_yaml(
        "tenants: { table: shop.customers, tenant_id: tenant_no, bridge_id: bridge_no, bridge_status: wa_status,
                   wanted: status = 'active' }",
    )?;
    let said = fleet.wab(&["doctor"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("tenant_no of shop.customers has a unique index"), "{}", said.stdout);
    let said = fleet.wab(&["plan", "--detailed-exitcode"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}

#[tokio::test]
async fn a_trigger_that_cannot_enqueue_says_why() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(SIGNUP)?;
    fleet.sql(
        "CREATE TABLE others (no text PRIMARY KEY, bridge_id bigint, bridge_status text);
         SELECT * FROM wab_bind_tenants('others', tenant_id => 'no')",
    )?;
    let (state, message) = fleet.sql_error("INSERT INTO tenants (id) VALUES ('new')")?;
    assert_eq!(state, "55000", "{message}");
    assert!(message.contains("DROP TRIGGER wab_signup ON public.tenants"), "{message}");
    fleet.sql("DROP TABLE others CASCADE")?;
    let said = fleet.cluster.psql(DATABASE, "INSERT INTO tenants (id) VALUES ('new')")?;
    assert!(said.stderr.contains("were not enqueued: no tenants table is bound"), "{}", said.stderr);
    assert_eq!(fleet.sql("SELECT count(*) FROM tenants WHERE id = 'new'")?, "1");
    Ok(())
}
