//! Tests the receiver of webhooks in `wab serve`: what it accepts, what it acknowledges, and what becomes of it when something fails.

use std::process::Command;

use anyhow::{Result, ensure};
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::process;
use e2e::served::{Answer, Served, answer};
use e2e::wait;
use serde_json::json;

use crate::world;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OLD_KEY: &str = "ffffffffffffffffffffffffffffffff";

/// A healthy fleet, and a fleet.yaml with the keys.
async fn fleet() -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    let keys = fleet.write("keys", &format!("{KEY}\n{OLD_KEY}\n"))?;
    fleet.fleet_yaml(&format!("bridges: {{ webhook_secret_file: {} }}\n", keys.display()))?;
    Ok(fleet)
}

fn receiver(fleet: &Fleet, url: &str) -> Result<Served> {
    let mut command = fleet.wab_command(&["serve", "--hooks-listen", "127.0.0.1:0"])?;
    command.env("DATABASE_URL", url);
    Served::start(command)
}

/// The signature, computed by another program.
fn secret(customer_ref: &str, key: &str) -> Result<String> {
    let script = format!("printf %s '{customer_ref}' | openssl dgst -sha256 -hmac '{key}' -r");
    let said = process::must(Command::new("sh").args(["-c", &script]))?;
    Ok(said.split_whitespace().next().unwrap_or_default().to_owned())
}

fn path(customer_ref: &str) -> Result<String> {
    Ok(format!("/hooks/{customer_ref}/{}", secret(customer_ref, KEY)?))
}

async fn post(served: &Served, path: &str, body: impl Into<reqwest::Body>) -> Result<Answer> {
    answer(served.request("POST", path)?.body(body)).await
}

const DOWN: &str = r#"{"event": "disconnected"}"#;

