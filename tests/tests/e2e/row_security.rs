//! Tests roles from which row-level security hides tenants: nothing is decided, recorded or written on half of the rows.

use anyhow::Result;
use e2e::fleet::{DATABASE, Fleet};
use e2e::process::{self, Said};

use crate::world;

/// Twenty healthy tenants, of which the role `jobs`, an operator, sees the first ten.
async fn half_hidden() -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql(
        "CREATE ROLE jobs LOGIN; GRANT wab_operator TO jobs;
         ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
         CREATE POLICY half ON tenants USING (id <= 'cust_10')",
    )?;
    fleet.sandbox.clear_ledger().await?;
    Ok(fleet)
}

fn wab_as_jobs(fleet: &Fleet, args: &[&str]) -> Result<Said> {
    fleet.wab_on(&fleet.cluster.url(DATABASE).replace("user=postgres", "user=jobs"), args)
}

/// Runs SQL as `jobs`; it must fail with a message about row-level security and with a hint.
fn refused(fleet: &Fleet, sql: &str) -> Result<()> {
    let url = fleet.cluster.url(DATABASE).replace("user=postgres", "user=jobs");
    let mut psql = fleet.cluster.program("psql", DATABASE);
    let said = process::run(psql.args(["-X", "-q", "-v", "VERBOSITY=verbose", "-d", &url, "-c", sql]))?;
    let message = said.stderr;
    let state =
        message.split_once("ERROR:").and_then(|(_, rest)| rest.trim_start().get(..5)).unwrap_or_default();
    assert_eq!(state, "42501", "{sql}: {message}");
    assert!(
        message.contains("row-level security hides rows") && message.contains("BYPASSRLS"),
        "{sql}: {message}"
    );
    Ok(())
}

#[tokio::test]
async fn a_tombstone_never_deletes_the_bridge_of_a_hidden_tenant() -> Result<()> {
    let fleet = half_hidden().await?;
    fleet.fleet_yaml(
        "tenants: { table: public.tenants, wanted: status = 'active' }
bridges:
  remove: [ { customer_ref: cust_15, bridge_id: 15, reason: the table does not show this tenant } ]
policy: { max_deletes: 1 }
",
    )?;
    for args in [&["plan"][..], &["apply", "-y"]] {
        let said = wab_as_jobs(&fleet, args)?;
        assert_eq!(said.code, 1, "{args:?}: {}{}", said.stdout, said.stderr);
        assert!(said.stderr.contains("row-level security hides rows from role jobs"), "{}", said.stderr);
        assert!(said.stderr.contains("BYPASSRLS"), "{}", said.stderr);
    }
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0, "refused before any call");
    assert_eq!(fleet.sandbox.bridges().await?.len(), 20);
    // A role that sees all rows is told that the tenant still needs its bridge.
    fleet.sql("ALTER ROLE jobs BYPASSRLS")?;
    let said = wab_as_jobs(&fleet, &["apply", "-y"])?;
    assert!(!said.stdout.contains("row-level"), "{}", said.stdout);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}

