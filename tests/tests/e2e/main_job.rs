//! Tests the main job from SQL: provision, reconcile and summary, each kind of drift, and the statuses of sessions.

use anyhow::Result;
use e2e::fleet::{Fleet, Install};
use e2e::sandbox::Sandbox;
use serde_json::{Value, json};
use sqlx::Row;

use crate::world::{self, KINDS};

#[tokio::test]
async fn every_kind_of_drift_is_seen() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    assert_eq!(world::kinds(&fleet)?, Vec::<String>::new(), "a healthy fleet must have no drift");
    world::break_everything(&fleet).await?;
    assert_eq!(world::kinds(&fleet)?, KINDS);
    Ok(())
}

#[tokio::test]
async fn the_three_jobs_are_one_statement_each() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_8842')")?;

    let provisioned = fleet.sql("SELECT * FROM wab_provision('cust_8842')")?;
    assert_eq!(provisioned, "cust_8842|21|running|created");
    assert_eq!(
        fleet.sql("SELECT bridge_id, bridge_status FROM tenants WHERE id = 'cust_8842'")?,
        "21|awaiting_scan"
    );
    assert_eq!(fleet.sql("SELECT * FROM wab_provision('cust_8842')")?, "cust_8842|21|running|existing");
    assert_eq!(
        fleet.sandbox.calls("POST").await?,
        1,
        "wab_provision() must send no POST for a bridge that exists"
    );

    fleet.sandbox.change(5, json!({"status": "disconnected"})).await?;
    fleet.sandbox.add_one("nobody", "connected").await?;
    let drift = fleet.sql("SELECT kind, tenant_id, bridge_id, observed FROM wab_reconcile()")?;
    assert_eq!(drift, "orphaned||22|22");
    assert_eq!(fleet.sql("SELECT bridge_status FROM tenants WHERE id = 'cust_05'")?, "disconnected");

    let summary = fleet.sql(
        "SELECT bridges, paired, awaiting_scan, disconnected, unknown, orphaned, churned, missing, monthly_cost, monthly_waste
         FROM wab_summary()",
    )?;
    assert_eq!(summary, "22|20|1|1|0|1|0|0|66.00|3.00");
    Ok(())
}

#[tokio::test]
async fn the_summary_agrees_with_the_provider() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    world::break_everything(&fleet).await?;
    let provider = fleet.sandbox.summary().await?;
    let status = |raw: &str| provider["by_status"][raw].as_i64().unwrap_or(0);
    let ours = fleet.sql(
        "SELECT bridges, paired, awaiting_scan, disconnected, unknown, monthly_cost FROM wab_fleet_summary",
    )?;
    let bridges = provider["bridges"].as_i64().unwrap_or(-1);
    let theirs = format!(
        "{bridges}|{}|{}|{}|{}|{}.00",
        status("connected"),
        status("qr"),
        status("disconnected"),
        status("syncing"),
        bridges * 3
    );
    assert_eq!(ours, theirs);
    assert_eq!(
        fleet.sql(
            "SELECT orphaned, churned, missing, duplicate, unbound, monthly_waste FROM wab_fleet_summary"
        )?,
        "1|1|1|1|1|9.00"
    );
    Ok(())
}

#[tokio::test]
async fn a_second_reconcile_writes_nothing_but_its_own_observation() -> Result<()> {
    for list_status in [&["--list-status"][..], &[]] {
        let fleet = e2e::fleet::Fleet::start(&[&["--speed", "60"], list_status].concat())?;
        world::fill(&fleet).await?;
        fleet.sql("UPDATE tenants SET bridge_status = 'disconnected' WHERE id < 'cust_05'")?;
        fleet.sql("SELECT * FROM wab_reconcile()")?;
        assert_eq!(fleet.sql("SELECT count(*) FROM tenants WHERE bridge_status = 'paired'")?, "20");
        let mut connection = fleet.connect().await?;
        let mut transaction = sqlx::Connection::begin(&mut connection).await?;
        sqlx::query("SELECT * FROM wab_reconcile()").fetch_all(&mut *transaction).await?;
        let written = sqlx::query(
            "SELECT relname::text, n_tup_ins + n_tup_upd + n_tup_del AS rows FROM pg_stat_xact_user_tables
             WHERE n_tup_ins + n_tup_upd + n_tup_del > 0",
        )
        .fetch_all(&mut *transaction)
        .await?;
        let written: Vec<(String, i64)> = written.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(written, [("wab_observations".to_owned(), 1)], "list status: {list_status:?}");
        drop(transaction);
    }
    Ok(())
}

