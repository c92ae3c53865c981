//! Tests saved plans and `--expect`: `wab apply` does the approved steps and skips those with changed preconditions.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use e2e::fleet::Fleet;
use e2e::process::{self, Said};
use serde_json::{Value, json};

use crate::world;

/// A fleet with three tenants without a bridge, three rows without bridge_id, one wrong status and one bridge to delete.
async fn drifted() -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(
        "INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 3) n;
         UPDATE tenants SET bridge_id = NULL WHERE id IN ('cust_01', 'cust_02', 'cust_03');
         UPDATE tenants SET bridge_status = 'unknown' WHERE id = 'cust_04'",
    )?;
    let orphan = fleet.sandbox.add_one("nobody", "connected").await?;
    fleet.fleet_yaml(&format!(
        "tenants: {{ table: tenants, wanted: status = 'active' }}\npolicy: {{ max_deletes: 1 }}\n\
         bridges: {{ webhook_url: 'https://app.example.com/top-secret/{{tenant_id}}', \
         remove: [ {{ customer_ref: nobody, bridge_id: {orphan}, reason: test }} ] }}\n"
    ))?;
    Ok(fleet)
}

fn must(fleet: &Fleet, args: &[&str], code: i32) -> Result<Said> {
    let said = fleet.wab(args)?;
    assert_eq!(said.code, code, "wab {args:?}: {}{}", said.stdout, said.stderr);
    Ok(said)
}

fn read(fleet: &Fleet, name: &str) -> Result<(PathBuf, Value)> {
    let path = fleet.write("marker", "")?.with_file_name(name);
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    Ok((path, serde_json::from_str(&text)?))
}

#[tokio::test]
async fn a_saved_plan_is_shown_and_applied_and_cannot_be_applied_twice() -> Result<()> {
    let fleet = drifted().await?;
    let said = must(&fleet, &["plan", "--out", "plan.json", "--json"], 0)?;
    let (_, saved) = read(&fleet, "plan.json")?;
    assert_eq!(serde_json::from_str::<Value>(&said.stdout)?, saved, "one document");
    assert!(!saved.to_string().contains("top-secret"), "{saved}");
    assert_eq!(saved["steps"].as_array().map(Vec::len), Some(8), "{saved}");
    let shown = must(&fleet, &["show", "plan.json"], 0)?;
    assert!(
        shown
            .stdout
            .contains("Plan: 3 to provision, 3 to link, 1 status to write, 1 to delete, 1 table to bind.")
    );
    assert!(shown.stderr.contains("to be applied before"), "{}", shown.stderr);
    assert_eq!(must(&fleet, &["show", "plan.json", "--json"], 0)?.stdout, said.stdout);

    let said = process::run(fleet.wab_command(&["apply", "plan.json"])?.env("CI", "true").envs([
        ("GITHUB_SHA", "c0ffee"),
        ("CI_JOB_URL", "https://ci.example.com/job/7"),
        ("USER", "ana"),
        ("HOSTNAME", "runner"),
    ]))?;
    assert_eq!(said.code, 0, "apply of a saved plan must not ask: {}{}", said.stdout, said.stderr);
    assert_eq!((fleet.sandbox.calls("POST").await?, fleet.sandbox.calls("DELETE").await?), (3, 1));
    let run = fleet.sql("SELECT who, git_sha, ci_url, plan_sha256, outcome FROM wab_runs")?;
    let plan_sha256 = saved["plan_sha256"].as_str().context("no plan_sha256")?;
    assert_eq!(run, format!("ana@runner|c0ffee|https://ci.example.com/job/7|{plan_sha256}|done"));
    let hooks = fleet.sandbox.bridges().await?;
    assert!(
        hooks.iter().any(|bridge| bridge["webhook_url"] == "https://app.example.com/top-secret/new_1"),
        "apply must take the webhook_url, which a saved plan does not contain, from fleet.yaml: {hooks:?}"
    );

    let said = must(&fleet, &["apply", "plan.json"], 0)?;
    assert!(said.stdout.contains("Done already: 8 steps of the saved plan"), "{}", said.stdout);
    assert_eq!((fleet.sandbox.calls("POST").await?, fleet.sandbox.calls("DELETE").await?), (3, 1));
    Ok(())
}

