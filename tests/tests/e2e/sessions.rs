//! Tests WhatsApp sessions from SQL: status, QR code, pairing and logout of one bridge, and polling of many.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::fleet::Fleet;
use serde_json::json;

/// Two bridges of tenants with integer ids: 1 is paired, 2 waits to be scanned.
async fn two() -> Result<Fleet> {
    let fleet = Fleet::start(&["--speed", "60"])?;
    fleet
        .sandbox
        .add(json!([{"id": 11, "customer_ref": "1", "status": "connected"}, {"id": 12, "customer_ref": "2", "status": "qr"}]))
        .await?;
    fleet.sql(
        "CREATE TABLE tenants (id integer PRIMARY KEY, bridge_id bigint, bridge_status text);
         INSERT INTO tenants VALUES (1, 11), (2, 12);
         SELECT * FROM wab_bind_tenants('tenants'); SELECT * FROM wab_refresh()",
    )?;
    Ok(fleet)
}

#[tokio::test]
async fn a_session_is_asked_paired_and_logged_out() -> Result<()> {
    let fleet = two().await?;
    let status = "SELECT status, raw_status, phone IS NOT NULL, jid IS NOT NULL FROM wab_session_status";
    assert_eq!(fleet.sql(&format!("{status}(1)"))?, "paired|connected|t|t");
    assert_eq!(fleet.sql(&format!("{status}('2')"))?, "awaiting_scan|qr|f|f");
    assert_eq!(
        fleet.sql("SELECT bridge_id, status, raw_status FROM wab_bridges ORDER BY 1")?,
        "11|paired|connected\n12|awaiting_scan|qr",
        "wab_session_status() must store what it learnt"
    );
    let png = "substring(q.png FROM 1 FOR 8) = '\\x89504e470d0a1a0a'::bytea";
    assert_eq!(fleet.sql(&format!("SELECT {png} FROM wab_qr(2) AS q(png)"))?, "t");
    fleet.fleet_yaml("")?;
    assert_eq!(fleet.sql("SELECT wab_qr_text(2)")?, fleet.wab(&["qr", "2"])?.stdout.trim_end());
    for call in ["wab_qr(1)", "wab_qr_text(1)", "wab_pair(1, '15550001234')"] {
        let (state, message) = fleet.sql_error(&format!("SELECT {call}"))?;
        assert!(state == "55000" && message.contains("status is connected"), "{call}: {message}");
    }
    let code = fleet.sql("SELECT wab_pair(2, '15550001234')")?;
    assert!(code.len() == 9 && code.as_bytes()[4] == b'-', "{code}");
    assert_eq!(fleet.sql("SELECT tenant_id, status FROM wab_logout(1)")?, "1|disconnected");
    assert_eq!(
        fleet.sql("SELECT status, status_since IS NOT NULL FROM wab_bridges WHERE bridge_id = 11")?,
        "disconnected|t",
        "the status must be stored at once"
    );
    Ok(())
}

