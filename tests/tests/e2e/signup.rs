//! Tests provisioning on signup: the queue entry is part of the tenant's transaction, and a worker calls the provider later.

use std::process::Stdio;

use anyhow::Result;
use e2e::fleet::{DATABASE, Fleet};
use e2e::wait;
use serde_json::json;

use crate::world;

const RECIPE: &str = include_str!("../../../sql/signup.sql");

/// A fleet of twenty healthy tenants with the signup trigger, to which these tenants are added.
async fn signing_up(tenants: &[&str]) -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(RECIPE)?;
    for id in tenants {
        fleet.sql(&format!("INSERT INTO tenants (id) VALUES ('{id}')"))?;
    }
    fleet.sandbox.clear_ledger().await?;
    Ok(fleet)
}

const QUEUE: &str = "SELECT customer_ref, attempts, outcome FROM wab_queue ORDER BY customer_ref";

#[tokio::test]
async fn nothing_is_sent_for_a_signup_that_rolls_back() -> Result<()> {
    let fleet = signing_up(&[]).await?;
    fleet.sql("BEGIN; INSERT INTO tenants (id) VALUES ('new'); ROLLBACK")?;
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0);
    fleet.sql("INSERT INTO tenants (id) VALUES ('new')")?;
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0, "a signup itself must send no call");
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sql(QUEUE)?, "new|1|provisioned");
    assert_eq!(fleet.sql("SELECT bridge_id FROM tenants WHERE id = 'new'")?, "21");
    Ok(())
}

#[tokio::test]
async fn thirty_thousand_tenants_sign_up_in_one_statement() -> Result<()> {
    let fleet = signing_up(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 30000) n")?;
    let waiting = "SELECT count(*), count(DISTINCT customer_ref) FROM wab_queue WHERE finished_at IS NULL";
    assert_eq!(fleet.sql(waiting)?, "30000|30000");
    fleet.sql("DELETE FROM wab_queue; UPDATE tenants SET status = 'active' WHERE id LIKE 'new_2_'")?;
    assert_eq!(fleet.sql(waiting)?, "10|10");
    fleet.sql("UPDATE tenants SET status = 'left' WHERE id LIKE 'new_3_'")?;
    assert_eq!(fleet.sql(waiting)?, "10|10", "a tenant that is not wanted does not wait");
    Ok(())
}

#[tokio::test]
async fn two_sessions_that_enqueue_one_tenant_make_one_entry() -> Result<()> {
    let fleet = signing_up(&[]).await?;
    let long = "x".repeat(3000);
    for id in ["new", &long] {
        let enqueue = format!("SELECT wab_enqueue_provision('{id}')");
        for (end, entered) in [("ROLLBACK", true), ("COMMIT", false)] {
            let (mut first, mut second) = (fleet.connect().await?, fleet.connect().await?);
            let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut second).await?;
            sqlx::raw_sql("BEGIN").execute(&mut first).await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(enqueue.clone())).execute(&mut first).await?;
            let text = enqueue.clone();
            let waits = tokio::spawn(async move {
                sqlx::query_scalar::<_, bool>(sqlx::AssertSqlSafe(text)).fetch_one(&mut second).await
            });
            let blocked = format!("SELECT cardinality(pg_blocking_pids({pid}))");
            wait::until("the second session waits", || async {
                Ok(Some(()).filter(|()| fleet.sql(&blocked).is_ok_and(|n| n == "1")))
            })
            .await?;
            sqlx::raw_sql(end).execute(&mut first).await?;
            assert_eq!(waits.await??, entered, "{end}");
            if entered {
                fleet.sql(&format!("DELETE FROM wab_queue WHERE customer_ref = '{id}'"))?;
            }
        }
    }
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_queue")?, "2");
    fleet.sql("UPDATE wab_queue SET finished_at = now(), outcome = 'refused'")?;
    assert_eq!(fleet.sql("SELECT wab_enqueue_provision('new')")?, "t", "a finished entry is no obstacle");
    Ok(())
}

