//! Tests each documented exit code of `wab`.

use std::io::Read;
use std::process::Stdio;

use anyhow::{Context, Result};
use e2e::fleet::Fleet;
use e2e::{process, wait};
use serde_json::json;
use sqlx::Connection;

use crate::world;

fn code(fleet: &Fleet, args: &[&str], expected: i32) -> Result<String> {
    let said = fleet.wab(args)?;
    assert_eq!(said.code, expected, "wab {args:?}: {}{}", said.stdout, said.stderr);
    Ok(said.stdout + &said.stderr)
}

#[tokio::test]
async fn nothing_to_do_changes_and_usage() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    code(&fleet, &["validate"], 0)?;
    code(&fleet, &["plan", "--detailed-exitcode"], 0)?;
    code(&fleet, &["drift"], 0)?;
    code(&fleet, &["status"], 0)?;
    fleet.sql("UPDATE tenants SET bridge_id = NULL WHERE id = 'cust_01'")?;
    code(&fleet, &["plan"], 0)?;
    code(&fleet, &["plan", "--detailed-exitcode"], 2)?;
    code(&fleet, &["drift"], 2)?;
    code(&fleet, &["--help"], 0)?;
    code(&fleet, &["plan", "--no-such-flag"], 1)?;
    code(&fleet, &["plan", "-f", "nowhere.yaml"], 1)?;
    let said = code(&fleet, &["apply"], 1)?;
    assert!(said.contains("--auto-approve"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_file_is_1_and_every_verb_reports_all_mistakes() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.write("bad.yaml", "version: 1\npolicy:\n  max_create: 5\n  rate_budget: 0%\n")?;
    for verb in [&["validate"][..], &["plan"], &["apply", "-y"], &["drift"], &["status"]] {
        let said = fleet.wab(&[verb, &["-f", "bad.yaml"]].concat())?;
        assert_eq!((said.code, &*said.stdout), (1, ""), "{verb:?}: {}", said.stderr);
        for part in [
            "bad.yaml:3:3: unknown key \"max_create\": did you mean max_creates?",
            "3 |   max_create: …\n  |   ^^^^^^^^^^ policy.max_create\n",
            "bad.yaml:4:16: ",
            "4 |   rate_budget: 0%\n  |                ^^ policy.rate_budget\n",
            "error: bad.yaml has 2 problems",
        ] {
            assert!(said.stderr.contains(part), "{verb:?}: {part}: {}", said.stderr);
        }
    }
    let said = fleet.wab(&["validate", "-f", "bad.yaml", "--format", "github"])?;
    assert_eq!((said.code, &*said.stderr), (1, ""));
    assert!(said.stdout.starts_with("::error file=bad.yaml,line=3,endLine=3,col=3,"), "{}", said.stdout);
    let said = fleet.wab(&["validate", "-f", "bad.yaml", "--format", "json"])?;
    let problems: serde_json::Value = serde_json::from_str(&said.stdout)?;
    assert_eq!((said.code, problems.as_array().map(Vec::len)), (1, Some(2)), "{problems}");
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);
    Ok(())
}

#[tokio::test]
async fn schema_needs_no_file_and_validate_only_the_file() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    let alone = |args: &[&str]| {
        let mut wab = fleet.wab_command(args)?;
        e2e::process::run(
            wab.env_remove("WA_API_KEY").env("DATABASE_URL", "postgres:///nowhere?host=/nonexistent"),
        )
    };
    let said = alone(&["schema"])?;
    let schema: serde_json::Value = serde_json::from_str(&said.stdout)?;
    assert_eq!((said.code, &schema["title"]), (0, &json!("fleet.yaml")), "{}", said.stderr);
    fleet.fleet_yaml(world::YAML)?;
    let said = alone(&["validate"])?;
    assert_eq!((said.code, &*said.stderr), (0, ""), "{}", said.stdout);
    for format in ["github", "json"] {
        assert_eq!(alone(&["validate", "--format", format])?.code, 0);
    }
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn an_expired_keep_is_reported_and_its_bridge_is_drift_again() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sandbox.add_one("demo", "connected").await?;
    let keep = |until: &str| {
        fleet.fleet_yaml(&format!(
            "{}bridges: {{ keep: [ {{ customer_ref: demo, reason: sales demo, until: {until} }} ] }}\n",
            world::YAML
        ))
    };
    keep("2999-01-01")?;
    code(&fleet, &["drift"], 0)?;
    assert!(!code(&fleet, &["validate"], 0)?.contains("note"));
    keep("2020-01-01")?;
    let said = code(&fleet, &["drift"], 2)?;
    assert!(said.contains("kept until 2020-01-01, which has passed"), "{said}");
    let said = code(&fleet, &["validate"], 0)?;
    assert!(
        said.contains("demo is no longer kept: 2020-01-01 has passed") && said.contains("is valid"),
        "{said}"
    );
    Ok(())
}