#[tokio::test]
async fn an_error_of_a_call_names_its_tenant_or_bridge() -> Result<()> {
    let fleet = two().await?;
    fleet.sandbox.fault(json!({"kind": "status", "code": 500})).await?;
    for (call, subject) in [
        ("wab_session_status(1)", "tenant 1: "),
        ("wab_qr(2)", "tenant 2: "),
        ("wab_pair(2, '15550001234')", "tenant 2: "),
        ("wab_logout(1)", "tenant 1: "),
        ("wab_provision(2)", "tenant 2: "),
        ("wab_get_instance(11)", "bridge 11: "),
        ("wab_delete_instance(11, '1')", "bridge 11 of tenant 1: "),
    ] {
        let (_, message) = fleet.sql_error(&format!("SELECT * FROM {call}"))?;
        assert!(message.contains(&format!("DETAIL:  {subject}")), "{call}: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn an_event_is_newer_than_the_answer_of_a_session_that_was_asked_before_it() -> Result<()> {
    let fleet = two().await?;
    fleet.sql("SELECT wab_session_status(1)")?;
    for (asks, path, event, status) in [
        ("wab_session_status(1)", "/api/instances/1/proxy/status", "disconnected", "disconnected"),
        ("wab_qr(2)", "/api/instances/2/proxy/qr", "connected", "paired"),
    ] {
        let slow = json!({"path": path, "kind": "delay", "ms": 1500, "times": 1});
        fleet.sandbox.fault(slow).await?;
        let mut session = fleet.connect().await?;
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut session).await?;
        let ask = format!("SELECT {asks}");
        let asked =
            tokio::spawn(async move { sqlx::raw_sql(sqlx::AssertSqlSafe(ask)).execute(&mut session).await });
        crate::world::until_waiting(&fleet, pid, "Extension").await?;
        let tenant = asks.split(['(', ')']).nth(1).unwrap_or_default();
        fleet.sql(&format!("SELECT wab_ingest_event('{tenant}', '{{\"event\": \"{event}\"}}')"))?;
        asked.await??;
        let stored = format!("SELECT status FROM wab_bridges WHERE customer_ref = '{tenant}'");
        assert_eq!(fleet.sql(&stored)?, status, "{asks}");
    }
    Ok(())
}

#[tokio::test]
async fn an_event_is_newer_than_the_session_that_an_apply_asked_before_it() -> Result<()> {
    let fleet = two().await?;
    fleet.fleet_yaml("tenants: { table: public.tenants }\n")?;
    fleet.sql("INSERT INTO tenants VALUES (3)")?;
    let path = "/api/instances/3/proxy/status";
    fleet.sandbox.fault(json!({"path": path, "kind": "delay", "ms": 3000, "times": 1})).await?;
    let mut apply = fleet.wab_command(&["apply", "-y"])?;
    let applied = std::thread::spawn(move || apply.output());
    e2e::wait::until("the session is asked", || async {
        let calls = fleet.sandbox.ledger().await?;
        Ok(Some(()).filter(|()| calls.iter().any(|call| call["path"] == path)))
    })
    .await?;
    fleet.sql("SELECT * FROM wab_refresh(); SELECT wab_ingest_event('3', '{\"event\": \"connected\"}')")?;
    let said = applied.join().expect("the thread ends")?;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(
        fleet.sql("SELECT b.status, t.bridge_status FROM wab_bridges b JOIN tenants t USING (bridge_id) WHERE t.id = 3")?,
        "paired|paired"
    );
    Ok(())
}

#[tokio::test]
async fn no_session_is_asked_of_which_two_bridges_carry_the_customer_ref() -> Result<()> {
    let fleet = two().await?;
    fleet.sandbox.add(json!([{"id": 13, "customer_ref": "1", "status": "connected"}])).await?;
    fleet.sql("SELECT * FROM wab_refresh()")?;
    fleet.sandbox.clear_ledger().await?;
    for call in [
        "wab_session_status(1)",
        "wab_qr(1)",
        "wab_qr_text(1)",
        "wab_pair(1, '15550001234')",
        "wab_logout(1)",
    ] {
        let (state, message) = fleet.sql_error(&format!("SELECT * FROM {call}"))?;
        assert!(state == "55000" && message.contains("bridges: 11, 13"), "{call}: {message}");
    }
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0);
    fleet.fleet_yaml("")?;
    for args in [&["logout", "1", "-y"][..], &["qr", "1"], &["pair", "1", "--phone", "15550001234"]] {
        let said = fleet.wab(args)?;
        assert!(
            said.code == 5 && said.stderr.contains("the bridges 11, 13 carry"),
            "{args:?}: {}",
            said.stderr
        );
    }
    let calls = fleet.sandbox.ledger().await?;
    assert!(calls.iter().all(|call| call["path"] == "/api/instances"), "{calls:?}");
    Ok(())
}

