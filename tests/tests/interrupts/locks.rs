//! Tests that a hanging call holds no lock that DDL waits for: the extension reads tables in a subtransaction before it calls.

use anyhow::{Context, Result};
use serde_json::json;

/// The functions that read tables before they call the provider.
const CALLS: [&str; 7] = [
    "wab_refresh(max_age => '1 second')",
    "wab_reconcile()",
    "wab_poll_status()",
    "wab_provision('cust_01')",
    "wab_delete_instance(1, 'cust_01')",
    "wab_list_instances()",
    "wab_get_instance(1)",
];

#[tokio::test]
async fn a_hanging_call_does_not_block_ddl() -> Result<()> {
    let fleet = super::hanging().await?;
    fleet.sql(
        "UPDATE wab_bridges SET status_asked_at = NULL;
         UPDATE wab_observations SET observed_at = observed_at - interval '1 hour'",
    )?;
    for call in CALLS {
        let mut connection = fleet.connect().await?;
        let pid = super::pid(&mut connection).await?;
        let sql = format!("SELECT * FROM {call}");
        let calling = tokio::spawn(async move {
            sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await.err()
        });
        super::in_call(&fleet, pid).await?;
        let locked = fleet.sql(&format!(
            "SELECT relation::regclass, mode FROM pg_locks WHERE pid = {pid} AND locktype = 'relation' AND relation >= 16384"
        ))?;
        assert_eq!(locked, "", "{call} holds locks");
        for ddl in ["DROP EXTENSION pg_wabridges CASCADE", "ALTER TABLE tenants ADD COLUMN more text"] {
            fleet
                .sql(&format!("SET lock_timeout = '900ms'; BEGIN; {ddl}; ROLLBACK"))
                .with_context(|| format!("during {call}"))?;
        }
        fleet.sql(&format!("SELECT pg_cancel_backend({pid})"))?;
        assert_eq!(super::sqlstate(&calling.await?.context("the call succeeded")?), "57014", "{call}");
    }
    Ok(())
}

#[tokio::test]
async fn a_call_fails_clearly_if_the_extension_was_dropped_meanwhile() -> Result<()> {
    let fleet = super::world::healthy(&[]).await?;
    fleet.sandbox.fault(json!({"path_prefix": "/api/", "kind": "delay", "ms": 1500})).await?;
    let mut connection = fleet.connect().await?;
    let pid = super::pid(&mut connection).await?;
    let calling = tokio::spawn(async move {
        let error = sqlx::query("SELECT * FROM wab_refresh()").fetch_all(&mut connection).await.err();
        (connection, error)
    });
    super::in_call(&fleet, pid).await?;
    fleet.sql("SET lock_timeout = '900ms'; DROP EXTENSION pg_wabridges CASCADE")?;
    let (mut connection, error) = calling.await?;
    let error = error.context("the call succeeded")?;
    assert_eq!(super::sqlstate(&error), "58000", "{error}");
    assert!(error.to_string().contains("the extension has no schema"), "{error}");
    sqlx::query("SELECT 1").execute(&mut connection).await.context("the backend must survive")?;
    Ok(())
}

#[tokio::test]
async fn an_error_before_the_call_can_be_handled_in_plpgsql() -> Result<()> {
    let fleet = super::world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id, status) VALUES ('gone', 'cancelled')")?;
    let said = fleet.sql(
        "CREATE TABLE kept (t text); CREATE TABLE said (state text);
         DO $$ BEGIN
             INSERT INTO kept VALUES ('before');
             FOR n IN 1..3 LOOP
                 BEGIN
                     INSERT INTO kept VALUES ('undone');
                     PERFORM * FROM wab_provision('gone');
                 EXCEPTION WHEN OTHERS THEN INSERT INTO said VALUES (SQLSTATE);
                 END;
             END LOOP;
             PERFORM * FROM wab_refresh();
             INSERT INTO kept VALUES ('after');
         END $$;
         SELECT string_agg(t, ',') FROM kept; SELECT string_agg(state, ',') FROM said",
    )?;
    assert_eq!(said, "before,after\n55000,55000,55000");
    Ok(())
}