#[tokio::test]
async fn reconcile_asks_for_statuses_that_the_list_lacks() -> Result<()> {
    let fleet = e2e::fleet::Fleet::start(&["--speed", "60"])?;
    fleet.cluster.expect_in_log(&["some bridges did not report their status"]);
    world::fill(&fleet).await?;
    assert_eq!(fleet.sql("SELECT unknown FROM wab_summary()")?, "20", "never learnt, never invented");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift")?, "0", "an unknown status must not be drift");
    assert_eq!(fleet.sql("SELECT * FROM wab_poll_status(5)")?, "5|5|0|15");
    fleet.sandbox.change(20, json!({"status": "disconnected"})).await?;
    fleet
        .sandbox
        .fault(json!({"path": "/api/instances/cust_07/proxy/status", "kind": "status", "code": 404}))
        .await?;
    assert_eq!(
        fleet.sql("SELECT * FROM wab_poll_status(100)")?,
        "14|14|1|1",
        "one failing session must not stop the others"
    );
    assert_eq!(fleet.sql("SELECT disconnected, paired, unknown FROM wab_summary()")?, "1|18|1");
    fleet.sandbox.clear_ledger().await?;
    fleet.sql("SELECT * FROM wab_refresh()")?;
    assert_eq!(
        fleet.sql("SELECT disconnected, paired FROM wab_summary()")?,
        "1|18",
        "a list without statuses must not overwrite stored statuses"
    );
    Ok(())
}

/// A session call names the customer_ref, not the bridge. If two bridges share it, the answer could come from either of them.
#[tokio::test]
async fn a_session_that_two_bridges_share_is_not_asked() -> Result<()> {
    let fleet = e2e::fleet::Fleet::start(&["--list-status", "--speed", "60"])?;
    fleet.cluster.expect_in_log(&["some bridges did not report their status"]);
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         SELECT * FROM wab_bind_tenants('tenants')",
    )?;
    let listing = json!([
        {"id": 1, "customer_ref": "twice", "state": "running", "status": "connected"},
        {"id": 2, "customer_ref": "twice", "state": "running"},
        {"id": 3, "customer_ref": "alone", "state": "running"},
    ]);
    fleet
        .sandbox
        .fault(json!({"path": "/api/instances", "kind": "status", "code": 200, "body": listing.to_string()}))
        .await?;
    fleet.sql("SELECT * FROM wab_reconcile()")?;
    let calls = fleet.sandbox.ledger().await?;
    let asked: Vec<_> = calls.iter().filter_map(|call| call["path"].as_str()).collect();
    assert_eq!(asked, ["/api/instances", "/api/instances/alone/proxy/status"]);
    Ok(())
}

#[tokio::test]
async fn a_rollback_leaves_the_bridge_and_the_next_call_finds_it() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_30')")?;
    fleet.sql("BEGIN; SELECT * FROM wab_provision('cust_30'); ROLLBACK")?;
    assert_eq!(fleet.sql("SELECT bridge_id FROM tenants WHERE id = 'cust_30'")?, "");
    fleet.sql("SELECT * FROM wab_refresh()")?;
    assert_eq!(
        fleet.sql("SELECT kind, bridge_id FROM wab_drift WHERE kind <> 'status_drift'")?,
        "unbound|21"
    );
    assert_eq!(fleet.sql("SELECT * FROM wab_provision('cust_30')")?, "cust_30|21|running|existing");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift")?, "0");
    Ok(())
}