#[tokio::test]
async fn rows_of_partitions_sign_up_however_they_are_written() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(
        "CREATE TABLE parts (id bigint PRIMARY KEY, bridge_id bigint, bridge_status text) PARTITION BY RANGE (id);
         CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (100);
         CREATE TABLE high (bridge_status text, bridge_id bigint, id bigint NOT NULL);
         ALTER TABLE parts ATTACH PARTITION high FOR VALUES FROM (100) TO (200);
         SELECT * FROM wab_bind_tenants('parts', wanted => 'id <> 13')",
    )?;
    fleet.sql(RECIPE)?;
    fleet.sql(
        "INSERT INTO parts VALUES (1), (13), (101); INSERT INTO high (id) VALUES (102);
         INSERT INTO low (id) VALUES (2); INSERT INTO low VALUES (3, 30);
         UPDATE parts SET bridge_id = NULL WHERE id = 3",
    )?;
    assert_eq!(
        fleet.sql("SELECT string_agg(customer_ref, ' ' ORDER BY customer_ref::int) FROM wab_queue")?,
        "1 2 3 101 102"
    );
    Ok(())
}

#[tokio::test]
async fn a_row_that_moves_to_another_partition_signs_up() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(
        "CREATE TABLE parts (id text, status text, bridge_id bigint, bridge_status text) PARTITION BY LIST (status);
         CREATE TABLE trials PARTITION OF parts FOR VALUES IN ('trial');
         CREATE TABLE customers PARTITION OF parts FOR VALUES IN ('active');
         INSERT INTO parts VALUES ('a', 'trial', NULL), ('b', 'trial', 7), ('c', 'trial', NULL), ('d', 'active', 9);
         SELECT * FROM wab_bind_tenants('parts', wanted => $$status = 'active'$$)",
    )?;
    // A trigger of an earlier version of the recipe.
    fleet.sql(
        "CREATE TRIGGER wab_signup_update AFTER UPDATE ON parts FOR EACH ROW WHEN (NEW.bridge_id IS NULL)
         EXECUTE FUNCTION _wab_enqueue_wanted()",
    )?;
    fleet.sql(RECIPE)?;
    fleet.sql(RECIPE)?;
    fleet.sql(
        "UPDATE parts SET status = 'active' WHERE id IN ('a', 'b'); UPDATE customers SET bridge_id = NULL WHERE id = 'd'",
    )?;
    assert_eq!(
        fleet.sql("SELECT string_agg(customer_ref, ' ' ORDER BY customer_ref) FROM wab_queue")?,
        "a d"
    );
    fleet.sql(include_str!("../../../sql/uninstall.sql"))?;
    assert_eq!(fleet.sql("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'wab%'")?, "0");
    Ok(())
}

#[tokio::test]
async fn no_entry_is_refused_while_a_transaction_makes_its_tenant_wanted() -> Result<()> {
    let fleet = signing_up(&["back"]).await?;
    // An entry from before waits, and its tenant is not wanted at the moment.
    fleet.sql("UPDATE tenants SET status = 'left' WHERE id = 'back'")?;
    assert_eq!(fleet.sql(QUEUE)?, "back|0|");
    let mut application = fleet.connect().await?;
    for (enqueue, end) in [("", "ROLLBACK"), ("; SELECT wab_enqueue_provision('back')", "COMMIT")] {
        let returns = format!("BEGIN; UPDATE tenants SET status = 'active' WHERE id = 'back'{enqueue}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(returns)).execute(&mut application).await?;
        fleet.sql("CALL wab_work_queue()")?;
        assert_eq!(fleet.sql(QUEUE)?, "back|0|");
        sqlx::raw_sql(end).execute(&mut application).await?;
    }
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sql(QUEUE)?, "back|1|provisioned");
    Ok(())
}

