//! From 0.1.0: the upgraded objects are those of a fresh installation, the new library works with the old objects, and what
//! was stored stays.

use anyhow::Result;
use e2e::fleet::{Fleet, Install};
use e2e::sandbox::Sandbox;

use crate::world;

/// Everything that the catalogs say of the objects, in a text that two databases can be compared by.
const CATALOG: &str = "
    SELECT 'column', c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
           col_description(c.oid, a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relname LIKE 'wab\\_%' AND c.relkind IN ('r', 'v') ORDER BY 2, 3;
    SELECT 'relation', c.relname, c.relkind, c.reloptions, c.relacl::text[], obj_description(c.oid),
           CASE c.relkind WHEN 'i' THEN pg_get_indexdef(c.oid) WHEN 'v' THEN pg_get_viewdef(c.oid) END
    FROM pg_class c WHERE c.relname LIKE 'wab\\_%' ORDER BY 2;
    SELECT 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE conrelid::regclass::text LIKE 'wab\\_%' ORDER BY 2, 3;
    SELECT 'trigger', pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'wab\\_%' AND NOT tgisinternal ORDER BY 2;
    SELECT 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid), p.proacl::text[], obj_description(p.oid)
    FROM pg_proc p WHERE p.proname LIKE 'wab\\_%' ORDER BY 2;
    SELECT 'dumped', unnest(extconfig)::regclass FROM pg_extension WHERE extname = 'pg_wabridges';
    SELECT pg_describe_object(classid, objid, 0) COLLATE \"C\" FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE e.extname = 'pg_wabridges' AND d.deptype = 'e' ORDER BY 1";

const OLD: &str = "CREATE EXTENSION pg_wabridges VERSION '0.1.0'";
const UPDATE: &str = "ALTER EXTENSION pg_wabridges UPDATE";

/// A fleet whose objects are those of 0.1.0.
async fn old() -> Result<Fleet> {
    let sandbox = Sandbox::start(&["--list-status", "--speed", "60"])?;
    let fleet = Fleet::installed(Install::Nothing, sandbox, &[])?;
    fleet.sql(OLD)?;
    world::fill(&fleet).await?;
    Ok(fleet)
}

#[test]
fn the_upgraded_objects_are_those_of_a_fresh_installation() -> Result<()> {
    let fleet = Fleet::installed(Install::Extension, Sandbox::start(&[])?, &[])?;
    let bind = "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text); SELECT * FROM wab_bind_tenants('tenants')";
    fleet.sql(bind)?;
    let fresh = fleet.sql(CATALOG)?;
    fleet.sql("DROP EXTENSION pg_wabridges CASCADE; DROP VIEW wab_tenants; DROP TABLE tenants")?;
    fleet.sql(&format!("{OLD}; {bind}"))?;
    let before = fleet.sql(CATALOG)?;
    fleet.sql(&format!("{UPDATE}; SELECT * FROM wab_bind_tenants()"))?;
    let upgraded = fleet.sql(CATALOG)?;
    assert!(before != fresh, "the versions differ");
    for (upgraded, fresh) in upgraded.lines().zip(fresh.lines()) {
        assert_eq!(upgraded, fresh);
    }
    assert_eq!(upgraded.lines().count(), fresh.lines().count());
    Ok(())
}

#[tokio::test]
async fn the_new_library_works_with_the_old_objects() -> Result<()> {
    let fleet = old().await?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_21')")?;
    for (call, says) in [
        ("SELECT count(*) FROM wab_list_instances()", "20"),
        ("SELECT customer_ref FROM wab_get_instance(3)", "cust_03"),
        ("SELECT outcome FROM wab_provision('cust_21')", "created"),
        ("SELECT bridges FROM wab_refresh()", "21"),
        ("SELECT failed FROM wab_poll_status()", "0"),
        ("SELECT count(*) FROM wab_reconcile()", "0"),
        ("SELECT outcome FROM wab_delete_instance(21, 'cust_21')", "deleted"),
    ] {
        assert_eq!(fleet.sql(call)?, says, "{call}");
    }
    assert_eq!(fleet.sql("SELECT extversion FROM pg_extension WHERE extname = 'pg_wabridges'")?, "0.1.0");
    fleet.fleet_yaml(world::YAML)?;
    let said = fleet.wab(&["doctor"])?;
    assert!(said.stdout.contains("ALTER EXTENSION pg_wabridges UPDATE"), "{}", said.stdout);
    Ok(())
}

#[tokio::test]
async fn what_was_stored_stays_and_the_work_goes_on() -> Result<()> {
    let fleet = old().await?;
    fleet.sql("UPDATE wab_policy SET price_per_bridge = 2.50; GRANT SELECT ON wab_drift TO PUBLIC")?;
    world::break_everything(&fleet).await?;
    fleet.sandbox.remove(20).await?;
    fleet.observe().await?;
    let kinds = world::kinds(&fleet)?;
    let rows = "SELECT count(*), max(bridge_id) FROM wab_bridges UNION ALL SELECT count(*), NULL FROM wab_observations
                UNION ALL SELECT count(*), NULL FROM wab_tenant_binding UNION ALL SELECT count(*), sum(bridge_id) FROM wab_bridge_events
                UNION ALL SELECT price_per_bridge, NULL FROM wab_policy";
    let before = fleet.sql(rows)?;
    fleet.sql(UPDATE)?;
    assert_eq!(world::kinds(&fleet)?, kinds, "the old views still answer");
    fleet.sql("SELECT * FROM wab_bind_tenants()")?;
    assert_eq!((fleet.sql(rows)?, world::kinds(&fleet)?), (before, kinds));
    assert_eq!(fleet.sql("SELECT has_table_privilege('public', 'wab_drift', 'SELECT')")?, "t");
    assert_eq!(
        fleet.sql("SELECT count(*) FROM wab_bridge_events WHERE event IN ('appeared', 'disappeared') AND since IS NULL")?,
        "0"
    );
    fleet.sql("SELECT * FROM wab_refresh()")?;
    assert_eq!(
        fleet.sql("SELECT (SELECT count(*) FROM wab_drift_episodes) = (SELECT count(*) FROM wab_drift), (SELECT bridges FROM wab_costs)")?,
        "t|23"
    );
    fleet.sql("SELECT * FROM wab_reconcile()")?;
    Ok(())
}