#[tokio::test]
async fn an_event_is_acknowledged_with_what_became_of_it() -> Result<()> {
    let fleet = fleet().await?;
    let hooks = receiver(&fleet, &fleet.cluster.url(DATABASE))?;
    let path = path("cust_05")?;
    let old = format!("/hooks/cust_05/{}", secret("cust_05", OLD_KEY)?);
    for (path, body, outcome) in [
        (&path, DOWN, "recorded"),
        (&old, r#"{"event": "connected", "customer_ref": "cust_05", "phone": "15550001234"}"#, "recorded"),
        (&path, r#"{"event": "connected", "timestamp": "2020-01-01T00:00:00Z"}"#, "late"),
        (&path, r#"{"event": "battery"}"#, "ignored"),
        (&path, r#"{"event": "message", "text": "private"}"#, "ignored"),
    ] {
        let said = post(&hooks, path, body).await?;
        assert_eq!((said.code, said.body.trim()), (200, outcome), "{body}");
    }
    assert_eq!(fleet.sql("SELECT status FROM wab_bridges WHERE bridge_id = 5")?, "paired");
    assert_eq!(fleet.sql("SELECT phone FROM wab_phones WHERE bridge_id = 5")?, "15550001234");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_activity")?, "0", "silence is no kind of drift here");
    let stranger = format!("/hooks/nobody/{}", secret("nobody", KEY)?);
    assert_eq!(post(&hooks, &stranger, DOWN).await?.body.trim(), "no_bridge");
    fleet.sql("UPDATE wab_policy SET silent_after = '1 day'")?;
    let hooks = receiver(&fleet, &fleet.cluster.url(DATABASE))?;
    assert_eq!(post(&hooks, &path, r#"{"event": "message"}"#).await?.body.trim(), "recorded");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_activity")?, "1");
    Ok(())
}

#[tokio::test]
async fn who_does_not_know_the_secret_learns_nothing() -> Result<()> {
    let fleet = fleet().await?;
    let hooks = receiver(&fleet, &fleet.cluster.url(DATABASE))?;
    let good = secret("cust_05", KEY)?;
    let mut answers = Vec::new();
    for path in [
        "/".to_owned(),
        "/tenants".to_owned(),
        "/metrics".to_owned(),
        format!("/hooks/cust_05/{}", "0".repeat(64)),
        format!("/hooks/cust_05/{}", &good[1..]),
        format!("/hooks/cust_06/{good}"),
        format!("/hooks/nobody/{good}"),
        "/hooks/cust_05/".to_owned(),
    ] {
        let said = post(&hooks, &path, DOWN).await?;
        let mut headers: Vec<String> = said.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        answers.push((said.code, said.body, headers));
    }
    answers.push({
        let said = hooks.get(&format!("/hooks/cust_05/{good}")).await?;
        let mut headers: Vec<String> = said.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        (said.code, said.body, headers)
    });
    assert!(answers.iter().all(|answer| answer == &answers[0] && answer.0 == 404), "{answers:#?}");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_bridges WHERE status <> 'paired'")?, "0");
    post(&hooks, &format!("/hooks/cust_05/{good}"), DOWN).await?;
    assert!(!fleet.cluster.log()?.contains(&good), "the server's log has the secret");
    let (code, stderr) = hooks.stop()?;
    let warning =
        "warning: webhooks were refused: 1 without a valid secret, 0 that are no event of their bridge\n";
    assert_eq!((code, stderr.as_str()), (0, warning), "one line a minute, without the address");
    Ok(())
}

#[tokio::test]
async fn the_board_counts_what_became_of_the_webhooks() -> Result<()> {
    let fleet = fleet().await?;
    let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let flags = ["serve", "--no-auth", "--listen", "127.0.0.1:0", "--hooks-listen", &free];
    let board = Served::start(fleet.wab_command(&flags)?)?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let (good, bad) = (path("cust_05")?, format!("/hooks/cust_05/{}", "0".repeat(64)));
    for (path, body) in [(&good, DOWN), (&good, DOWN), (&good, "no json"), (&bad, DOWN), (&bad, DOWN)] {
        answer(http.post(format!("http://{free}{path}")).body(body)).await?;
    }
    let page = board.page("/metrics").await?;
    for (outcome, count) in [("recorded", 2), ("invalid", 1), ("no_secret", 2), ("failed", 0), ("late", 0)] {
        let line = format!("\nwab_webhooks_total{{outcome=\"{outcome}\"}} {count}\n");
        assert!(page.contains(&line), "{line}{page}");
    }
    fleet.cluster.stop()?;
    assert_eq!(answer(http.post(format!("http://{free}{good}")).body(DOWN)).await?.code, 503);
    fleet.cluster.start_again()?;
    wait::until("the metrics are back", || async {
        let page = board.get("/metrics").await?.body;
        Ok(page.contains("\nwab_webhooks_total{outcome=\"failed\"} 1\n").then_some(()))
    })
    .await?;
    let alone = receiver(&fleet, &fleet.cluster.url(DATABASE))?;
    assert_eq!(alone.get("/metrics").await?.code, 404, "anybody reaches this address");
    Ok(())
}

#[tokio::test]
async fn one_bad_event_does_not_take_others_with_it() -> Result<()> {
    let fleet = fleet().await?;
    let hooks = receiver(&fleet, &fleet.cluster.url(DATABASE))?;
    let deep = format!("{{\"event\": {}1{}}}", "[".repeat(30_000), "]".repeat(30_000));
    let bad: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"no json".to_vec(),
        b"[]".to_vec(),
        b"{\"event\": 5}".to_vec(),
        b"{\"event\": \"connected\", \"customer_ref\": \"cust_06\"}".to_vec(),
        b"{\"event\": \"connected\", \"phone\": \"\\u0000\"}".to_vec(),
        b"{\"event\": \"connected\"}\0".to_vec(),
        b"{\"event\": \"\xff\"}".to_vec(),
        deep.into_bytes(),
    ];
    let mut sent = Vec::new();
    for n in 0..60_usize {
        let customer_ref = format!("cust_{:02}", n % 20 + 1);
        let body = bad.get(n % 12).cloned().unwrap_or_else(|| DOWN.into());
        let request = hooks.request("POST", &path(&customer_ref)?)?.body(body.clone());
        sent.push((customer_ref, body == DOWN.as_bytes(), tokio::spawn(answer(request))));
    }
    let mut down = std::collections::BTreeSet::new();
    for (customer_ref, is_good, said) in sent {
        let said = said.await??;
        assert_eq!(said.code, if is_good { 200 } else { 422 }, "{customer_ref}: {}", said.body);
        if is_good {
            down.insert(customer_ref);
        }
    }
    let recorded = fleet.sql("SELECT string_agg(customer_ref, ' ' ORDER BY customer_ref) FROM wab_bridges WHERE status = 'disconnected'")?;
    assert_eq!(recorded, down.into_iter().collect::<Vec<_>>().join(" "));
    let large =
        hooks.request("POST", &path("cust_01")?)?.body(format!("{{\"event\": \"{}\"}}", "x".repeat(66_000)));
    assert!(answer(large).await.map_or(true, |said| said.code == 413));
    Ok(())
}

/// What was acknowledged is there after a crash in the middle of the commits.
#[tokio::test]
async fn an_acknowledged_event_survives_a_crash() -> Result<()> {
    let fleet = fleet().await?;
    let bridges: Vec<_> = (0..400)
        .map(|n| json!({"id": 1000 + n, "customer_ref": format!("c{n}"), "status": "connected"}))
        .collect();
    fleet.sandbox.add(json!(bridges)).await?;
    fleet.observe().await?;
    let hooks = receiver(&fleet, &fleet.cluster.url(DATABASE))?;
    let mut sent = Vec::new();
    for n in 0..400 {
        let customer_ref = format!("c{n}");
        let request = hooks.request("POST", &path(&customer_ref)?)?.body(DOWN);
        sent.push((customer_ref, tokio::spawn(answer(request))));
        if n == 200 {
            wait::until("some are recorded", || async {
                let some = "SELECT count(*) > 20 FROM wab_bridges WHERE status = 'disconnected'";
                Ok((fleet.sql(some)? == "t").then_some(()))
            })
            .await?;
            fleet.cluster.crash()?;
        }
    }
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for (customer_ref, said) in sent {
        let said = said.await??;
        match said.code {
            200 => acknowledged.push(customer_ref),
            503 => refused += 1,
            other => anyhow::bail!("{customer_ref}: {other} {}", said.body),
        }
    }
    ensure!(refused > 0 && acknowledged.len() > 20, "{refused} refused, {} acknowledged", acknowledged.len());
    fleet.cluster.start_again()?;
    let lost = fleet.sql(&format!(
        "SELECT r FROM unnest('{{{}}}'::text[]) r JOIN wab_bridges b ON b.customer_ref = r WHERE b.status <> 'disconnected'",
        acknowledged.join(",")
    ))?;
    assert_eq!(lost, "", "these were acknowledged");
    let later = path("c399")?;
    wait::until("it records again", || async {
        Ok((post(&hooks, &later, DOWN).await?.code == 200).then_some(()))
    })
    .await
}

#[tokio::test]
async fn its_role_may_hand_events_over_and_nothing_else() -> Result<()> {
    let fleet = fleet().await?;
    fleet.sql(&fleet.wab(&["sql", "roles"])?.stdout)?;
    fleet.sql("CREATE ROLE hook LOGIN IN ROLE wab_receiver; UPDATE wab_policy SET silent_after = '1 day'")?;
    let hooks = receiver(&fleet, &fleet.cluster.url(DATABASE).replace("user=postgres", "user=hook"))?;
    let path = path("cust_05")?;
    for body in [DOWN, r#"{"event": "connected", "phone": "15550001234"}"#, r#"{"event": "message"}"#] {
        let said = post(&hooks, &path, body).await?;
        assert_eq!((said.code, said.body.trim()), (200, "recorded"), "{body}");
    }
    assert_eq!(hooks.get("/readyz").await?.code, 200);
    // If PostgreSQL does not say whether messages are wanted, they are recorded or refused.
    let as_role = |role| fleet.cluster.url(DATABASE).replace("user=postgres", &format!("user={role}"));
    let (message, other) = (r#"{"event": "message"}"#, self::path("cust_06")?);
    fleet.sql("CREATE ROLE stranger LOGIN; REVOKE SELECT ON wab_policy FROM wab_receiver")?;
    let blind = receiver(&fleet, &as_role("hook"))?;
    assert_eq!(post(&blind, &other, message).await?.body.trim(), "recorded");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_activity WHERE bridge_id = 6")?, "1");
    let blind = receiver(&fleet, &as_role("stranger"))?;
    assert_eq!(post(&blind, &other, message).await?.code, 503);
    fleet.sql("GRANT SELECT ON wab_policy TO wab_receiver; GRANT wab_receiver TO stranger")?;
    fleet.sql("UPDATE wab_policy SET silent_after = NULL")?;
    wait::until("it is asked again", || async {
        Ok((post(&blind, &other, message).await?.body.trim() == "ignored").then_some(()))
    })
    .await?;
    fleet.sql("UPDATE wab_policy SET silent_after = '1 day'")?;
    fleet.sql("CREATE ROLE reader LOGIN IN ROLE wab_reader")?;
    let hooks = receiver(&fleet, &fleet.cluster.url(DATABASE).replace("user=postgres", "user=reader"))?;
    assert_eq!((hooks.get("/readyz").await?.code, hooks.get("/healthz").await?.code), (503, 200));
    let (_, stderr) = hooks.stop()?;
    assert!(stderr.contains("permission denied for function _wab_ingest_events"), "{stderr}");
    for forbidden in [
        "SELECT * FROM tenants",
        "SELECT * FROM wab_drift",
        "SELECT * FROM wab_refresh()",
        "SELECT * FROM wab_provision('cust_05')",
        "SELECT * FROM wab_delete_instance(5, 'cust_05')",
        "DELETE FROM wab_bridges",
        "DELETE FROM wab_bridge_events",
        "UPDATE wab_policy SET price_per_bridge = 0",
    ] {
        let (code, message) = fleet.sql_error(&format!("SET ROLE hook; {forbidden}"))?;
        assert_eq!(code, "42501", "{forbidden}: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn it_refuses_on_a_standby_and_does_not_start_without_a_key() -> Result<()> {
    let fleet = fleet().await?;
    let standby = fleet.cluster.standby()?;
    let hooks = receiver(&fleet, &standby.url(DATABASE))?;
    let said = post(&hooks, &path("cust_05")?, DOWN).await?;
    assert_eq!(said.code, 503, "{}", said.body);
    assert_eq!(said.headers["retry-after"], "5");
    fleet.fleet_yaml("")?;
    let said = fleet.wab(&["serve", "--hooks-listen", "127.0.0.1:0"])?;
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert!(said.stderr.contains("bridges.webhook_secret_file"), "{}", said.stderr);
    assert_eq!(fleet.install, Install::Extension);
    Ok(())
}