#[tokio::test]
async fn a_step_whose_ground_moved_is_left_alone_and_the_exit_is_6() -> Result<()> {
    let fleet = drifted().await?;
    must(&fleet, &["plan", "--out", "plan.json"], 0)?;
    // new_1 is cancelled, new_2 gets a bridge, cust_01 is linked by hand, cust_02 is linked wrongly, the orphan gets a tenant.
    fleet.sql(
        "UPDATE tenants SET status = 'cancelled' WHERE id = 'new_1';
         UPDATE tenants SET bridge_id = 1 WHERE id = 'cust_01';
         UPDATE tenants SET bridge_id = 77 WHERE id = 'cust_02';
         INSERT INTO tenants (id) VALUES ('nobody'), ('new_4')",
    )?;
    fleet.sandbox.add_one("new_2", "connected").await?;
    let said = must(&fleet, &["apply", "plan.json", "--json"], 6)?;
    let report: Value = serde_json::from_str(&said.stdout)?;
    let skipped = |outcome: &str| {
        let mut all: Vec<String> = report["run"]["skipped"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|step| step["outcome"] == outcome)
            .map(|step| format!("{} {}", step["kind"], step["customer_ref"]).replace('"', ""))
            .collect();
        all.sort();
        all
    };
    assert_eq!(skipped("done"), ["link cust_01", "provision new_2"], "{report}");
    assert_eq!(skipped("stale"), ["delete nobody", "link cust_02", "provision new_1"], "{report}");
    assert_eq!(report["done"], json!(3), "{report}");
    assert_eq!((&report["outcome"], &report["stale"]), (&json!("partly"), &json!(3)), "{report}");
    assert_eq!(fleet.sql("SELECT outcome FROM wab_runs")?, "partly");
    assert_eq!(
        fleet.sandbox.calls("POST").await?,
        1,
        "only new_3 may be provisioned, because new_4 is not in the plan"
    );
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0);
    assert_eq!(fleet.sql("SELECT bridge_id FROM tenants WHERE id = 'cust_02'")?, "77");
    Ok(())
}

#[tokio::test]
async fn a_bridge_is_made_with_the_webhook_that_was_approved() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    let bind = |host: &str| {
        format!("SELECT * FROM wab_bind_tenants(webhook_url => $$'https://{host}/hooks/' || id$$)")
    };
    fleet.sql(&format!("{}; INSERT INTO tenants (id) VALUES ('new_1')", bind("reviewed.acme.io")))?;
    must(&fleet, &["plan", "--out", "plan.json"], 0)?;
    fleet.sql(&bind("other.acme.io"))?;
    let said = must(&fleet, &["apply", "plan.json"], 6)?;
    assert!(said.stdout.contains("the step would be different now"), "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);
    fleet.sql(&bind("reviewed.acme.io"))?;
    must(&fleet, &["apply", "plan.json"], 0)?;
    assert_eq!(
        fleet.sql("SELECT webhook_url FROM wab_bridges WHERE customer_ref = 'new_1'")?,
        "https://reviewed.acme.io/hooks/new_1"
    );
    Ok(())
}

#[tokio::test]
async fn a_step_that_is_true_already_is_done_and_the_exit_is_0() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    // The rows say paired: bridges 4 and 6 are disconnected when the plan is made, and 7 is too but for its row.
    fleet.sql("UPDATE tenants SET bridge_status = 'unknown' WHERE id = 'cust_07'")?;
    for id in [4, 6] {
        fleet.sandbox.change(id, json!({"status": "disconnected"})).await?;
    }
    let said = must(&fleet, &["plan", "--out", "plan.json"], 0)?;
    assert!(said.stdout.starts_with("Plan: 3 statuses to write."), "{}", said.stdout);
    // While it waits, 4 is paired again, 7 loses its session, and the tenant of 6 is deleted together with its bridge.
    fleet.sandbox.change(4, json!({"status": "connected"})).await?;
    fleet.sandbox.change(7, json!({"status": "disconnected"})).await?;
    fleet.sql("DELETE FROM tenants WHERE id = 'cust_06'")?;
    let said = must(&fleet, &["apply", "plan.json"], 0)?;
    assert!(!said.stdout.contains("tale"), "{}", said.stdout);
    assert_eq!(
        fleet.sql("SELECT id, bridge_status FROM tenants WHERE id IN ('cust_04', 'cust_07') ORDER BY id")?,
        "cust_04|paired\ncust_07|disconnected"
    );
    assert!(must(&fleet, &["plan"], 0)?.stdout.starts_with("Nothing to do"));
    Ok(())
}