#[tokio::test]
async fn integer_and_uuid_tenants_are_tenants_too() -> Result<()> {
    for (kind, id) in [("integer", "42"), ("uuid", "0b3f5a52-7c2e-4c57-9b0f-2f6a5d1b9a10")] {
        let fleet = e2e::fleet::Fleet::start(&["--list-status", "--speed", "60"])?;
        fleet.sandbox.add_one("nobody", "connected").await?;
        fleet.sql(&format!(
            "CREATE TABLE \"Te nants\" (\"Id\" {kind} PRIMARY KEY);
             INSERT INTO \"Te nants\" VALUES ('{id}');
             SELECT * FROM wab_bind_tenants('\"Te nants\"', tenant_id => 'Id', bridge_id => 'Bridge \"Id\"', bridge_status => 'st', add_columns => true)"
        ))?;
        let row = fleet.sql("SELECT p.* FROM \"Te nants\" t, wab_provision(t.\"Id\") p")?;
        assert_eq!(row, format!("{id}|2|running|created"));
        assert_eq!(fleet.sql("SELECT \"Bridge \"\"Id\"\"\", st FROM \"Te nants\"")?, "2|awaiting_scan");
        let plan =
            fleet.sql(&format!("EXPLAIN (COSTS OFF) SELECT * FROM wab_fleet WHERE tenant_id = '{id}'"))?;
        assert!(
            plan.contains("Index Scan using \"Te nants_pkey\"")
                || plan.contains("Bitmap Index Scan on \"Te nants_pkey\""),
            "{plan}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn only_wanted_tenants_are_provisioned() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id, status) VALUES ('gone', 'cancelled')")?;
    for (call, state) in [
        ("wab_provision('gone')", "55000"),
        ("wab_provision('no such')", "22023"),
        ("wab_provision('')", "22023"),
        ("wab_provision(NULL::text)", "22004"),
    ] {
        let (code, message) = fleet.sql_error(&format!("SELECT * FROM {call}"))?;
        assert_eq!(code, state, "{call}: {message}");
    }
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);
    fleet.sql("INSERT INTO wab_declared (customer_ref, kind, reason, webhook_url) VALUES ('ops', 'extra', 'alerts', 'https://a/')")?;
    assert_eq!(
        fleet.sql("SELECT kind, customer_ref, detail FROM wab_drift")?,
        "missing|ops|declared extra: alerts"
    );
    assert_eq!(fleet.sql("SELECT * FROM wab_provision('ops')")?, "ops|21|running|created");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift")?, "0");
    Ok(())
}

#[tokio::test]
async fn a_role_that_cannot_record_the_result_sends_no_call() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_30'); CREATE ROLE half LOGIN")?;
    fleet.sandbox.clear_ledger().await?;
    let calls = [
        "wab_provision('cust_30')",
        "wab_delete_instance(3, 'cust_03')",
        "wab_refresh()",
        "wab_poll_status()",
        "wab_reconcile()",
    ];
    for call in calls {
        let (code, message) = fleet.sql_error(&format!("BEGIN READ ONLY; SELECT * FROM {call}"))?;
        assert_eq!(code, "25006", "{call}: {message}");
    }
    // This role has all rights of an operator, except on the two columns of the tenants table.
    fleet.sql(&roles_recipe()?)?;
    fleet.sql(
        "GRANT wab_operator TO half; REVOKE UPDATE (bridge_id, bridge_status) ON tenants FROM wab_operator",
    )?;
    for call in &calls[..2] {
        let (code, message) = fleet.sql_error(&format!("SET ROLE half; SELECT * FROM {call}"))?;
        assert_eq!(code, "42501", "{call}: {message}");
        assert!(message.contains("GRANT UPDATE (bridge_id) ON public.tenants"), "{call}: {message}");
    }
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0);
    fleet.sql("SET ROLE half; SELECT * FROM wab_refresh()")?;

    fleet.fleet_yaml(world::YAML)?;
    let url = fleet.cluster.url(e2e::fleet::DATABASE).replace("user=postgres", "user=half");
    let said = e2e::process::run(fleet.wab_command(&["apply", "-y"])?.env("DATABASE_URL", url))?;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("GRANT UPDATE (bridge_id) ON public.tenants"), "{}", said.stderr);
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);
    Ok(())
}

fn roles_recipe() -> Result<String> {
    Ok(std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/roles.sql"))?)
}

#[tokio::test]
async fn the_roles_of_the_recipe_can_do_their_work_and_no_more() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let recipe = roles_recipe()?;
    fleet.sql(&recipe)?;
    fleet.sql(&recipe)?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_30')")?;
    assert_eq!(
        fleet.sql("SET ROLE wab_reader; SELECT kind FROM wab_drift; SELECT bridges FROM wab_summary()")?,
        "missing\n20"
    );
    assert_eq!(fleet.sql_error("SET ROLE wab_reader; SELECT * FROM wab_refresh()")?.0, "42501");
    assert_eq!(fleet.sql_error("SET ROLE wab_reader; UPDATE wab_tenants SET bridge_id = 1")?.0, "42501");
    assert_eq!(
        fleet.sql("SET ROLE wab_operator; SELECT * FROM wab_provision('cust_30')")?,
        "cust_30|21|running|created"
    );
    fleet.sql("SET ROLE wab_operator; SELECT * FROM wab_reconcile(); SELECT wab_log_summary()")?;
    assert_eq!(
        fleet.sql("SET ROLE wab_operator; SELECT * FROM wab_delete_instance(21, 'cust_30')")?,
        "21|cust_30|deleted"
    );
    assert_eq!(fleet.sql_error("SET ROLE wab_operator; DELETE FROM tenants")?.0, "42501");
    Ok(())
}