#[tokio::test]
async fn a_call_that_learns_a_status_stores_it_if_it_may() -> Result<()> {
    let fleet = two().await?;
    let status = |id: u32| fleet.sql(&format!("SELECT status FROM wab_bridges WHERE bridge_id = {id}"));
    fleet.sql(
        "CREATE ROLE asker LOGIN; GRANT EXECUTE ON FUNCTION wab_session_status(text), wab_qr(text) TO asker;
         GRANT SELECT ON wab_bridges TO asker",
    )?;
    for call in [
        "SET ROLE asker; SELECT status FROM wab_session_status('1')",
        "BEGIN READ ONLY; SELECT status FROM wab_session_status('1'); COMMIT",
    ] {
        assert_eq!(fleet.sql(call)?, "paired", "{call}");
        assert_eq!(status(11)?, "unknown", "{call}");
    }
    fleet.sql("SET ROLE asker; SELECT length(wab_qr('2'))")?;
    assert_eq!(status(12)?, "unknown");
    for call in ["wab_qr(2)", "wab_qr_text(2)", "wab_pair(2, '15550001234')", "wab_session_status(2)"] {
        fleet.sql("UPDATE wab_bridges SET status = 'unknown', raw_status = NULL, status_observed_at = NULL, status_asked_at = NULL")?;
        fleet.sql(&format!("SELECT * FROM {call}"))?;
        assert_eq!(status(12)?, "awaiting_scan", "{call}");
        assert_eq!(
            fleet.sql("SELECT kind FROM wab_drift_episodes WHERE bridge_id = 12 AND ended_at IS NULL")?,
            "status_drift",
            "{call}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_bridge_whose_status_is_listed_is_not_polled() -> Result<()> {
    let fleet = Fleet::start(&["--list-status", "--speed", "60"])?;
    fleet
        .sandbox
        .add(json!([{"id": 11, "customer_ref": "1", "status": "connected"}, {"id": 12, "customer_ref": "2", "status": "qr"}]))
        .await?;
    fleet.sql("SELECT * FROM wab_refresh()")?;
    assert_eq!(fleet.sql("SELECT * FROM wab_poll_status(10)")?, "0|0|0|0");
    assert_eq!(fleet.sql("SELECT bool_and(status_listed) FROM wab_bridges")?, "t");
    // The next list carries only one of the two.
    let list = |statuses: &str| {
        fleet.sql(&format!(
            "SELECT changed FROM wab_observe('{{11,12}}', '{{1,2}}', '{{running,running}}', '{statuses}',
                 (SELECT array_agg(created_at ORDER BY bridge_id) FROM wab_bridges))"
        ))
    };
    let before = fleet.sql("SELECT observed_at FROM wab_observations")?;
    assert_eq!(list("{connected,NULL}")?, "0", "the list says nothing new about either");
    assert_eq!(
        fleet.sql("SELECT bridge_id, status FROM wab_bridges WHERE NOT status_listed")?,
        "12|awaiting_scan"
    );
    assert_eq!(
        fleet.sql("SELECT status_observed_at FROM wab_bridges WHERE bridge_id = 12")?,
        before,
        "the list before was the last to confirm it"
    );
    assert_eq!(fleet.sql("SELECT * FROM wab_poll_status(10)")?, "1|0|0|0");
    // A list with a malformed row, in which a bridge is absent, does not carry its status either.
    fleet.sql(
        "SELECT bridges FROM wab_observe('{12}', '{2}', '{running}', '{qr}', '{NULL}', malformed => 1)",
    )?;
    assert_eq!(fleet.sql("SELECT bridge_id FROM wab_bridges WHERE NOT status_listed")?, "11");
    // An equal list is stored as one row, with statuses and without.
    for _ in 0..2 {
        fleet.sql("SELECT * FROM wab_refresh()")?;
    }
    assert_eq!(fleet.sql("SELECT bool_and(status_listed) FROM wab_bridges")?, "t");
    Ok(())
}

/// A poll of more sessions than the provider allows in a minute, and one of sessions that hang.
#[tokio::test]
async fn a_poll_stores_what_it_learnt_when_its_time_is_over() -> Result<()> {
    let fleet = Fleet::start(&["--limit-proxy", "0", "--limit-floor", "0"])?;
    let bridges: Vec<_> =
        (1..=140).map(|n| json!({"id": n, "customer_ref": format!("c{n}"), "status": "connected"})).collect();
    fleet.sandbox.add(json!(bridges)).await?;
    fleet.sql("CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text); SELECT * FROM wab_bind_tenants('tenants'); SELECT * FROM wab_refresh()")?;
    let begin = Instant::now();
    // The provider's limit holds back the last twenty for a minute.
    assert_eq!(fleet.sql("SELECT * FROM wab_poll_status(140, max_time => '5 seconds')")?, "120|120|0|20");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    // Sessions that hang count as asked: the next poll asks others. A lower statement_timeout holds too.
    for n in 121..=124 {
        let path = format!("/api/instances/c{n}/proxy/status");
        fleet.sandbox.fault(json!({"path": path, "kind": "hang"})).await?;
    }
    assert_eq!(
        fleet
            .sql("SET statement_timeout = '4s'; SELECT polled, failed, remaining FROM wab_poll_status(20)")?,
        "16|4|4"
    );
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_bridges WHERE status_asked_at IS NULL")?, "0");
    fleet.sql(
        "UPDATE wab_bridges SET status_observed_at = NULL, status_asked_at = NULL WHERE bridge_id > 120",
    )?;
    fleet.sql("SET statement_timeout = '4s'; SELECT count(*) FROM wab_reconcile(20)")?;
    assert_eq!(
        fleet.sql("SELECT count(*) FILTER (WHERE status_asked_at IS NULL), count(*) FILTER (WHERE status_observed_at IS NULL) FROM wab_bridges")?,
        "0|4"
    );
    let (state, message) = fleet.sql_error("SELECT * FROM wab_poll_status(1, '-1 second')")?;
    assert!(state == "22023" && message.contains("max_time is below zero"), "{message}");
    assert_eq!(fleet.sql_error("SELECT * FROM wab_reconcile(1, NULL)")?.0, "22004");
    Ok(())
}

#[tokio::test]
async fn impossible_requests_are_refused_before_any_call() -> Result<()> {
    let fleet = two().await?;
    fleet.sandbox.clear_ledger().await?;
    for (call, state) in [
        ("wab_session_status(NULL::text)", "22004"),
        ("wab_qr('')", "22023"),
        ("wab_logout('..')", "22023"),
        ("wab_pair('2', NULL)", "22004"),
        ("wab_pair('2', '01999 888 7777')", "22023"),
        ("wab_pair('2', '+44 (0)1999 888777')", "22023"),
        ("wab_pair('2', '199988')", "22023"),
        ("wab_pair('2', '1999888777766665')", "22023"),
    ] {
        let (said, message) = fleet.sql_error(&format!("SELECT * FROM {call}"))?;
        assert_eq!(said, state, "{call}: {message}");
        assert!(!message.contains("1999"), "a message must not contain the phone number: {message}");
    }
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0);
    for call in ["wab_session_status('nobody')", "wab_pair('nobody', '15550001234')", "wab_logout('nobody')"]
    {
        assert_eq!(fleet.sql_error(&format!("SELECT * FROM {call}"))?.0, "P0002", "{call}");
    }
    Ok(())
}

