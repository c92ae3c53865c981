//! Tests that `wab plan` changes nothing, that `wab apply` does the steps of the plan, and that the next plan has no steps.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::process;
use e2e::sandbox::KEY;
use serde_json::{Value, json};

use crate::world;

fn dump(fleet: &Fleet) -> Result<String> {
    let dump = process::must(fleet.cluster.program("pg_dump", DATABASE).args(["--data-only", "--no-owner"]))?;
    // Newer releases of pg_dump write a random \restrict key into each dump. PostgreSQL does not roll sequences back.
    let varies = ["\\restrict", "\\unrestrict", "SELECT pg_catalog.setval("];
    Ok(dump
        .lines()
        .filter(|line| !varies.iter().any(|start| line.starts_with(start)))
        .collect::<Vec<_>>()
        .join("\n"))
}

fn plan(fleet: &Fleet) -> Result<Value> {
    let said = fleet.wab(&["plan", "--format", "json"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    Ok(serde_json::from_str(&said.stdout)?)
}

fn steps(plan: &Value) -> usize {
    plan["steps"].as_array().map_or(usize::MAX, Vec::len)
}

#[tokio::test]
async fn a_plan_changes_nothing_anywhere() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    world::break_everything(&fleet).await?;
    fleet.sandbox.change(8, json!({"status": "disconnected"})).await?;
    fleet.fleet_yaml(&format!(
        "{}bridges:\n  extra: [ {{ tenant_id: ops, reason: alerts }} ]\n",
        world::YAML
    ))?;
    let (before, schema) = (dump(&fleet)?, fleet.sql("SELECT count(*) FROM pg_class")?);
    fleet.sandbox.clear_ledger().await?;
    for verb in [
        &["plan"][..],
        &["plan", "--format", "json"],
        &["drift"],
        &["status"],
        &["validate"],
        &["doctor"],
        &["plan", "--poll-status", "5"],
    ] {
        let said = fleet.wab(verb)?;
        assert!([0, 2].contains(&said.code), "{verb:?}: {}{}", said.stdout, said.stderr);
    }
    assert_eq!(dump(&fleet)?, before);
    assert_eq!(fleet.sql("SELECT count(*) FROM pg_class")?, schema);
    let calls = fleet.sandbox.ledger().await?;
    assert!(!calls.is_empty() && calls.iter().all(|call| call["method"] == "GET"), "{calls:?}");
    Ok(())
}

#[tokio::test]
async fn apply_repairs_and_the_next_plan_finds_nothing() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    world::break_everything(&fleet).await?;
    fleet.fleet_yaml(world::YAML)?;
    let planned = plan(&fleet)?;
    assert!(steps(&planned) > 0);
    let said = fleet.wab(&["apply", "--auto-approve"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(steps(&plan(&fleet)?), 0);
    let left = world::kinds(&fleet)?;
    assert_eq!(
        left,
        [
            "awaiting_scan",
            "churned",
            "disconnected",
            "duplicate",
            "orphaned",
            "state",
            "unmapped_status",
            "webhook"
        ]
    );
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0);

    fleet.sandbox.clear_ledger().await?;
    let said = fleet.wab(&["apply", "--auto-approve"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(
        (fleet.sandbox.calls("POST").await?, fleet.sandbox.calls("DELETE").await?),
        (0, 0),
        "a second apply must send no call that changes something"
    );
    let runs =
        fleet.sql("SELECT outcome, count(*) FILTER (WHERE finished_at IS NULL) FROM wab_runs GROUP BY 1")?;
    assert_eq!(runs, "done|0");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_operations WHERE outcome IS DISTINCT FROM 'done'")?, "0");
    Ok(())
}

#[tokio::test]
async fn thirty_missing_tenants_are_thirty_posts_and_no_429() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 30) n")?;
    fleet.fleet_yaml(&format!(
        "  limits: {{ provision: 10/1s, proxy: 120/1s, other: 120/1s }}\n{}",
        world::YAML
    ))?;
    fleet.sandbox.clear_ledger().await?;
    let said = fleet.wab(&["apply", "--auto-approve"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    let calls = fleet.sandbox.ledger().await?;
    assert!(calls.iter().all(|call| call["status"] != 429), "{calls:?}");
    assert_eq!(calls.iter().filter(|call| call["method"] == "POST").count(), 30);
    assert_eq!(
        fleet.sql(
            "SELECT count(*), count(bridge_id), count(bridge_status) FROM tenants WHERE id LIKE 'new%'"
        )?,
        "30|30|30"
    );
    assert_eq!(steps(&plan(&fleet)?), 0);
    Ok(())
}

#[tokio::test]
async fn only_a_tombstone_that_names_both_ids_deletes() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let orphan = fleet.sandbox.add_one("nobody", "connected").await?;
    let other = fleet.sandbox.add_one("nobody-else", "connected").await?;
    let yaml = |max: u32, id: i64| {
        format!(
            "tenants: {{ table: tenants, wanted: status = 'active' }}\npolicy: {{ max_deletes: {max} }}\nbridges:\n  remove:\n\
             \x20   - {{ customer_ref: nobody, bridge_id: {id}, reason: test }}\n\
             \x20   - {{ customer_ref: cust_01, bridge_id: 1, reason: a wanted tenant }}\n"
        )
    };
    fleet.fleet_yaml(&yaml(5, other))?;
    assert_eq!(steps(&plan(&fleet)?), 0, "a tombstone with a wrong bridge_id must delete nothing");
    fleet.fleet_yaml(&yaml(0, orphan))?;
    let said = fleet.wab(&["apply", "--auto-approve"])?;
    assert_eq!(said.code, 5, "max_deletes is 0: {}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0);
    fleet.fleet_yaml(&yaml(1, orphan))?;
    let said = fleet.wab(&["apply", "--auto-approve"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 1);
    assert_eq!(fleet.sql("SELECT customer_ref FROM wab_orphaned_bridges")?, "nobody-else");
    assert_eq!(steps(&plan(&fleet)?), 0);
    Ok(())
}

#[tokio::test]
async fn fleet_yaml_alone_is_enough() -> Result<()> {
    let fleet = Fleet::start(&["--list-status", "--speed", "60"])?;
    fleet.sql("CREATE TABLE tenants (id int PRIMARY KEY, status text DEFAULT 'active', bridge_id bigint, bridge_status text); INSERT INTO tenants VALUES (1), (2)")?;
    fleet.fleet_yaml(&format!(
        "{}bridges:\n  webhook_url: https://app.example.com/hooks/{{tenant_id}}?a='b'\n  extra: [ {{ tenant_id: ops/alerts, reason: ours }} ]\n",
        world::YAML
    ))?;
    let said = fleet.wab(&["apply", "--auto-approve"])?;
    assert_eq!(said.code, 5, "a guard must refuse an empty list: {}{}", said.stdout, said.stderr);
    let said = fleet.wab(&["apply", "--auto-approve", "--first-run"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    let bridges = fleet.sandbox.bridges().await?;
    let hooks: Vec<_> = bridges.iter().map(|b| b["webhook_url"].as_str().unwrap_or_default()).collect();
    assert_eq!(hooks.len(), 3, "{bridges:?}");
    assert!(hooks.contains(&"https://app.example.com/hooks/2?a='b'"), "{hooks:?}");
    assert!(hooks.contains(&"https://app.example.com/hooks/ops%2Falerts?a='b'"), "{hooks:?}");
    assert_eq!(steps(&plan(&fleet)?), 0);
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift")?, "0");
    Ok(())
}

#[tokio::test]
async fn the_key_is_nowhere() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    world::break_everything(&fleet).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.cluster.configure(&[("log_min_messages", "debug5"), ("log_statement", "all")])?;
    fleet.cluster.reload()?;
    let mut said = String::new();
    for verb in [
        &["plan"][..],
        &["plan", "--json"],
        &["apply", "-y"],
        &["drift"],
        &["status"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let output = fleet.wab(verb)?;
        said.push_str(&output.stdout);
        said.push_str(&output.stderr);
    }
    fleet.sandbox.fault(json!({"path": "/api/instances", "kind": "status", "code": 401, "body": format!("bad key {KEY}")})).await?;
    said.push_str(&fleet.wab(&["plan"])?.stderr);
    let refused = fleet.wab(&["doctor"])?;
    assert_eq!(refused.code, 3, "{}{}", refused.stdout, refused.stderr);
    said.push_str(&refused.stdout);
    if fleet.install == Install::Extension {
        said.push_str(&fleet.sql_error("SELECT * FROM wab_refresh()")?.1);
    }
    said.push_str(&dump(&fleet)?);
    said.push_str(&fleet.cluster.log()?);
    said.push_str(&fleet.sql("SELECT s::text FROM pg_settings s; SELECT a::text FROM pg_stat_activity a")?);
    assert!(said.len() > 10_000 && said.contains("wab_observe"), "the searched texts must not be empty");
    assert!(!said.contains(KEY));
    Ok(())
}

/// Makes the database run `then` when a step of this kind begins, so that a precondition of the step changes during the run.
fn when_a_step_begins(fleet: &Fleet, kind: &str, then: &str) -> Result<()> {
    fleet.sql(&format!(
        "CREATE FUNCTION moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {then}; RETURN NEW; END $$;
         CREATE TRIGGER moves BEFORE INSERT ON wab_operations FOR EACH ROW WHEN (NEW.kind = '{kind}')
         EXECUTE FUNCTION moves()"
    ))?;
    Ok(())
}

#[tokio::test]
async fn a_tenant_that_is_no_longer_wanted_gets_no_bridge() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('new_1'), ('new_2'), ('new_3')")?;
    fleet.fleet_yaml(world::YAML)?;
    when_a_step_begins(
        &fleet,
        "provision",
        "UPDATE public.tenants SET status = 'cancelled' WHERE id = 'new_2'; DELETE FROM public.tenants WHERE id = 'new_3'",
    )?;
    let said = fleet.wab(&["apply", "--auto-approve"])?;
    assert_eq!(said.code, 4, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("no longer wanted"), "{}", said.stdout);
    assert_eq!(fleet.sandbox.calls("POST").await?, 1, "{:?}", fleet.sandbox.ledger().await?);
    assert_eq!(
        fleet.sql("SELECT customer_ref, outcome FROM wab_operations ORDER BY step")?,
        "new_1|done\nnew_2|failed\nnew_3|failed"
    );
    assert_eq!(steps(&plan(&fleet)?), 0);
    Ok(())
}

#[tokio::test]
async fn a_bridge_that_is_needed_again_is_not_deleted() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let orphan = fleet.sandbox.add_one("nobody", "connected").await?;
    fleet.fleet_yaml(&format!(
        "tenants: {{ table: tenants, wanted: status = 'active' }}\npolicy: {{ max_deletes: 1 }}\n\
         bridges: {{ remove: [ {{ customer_ref: nobody, bridge_id: {orphan}, reason: test }} ] }}\n"
    ))?;
    when_a_step_begins(&fleet, "delete", "INSERT INTO public.tenants (id) VALUES ('nobody')")?;
    let said = fleet.wab(&["apply", "--auto-approve"])?;
    assert_eq!(said.code, 4, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("needed again"), "{}", said.stdout);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0);
    Ok(())
}

#[tokio::test]
async fn one_bad_tenant_row_does_not_block_the_others() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(
        "UPDATE tenants SET bridge_id = NULL WHERE id BETWEEN 'cust_01' AND 'cust_09';
         ALTER TABLE tenants ADD CHECK (id <> 'cust_04' OR bridge_id IS NULL)",
    )?;
    fleet.fleet_yaml(world::YAML)?;
    let said = fleet.wab(&["apply", "--auto-approve", "--json"])?;
    assert_eq!(said.code, 4, "{}{}", said.stdout, said.stderr);
    let report: Value = serde_json::from_str(&said.stdout)?;
    assert_eq!((&report["done"], &report["failed"]), (&json!(8), &json!(1)), "{report}");
    let bad =
        report["run"]["steps"].as_array().into_iter().flatten().find(|step| step["outcome"] == "failed");
    assert_eq!(bad.map(|step| &step["customer_ref"]), Some(&json!("cust_04")), "{report}");
    assert_eq!(fleet.sql("SELECT string_agg(id, ',') FROM tenants WHERE bridge_id IS NULL")?, "cust_04");
    Ok(())
}

#[tokio::test]
async fn the_plan_is_shown_before_its_first_step() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(&format!("  request_timeout: 60s\n{}", world::YAML))?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('new')")?;
    fleet.sandbox.fault(json!({"method": "POST", "path": "/api/instances", "kind": "hang"})).await?;
    let began = Instant::now();
    let mut run = fleet.wab_command(&["apply", "-y"])?;
    let mut run = run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = BufReader::new(run.stdout.take().context("no stdout")?);
    let shown = stdout.lines().map_while(Result::ok).find(|line| line.contains("new"));
    run.kill()?;
    run.wait()?;
    assert!(shown.is_some());
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "the plan was shown only after the provider had not answered"
    );
    Ok(())
}