#[tokio::test]
async fn a_plan_goes_to_files_pipes_and_stdout_and_to_no_other_database() -> Result<()> {
    let fleet = drifted().await?;
    let piped = must(&fleet, &["plan", "--out", "-"], 0)?;
    let saved: Value = serde_json::from_str(&piped.stdout)?;
    assert!(piped.stderr.contains("Plan: 3 to provision"), "people read it on stderr: {}", piped.stderr);
    let both = must(&fleet, &["plan", "--json", "--out", "-"], 0)?;
    assert_eq!(serde_json::from_str::<Value>(&both.stdout)?["plan_sha256"], saved["plan_sha256"]);
    let file = fleet.write("plan.json", &piped.stdout)?;
    assert!(!file.with_file_name("-").exists());
    let shown = fleet.wab_command(&["show", "-"])?.stdin(std::fs::File::open(&file)?).output()?;
    assert!(String::from_utf8(shown.stdout)?.contains("3 to provision"));
    must(&fleet, &["plan", "--out", "/dev/null"], 0)?;
    assert!(!std::fs::metadata("/dev/null")?.is_file());

    fleet.cluster.sql("postgres", "CREATE DATABASE twin TEMPLATE app")?;
    let before = fleet.sandbox.ledger().await?.len();
    let said = fleet.wab_on(&fleet.cluster.url("twin"), &["apply", "plan.json"])?;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    for part in ["another database: app (oid ", "and this is twin (oid ", "schema public"] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    assert_eq!(fleet.sandbox.ledger().await?.len(), before);
    must(&fleet, &["apply", "plan.json"], 0)?;
    Ok(())
}

#[tokio::test]
async fn a_file_that_was_changed_or_is_too_old_or_of_another_fleet_is_refused() -> Result<()> {
    let fleet = drifted().await?;
    must(&fleet, &["plan", "--out", "plan.json"], 0)?;
    must(&fleet, &["plan", "--out", "late.json", "--valid-for", "0s"], 1)?;
    must(&fleet, &["plan", "--valid-for", "1h"], 1)?;
    must(&fleet, &["plan", "--out", "late.json", "--valid-for", "1ms"], 0)?;
    let before = (world::observed(&fleet)?, fleet.sandbox.ledger().await?.len());
    let (path, mut saved) = read(&fleet, "plan.json")?;
    saved["steps"][0]["bridge_id"] = json!(12);
    std::fs::write(path.with_file_name("changed.json"), saved.to_string())?;
    fleet.write("not.json", "version: 1\n")?;
    for (file, code, words) in [
        ("changed.json", 1, "was changed after it was made"),
        ("not.json", 1, "not a saved plan"),
        ("nowhere.json", 1, "cannot read"),
        ("late.json", 6, "expired at"),
    ] {
        let said = must(&fleet, &["apply", file], code)?;
        assert!(said.stderr.contains(words) && said.stderr.contains("wab plan"), "{}", said.stderr);
    }
    must(&fleet, &["show", "changed.json"], 1)?;
    let yaml = std::fs::read_to_string(path.with_file_name("fleet.yaml"))?;
    fleet.write("fleet.yaml", &(yaml + "# another line\n"))?;
    let said = must(&fleet, &["apply", "plan.json"], 6)?;
    assert!(said.stderr.contains("fleet.yaml was changed after"), "{}", said.stderr);
    let said = process::run(fleet.wab_command(&["apply", "plan.json"])?.env("WA_API_KEY", "sk_other"))?;
    assert_eq!(said.code, 3, "{}", said.stderr);
    assert_eq!(
        (world::observed(&fleet)?, fleet.sandbox.ledger().await?.len()),
        before,
        "a refused plan must send no call and store nothing"
    );

    let said = must(&fleet, &["plan", "--out", "/nonexistent/plan.json"], 1)?;
    assert!(said.stderr.contains("cannot write the plan"), "{}", said.stderr);
    Ok(())
}

#[tokio::test]
async fn a_plan_that_is_refused_is_not_written() -> Result<()> {
    let fleet = drifted().await?;
    let yaml = fleet.fleet_yaml("policy: { max_creates: 2 }\n")?;
    let said = must(&fleet, &["plan", "--out", "plan.json"], 5)?;
    assert!(said.stderr.contains("was not written"), "{}", said.stderr);
    assert!(!yaml.with_file_name("plan.json").exists());
    Ok(())
}

#[tokio::test]
async fn only_the_plan_of_the_sha256_is_applied() -> Result<()> {
    let fleet = drifted().await?;
    must(&fleet, &["plan", "--out", "plan.json"], 0)?;
    let (_, saved) = read(&fleet, "plan.json")?;
    let sha256 = saved["plan_sha256"].as_str().context("no plan_sha256")?;
    assert!(must(&fleet, &["plan"], 0)?.stdout.contains(sha256), "every plan must show its sha256");
    fleet.sql("INSERT INTO tenants (id) VALUES ('new_4')")?;
    let said = must(&fleet, &["apply", "--expect", sha256], 6)?;
    assert!(said.stderr.contains(sha256) && said.stderr.contains("with 9 steps"), "{}", said.stderr);
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);
    must(&fleet, &["apply", "--expect", "short"], 1)?;
    fleet.sql("DELETE FROM tenants WHERE id = 'new_4'")?;
    must(&fleet, &["apply", "--expect", sha256], 0)?;
    assert_eq!(fleet.sandbox.calls("POST").await?, 3);
    Ok(())
}