#[tokio::test]
async fn sessions_that_always_fail_do_not_delay_the_others() -> Result<()> {
    let fleet = e2e::fleet::Fleet::start(&["--speed", "60"])?;
    fleet.cluster.expect_in_log(&["some bridges did not report their status"]);
    world::fill(&fleet).await?;
    for n in 1..=9 {
        let path = format!("/api/instances/cust_0{n}/proxy/status");
        fleet
            .sandbox
            .fault(json!({"path": path, "kind": "status", "code": if n == 1 { 404 } else { 502 }}))
            .await?;
    }
    assert_eq!(
        fleet.sql("SELECT * FROM wab_poll_status(9)")?,
        "0|0|9|20",
        "calls without an answer must give no error"
    );
    fleet.sql("SELECT * FROM wab_reconcile(max_status_calls => 20)")?;
    assert_eq!(
        fleet.sql("SELECT paired, unknown FROM wab_summary()")?,
        "11|9",
        "the other sessions must be asked next"
    );
    fleet.sandbox.heal().await?;
    fleet.sql("UPDATE wab_bridges SET status_asked_at = status_asked_at - interval '2 minutes'")?;
    assert_eq!(fleet.sql("SELECT polled, failed FROM wab_poll_status(100)")?, "20|0");
    Ok(())
}

#[tokio::test]
async fn sessions_that_hang_lose_their_place_in_the_queue() -> Result<()> {
    let fleet = e2e::fleet::Fleet::start(&["--speed", "60"])?;
    fleet.cluster.expect_in_log(&["some bridges did not report their status"]);
    world::fill(&fleet).await?;
    fleet.cluster.configure(&[("wab.request_timeout", "500ms")])?;
    fleet.cluster.reload()?;
    e2e::wait::until("the setting is in effect", || async {
        Ok((fleet.sql("LOAD 'pg_wabridges'; SHOW wab.request_timeout")? == "500ms").then_some(()))
    })
    .await?;
    for n in 1..=9 {
        let path = format!("/api/instances/cust_0{n}/proxy/status");
        fleet.sandbox.fault(json!({"path": path, "kind": "hang"})).await?;
    }
    assert_eq!(
        fleet.sql("SELECT * FROM wab_poll_status(9)")?,
        "0|0|5|20",
        "the poll must stop and record the sessions that it asked"
    );
    assert_eq!(
        fleet.sql("SELECT * FROM wab_poll_status(100)")?,
        "11|11|4|9",
        "the other sessions must be asked next"
    );
    fleet.sandbox.heal().await?;
    let limited = json!({"path_prefix": "/api/instances/", "kind": "status", "code": 429, "retry_after": 60});
    fleet.sandbox.fault(limited).await?;
    fleet.sql("UPDATE wab_bridges SET status_asked_at = NULL")?;
    assert_eq!(
        fleet.sql_error("SELECT * FROM wab_poll_status(9)")?.0,
        "53400",
        "a poll that could ask no session must fail"
    );
    assert_eq!(fleet.sql("SELECT count(status_asked_at) FROM wab_bridges")?, "0");
    fleet.sql("SELECT * FROM wab_reconcile()")?;
    Ok(())
}

#[tokio::test]
async fn of_two_bridges_the_one_in_the_tenant_row_is_returned() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let second = fleet.sandbox.add_one("cust_04", "connected").await?;
    fleet.sql(&format!("UPDATE tenants SET bridge_id = {second} WHERE id = 'cust_04'"))?;
    assert_eq!(
        fleet.sql("SELECT bridge_id, outcome FROM wab_provision('cust_04')")?,
        format!("{second}|existing")
    );
    fleet.sql("SELECT * FROM wab_refresh()")?;
    assert_eq!(fleet.sql("SELECT kind, bridge_id FROM wab_drift")?, "duplicate|4");
    Ok(())
}

