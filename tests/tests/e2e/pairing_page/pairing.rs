//! Tests that a customer pairs with a link: by scanning, by typing a code, and with a role that may do no more than support.

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet};
use e2e::process;
use serde_json::json;

use super::desk::{self, Desk, asked, scanned, shown_by_sandbox, token};

/// Fails if a token stands in a table, in the server's log, or in what `wab serve` wrote.
fn assert_hidden(fleet: &Fleet, desk: &Desk, tokens: &[&str]) -> Result<()> {
    let dump = process::must(&mut fleet.cluster.program("pg_dump", DATABASE))?;
    let log = fleet.cluster.log()?;
    assert!(log.contains("_wab_opened_link"), "the statements are in the log");
    let statements = fleet.sql("SELECT query FROM pg_stat_activity")?;
    for token in tokens {
        for (place, text) in [
            ("a table", &dump),
            ("the log", &log),
            ("stderr", &desk.stderr()),
            ("pg_stat_activity", &statements),
        ] {
            assert!(!text.contains(token), "{token} is in {place}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_link_is_opened_and_scanned_and_dead() -> Result<()> {
    let fleet = desk::fleet(1).await?;
    fleet.cluster.configure(&[("log_statement", "all"), ("log_min_duration_statement", "0")])?;
    fleet.cluster.reload()?;
    let desk = Desk::start(&fleet, &[])?;
    let to_repair = "SELECT count(*) FROM wab_to_repair";
    assert_eq!(fleet.sql(to_repair)?, "1");
    // A scanner that follows the link spends nothing.
    let page = desk.get("/p").await?;
    assert_eq!(page.status, 200);
    assert_eq!(fleet.sandbox.ledger().await?, [] as [serde_json::Value; 0]);
    let token = token(&fleet, "cust_01")?;
    let first = desk.open(&token).await?;
    assert_eq!((first.status, first.state()?.as_str()), (200, "scan"), "{first:?} {}", desk.stderr());
    assert_eq!(scanned(&first)?, shown_by_sandbox(&fleet, "cust_01").await?);
    for hidden in ["cust_01", "bridge", "instances", &token] {
        assert!(!first.body.contains(hidden) && !first.headers.contains(hidden), "{hidden}: {first:?}");
    }
    fleet.sandbox.change(1, json!({"status": "connected"})).await?;
    let body = json!({"token": token, "visit": first.json()?["visit"]});
    let paired = desk.follow(&body, &first, "paired").await?;
    assert_eq!(paired.body, r#"{"state":"paired"}"#);
    // The page that was open may ask again; another one is told nothing.
    assert_eq!(desk.post("/p/state", &body, &[]).await?.state()?, "paired");
    let dead = desk.open(&token).await?;
    assert_eq!((dead.status, dead.body.as_str()), (404, r#"{"state":"dead"}"#));
    assert_eq!(fleet.sql("SELECT state FROM wab_links")?, "paired");
    assert_eq!(fleet.sql(to_repair)?, "0");
    assert_eq!(fleet.sql("SELECT status FROM wab_bridges WHERE bridge_id = 1")?, "paired");
    assert_hidden(&fleet, &desk, &[&token])
}

#[tokio::test]
async fn a_code_is_typed_instead() -> Result<()> {
    let fleet = desk::fleet(2).await?;
    let desk = Desk::start(&fleet, &[])?;
    let token = token(&fleet, "cust_01")?;
    let ask = |phone: &str| json!({"token": token, "phone": phone});
    for phone in ["", "nonsense", "0155 500 1234"] {
        assert_eq!(desk.post("/p/code", &ask(phone), &[]).await?.state()?, "invalid_phone", "{phone}");
    }
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);
    // A number that the provider refuses does not count as requested.
    let refusal =
        json!({"method": "POST", "kind": "status", "code": 400, "body": {"error": "no"}, "times": 1});
    fleet.sandbox.fault(refusal).await?;
    let refused = desk.post("/p/code", &ask("+1 555 000 9999"), &[]).await?;
    assert_eq!(refused.state()?, "invalid_phone", "{refused:?} {}", desk.stderr());
    let coded = desk.post("/p/code", &ask("+1 (555) 000-1234"), &[]).await?;
    assert_eq!(coded.state()?, "code", "{coded:?} {}", desk.stderr());
    let expected = fleet.wab(&["pair", "cust_01", "--phone", "15550001234"])?.stdout;
    assert_eq!(coded.json()?["code"].as_str(), Some(expected.trim()));
    assert!(!coded.body.contains("5550001234"), "{coded:?}");
    let again = desk.post("/p/code", &ask("15550001234"), &[]).await?;
    assert!(again.state()? == "has_code" && (100..=180).contains(&again.wait()?), "{again:?}");
    // A page that shows a code to type does not ask for one to scan.
    fleet.sandbox.clear_ledger().await?;
    let body = json!({"token": token, "typing": true, "visit": coded.json()?["visit"]});
    let typing = desk.post("/p/state", &body, &[]).await?;
    assert_eq!(typing.state()?, "typing", "{typing:?}");
    assert_eq!((asked(&fleet, "cust_01", "status").await?, asked(&fleet, "cust_01", "qr").await?), (1, 0));
    fleet.sandbox.change(1, json!({"status": "connected"})).await?;
    desk.follow(&body, &typing, "paired").await?;
    assert_eq!(desk.open(&token).await?.state()?, "dead");
    Ok(())
}

#[tokio::test]
async fn the_page_needs_no_more_than_support_may_do() -> Result<()> {
    let fleet = desk::fleet(2).await?;
    fleet.sql(include_str!("../../../../sql/roles.sql"))?;
    fleet.sql("CREATE ROLE desk LOGIN IN ROLE wab_support")?;
    let url = fleet.cluster.url(DATABASE).replace("user=postgres", "user=desk");
    let desk = Desk::start_on(&fleet, &url, &[])?;
    let [first, second, other] =
        [token(&fleet, "cust_01")?, token(&fleet, "cust_01")?, token(&fleet, "cust_02")?];
    let body = json!({"token": first, "phone": "15550001234"});
    let coded = desk.post("/p/code", &body, &[]).await?;
    assert_eq!(coded.state()?, "code", "{coded:?} {}", desk.stderr());
    let opened = desk.open(&first).await?;
    assert_eq!(opened.state()?, "scan", "{opened:?} {}", desk.stderr());
    fleet.sandbox.change(1, json!({"status": "connected"})).await?;
    let body = json!({"token": first, "visit": opened.json()?["visit"]});
    desk.follow(&body, &opened, "paired").await?;
    assert_eq!(desk.post("/p/state", &body, &[]).await?.state()?, "paired");
    for token in [&first, &second] {
        assert_eq!(desk.open(token).await?.state()?, "dead", "all links of the tenant end");
    }
    assert_eq!(desk.open(&other).await?.state()?, "scan");
    // The next observation learns the status.
    fleet.observe().await?;
    assert_eq!(fleet.sql("SELECT tenant_id FROM wab_to_repair")?, "cust_02");
    assert_eq!(desk.stderr().lines().count(), 2, "{}", desk.stderr());
    Ok(())
}

#[tokio::test]
async fn the_page_has_the_operators_words_and_no_others() -> Result<()> {
    let fleet = desk::fleet(0).await?;
    let english = include_str!("../../../../reconciler/src/serve/pairing/assets/english.yaml");
    let german = english.replace("language: en", "language: de").replace("start: Start", "start: Los <i>");
    fleet.write("german.yaml", &german)?;
    let desk = Desk::start(&fleet, &["--pairing-texts", "german.yaml"])?;
    let page = desk.get("/p").await?.body;
    for part in ["<html lang=\"de\"", "Acme &lt;b&gt;", "Los &lt;i&gt;"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("{product}"), "{page}");
    for (text, why) in [
        (format!("{english}more: x\n"), "it has no key \"more\""),
        (english.replace("\ndead: ", "\n# dead: "), "it lacks \"dead\""),
    ] {
        fleet.write("wrong.yaml", &text)?;
        let refused = Desk::start(&fleet, &["--pairing-texts", "wrong.yaml"]).err().context("it started")?;
        let said = refused.to_string().replace('\\', "");
        assert!(said.contains(why), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_signal_ends_the_page_and_the_board() -> Result<()> {
    let fleet = desk::fleet(1).await?;
    let mut desk = Desk::start(&fleet, &[])?;
    // A request that is under way is answered.
    fleet.sandbox.fault(json!({"path_prefix": "/api", "kind": "delay", "ms": 1500, "times": 1})).await?;
    let token = token(&fleet, "cust_01")?;
    let id = desk.id().to_string();
    let stop = async {
        e2e::wait::until("the provider is asked", || async {
            Ok((asked(&fleet, "cust_01", "qr").await? > 0).then_some(()))
        })
        .await?;
        process::must(std::process::Command::new("kill").args(["-TERM", &id]))
    };
    let (answer, stopped) = tokio::join!(desk.open(&token), stop);
    stopped?;
    assert_eq!(answer.context("no answer")?.state()?, "scan");
    assert_eq!(desk.ended()?, Some(0));
    Ok(())
}