#[tokio::test]
async fn a_signup_whose_row_is_hidden_is_enqueued_all_the_same() -> Result<()> {
    let fleet = signing_up(&[]).await?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql(
        "CREATE ROLE shop LOGIN; GRANT wab_enqueuer TO shop; GRANT SELECT, INSERT ON tenants TO shop;
         ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
         CREATE POLICY may_insert ON tenants FOR INSERT WITH CHECK (true)",
    )?;
    fleet.sql("SET ROLE shop; INSERT INTO tenants (id) VALUES ('new')")?;
    fleet.sql("SET ROLE shop; INSERT INTO tenants (id, status) VALUES ('left', 'left')")?;
    assert_eq!(fleet.sql(QUEUE)?, "left|0|\nnew|0|");
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sql(QUEUE)?, "left|1|refused\nnew|1|provisioned");
    Ok(())
}

#[tokio::test]
async fn several_workers_share_the_queue() -> Result<()> {
    let ids: Vec<String> = (1..=9).map(|n| format!("new_{n}")).collect();
    let fleet = signing_up(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    fleet
        .sandbox
        .fault(json!({"method": "POST", "path": "/api/instances", "kind": "delay", "ms": 100}))
        .await?;
    let mut workers = Vec::new();
    for _ in 0..3 {
        let mut psql = fleet.cluster.program("psql", DATABASE);
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", "CALL wab_work_queue()"]);
        workers.push(psql.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?);
    }
    for worker in workers {
        let output = worker.wait_with_output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(
        fleet.sql("SELECT count(*), sum(attempts) FROM wab_queue WHERE outcome = 'provisioned'")?,
        "9|9"
    );
    assert_eq!(fleet.sandbox.calls("POST").await?, 9, "each once");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift")?, "0");
    Ok(())
}

#[tokio::test]
async fn a_worker_holds_no_lock_while_it_waits_for_the_provider() -> Result<()> {
    let fleet = signing_up(&["new"]).await?;
    fleet.sandbox.fault(json!({"path_prefix": "/api/", "kind": "hang"})).await?;
    let mut psql = fleet.cluster.program("psql", DATABASE);
    psql.args(["-X", "-c", "CALL wab_work_queue()"]);
    let mut worker = psql.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Extension'";
    let pid = wait::until("the worker waits for the provider", || async {
        Ok(Some(fleet.sql(waiting)?).filter(|pid| !pid.is_empty()))
    })
    .await?;
    assert_eq!(
        fleet.sql(&format!(
            "SELECT (SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND backend_xid IS NOT NULL),
                    (SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                     WHERE l.pid = {pid} AND c.relnamespace = 'public'::regnamespace)"
        ))?,
        "0|0"
    );
    fleet.sql("BEGIN; LOCK wab_queue, wab_bridges, tenants IN ACCESS EXCLUSIVE MODE NOWAIT; ROLLBACK")?;
    assert_eq!(
        fleet.sql("SELECT attempts, claimed_until > now(), finished_at FROM wab_queue")?,
        "1|t|",
        "the claim of the entry must be committed before the call"
    );
    fleet.sql(&format!("SELECT pg_terminate_backend({pid})"))?;
    worker.wait()?;
    // After the worker ended, the next one takes the entry as soon as the lease of the first has expired.
    fleet.sandbox.heal().await?;
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sql(QUEUE)?, "new|1|", "no worker may take the entry before the lease expires");
    fleet.sql("UPDATE wab_queue SET claimed_until = now()")?;
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sql(QUEUE)?, "new|2|provisioned");
    Ok(())
}

#[tokio::test]
async fn a_worker_that_waits_for_a_tenant_row_holds_nothing_that_its_holder_needs() -> Result<()> {
    let fleet = signing_up(&["new"]).await?;
    let mut application = fleet.connect().await?;
    sqlx::raw_sql("BEGIN; UPDATE tenants SET status = status WHERE id = 'new'")
        .execute(&mut application)
        .await?;
    let mut worker = fleet.connect().await?;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut worker).await?;
    let worked =
        tokio::spawn(
            async move { sqlx::raw_sql("CALL wab_work_queue()").execute(&mut worker).await.map(drop) },
        );
    world::until_waiting(&fleet, pid, "Lock").await?;
    let blocked = format!(
        "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = {pid} AND c.relname = 'wab_queue'"
    );
    assert_eq!(fleet.sql(&blocked)?, "0");
    sqlx::raw_sql("SELECT wab_enqueue_provision('new'); COMMIT").execute(&mut application).await?;
    worked.await??;
    assert_eq!(fleet.sql(QUEUE)?, "new|1|provisioned");
    Ok(())
}