#[tokio::test]
async fn a_plan_with_other_exceptions_has_another_sha256() -> Result<()> {
    let fleet = drifted().await?;
    let declare = |bridges: &str| {
        let tenants = "tenants: { table: tenants, wanted: status = 'active' }";
        fleet.fleet_yaml(&format!("{tenants}\nbridges: {{ {bridges} }}\n"))
    };
    declare("keep: [ { customer_ref: one, reason: tried } ]")?;
    let plan: Value = serde_json::from_str(&must(&fleet, &["plan", "--json"], 0)?.stdout)?;
    let sha256 = plan["plan_sha256"].as_str().context("no plan_sha256")?;
    for other in [
        "keep: [ { customer_ref: two, reason: tried } ]",
        "keep: [ { customer_ref: one, reason: tried, until: 2999-01-01 } ]",
        "extra: [ { tenant_id: one, reason: tried } ]",
    ] {
        declare(other)?;
        must(&fleet, &["apply", "--expect", sha256], 6)?;
        assert_eq!(fleet.sql("SELECT count(*) FROM wab_declared")?, "0", "{other}");
    }
    declare("keep: [ { customer_ref: one, reason: tried for long } ]")?;
    must(&fleet, &["apply", "--expect", sha256], 0)?;
    Ok(())
}

#[tokio::test]
async fn targets_and_excludes_narrow_a_plan() -> Result<()> {
    let fleet = drifted().await?;
    let said = must(&fleet, &["plan", "--target", "new_*", "--exclude", "new_2"], 0)?;
    assert!(said.stdout.starts_with("Plan: 2 to provision, 1 table to bind."), "{}", said.stdout);
    assert!(said.stdout.contains("6 rows of drift are out of scope"), "{}", said.stdout);
    for typing_error in ["nwe_*", "new_99", "100%", "new\\_1", "cust-01"] {
        for args in [&["plan"][..], &["apply", "-y"]] {
            let said = must(&fleet, &[args, &["--target", "new_1", "--target", typing_error]].concat(), 1)?;
            let named = format!("--target {typing_error:?} matches no tenant and no bridge");
            assert!(said.stderr.contains(&named), "{}", said.stderr);
        }
    }
    // A typing error here would leave a tenant in the plan that the user wants out of it.
    let said = must(&fleet, &["apply", "-y", "--exclude", "nwe_2"], 1)?;
    assert!(said.stderr.contains("--exclude \"nwe_2\" matches no tenant and no bridge"), "{}", said.stderr);
    must(&fleet, &["plan", "--exclude", "cust_05", "--exclude", "test_*"], 0)?;
    let fresh = fleet.sandbox.add_one("fresh", "connected").await?;
    for healthy in ["cust_05", "cust_?0", "nobody", "fresh"] {
        must(&fleet, &["plan", "--target", healthy], 0)?;
    }
    fleet.sandbox.remove(fresh).await?;
    must(&fleet, &["apply", "-y", "--target", "new_3"], 0)?;
    assert_eq!((fleet.sandbox.calls("POST").await?, fleet.sandbox.calls("DELETE").await?), (1, 0));
    assert_eq!(
        fleet.sql("SELECT string_agg(id, ',') FROM tenants WHERE id LIKE 'new%' AND bridge_id > 0")?,
        "new_3"
    );
    Ok(())
}

#[tokio::test]
async fn a_deadline_ends_the_run_in_time_and_the_exit_is_9() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 20) n")?;
    fleet.fleet_yaml(&format!("  limits: {{ provision: 2/2s }}\n{}", world::YAML))?;
    let start = Instant::now();
    let said = must(&fleet, &["apply", "-y", "--max-duration", "3s"], 9)?;
    assert!(start.elapsed().as_secs_f64() < 3.0, "{:?}", start.elapsed());
    assert!(
        said.stdout.contains("--max-duration") && said.stdout.contains("safe to run again"),
        "{}",
        said.stdout
    );
    let made = fleet.sandbox.calls("POST").await?;
    assert!((2..20).contains(&made), "{made}");
    assert_eq!(fleet.sql("SELECT outcome FROM wab_runs")?, "stopped");
    assert_eq!(
        fleet.sql("SELECT count(*) FILTER (WHERE outcome = 'done') = count(*) FROM wab_operations")?,
        "t",
        "every step that was begun must be finished"
    );
    fleet.fleet_yaml(&format!("  limits: {{ provision: 10/1s }}\n{}", world::YAML))?;
    must(&fleet, &["apply", "-y", "--max-duration", "5m"], 0)?;
    assert_eq!(fleet.sandbox.calls("POST").await?, 20);
    Ok(())
}