#[tokio::test]
async fn guards_refuse_before_anything_is_written() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 5) n")?;
    fleet.sql("INSERT INTO tenants (id, bridge_id) VALUES ('new_6', 8)")?;
    let before = world::observed(&fleet)?;
    for (policy, words) in [
        ("max_creates: 4", "max_creates"),
        ("max_creates: 10%", "max_creates"),
        ("min_observed: 21", "min_observed"),
        ("max_monthly_cost: 74.99", "max_monthly_cost"),
        ("renamed_tenants: 0", "renamed_tenants"),
    ] {
        fleet.fleet_yaml(&format!(
            "tenants: {{ table: tenants, wanted: status = 'active' }}\npolicy: {{ {policy} }}\n"
        ))?;
        for verb in ["plan", "apply"] {
            let args = if verb == "plan" { vec!["plan"] } else { vec!["apply", "-y"] };
            let said = code(&fleet, &args, 5)?;
            assert!(said.contains(words), "{policy}: {said}");
        }
    }
    fleet.sql("CREATE TABLE others (id text PRIMARY KEY, bridge_id bigint, bridge_status text)")?;
    fleet.fleet_yaml("tenants: { table: others }\n")?;
    let said = code(&fleet, &["plan"], 5)?;
    assert!(said.contains("others") && said.contains("tenants"), "{said}");
    assert_eq!(world::observed(&fleet)?, before);
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_wrong_key_and_another_account_are_3() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let yaml = fleet.fleet_yaml(world::YAML)?;
    let said = process::run(fleet.wab_command(&["plan"])?.env("WA_API_KEY", "sk_wrong"))?;
    assert_eq!(said.code, 3, "{}", said.stderr);
    fleet.sandbox.clear_ledger().await?;
    let pinned = std::fs::read_to_string(yaml)?
        .replace("account:\n", "account:\n  key_fingerprint: 0123456789abcdef\n");
    fleet.write("fleet.yaml", &pinned)?;
    let said = code(&fleet, &["plan"], 3)?;
    assert!(said.contains("0123456789abcdef"), "{said}");
    assert_eq!(fleet.sandbox.ledger().await?.len(), 0, "wab must refuse before the first call");
    Ok(())
}

#[tokio::test]
async fn partly_applied_is_4_and_safe_to_run_again() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 5) n")?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sandbox.fault(json!({"method": "POST", "path": "/api/instances", "kind": "status", "code": 500, "after": 1, "times": 1})).await?;
    code(&fleet, &["apply", "-y"], 4)?;
    assert_eq!(
        fleet.sql("SELECT count(bridge_id) FROM tenants WHERE id LIKE 'new%'")?,
        "4",
        "the other steps must be done"
    );
    assert_eq!(
        fleet.sql(
            "SELECT outcome, count(*) FROM wab_operations WHERE kind = 'provision' GROUP BY 1 ORDER BY 1"
        )?,
        "done|4\nunknown|1"
    );
    code(&fleet, &["apply", "-y"], 0)?;
    assert_eq!(fleet.sql("SELECT count(bridge_id) FROM tenants WHERE id LIKE 'new%'")?, "5");
    Ok(())
}

