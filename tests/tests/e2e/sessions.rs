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
        fleet.sql("SELECT status FROM wab_bridges WHERE bridge_id = 11")?,
        "unknown",
        "wab_session_status() must store nothing"
    );
    let png = "substring(q.png FROM 1 FOR 8) = '\\x89504e470d0a1a0a'::bytea";
    assert_eq!(fleet.sql(&format!("SELECT {png} FROM wab_qr(2) AS q(png)"))?, "t");
    for call in ["wab_qr(1)", "wab_pair(1, '15550001234')"] {
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
