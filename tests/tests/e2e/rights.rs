//! Tests what each role may do: a reader plans without writing, and the owner of the tenants table binds it.

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::world;

/// The recipe for roles.
fn roles() -> Result<String> {
    Ok(std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../sql/roles.sql"))?)
}

/// A connection string for this role.
fn url(fleet: &Fleet, role: &str) -> String {
    fleet.cluster.url(DATABASE).replace("user=postgres", &format!("user={role}"))
}

/// The plan that `wab plan` prints, without its times and the seal over them.
fn plan(fleet: &Fleet, role: &str) -> Result<Value> {
    let said = fleet.wab_on(&url(fleet, role), &["plan", "--format", "json"])?;
    assert_eq!(said.code, 0, "{role}: {}{}", said.stdout, said.stderr);
    let mut plan: Value = serde_json::from_str(&said.stdout)?;
    let fields = plan.as_object_mut().context("the plan is no object")?;
    for field in ["made_at", "expires_at", "sha256"] {
        fields.remove(field).with_context(|| format!("the plan has no {field}"))?;
    }
    Ok(plan)
}

/// Since when the drift has been there of which no bridge says it.
fn began(fleet: &Fleet, role: &str) -> Result<Vec<Value>> {
    let said = fleet.wab_on(&url(fleet, role), &["drift", "--json"])?;
    assert_eq!(said.code, 2, "{role}: {}{}", said.stdout, said.stderr);
    let drift: Value = serde_json::from_str(&said.stdout)?;
    let rows = drift["drift"].as_array().context("no drift")?;
    let rows = rows.iter().filter(|row| row["kind"] == "orphaned" || row["kind"] == "churned");
    let began: Vec<_> = rows.map(|row| row["since"].clone()).collect();
    assert!(began.iter().any(Value::is_string), "{drift:#}");
    Ok(began)
}

#[tokio::test]
async fn a_reader_plans_what_an_operator_plans_and_writes_nothing() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sandbox.change(10, json!({"status": "halfway"})).await?;
    world::break_everything(&fleet).await?;
    fleet.sql(&roles()?)?;
    // What only the database says, and when the drift began.
    fleet.sql(
        "INSERT INTO wab_status_words VALUES ('halfway', 'disconnected');
         INSERT INTO wab_declared (customer_ref, kind, reason) VALUES ('old', 'keep', 'left over');
         UPDATE wab_drift_episodes SET began_at = began_at - interval '3 days'",
    )?;
    fleet.sql(
        "CREATE ROLE ci LOGIN; GRANT wab_reader TO ci; ALTER ROLE ci SET default_transaction_read_only = on;
         CREATE ROLE deploy LOGIN; GRANT wab_operator TO deploy",
    )?;
    fleet.sql("SELECT wab_nudged('cust_06', 'email')")?;
    // The listing differs from the stored one.
    fleet.sandbox.add_one("cust_22", "qr").await?;
    fleet.sandbox.remove(9).await?;
    let before = everything(&fleet)?;
    for fleet_yaml in [
        "tenants: { table: public.tenants, wanted: status = 'active' }",
        "tenants: { table: public.tenants, wanted: status <> 'cancelled' }
bridges:
  webhook_url: https://hooks.example.com/{tenant_id}
  status_words: [ { word: syncing, status: paired } ]
  extra: [ { tenant_id: ops, reason: our own alerts } ]
  keep: [ { customer_ref: nobody, reason: sales demo } ]
policy: { disconnected_after: 1h }",
    ] {
        fleet.fleet_yaml(fleet_yaml)?;
        let (reader, operator) = (plan(&fleet, "ci")?, plan(&fleet, "postgres")?);
        assert!(reader["steps"].as_array().is_some_and(|steps| steps.len() > 3), "{reader:#}");
        assert_eq!(reader, operator);
        assert_eq!(began(&fleet, "ci")?, began(&fleet, "postgres")?);
    }
    // Only the owner of the views can run the second plan, which binds. An operator is told so before it is approved.
    for verb in ["plan", "doctor"] {
        let said = fleet.wab_on(&url(&fleet, "deploy"), &[verb])?;
        let all = said.stdout + &said.stderr;
        assert!(said.code == 1 && all.contains("only role postgres may bind"), "{verb}: {all}");
    }
    assert_eq!(everything(&fleet)?, before);
    assert_eq!(fleet.wab_on(&url(&fleet, "ci"), &["status"])?.code, 0);
    for form in ["yaml", "sql"] {
        let [reader, operator] =
            ["ci", "deploy"].map(|role| fleet.wab_on(&url(&fleet, role), &["export", "--format", form]));
        let (reader, operator) = (reader?, operator?);
        assert_eq!((reader.code, &reader.stdout), (0, &operator.stdout), "{}", reader.stderr);
    }
    let doctor = fleet.wab_on(&url(&fleet, "ci"), &["doctor"])?;
    let problems: Vec<_> = doctor.stdout.lines().filter(|line| line.starts_with("problem")).collect();
    assert!(matches!(problems[..], [only] if only.contains("rights")), "{}", doctor.stdout);
    assert_eq!(everything(&fleet)?, before);
    fleet.sandbox.clear_ledger().await?;
    let refused = fleet.wab_on(&url(&fleet, "ci"), &["apply", "-y"])?;
    assert_eq!(refused.code, 1, "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("permission denied"), "{}", refused.stderr);
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);
    assert_eq!(everything(&fleet)?, before);
    Ok(())
}