/// The provider's own reason is reported, and only a session that is paired is said to be.
#[tokio::test]
async fn a_refusal_says_what_the_provider_said_and_advises_no_logout() -> Result<()> {
    let fleet = two().await?;
    fleet.fleet_yaml("")?;
    let refusal = |method: &str, path: &str| json!({"method": method, "path": format!("/api/instances/{path}"), "kind": "status", "code": 400, "body": {"error": "invalid phone"}});
    let calls = [
        ("wab_pair('2', '5550001')", &["pair", "2", "--phone", "5550001"][..], "POST", "2/proxy/pair"),
        ("wab_qr('2')", &["qr", "2"], "GET", "2/proxy/qr"),
        ("wab_qr_text('2')", &["qr", "2"], "GET", "2/proxy/qr"),
        ("wab_logout('2')", &["logout", "2", "-y"], "DELETE", "2/proxy/logout"),
        ("wab_logout('1')", &["logout", "1", "-y"], "DELETE", "1/proxy/logout"),
    ];
    for (sql, verb, method, path) in calls {
        fleet.sandbox.fault(refusal(method, path)).await?;
        let (state, message) = fleet.sql_error(&format!("SELECT * FROM {sql}"))?;
        assert_eq!(state, "58000", "{sql}: {message}");
        let said = fleet.wab(verb)?;
        assert_eq!(said.code, 1, "{verb:?}: {}", said.stderr);
        for text in [message, said.stderr] {
            assert!(
                text.contains("the provider refused the request (HTTP 400): invalid phone"),
                "{sql}: {text}"
            );
            assert!(
                !text.contains("paired already")
                    && !text.contains("wab_logout(…)")
                    && !text.contains("first: wab logout"),
                "{text}"
            );
        }
        fleet.sandbox.heal().await?;
    }
    for (sql, path) in
        [("wab_provision('3')", "/api/instances"), ("wab_delete_instance(12, '2')", "/api/instances/12")]
    {
        fleet.sql("INSERT INTO tenants (id) VALUES (3) ON CONFLICT DO NOTHING")?;
        let method = if path.ends_with('s') { "POST" } else { "DELETE" };
        for (code, state) in [(402, "58000"), (403, "28000")] {
            let fault = json!({"method": method, "path": path, "kind": "status", "code": code, "body": {"error": "no money"}});
            fleet.sandbox.fault(fault).await?;
            let (said, message) = fleet.sql_error(&format!("SELECT * FROM {sql}"))?;
            assert!(
                said == state && message.contains(&format!("(HTTP {code})")) && message.contains("no money"),
                "{message}"
            );
            fleet.sandbox.heal().await?;
        }
    }
    // A session that is paired: the message says so, beside the provider's own words.
    fleet.sandbox.fault(refusal("POST", "1/proxy/pair")).await?;
    let (state, message) = fleet.sql_error("SELECT wab_pair('1', '5550001')")?;
    assert!(
        state == "55000" && message.contains("invalid phone") && message.contains("wab_logout(…)"),
        "{message}"
    );
    let said = fleet.wab(&["pair", "1", "--phone", "5550001"])?;
    assert!(
        said.stderr.contains("invalid phone") && said.stderr.contains("first: wab logout"),
        "{}",
        said.stderr
    );
    Ok(())
}