#[tokio::test]
async fn an_entry_that_fails_waits_and_delays_no_other() -> Result<()> {
    let fleet = signing_up(&["new_1", "new_2"]).await?;
    fleet
        .sandbox
        .fault(json!({"method": "POST", "path": "/api/instances", "kind": "status", "code": 400, "times": 1}))
        .await?;
    let (state, message) = fleet.sql_error("CALL wab_work_queue()")?;
    assert_eq!(state, "58000", "the error must report the failed entry: {message}");
    assert_eq!(fleet.sql(QUEUE)?, "new_1|1|\nnew_2|1|provisioned");
    assert_eq!(
        fleet.sql("SELECT claimed_until > now(), last_error <> '' FROM wab_queue WHERE outcome IS NULL")?,
        "t|t"
    );
    assert_eq!(fleet.sql("SELECT failing_job, pending_provisions FROM wab_status")?, "work_queue|1");
    // If the provider refuses the key, the worker stops, because every other entry would fail too.
    fleet.sql("UPDATE wab_queue SET claimed_until = NULL; INSERT INTO tenants (id) VALUES ('new_3')")?;
    fleet.sandbox.clear_ledger().await?;
    fleet.sandbox.fault(json!({"path_prefix": "/api/", "kind": "status", "code": 401})).await?;
    assert_eq!(fleet.sql_error("CALL wab_work_queue()")?.0, "28000");
    assert_eq!(fleet.sandbox.ledger().await?.len(), 1, "one call, one refusal");
    fleet.sandbox.heal().await?;
    fleet.sql("UPDATE wab_queue SET claimed_until = NULL")?;
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_queue WHERE outcome = 'provisioned'")?, "3");
    assert_eq!(fleet.sql("SELECT failing_job FROM wab_status")?, "");
    Ok(())
}

/// The provider made the bridge, but the database refuses to record it.
#[tokio::test]
async fn an_entry_that_cannot_be_recorded_says_so_waits_and_is_not_provisioned_twice() -> Result<()> {
    let fleet = signing_up(&["new"]).await?;
    fleet.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           RAISE 'no room' USING DETAIL = 'disk 7', HINT = 'tidy up', ERRCODE = 'P7777', TABLE = 'tt', CONSTRAINT = 'cc'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON wab_bridge_events FOR EACH ROW EXECUTE FUNCTION refuse()",
    )?;
    let (state, message) = fleet.sql_error("CALL wab_work_queue()")?;
    assert_eq!(state, "P7777", "{message}");
    for part in [
        "no room",
        "DETAIL:  disk 7",
        "HINT:  tidy up",
        "function public.refuse()",
        "TABLE NAME:  tt",
        "CONSTRAINT NAME:  cc",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let waits = "SELECT attempts, claimed_until > now() + interval '50 seconds', claimed_until < now() + interval '2 minutes', last_error FROM wab_queue";
    assert_eq!(fleet.sql(waits)?, "1|t|t|no room: disk 7");
    let status = "SELECT failing_job, last_error_sqlstate, last_error FROM wab_status";
    assert_eq!(fleet.sql(status)?, "work_queue|P7777|no room: disk 7");
    fleet.sql("DROP TRIGGER refuse ON wab_bridge_events; UPDATE wab_queue SET claimed_until = NULL")?;
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sql(QUEUE)?, "new|2|provisioned");
    assert_eq!(fleet.sandbox.calls("POST").await?, 1, "the bridge must be made once");
    assert_eq!(fleet.sql("SELECT failing_job FROM wab_status")?, "");
    Ok(())
}