/// All that a plan could have written.
fn everything(fleet: &Fleet) -> Result<String> {
    let observed = world::observed(fleet)?;
    let rest = "SELECT 'declared', d::text FROM wab_declared d UNION ALL SELECT 'policy', p::text FROM wab_policy p
                UNION ALL SELECT 'binding', b::text FROM wab_tenant_binding b UNION ALL SELECT 'word', w::text FROM wab_status_words w
                UNION ALL SELECT 'run', r::text FROM wab_runs r UNION ALL SELECT 'relation', c.oid::regclass::text FROM pg_class c
                WHERE c.relname ~ '^_?wab_' ORDER BY 1, 2";
    Ok(observed + &fleet.sql(rest)?)
}

#[tokio::test]
async fn a_role_without_temporary_tables_is_told_what_it_lacks() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(&roles()?)?;
    fleet
        .sql("CREATE ROLE ci LOGIN; GRANT wab_reader TO ci; REVOKE TEMPORARY ON DATABASE app FROM PUBLIC")?;
    fleet.fleet_yaml(world::YAML)?;
    let said = fleet.wab_on(&url(&fleet, "ci"), &["plan"])?;
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert!(said.stderr.contains("temporary tables"), "{}", said.stderr);
    assert!(said.stderr.contains("GRANT TEMPORARY ON DATABASE"), "{}", said.stderr);
    Ok(())
}

/// A superuser installs the extension and the roles; the application's role, which owns the tenants table, does the rest.
#[tokio::test]
async fn the_owner_of_the_tenants_table_binds_it() -> Result<()> {
    let fleet = Fleet::installed(Install::Nothing, Sandbox::start(&["--list-status"])?, &[])?;
    fleet.sql(
        "CREATE ROLE shop LOGIN; ALTER DATABASE app OWNER TO shop; ALTER DATABASE app SET search_path = public, wab;
         CREATE SCHEMA wab; CREATE EXTENSION pg_wabridges SCHEMA wab",
    )?;
    fleet.sql(&format!("{}; GRANT wab_operator TO shop", roles()?))?;
    let shop = |sql: &str| format!("SET SESSION AUTHORIZATION shop; {sql}");
    let bind = |wanted: &str| {
        shop(&format!("SELECT bound FROM wab_bind_tenants('tenants', wanted => $${wanted}$$)"))
    };
    fleet.sql(&shop(
        "CREATE TABLE tenants (id text PRIMARY KEY, status text, bridge_id bigint, bridge_status text)",
    ))?;
    let (code, message) = fleet.sql_error(&bind("true"))?;
    assert_eq!(code, "42501", "{message}");
    assert!(message.contains("GRANT CREATE ON SCHEMA wab TO shop;"), "{message}");
    fleet.sql("GRANT CREATE ON SCHEMA wab TO shop")?;
    for wanted in ["true", "status = 'active'"] {
        assert_eq!(fleet.sql(&bind(wanted))?, "tenants");
    }
    fleet.sql(&shop(
        "INSERT INTO tenants VALUES ('cust_1', 'active'); SELECT outcome FROM wab_provision('cust_1')",
    ))?;
    assert_eq!(fleet.sql(&shop("SELECT kind FROM wab_reconcile()"))?, "");
    // Once bound, the recipe grants what it left out.
    fleet.sql(&format!("{}; CREATE ROLE support LOGIN; GRANT wab_reader TO support", roles()?))?;
    let seen = "SET SESSION AUTHORIZATION support; SELECT count(*) FROM wab_fleet";
    assert_eq!(fleet.sql(seen)?, "1");
    fleet.sql("SELECT bound FROM wab_bind_tenants('tenants', wanted => 'true')")?;
    assert_eq!(fleet.sql(&bind("status = 'active'"))?, "tenants", "the views still belong to shop");
    // If a superuser binds first, the owner of the table is told how to take over.
    fleet.sql("SELECT wab_unbind_tenants(); SELECT bound FROM wab_bind_tenants()")?;
    for sql in [bind("true"), shop("SELECT wab_unbind_tenants()")] {
        let (code, message) = fleet.sql_error(&sql)?;
        assert_eq!(code, "42501", "{message}");
        assert!(message.contains("drop the views as role postgres"), "{message}");
    }
    fleet.sql("SELECT wab_unbind_tenants()")?;
    assert_eq!(fleet.sql(&bind("true"))?, "tenants");
    assert_eq!(fleet.sql(seen)?, "1");
    Ok(())
}
