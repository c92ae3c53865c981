//! Tests bulk work by review: entries of bridges.remove, and pairing codes for all disconnected bridges.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use e2e::fleet::Fleet;
use e2e::process::{self, Said};
use e2e::wait;
use serde_json::{Value, json};

use crate::world;

const TENANTS: &str = "tenants: { table: public.tenants, wanted: status = 'active' }\n";

fn said(fleet: &Fleet, args: &[&str], code: i32) -> Result<Said> {
    let said = fleet.wab(args)?;
    assert_eq!(said.code, code, "wab {args:?}: {}{}", said.stdout, said.stderr);
    Ok(said)
}

fn read(fleet: &Fleet, file: &str) -> Result<String> {
    Ok(std::fs::read_to_string(fleet.write("beside", "")?.with_file_name(file))?)
}

/// From the drift to a reviewed fleet.yaml, an apply, and the file without the applied entries.
#[tokio::test]
async fn removals_are_printed_applied_and_taken_out_again() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    world::break_everything(&fleet).await?;
    fleet.sandbox.add_one("say \"hi\" # x: - {a}", "connected").await?;
    fleet.observe().await?;
    fleet.sql(
        "UPDATE wab_drift_episodes SET began_at = began_at - interval '40 days' WHERE kind = 'churned'",
    )?;
    fleet.fleet_yaml(TENANTS)?;
    let calls = fleet.sandbox.calls("DELETE").await?;
    let parsed = |args: &[&str]| -> Result<Vec<Value>> {
        let text = said(&fleet, args, 0)?.stdout;
        let list: Option<Vec<Value>> = serde_yaml::from_str(&text)?;
        Ok(list.unwrap_or_default())
    };
    let refs = |list: &[Value]| {
        list.iter()
            .map(|entry| entry["customer_ref"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let all = parsed(&["removals"])?;
    assert_eq!(refs(&all), ["nobody", "say \"hi\" # x: - {a}", "cust_03", "cust_04"]);
    assert_eq!(refs(&parsed(&["removals", "--kind", "churned,duplicate"])?), ["cust_03", "cust_04"]);
    assert_eq!(refs(&parsed(&["removals", "--older-than", "30d"])?), ["cust_03"]);
    let printed = said(&fleet, &["removals"], 0)?.stdout;
    assert!(printed.starts_with("# 4 bridges to remove: $12.00 a month."), "{printed}");
    assert_eq!(printed.matches("# saves $3.00 a month").count(), 4, "{printed}");
    assert!(
        all[2]["reason"].as_str().is_some_and(|reason| reason.starts_with("churned since 20")),
        "{all:?}"
    );
    assert_eq!(fleet.sandbox.calls("DELETE").await?, calls, "nothing is deleted by printing");

    let rest = format!(
        "{TENANTS}policy: {{ max_deletes: 4 }}\nbridges:\n  # Reviewed by Anna.\n  remove:\n{printed}"
    );
    let file = fleet.fleet_yaml(&rest)?;
    let before = std::fs::read_to_string(&file)?;
    let pruned = said(&fleet, &["removals", "--prune"], 0)?;
    assert!(
        pruned.stderr.contains("the bridges of all 4 entries of bridges.remove are live"),
        "{}",
        pruned.stderr
    );
    assert!(said(&fleet, &["removals"], 0)?.stdout.contains("In bridges.remove already: 4 bridges"));
    said(&fleet, &["apply", "-y"], 0)?;
    assert_eq!(std::fs::read_to_string(&file)?, before);

    // An observation that is not whole, or lacks many bridges, says of no bridge that it is gone.
    for (fault, code) in [
        (json!({"path": "/api/instances", "kind": "malformed_row"}), 1),
        (json!({"path": "/api/instances", "kind": "status", "code": 500, "body": {}}), 1),
    ] {
        fleet.sandbox.fault(fault).await?;
        said(&fleet, &["removals", "--prune"], code)?;
        fleet.sandbox.heal().await?;
    }
    fleet.write("strict.yaml", &before.replace("max_deletes: 4", "max_deletes: 4, min_observed: 500"))?;
    let refused = said(&fleet, &["removals", "--prune", "-f", "strict.yaml"], 5)?;
    assert!(refused.stderr.contains("policy.min_observed is 500"), "{}", refused.stderr);
    let one_line = "bridges: { remove: [ { customer_ref: cust_03, bridge_id: 3, reason: x }, { customer_ref: cust_01, bridge_id: 1, reason: x } ] }\n";
    let flow = fleet.write(
        "flow.yaml",
        &format!("version: 1\naccount: {{ api_url: {:?} }}\n{TENANTS}{one_line}", fleet.sandbox.url()),
    )?;
    let text = std::fs::read_to_string(&flow)?;
    let refused = said(&fleet, &["removals", "--prune", "-f", "flow.yaml"], 5)?;
    assert!(refused.stderr.contains("line 4: cust_03, bridge 3"), "{}", refused.stderr);
    assert_eq!(std::fs::read_to_string(&flow)?, text);
    assert_eq!(std::fs::read_to_string(&file)?, before);

    let pruned = said(&fleet, &["removals", "--prune"], 0)?;
    assert!(pruned.stdout.contains("cust_03, bridge 3"), "{}", pruned.stdout);
    let kept: String = before
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("    - {"))
        .map(|line| line.replace("  remove:\n", "  remove: []\n"))
        .collect();
    assert_eq!(std::fs::read_to_string(&file)?, kept);
    assert!(kept.contains("# Reviewed by Anna."));
    let plan = said(&fleet, &["plan", "--json"], 0)?;
    assert_eq!(serde_json::from_str::<Value>(&plan.stdout)?["steps"], json!([]));
    assert!(said(&fleet, &["removals"], 0)?.stdout.contains("# No bridge to remove."));
    Ok(())
}

/// Five disconnected bridges: 1 to 5.
async fn disconnected() -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    for id in 1..=5 {
        fleet.sandbox.change(id, json!({"status": "disconnected"})).await?;
    }
    fleet.sql("UPDATE wab_policy SET disconnected_after = '0'")?;
    fleet.observe().await?;
    fleet.sql("UPDATE wab_bridges SET status_since = status_since - bridge_id * interval '1 hour', created_at = created_at - interval '1 day',
             first_seen_at = first_seen_at - interval '1 day' WHERE status = 'disconnected'")?;
    let phones: String = (1..=20).map(|n| format!("cust_{n:02},+1 (555) 000-12{n:02},x\n")).collect();
    fleet.write("phones.csv", &format!("tenant_id,phone,note\n{phones}"))?;
    Ok(fleet)
}

const PAIR: [&str; 6] = ["pair", "--all-disconnected", "--phones", "phones.csv", "--out", "codes.csv"];

fn lines(fleet: &Fleet) -> Result<Vec<String>> {
    Ok(read(fleet, "codes.csv")?.lines().skip(1).map(str::to_owned).collect())
}

async fn pair_calls(fleet: &Fleet) -> Result<usize> {
    let calls = fleet.sandbox.ledger().await?;
    Ok(calls
        .iter()
        .filter(|call| call["path"].as_str().is_some_and(|path| path.ends_with("/proxy/pair")))
        .count())
}

#[tokio::test]
async fn codes_for_all_disconnected_within_the_limits_and_resumed() -> Result<()> {
    let fleet = disconnected().await?;
    fleet.fleet_yaml(&format!("  limits: {{ proxy: 2/60s }}\n{TENANTS}"))?;
    // The longest outage first; no call begins that would have to wait beyond the deadline.
    let first = said(&fleet, &[&PAIR[..], &["--max-duration", "20s"]].concat(), 9)?;
    assert!(first.stderr.contains("2 new codes, 3 not tried"), "{}", first.stderr);
    let two = lines(&fleet)?;
    assert!(two[0].starts_with("cust_05,+1 (555) 000-1205,") && two[0].contains(",code,"), "{two:?}");
    assert_eq!((two.len(), pair_calls(&fleet).await?), (2, 2));
    assert_eq!(
        fleet.sql("SELECT string_agg(customer_ref, ' ' ORDER BY nth) FROM wab_to_repair")?,
        "cust_03 cust_02 cust_01 cust_05 cust_04",
        "tenants with a code wait at the end"
    );
    fleet.fleet_yaml(&format!("  limits: {{ proxy: 2/2s }}\n{TENANTS}"))?;
    // Killed while it waits for the limit: every code that was made is in the file, and is not requested again.
    let mut run = fleet.wab_command(&PAIR)?.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
    wait::until("four codes", || async { Ok((lines(&fleet)?.len() >= 4).then_some(())) }).await?;
    run.kill()?;
    run.wait()?;
    let last = said(&fleet, &PAIR, 0)?;
    assert!(last.stderr.contains("codes of the run before"), "{}", last.stderr);
    let five = lines(&fleet)?;
    assert_eq!((five.len(), &five[..2]), (5, &two[..]));
    assert_eq!(pair_calls(&fleet).await?, 5, "one call for each bridge, although three runs made them");
    assert_eq!(
        fleet.sql("SELECT count(DISTINCT customer_ref), count(*), bool_and(requested_by LIKE '%@%') FROM wab_pairing_codes")?,
        "5|5|t"
    );
    // Another person without the file gets no second code, which would make the first one invalid.
    let other: Vec<_> = PAIR.iter().map(|arg| if *arg == "codes.csv" { "other.csv" } else { arg }).collect();
    let none = said(&fleet, &other, 4)?;
    assert!(none.stderr.contains("5 with a code that another run or person requested"), "{}", none.stderr);
    assert_eq!(pair_calls(&fleet).await?, 5);
    // The codes run out: those still unpaired get a new one, and those paired meanwhile are not asked.
    fleet.sql("UPDATE wab_pairing_codes SET valid_until = now()")?;
    std::fs::remove_file(fleet.write("codes.csv", "")?)?;
    fleet.sandbox.change(1, json!({"status": "connected"})).await?;
    let again = said(&fleet, &PAIR, 0)?;
    assert!(again.stderr.contains("4 new codes, 1 paired already"), "{}", again.stderr);
    assert_eq!(fleet.sql("SELECT status FROM wab_bridges WHERE bridge_id = 1")?, "paired");
    // On stdout there is no list of the run before. The heading has the word too.
    fleet.sql("DELETE FROM wab_pairing_codes WHERE customer_ref = 'cust_02'")?;
    let out: Vec<_> = PAIR.iter().map(|arg| if *arg == "codes.csv" { "-" } else { arg }).collect();
    let printed = said(&fleet, &out, 4)?.stdout;
    assert!(printed.starts_with("tenant_id,phone,code,valid_until,outcome,detail\n"), "{printed}");
    assert_eq!(
        (printed.matches(",code,").count(), printed.matches(",has_code,").count()),
        (2, 3),
        "{printed}"
    );
    Ok(())
}

#[tokio::test]
async fn a_signal_is_8_what_fails_is_4_and_bad_input_makes_no_call() -> Result<()> {
    let fleet = disconnected().await?;
    fleet.fleet_yaml(&format!("  limits: {{ proxy: 1/600s }}\n{TENANTS}"))?;
    let mut run = fleet.wab_command(&PAIR)?.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    wait::until("the first code", || async {
        Ok(read(&fleet, "codes.csv").is_ok_and(|text| text.lines().count() == 2).then_some(()))
    })
    .await?;
    process::must(Command::new("kill").args(["-TERM", &run.id().to_string()]))?;
    assert_eq!(run.wait()?.code(), Some(8));
    assert_eq!(lines(&fleet)?.len(), 1);

    fleet.fleet_yaml(TENANTS)?;
    fleet.sandbox.clear_ledger().await?;
    for (name, text, why) in [
        ("none.csv", None, "cannot read the list of phones"),
        ("semicolons.csv", Some("tenant_id;phone\ncust_01;15550001234\n"), "no column tenant_id"),
        ("twice.csv", Some("tenant_id,phone\ncust_01,15550001234\ncust_01,15550009999\n"), "line 3 gives"),
    ] {
        if let Some(text) = text {
            fleet.write(name, text)?;
        }
        let args: Vec<_> = PAIR.iter().map(|arg| if *arg == "phones.csv" { name } else { arg }).collect();
        let said = said(&fleet, &args, 1)?;
        assert!(said.stderr.contains(why) && !said.stderr.contains("1555000"), "{name}: {}", said.stderr);
    }
    let args: Vec<_> = PAIR.iter().map(|arg| if *arg == "codes.csv" { "phones.csv" } else { arg }).collect();
    let refused = said(&fleet, &args, 1)?;
    assert!(refused.stderr.contains("not a list of codes that wab wrote"), "{}", refused.stderr);
    assert_eq!(pair_calls(&fleet).await?, 0);

    // One tenant has no phone, one a wrong one, and one call fails; the others get their codes.
    fleet.write(
        "phones.csv",
        "tenant_id,phone\ncust_01,+15550001201\ncust_02,020 7946 0000\ncust_03,\ncust_04,+15550001204\n",
    )?;
    fleet.sandbox.fault(json!({"method": "POST", "path": "/api/instances/cust_04/proxy/pair", "kind": "status", "code": 400, "body": {"error": "no such phone"}})).await?;
    let partly = said(&fleet, &PAIR, 4)?;
    assert!(
        partly.stderr.contains(
            "1 new codes, 1 codes of the run before, 1 without a phone, 1 with an invalid phone, 1 failed"
        ),
        "{}",
        partly.stderr
    );
    let rows = lines(&fleet)?;
    let row = |tenant: &str| rows.iter().find(|row| row.starts_with(tenant)).context("no row");
    assert!(row("cust_04")?.contains("no such phone"), "{rows:?}");
    assert!(row("cust_03")?.starts_with("cust_03,,,,no_phone,"), "{rows:?}");
    assert!(row("cust_02")?.starts_with("cust_02,020 7946 0000,,,invalid_phone,"), "{rows:?}");
    // A refused call leaves no record of a code.
    assert_eq!(
        fleet.sql("SELECT string_agg(customer_ref, ' ' ORDER BY customer_ref) FROM wab_pairing_codes")?,
        "cust_01 cust_05"
    );
    // The key is refused at the first call. The codes of the run before are no success of this run.
    fleet.sandbox.heal().await?;
    let wrong = process::run(fleet.wab_command(&PAIR)?.env("WA_API_KEY", "sk_test_wrong"))?;
    assert_eq!(wrong.code, 3, "{}", wrong.stderr);
    assert!(wrong.stderr.contains("2 codes of the run before"), "{}", wrong.stderr);
    fleet.sql("DELETE FROM wab_pairing_codes")?;
    fleet.write("codes.csv", "")?;
    let wrong = process::run(fleet.wab_command(&PAIR)?.env("WA_API_KEY", "sk_test_wrong"))?;
    assert_eq!(wrong.code, 3, "{}", wrong.stderr);
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_pairing_codes")?, "0");
    Ok(())
}

#[tokio::test]
async fn a_code_from_sql_is_recorded_if_it_may_be() -> Result<()> {
    let fleet = disconnected().await?;
    fleet.sql("SELECT wab_pair('cust_01', '15550001234')")?;
    assert_eq!(
        fleet.sql("SELECT nth, tenant_id, last_code_by = session_user, next_step LIKE 'the tenant has a code until %' FROM wab_to_repair WHERE last_code_at IS NOT NULL")?,
        "5|cust_01|t|t"
    );
    fleet.fleet_yaml(TENANTS)?;
    said(&fleet, &["pair", "cust_04", "--phone", "15550001234"], 0)?;
    assert_eq!(fleet.sql("SELECT status, last_code_by LIKE '%@%' FROM wab_bridges JOIN wab_to_repair USING (bridge_id) WHERE bridge_id = 4")?, "awaiting_scan|t");
    let elsewhere = fleet.cluster.url("postgres");
    let told = fleet.wab_on(&elsewhere, &["pair", "cust_05", "--phone", "15550001234"])?;
    assert!(
        told.code == 0 && told.stderr.contains("the database does not know of this code"),
        "{}",
        told.stderr
    );
    fleet.sql("CREATE ROLE caller LOGIN; GRANT EXECUTE ON FUNCTION wab_pair(text, text) TO caller")?;
    let refused = fleet.sql_error("SET ROLE caller; SELECT wab_pair('cust_02', '15550001234')")?;
    assert_eq!(refused.0, "42501", "a call that could not be recorded is not made: {}", refused.1);
    fleet.sql("BEGIN; SELECT wab_pair('cust_03', '15550001234'); ROLLBACK")?;
    assert_eq!(
        fleet.sql("SELECT string_agg(customer_ref, ' ' ORDER BY code_id) FROM wab_pairing_codes")?,
        "cust_01 cust_04"
    );
    assert_eq!(fleet.sql("SELECT wab_nudged('cust_02', 'phone') IS NOT NULL; SELECT last_nudged_channel FROM wab_to_repair ORDER BY nth DESC LIMIT 1")?, "t\nphone");
    Ok(())
}