#[tokio::test]
async fn a_second_apply_is_10_and_a_signal_is_8() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 5) n")?;
    fleet.fleet_yaml(world::YAML)?;
    fleet
        .sandbox
        .fault(json!({"method": "POST", "path": "/api/instances", "kind": "delay", "ms": 4000}))
        .await?;
    let mut first = fleet
        .wab_command(&["apply", "-y"])?
        .env("USER", "ana")
        .env("HOSTNAME", "ship")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    wait::until("the first apply calls the provider", || async {
        Ok((fleet.sandbox.calls("POST").await? > 0).then_some(()))
    })
    .await?;
    let said =
        process::run(fleet.wab_command(&["apply", "-y", "--lock-timeout", "300ms"])?.env("USER", "bo"))?;
    assert_eq!(said.code, 10, "{}", said.stderr);
    for words in
        ["another wab apply runs", "wab apply of ana@ship since 2", "server process ", "role postgres"]
    {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    let mut patient = fleet.wab_command(&["apply", "-y", "--lock-timeout", "30s"])?;
    let patient = patient.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let said = code(&fleet, &["status"], 0)?;
    assert!(said.to_lowercase().contains("running") || said.contains("runs now"), "{said}");
    process::must(std::process::Command::new("kill").args(["-INT", &first.id().to_string()]))?;
    let status = first.wait()?;
    let mut stderr = String::new();
    first.stderr.take().context("no stderr")?.read_to_string(&mut stderr)?;
    assert_eq!(status.code(), Some(8), "{stderr}");
    assert_eq!(
        fleet.sql("SELECT r.outcome, count(*), count(o.bridge_id) FROM wab_runs r JOIN wab_operations o USING (run_id)
                   WHERE r.who = 'ana@ship' GROUP BY 1")?,
        "stopped|1|1",
        "the running call must be finished and its bridge linked, and no other call begun"
    );
    fleet.sandbox.heal().await?;
    let patient = patient.wait_with_output()?;
    let said = String::from_utf8_lossy(&patient.stderr);
    assert_eq!(patient.status.code(), Some(0), "{said}");
    assert!(said.contains("waiting for another wab apply: wab apply of ana@ship"), "{said}");
    assert_eq!(
        fleet.sandbox.calls("POST").await?,
        5,
        "the second apply must continue where the first one stopped"
    );
    Ok(())
}

#[tokio::test]
async fn an_apply_that_was_killed_is_shown_and_picked_up() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 3) n")?;
    fleet.fleet_yaml(world::YAML)?;
    fleet
        .sandbox
        .fault(json!({"method": "POST", "path": "/api/instances", "kind": "lost_reply", "times": 1}))
        .await?;
    fleet
        .sandbox
        .fault(json!({"method": "GET", "path": "/api/instances", "kind": "hang", "after": 1}))
        .await?;
    let mut first = fleet
        .wab_command(&["apply", "-y"])?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    wait::until("a POST was sent", || async { Ok((fleet.sandbox.calls("POST").await? > 0).then_some(())) })
        .await?;
    first.kill()?;
    first.wait()?;
    wait::until("the lock is free", || async {
        Ok((fleet.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")? == "0").then_some(()))
    })
    .await?;
    let said = code(&fleet, &["status"], 0)?;
    assert!(said.contains("interrupted"), "{said}");
    fleet.sandbox.heal().await?;
    code(&fleet, &["apply", "-y"], 0)?;
    assert_eq!(fleet.sandbox.calls("POST").await?, 3, "each tenant needs one POST");
    assert_eq!(fleet.sql("SELECT count(bridge_id) FROM tenants WHERE id LIKE 'new%'")?, "3");
    Ok(())
}

#[tokio::test]
async fn without_a_database_or_an_extension_it_is_1() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    let said = process::run(
        fleet.wab_command(&["plan"])?.env("DATABASE_URL", "postgres:///nowhere?host=/nonexistent"),
    )?;
    assert_eq!(said.code, 1, "{}", said.stderr);
    let said =
        process::run(fleet.wab_command(&["plan"])?.env("DATABASE_URL", fleet.cluster.url("postgres")))?;
    assert_eq!(said.code, 1, "{}", said.stderr);
    for way in ["CREATE EXTENSION pg_wabridges", "wab init --sql-only"] {
        assert!(said.stderr.contains(way), "{}", said.stderr);
    }
    fleet.connect().await?.close().await?;
    Ok(())
}