#[tokio::test]
async fn a_deletion_that_was_planned_is_not_made_once_its_tenant_is_hidden() -> Result<()> {
    let fleet = half_hidden().await?;
    fleet.sql("UPDATE tenants SET status = 'left' WHERE id = 'cust_15'; ALTER ROLE jobs BYPASSRLS")?;
    fleet.fleet_yaml(
        "tenants: { table: public.tenants, wanted: status = 'active' }
bridges:
  remove: [ { customer_ref: cust_15, bridge_id: 15, reason: left } ]
policy: { max_deletes: 1 }
",
    )?;
    let said = wab_as_jobs(&fleet, &["plan", "--out", "plan.json"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    fleet.sql("ALTER ROLE jobs NOBYPASSRLS; UPDATE tenants SET status = 'active' WHERE id = 'cust_15'")?;
    let said = wab_as_jobs(&fleet, &["apply", "plan.json"])?;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0);
    Ok(())
}

#[tokio::test]
async fn every_verb_that_reads_tenants_refuses_before_any_call() -> Result<()> {
    let fleet = half_hidden().await?;
    fleet.fleet_yaml(world::YAML)?;
    for args in
        [&["plan"][..], &["apply", "-y"], &["drift"], &["drift", "--stored"], &["export"], &["status"]]
    {
        let said = wab_as_jobs(&fleet, args)?;
        assert_eq!(said.code, 1, "{args:?}: {}{}", said.stdout, said.stderr);
        assert!(
            said.stderr.contains("row-level security hides rows from role jobs"),
            "{args:?}: {}",
            said.stderr
        );
    }
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn every_function_that_decides_or_writes_refuses_before_any_call() -> Result<()> {
    let fleet = half_hidden().await?;
    fleet.sql(
        "INSERT INTO tenants (id) VALUES ('new'); SELECT wab_enqueue_provision('new');
         UPDATE tenants SET bridge_status = 'disconnected' WHERE id = 'cust_15'",
    )?;
    for sql in [
        "SELECT * FROM wab_reconcile()",
        "SELECT * FROM wab_provision('new')",
        "SELECT * FROM wab_provision('cust_15')",
        "SELECT * FROM wab_delete_instance(15, 'cust_15')",
        "CALL wab_work_queue()",
        "SELECT wab_log_summary()",
    ] {
        refused(&fleet, sql)?;
    }
    for sql in ["SELECT _wab_write_statuses()", "SELECT _wab_link_bridges('{cust_15}', '{16}')"] {
        let url = fleet.cluster.url(DATABASE).replace("user=postgres", "user=jobs");
        let mut psql = fleet.cluster.program("psql", DATABASE);
        let said = process::run(psql.args(["-X", "-q", "-v", "VERBOSITY=verbose", "-d", &url, "-c", sql]))?;
        let message = said.stderr;
        let state =
            message.split_once("ERROR:").and_then(|(_, rest)| rest.trim_start().get(..5)).unwrap_or_default();
        assert_eq!(state, "42501", "{sql}: {message}");
    }
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0);
    assert_eq!(
        fleet.sql("SELECT customer_ref, finished_at, attempts FROM wab_queue")?,
        "new||0",
        "a hidden tenant must not be refused for ever"
    );
    assert_eq!(fleet.sql("SELECT bridge_status FROM tenants WHERE id = 'cust_15'")?, "disconnected");
    Ok(())
}

#[tokio::test]
async fn a_refresh_stores_the_list_and_leaves_the_episodes_alone() -> Result<()> {
    let fleet = half_hidden().await?;
    fleet.cluster.expect_in_log(&["the drift could not be recorded"]);
    fleet.sandbox.add_one("nobody", "connected").await?;
    fleet.observe().await?;
    let episodes = "SELECT kind, subject, ended_at FROM wab_drift_episodes";
    assert_eq!(fleet.sql(episodes)?, "orphaned|21|");
    fleet.sandbox.remove(21).await?;
    fleet.sandbox.add_one("nobody else", "connected").await?;
    let said = fleet.cluster.psql(DATABASE, "SET ROLE jobs; SELECT bridges, appeared FROM wab_refresh()")?;
    assert_eq!(said.stdout.trim(), "21|1", "{}", said.stderr);
    assert!(said.stderr.contains("WARNING:  the drift could not be recorded"), "{}", said.stderr);
    assert!(said.stderr.contains("row-level security"), "{}", said.stderr);
    assert_eq!(fleet.sql(episodes)?, "orphaned|21|", "no episode may end or begin");
    // A dashboard sees what its policies let it see.
    assert_eq!(
        fleet.sql("SET ROLE jobs; SELECT kind, count(*) FROM wab_drift GROUP BY 1 ORDER BY 1")?,
        "orphaned|11"
    );
    assert!(fleet.sql("SELECT obj_description('wab_drift'::regclass)")?.contains("row-level security"));
    Ok(())
}

#[tokio::test]
async fn rows_can_be_hidden_from_an_owner_behind_a_view_in_partitions_and_in_our_own_tables() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql("CREATE ROLE jobs LOGIN; GRANT wab_operator TO jobs")?;
    let sees_all = "SET ROLE jobs; SELECT bridges FROM wab_log_summary()";
    assert_eq!(fleet.sql(sees_all)?, "20");

    fleet.sql("ALTER TABLE tenants OWNER TO jobs; ALTER TABLE tenants ENABLE ROW LEVEL SECURITY")?;
    assert_eq!(fleet.sql(sees_all)?, "20", "without FORCE an owner sees all rows");
    fleet.sql("ALTER TABLE tenants FORCE ROW LEVEL SECURITY")?;
    refused(&fleet, "SELECT wab_log_summary()")?;
    fleet.sql("ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY; ALTER TABLE tenants OWNER TO postgres")?;
    refused(&fleet, "SELECT wab_log_summary()")?;
    fleet.sql("ALTER ROLE jobs BYPASSRLS")?;
    assert_eq!(fleet.sql(sees_all)?, "20");
    fleet.sql("ALTER ROLE jobs NOBYPASSRLS; ALTER TABLE tenants DISABLE ROW LEVEL SECURITY")?;

    fleet.sql("ALTER TABLE wab_bridges ENABLE ROW LEVEL SECURITY")?;
    refused(&fleet, "SELECT * FROM wab_provision('cust_01')")?;
    refused(&fleet, "SELECT * FROM wab_reconcile()")?;
    fleet.sql("ALTER TABLE wab_bridges DISABLE ROW LEVEL SECURITY")?;

    // A table that the predicate reads.
    fleet.sql(
        "CREATE TABLE paid AS SELECT id FROM tenants; GRANT SELECT ON paid TO jobs;
         ALTER TABLE paid ENABLE ROW LEVEL SECURITY;
         SELECT * FROM wab_bind_tenants('tenants', wanted => 'EXISTS (SELECT FROM paid p WHERE p.id = tenants.id)')",
    )?;
    refused(&fleet, "SELECT * FROM wab_reconcile()")?;

    fleet.sql(
        "CREATE TABLE parts (id text, bridge_id bigint, bridge_status text) PARTITION BY HASH (id);
         CREATE TABLE part PARTITION OF parts FOR VALUES WITH (modulus 1, remainder 0);
         INSERT INTO parts SELECT id, bridge_id, bridge_status FROM tenants;
         GRANT SELECT, UPDATE ON parts TO jobs; ALTER TABLE parts ENABLE ROW LEVEL SECURITY;
         SELECT * FROM wab_bind_tenants('parts', wanted => 'true')",
    )?;
    refused(&fleet, "SELECT * FROM wab_reconcile()")?;
    fleet.sql(
        "CREATE VIEW shown WITH (security_invoker = true) AS SELECT * FROM parts; GRANT SELECT, UPDATE ON shown TO jobs;
         SELECT * FROM wab_bind_tenants('shown')",
    )?;
    refused(&fleet, "SELECT * FROM wab_reconcile()")?;
    // A role that is filtered cannot bind either: it would check half of the ids.
    refused(&fleet, "SELECT * FROM wab_bind_tenants('parts')")?;
    Ok(())
}