#[tokio::test]
async fn sql_and_wab_take_the_same_phone_numbers() -> Result<()> {
    let fleet = two().await?;
    fleet.fleet_yaml("")?;
    for phone in ["15550001234", "+1 555 000-1234", "001 (555) 000.1234", " 1/555/0001234 "] {
        let code = fleet.sql(&format!("SELECT wab_pair(2, '{phone}')"))?;
        let said = fleet.wab(&["pair", "2", "--phone", phone])?;
        assert_eq!((said.code, said.stdout.trim()), (0, code.as_str()), "{phone}: {}", said.stderr);
    }
    for phone in ["0155 500 1234", "+44 (0)20 7946 0000", "123456", "+1 555 CALL ME"] {
        let (state, message) = fleet.sql_error(&format!("SELECT wab_pair(2, '{phone}')"))?;
        let said = fleet.wab(&["pair", "2", "--phone", phone])?;
        assert_eq!((state.as_str(), said.code), ("22023", 1), "{phone}: {}", said.stderr);
        let reason =
            message.split("DETAIL:  ").nth(1).and_then(|rest| rest.lines().next()).context("no detail")?;
        assert!(said.stderr.contains(reason), "{}\n{message}", said.stderr);
    }
    Ok(())
}

/// Each of the sixty sessions answers after 200 ms, and one call fails.
#[tokio::test]
async fn sessions_are_polled_at_the_same_time_and_one_failure_stops_no_other() -> Result<()> {
    let fleet = Fleet::start(&["--limit-proxy", "0", "--limit-floor", "0"])?;
    fleet.cluster.expect_in_log(&["some bridges did not report their status"]);
    let bridges: Vec<_> =
        (1..=60).map(|n| json!({"id": n, "customer_ref": format!("c{n}"), "status": "connected"})).collect();
    fleet.sandbox.add(json!(bridges)).await?;
    fleet.sql("SELECT * FROM wab_refresh()")?;
    let proxy = "/api/instances/c";
    fleet
        .sandbox
        .fault(json!({"path": "/api/instances/c7/proxy/status", "kind": "status", "code": 404}))
        .await?;
    fleet.sandbox.fault(json!({"path_prefix": proxy, "kind": "delay", "ms": 200})).await?;
    let start = Instant::now();
    assert_eq!(
        fleet.sql("SELECT polled, changed, failed, remaining FROM wab_poll_status(48)")?,
        "47|47|1|13",
        "the call for c7 must count as failed, and its status must stay unknown"
    );
    let took = start.elapsed();
    assert!(
        took < Duration::from_millis(48 * 200 / 3),
        "the sessions must be asked at the same time, but it took {took:?}"
    );
    // The order is: sessions that were never asked, then disconnected ones, then those asked longest ago.
    fleet.sql(
        "UPDATE wab_bridges SET status_asked_at = status_asked_at - interval '2 hours' - bridge_id * interval '1 second';
         UPDATE wab_bridges SET status = 'disconnected', status_asked_at = now() - interval '1 hour' WHERE bridge_id = 20",
    )?;
    fleet.sandbox.clear_ledger().await?;
    fleet.sql("SELECT * FROM wab_poll_status(15)")?;
    let asked: Vec<String> = fleet
        .sandbox
        .ledger()
        .await?
        .iter()
        .map(|call| call["path"].as_str().map(str::to_owned).context("no path"))
        .collect::<Result<_>>()?;
    let asked = |n: u32| asked.contains(&format!("/api/instances/c{n}/proxy/status"));
    assert!((49..=60).all(asked), "sessions that were never asked must come first");
    assert!(
        asked(20) && asked(48) && asked(47),
        "the disconnected session and those asked longest ago must come next"
    );
    Ok(())
}