#[tokio::test]
async fn deleting_takes_both_ids() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let (code, message) = fleet.sql_error("SELECT * FROM wab_delete_instance(3, 'cust_04')")?;
    assert_eq!(code, "22023", "{message}");
    assert!(message.contains("bridge 3 carries customer_ref cust_03, not cust_04"), "{message}");
    assert_eq!(fleet.sql_error("SELECT * FROM wab_delete_instance(99, 'cust_04')")?.0, "P0002");
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0);
    assert_eq!(fleet.sql("SELECT * FROM wab_delete_instance(3, 'cust_03')")?, "3|cust_03|deleted");
    assert_eq!(
        fleet.sql("SELECT kind, tenant_id, detail FROM wab_drift")?,
        "missing|cust_03|wanted, and bridge 3 is no longer listed"
    );
    Ok(())
}

#[tokio::test]
async fn listing_and_getting_store_nothing() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sandbox.change(5, json!({"status": "disconnected"})).await?;
    let before = world::observed(&fleet)?;
    assert_eq!(
        fleet.sql("SELECT bridge_id, customer_ref, state, status, raw_status, raw ->> 'id' FROM wab_list_instances() WHERE status <> 'paired'")?,
        "5|cust_05|running|disconnected|disconnected|5"
    );
    assert_eq!(
        fleet.sql("SELECT bridge_id, customer_ref, fail_count FROM wab_get_instance(7)")?,
        "7|cust_07|0"
    );
    fleet.sql("EXPLAIN SELECT * FROM wab_list_instances()")?;
    assert_eq!(world::observed(&fleet)?, before);
    let calls: Vec<Value> = fleet.sandbox.ledger().await?;
    assert_eq!(calls.len(), 3, "a refresh, a list, a get; none by EXPLAIN: {calls:?}");
    Ok(())
}

#[tokio::test]
async fn refreshes_drain_when_they_stack_up() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    assert_eq!(fleet.sql("SELECT bridges, skipped FROM wab_refresh(max_age => '1 hour')")?, "20|t");
    fleet.sandbox.fault(json!({"path": "/api/instances", "kind": "hang", "times": 1})).await?;
    let mut first = fleet.connect().await?;
    let hanging = tokio::spawn(async move {
        let _ = sqlx::query("SET statement_timeout = '20s'").execute(&mut first).await;
        sqlx::query("SELECT * FROM wab_refresh()").fetch_all(&mut first).await.map(drop)
    });
    e2e::wait::until("the first refresh calls the provider", || async {
        Ok((fleet.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")? != "0").then_some(()))
    })
    .await?;
    assert_eq!(
        fleet.sql("SELECT bridges, skipped FROM wab_refresh()")?,
        "20|t",
        "the second refresh must not wait for the first"
    );
    fleet.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT * FROM wab_refresh()' AND state = 'active' AND pid <> pg_backend_pid()")?;
    assert!(hanging.await?.is_err());
    Ok(())
}

#[tokio::test]
async fn the_listed_bridges_can_be_joined_in_parallel() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let parallel =
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
                    CREATE TABLE big AS SELECT n FROM generate_series(1, 50000) n; ANALYZE big";
    let joined = "SELECT count(*) FROM big JOIN wab_list_instances() l ON l.bridge_id = big.n";
    let said = fleet.sql(&format!("{parallel}; EXPLAIN (COSTS OFF) {joined}; {joined}"))?;
    assert!(said.contains("Parallel Seq Scan on big"), "{said}");
    assert_eq!(said.lines().last(), Some("20"), "{said}");
    let asked = "SELECT count(*) FROM big WHERE n = (SELECT max(l.bridge_id) FROM wab_list_instances() l, wab_get_instance(3), wab_session_status('cust_01'))";
    assert_eq!(fleet.sql(&format!("{}; {asked}", parallel.split("CREATE").next().unwrap_or_default()))?, "1");
    Ok(())
}

#[tokio::test]
async fn times_are_kept_to_the_microsecond() -> Result<()> {
    let fleet = Fleet::installed(Install::Extension, Sandbox::start(&[])?, &[])?;
    let at = "2000-02-29T00:00:00.123456Z";
    fleet.sandbox.add(json!([{"customer_ref": "cust_1", "status": "qr", "created_at": at}])).await?;
    fleet.observe().await?;
    assert_eq!(
        fleet.sql(&format!(
            "SELECT l.created_at = '{at}', b.created_at = '{at}' FROM wab_list_instances() l JOIN wab_bridges b USING (bridge_id)"
        ))?,
        "t|t"
    );
    Ok(())
}