#[tokio::test]
async fn a_worker_that_cannot_claim_or_is_cancelled_says_so() -> Result<()> {
    let fleet = signing_up(&["new"]).await?;
    let status = "SELECT failing_job, last_error_sqlstate FROM wab_status";
    fleet.sandbox.fault(json!({"path_prefix": "/api/", "kind": "hang"})).await?;
    fleet.sql("ALTER DATABASE app SET statement_timeout = '1s'")?;
    assert_eq!(fleet.sql_error("CALL wab_work_queue()")?.0, "57014");
    fleet.sql("ALTER DATABASE app RESET statement_timeout")?;
    assert_eq!(fleet.sql(status)?, "work_queue|57014");
    assert_eq!(
        fleet.sql("SELECT claimed_until < now() + interval '2 minutes', last_error LIKE 'canceling statement%' FROM wab_queue")?,
        "t|t",
        "the entry must wait for its back-off, not for the lease"
    );
    fleet.sandbox.heal().await?;
    fleet.sql(
        "UPDATE wab_queue SET claimed_until = NULL; ALTER TABLE wab_queue RENAME COLUMN attempts TO tries",
    )?;
    assert_eq!(fleet.sql_error("CALL wab_work_queue()")?.0, "42703");
    assert_eq!(fleet.sql(status)?, "work_queue|42703");
    fleet.sql("ALTER TABLE wab_queue RENAME COLUMN tries TO attempts")?;
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sql(QUEUE)?, "new|2|provisioned");
    assert_eq!(fleet.sandbox.calls("POST").await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_apply_provisions_queued_tenants_and_reports_that_they_waited() -> Result<()> {
    let fleet = signing_up(&["new"]).await?;
    fleet.fleet_yaml(world::YAML)?;
    let said = fleet.wab(&["plan"])?;
    assert!(said.stdout.contains("waits for its bridge in wab_queue"), "{}", said.stdout);
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sql(QUEUE)?, "new|0|provisioned");
    Ok(())
}

#[tokio::test]
async fn an_application_must_be_able_to_read_the_tenants_table() -> Result<()> {
    let fleet = signing_up(&[]).await?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql("CREATE ROLE shop LOGIN; GRANT wab_enqueuer TO shop; GRANT INSERT ON tenants TO shop")?;
    let insert = "SET ROLE shop; INSERT INTO tenants (id) VALUES ('new')";
    // Before 15 a view reads with the rights of its owner.
    if fleet.sql("SELECT current_setting('server_version_num')::int >= 150000")? == "t" {
        fleet.sql("GRANT SELECT (id) ON tenants TO shop")?;
        let (code, message) = fleet.sql_error(insert)?;
        assert!(code == "42501" && message.contains("permission denied for table tenants"), "{message}");
        assert_eq!(fleet.sql(QUEUE)?, "");
    }
    // Those that the binding names.
    fleet.sql("GRANT SELECT (bridge_id, bridge_status, status, id) ON tenants TO shop")?;
    fleet.sql(insert)?;
    assert_eq!(fleet.sql(QUEUE)?, "new|0|");
    Ok(())
}

#[tokio::test]
async fn an_application_with_the_right_to_enqueue_can_do_nothing_else() -> Result<()> {
    let fleet = signing_up(&[]).await?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet
        .sql("CREATE ROLE shop LOGIN; GRANT wab_enqueuer TO shop; GRANT SELECT, INSERT ON tenants TO shop")?;
    fleet
        .sql("SET ROLE shop; INSERT INTO tenants (id) VALUES ('new'); SELECT wab_enqueue_provision('new')")?;
    assert_eq!(fleet.sql("SELECT customer_ref, enqueued_by FROM wab_queue")?, "new|postgres");
    for sql in [
        "CALL wab_work_queue()",
        "SELECT * FROM wab_provision('new')",
        "SELECT * FROM wab_bridges",
        "DELETE FROM wab_queue",
    ] {
        assert_eq!(fleet.sql_error(&format!("SET ROLE shop; {sql}"))?.0, "42501", "{sql}");
    }
    Ok(())
}