#[tokio::test]
async fn the_summary_says_that_tenants_are_hidden() -> Result<()> {
    let fleet = half_hidden().await?;
    fleet.cluster.expect_in_log(&["row-level security hides rows"]);
    let said = fleet.cluster.psql(DATABASE, "SET ROLE jobs; SELECT orphaned FROM wab_summary()")?;
    assert!(
        said.stderr.contains("WARNING:  row-level security hides rows from role jobs"),
        "{}",
        said.stderr
    );
    let said = fleet.cluster.psql(DATABASE, "SELECT orphaned FROM wab_summary()")?;
    assert_eq!(said.stderr, "");
    Ok(())
}

#[tokio::test]
async fn doctor_names_row_level_security() -> Result<()> {
    let fleet = half_hidden().await?;
    fleet.fleet_yaml(world::YAML)?;
    let said = wab_as_jobs(&fleet, &["doctor"])?;
    assert!(said.stdout.contains("row-level security hides rows from role jobs"), "{}", said.stdout);
    assert!(said.stdout.contains("BYPASSRLS"), "{}", said.stdout);
    // A role that sees everything is told that others do not.
    let said = fleet.wab(&["doctor"])?;
    assert!(
        said.stdout.contains("tenants has row-level security, and this role sees all rows"),
        "{}",
        said.stdout
    );
    Ok(())
}

#[tokio::test]
async fn every_function_that_reads_the_fleet_sees_all_rows_or_fails() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    // wab_summary(), and what the views call, may be filtered like a view; the signup trigger runs in the customer's own statement.
    let filtered = fleet.sql(
        "SELECT string_agg(p.proname, ' ' ORDER BY p.proname) FROM pg_proc p
         WHERE p.proname ~ '^_?wab_' AND p.prosrc ~ '(FROM|JOIN|UPDATE|INTO)\\s+[a-z_.]*\\.(wab_tenants|wab_fleet|wab_drift|wab_status_drift|wab_bridges)\\M'
           AND p.prosrc !~ 'CREATE OR REPLACE VIEW|COMMENT ON VIEW' AND p.prokind = 'f'
           AND NOT coalesce(p.proconfig @> '{row_security=off}', false)",
    )?;
    assert_eq!(
        filtered,
        "_wab_carried _wab_enqueue_wanted _wab_has_wanted_twin _wab_serves _wab_silent_since"
    );
    Ok(())
}
