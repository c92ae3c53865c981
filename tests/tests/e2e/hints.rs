//! Tests that the hints of `wab` and of the SQL functions lead to where they say.

use anyhow::Result;
use serde_json::json;

use crate::world;

#[tokio::test]
async fn a_hint_names_what_can_be_done_and_nothing_else() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(
        "CREATE TABLE \"Customers\" (LIKE tenants); CREATE VIEW active AS SELECT * FROM tenants;
         SELECT wab_unbind_tenants(); DELETE FROM wab_tenant_binding",
    )?;
    // The hint is a line of fleet.yaml that works.
    fleet.fleet_yaml("tenants: { table: public.Customers }\n")?;
    let said = fleet.wab(&["plan"])?;
    let (_, line) = said.stderr.split_once("double quotes: ").unwrap_or_default();
    assert_eq!(
        (said.code, line.trim()),
        (1, "tenants: { table: 'public.\"Customers\"' }"),
        "{}",
        said.stderr
    );
    fleet.fleet_yaml(line)?;
    assert_eq!(fleet.wab(&["plan"])?.code, 0);
    // A view has no index.
    fleet.fleet_yaml("tenants: { table: active }\n")?;
    fleet.sql("SELECT * FROM wab_bind_tenants('active')")?;
    let said = fleet.wab(&["doctor"])?.stdout;
    assert!(said.contains("is a view") && !said.contains("CREATE UNIQUE INDEX"), "{said}");
    // It is said once that the key is refused.
    if fleet.install == e2e::fleet::Install::Extension {
        fleet.sandbox.fault(json!({"kind": "status", "code": 401})).await?;
        fleet.sql_error("CALL wab_run_job('mine', 'SELECT wab_refresh()')")?;
        let said = fleet.sql("SELECT error FROM wab_jobs")?;
        assert!(said.starts_with("the provider refused the API key (HTTP 401): check the key"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn ids_that_look_alike_are_told_apart_and_impossible_ones_are_said_to_be() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_01 '), ('.'), ('..'), (''), ('old_10'), ('old_2')")?;
    fleet.fleet_yaml(&format!(
        "{}bridges: {{ extra: [ {{ tenant_id: 'a  b', reason: test }} ] }}\n",
        world::YAML
    ))?;
    for format in ["text", "markdown", "github"] {
        let said = fleet.wab(&["plan", "--full", "--format", format])?;
        let out = said.stdout;
        assert_eq!(said.code, 0, "{out}{}", said.stderr);
        for part in ["\"cust_01 \"", "\"a  b\"", "give the tenant another id"] {
            assert!(out.contains(part), "{format}: {part}: {out}");
        }
        assert!(out.find("old_2") < out.find("old_10"), "{format}: {out}");
    }
    let told = "SELECT count(*) FROM wab_drift WHERE kind = 'missing' AND customer_ref IN ('', '.', '..') AND detail LIKE '%give the tenant another id'";
    assert_eq!(fleet.sql(told)?, "3");
    // A keep that was declared in SQL until infinity, or until before all time, is exported and panics nothing.
    fleet.sql(
        "INSERT INTO wab_declared (customer_ref, kind, reason, until)
         VALUES ('ever', 'keep', 'test', 'infinity'), ('never', 'keep', 'test', '-infinity')",
    )?;
    let said = fleet.wab(&["export"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    let said = fleet.wab(&["plan"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    for line in ["- keep ever until infinity", "- keep never until -infinity"] {
        assert!(said.stdout.contains(line), "{line}: {}", said.stdout);
    }
    Ok(())
}
