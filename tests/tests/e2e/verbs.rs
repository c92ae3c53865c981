//! Tests the verbs besides plan and apply: export, drift, pair, qr, logout, completion and man.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet};
use e2e::process::{self, Said};
use serde_json::{Value, json};

use crate::world;

fn said(fleet: &Fleet, args: &[&str], code: i32) -> Result<Said> {
    let said = fleet.wab(args)?;
    assert_eq!(said.code, code, "wab {args:?}: {}{}", said.stdout, said.stderr);
    Ok(said)
}

fn planned(fleet: &Fleet, file: &str) -> Result<Value> {
    Ok(serde_json::from_str(&said(fleet, &["plan", "--json", "-f", file], 0)?.stdout)?)
}

/// Ids with a special meaning in YAML, in SQL, in a comment or on a terminal.
const HOSTILE: [&str; 18] = [
    "5e3",
    "true",
    "null",
    "~",
    "0x1F",
    " leading",
    "trailing ",
    "o'hara",
    "say \"hi\"",
    "back\\slash'",
    "two\nlines",
    "x\r\n'); DELETE FROM tenants; --",
    "# no comment",
    "- { a: b }",
    "ünïcödé 🦀",
    "\u{85}\u{2028}\u{202e}\u{7f}\u{1b}[31m",
    "..",
    "$$:x :'y' %s\t",
];

/// An account with 37 bridges that the database has not observed: 18 tenants with hostile ids, and 19 orphaned bridges.
async fn existing_account(fleet: &Fleet) -> Result<()> {
    let bridge = |customer_ref: String| json!({"customer_ref": customer_ref, "status": "connected"});
    let mut bridges: Vec<Value> = HOSTILE.iter().map(|id| bridge((*id).to_owned())).collect();
    bridges.extend(HOSTILE.iter().map(|id| bridge(format!("{id}?"))));
    bridges.push(json!({"customer_ref": "", "status": "connected"}));
    fleet.sandbox.add(json!(bridges)).await?;
    fleet.sql("CREATE TABLE \"Ten'ants\" (\"Id\" text PRIMARY KEY, active boolean DEFAULT true, bridge_id bigint, bridge_status text)")?;
    let mut connection = fleet.connect().await?;
    sqlx::query("INSERT INTO \"Ten'ants\" SELECT unnest($1::text[])")
        .bind(HOSTILE.map(str::to_owned).to_vec())
        .execute(&mut connection)
        .await?;
    Ok(())
}

/// Runs a script in psql through its standard input, as a user would.
fn psql(fleet: &Fleet, script: &str) -> Result<()> {
    let mut psql = fleet.cluster.program("psql", DATABASE);
    let mut child = psql.args(["-X", "-q"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.take().context("no stdin")?.write_all(script.as_bytes())?;
    assert!(child.wait()?.success(), "{script}");
    Ok(())
}

#[tokio::test]
async fn an_existing_account_is_adopted() -> Result<()> {
    let fleet = Fleet::start(&["--list-status", "--speed", "60"])?;
    existing_account(&fleet).await?;
    let flags = [
        "--api-url",
        fleet.sandbox.url(),
        "--table",
        "\"Ten'ants\"",
        "--tenant-id",
        "Id",
        "--wanted",
        "active",
    ];
    let yaml = said(&fleet, &[&["export"], &flags[..]].concat(), 0)?.stdout;
    let sql = said(&fleet, &[&["export", "--sql"], &flags[..]].concat(), 0)?.stdout;
    for text in [&yaml, &sql] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains('\r'), "{text}");
    }
    assert!(yaml.contains("without a customer_ref"), "{yaml}");
    assert_eq!(
        fleet.sql("SELECT (SELECT count(*) FROM wab_bridges), (SELECT count(*) FROM wab_tenant_binding)")?,
        "0|0"
    );
    assert_eq!(fleet.sandbox.calls("POST").await? + fleet.sandbox.calls("DELETE").await?, 0);

    psql(&fleet, &sql)?;
    assert_eq!(
        fleet.sql("SELECT count(*), count(bridge_id), max(bridge_status) FROM \"Ten'ants\"")?,
        "18|18|paired"
    );
    fleet.write("fleet.yaml", &yaml)?;
    said(&fleet, &["validate"], 0)?;
    let plan = planned(&fleet, "fleet.yaml")?;
    assert_eq!(plan["steps"], json!([]), "{plan:#}");
    assert_eq!(plan["binding"], Value::Null, "the script must bind the table as fleet.yaml declares it");
    let left = plan["findings"].as_array().context("no findings")?;
    assert_eq!(left.len(), 1, "only the bridge without a customer_ref may be left: {plan:#}");
    assert_eq!((&left[0]["kind"], &left[0]["customer_ref"]), (&json!("orphaned"), &Value::Null));

    // A second export adds nothing. A third one, which reads only the database, gives the same result.
    said(&fleet, &["apply", "-y"], 0)?;
    assert_eq!(said(&fleet, &["export"], 0)?.stdout, yaml);
    let nothing = said(&fleet, &["export", "--sql"], 0)?.stdout;
    assert_eq!(
        (nothing.matches("UPDATE").count(), nothing.matches("\n-- INSERT").count()),
        (0, 18),
        "{nothing}"
    );
    std::fs::write(fleet.write("fleet.yaml", "")?, "")?;
    let again = said(&fleet, &["export", "--api-url", fleet.sandbox.url()], 0)?;
    assert!(again.stderr.contains("fleet.yaml is empty"), "{}", again.stderr);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&again.stdout), sorted(&yaml));
    Ok(())
}

#[tokio::test]
async fn without_a_tenants_table_every_bridge_is_kept() -> Result<()> {
    let fleet = Fleet::start(&["--list-status", "--speed", "60"])?;
    existing_account(&fleet).await?;
    fleet.fleet_yaml("bridges: { webhook_url: 'https://app.example.com/s3cret' }\n")?;
    let yaml = said(&fleet, &["export"], 0)?.stdout;
    assert_eq!(yaml.matches("adopted by wab export").count(), 36, "{yaml}");
    assert!(yaml.contains("--table public.tenants") && !yaml.contains("s3cret"), "{yaml}");
    let none = said(&fleet, &["export", "--sql"], 1)?;
    assert!(none.stdout.is_empty() && none.stderr.contains("--table"), "{}", none.stderr);
    fleet.write("adopted.yaml", &yaml)?;
    said(&fleet, &["validate", "-f", "adopted.yaml"], 0)?;
    let missing = said(&fleet, &["export", "-f", "nowhere.yaml"], 1)?;
    assert!(missing.stderr.contains("nowhere.yaml"), "{}", missing.stderr);
    Ok(())
}

#[tokio::test]
async fn an_export_keeps_declared_entries_and_doubtful_bridges() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let sandbox = &fleet.sandbox;
    for name in ["kept", "expired", "removed", "twice", "twice", "stranger"] {
        sandbox.add_one(name, "connected").await?;
    }
    let removed = fleet.sandbox.bridges().await?.len() - 3;
    fleet.sql("UPDATE tenants SET status = 'cancelled' WHERE id = 'cust_03'; UPDATE tenants SET bridge_status = NULL WHERE id = 'cust_04'")?;
    fleet.fleet_yaml(&format!(
        "{}bridges:
  keep: [{{ customer_ref: kept, reason: demo }}, {{ customer_ref: expired, reason: demo, until: 2020-01-01 }}]
  remove: [{{ customer_ref: removed, bridge_id: {removed}, reason: left }}]\n",
        world::YAML
    ))?;
    let yaml = said(&fleet, &["export"], 0)?.stdout;
    for (words, n) in [
        ("adopted by wab export", 2),
        ("\"kept\"", 1),
        ("\"expired\"", 2),
        ("\"removed\"", 2),
        ("\"twice\"", 2),
        ("\"cust_03\"", 1),
    ] {
        assert_eq!(yaml.matches(words).count(), n, "{words}: {yaml}");
    }
    fleet.write("adopted.yaml", &yaml)?;
    said(&fleet, &["plan", "-f", "adopted.yaml"], 5)?;
    fleet.write("adopted.yaml", &yaml.replace("max_deletes: 0", "max_deletes: 1"))?;
    let plan = planned(&fleet, "adopted.yaml")?;
    let kinds = |of: &Value| -> Vec<String> {
        of.as_array()
            .into_iter()
            .flatten()
            .map(|item| item["kind"].as_str().unwrap_or("?").to_owned())
            .collect()
    };
    assert_eq!(kinds(&plan["steps"]), ["set_status", "delete"], "{plan:#}");
    assert_eq!(kinds(&plan["findings"]), ["churned", "duplicate", "orphaned"], "{plan:#}");
    psql(&fleet, &said(&fleet, &["export", "--sql"], 0)?.stdout)?;
    assert_eq!(kinds(&planned(&fleet, "adopted.yaml")?["steps"]), ["delete"]);
    Ok(())
}

#[tokio::test]
async fn an_export_of_an_incomplete_list_is_refused_or_marked() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    let list = |kind| json!({"method": "GET", "path": "/api/instances", "kind": kind});
    for (kind, code) in [("empty_list", 5), ("half_list", 5), ("cut_json", 1)] {
        fleet.sandbox.fault(list(kind)).await?;
        assert_eq!(said(&fleet, &["export"], code)?.stdout, "", "{kind}");
        fleet.sandbox.heal().await?;
    }
    fleet.sandbox.fault(list("malformed_row")).await?;
    for args in [&["export"][..], &["export", "--sql"]] {
        let said = said(&fleet, args, 1)?;
        assert!(
            said.stdout.contains("# INCOMPLETE: 1 ") || said.stdout.contains("-- INCOMPLETE: 1 "),
            "{}",
            said.stdout
        );
    }
    Ok(())
}

#[tokio::test]
async fn ten_thousand_bridges_are_exported() -> Result<()> {
    let fleet = Fleet::start(&["--list-status", "--speed", "60"])?;
    let bridges: Vec<_> =
        (0..10_000).map(|n| json!({"customer_ref": format!("c{n}"), "status": "connected"})).collect();
    fleet.sandbox.add(json!(bridges)).await?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         INSERT INTO tenants SELECT 'c' || n FROM generate_series(0, 4999) n",
    )?;
    let flags = ["--api-url", fleet.sandbox.url(), "--table", "tenants"];
    fleet.write("adopted.yaml", &said(&fleet, &[&["export"], &flags[..]].concat(), 0)?.stdout)?;
    psql(&fleet, &said(&fleet, &[&["export", "--sql"], &flags[..]].concat(), 0)?.stdout)?;
    let plan = planned(&fleet, "adopted.yaml")?;
    assert_eq!((&plan["steps"], &plan["findings"]), (&json!([]), &json!([])));
    assert_eq!(plan["declared"]["written"].as_array().map(Vec::len), Some(5000));
    Ok(())
}

#[tokio::test]
async fn drift_can_fail_on_or_ignore_kinds() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sandbox.add_one("nobody", "connected").await?;
    fleet.sql("UPDATE tenants SET bridge_id = NULL WHERE id = 'cust_02'")?;
    let kinds = |args: &[&str], code| -> Result<Vec<String>> {
        let said = said(&fleet, &[&["drift", "--json"], args].concat(), code)?;
        let drift: Value = serde_json::from_str(&said.stdout)?;
        let rows = drift["drift"].as_array().context("no drift")?;
        Ok(rows.iter().map(|row| row["kind"].as_str().unwrap_or("?").to_owned()).collect())
    };
    assert_eq!(kinds(&[], 2)?, ["unbound", "orphaned"]);
    assert_eq!(kinds(&["--fail-on", "orphaned"], 2)?, ["unbound", "orphaned"]);
    assert_eq!(kinds(&["--fail-on", "missing,duplicate"], 0)?, ["unbound", "orphaned"]);
    assert_eq!(kinds(&["--fail-on", "missing", "--fail-on", "unbound"], 2)?, ["unbound", "orphaned"]);
    assert_eq!(kinds(&["--ignore", "orphaned"], 2)?, ["unbound"]);
    assert_eq!(kinds(&["--ignore", "orphaned", "--fail-on", "missing"], 0)?, ["unbound"]);
    assert_eq!(kinds(&["--ignore", "orphaned,unbound"], 0)?, [""; 0]);
    let text = said(&fleet, &["drift", "--ignore", "orphaned,unbound"], 0)?;
    assert!(text.stderr.contains("ignored: 1 unbound, 1 orphaned"), "{}", text.stderr);
    let both = said(&fleet, &["drift", "--ignore", "orphaned", "--fail-on", "missing,orphaned"], 1)?;
    assert!(both.stderr.contains("--fail-on and --ignore name orphaned"), "{}", both.stderr);
    let wrong = said(&fleet, &["drift", "--ignore", "orphand"], 1)?;
    assert!(wrong.stderr.contains("status_drift"), "the message must list the kinds: {}", wrong.stderr);
    Ok(())
}

#[tokio::test]
async fn a_tenant_is_paired_and_logged_out() -> Result<()> {
    let fleet = Fleet::start(&["--speed", "60"])?;
    fleet.fleet_yaml("")?;
    fleet.sandbox.add_one("a b/ü", "qr").await?;
    // These commands need no database.
    let wab = |args: &[&str], code| -> Result<Said> {
        let said = process::run(
            fleet.wab_command(args)?.env("DATABASE_URL", "postgres:///nowhere?host=/nonexistent"),
        )?;
        assert_eq!(said.code, code, "wab {args:?}: {}{}", said.stdout, said.stderr);
        Ok(said)
    };
    let drawn = wab(&["qr", "a b/ü"], 0)?;
    assert!(drawn.stdout.contains('▄') && drawn.stderr.contains("Linked devices"), "{}", drawn.stdout);
    assert_ne!(drawn.stdout, wab(&["qr", "a b/ü", "--light"], 0)?.stdout);
    wab(&["qr", "a b/ü", "--out", "code.png"], 0)?;
    let picture = fleet.write("beside", "")?.with_file_name("code.png");
    assert!(std::fs::read(&picture)?.starts_with(b"\x89PNG"));
    assert_eq!(std::fs::metadata(&picture)?.permissions().mode() & 0o777, 0o600);
    let kept = wab(&["qr", "a b/ü", "--out", "code.png"], 1)?;
    assert!(kept.stderr.contains("--force"), "{}", kept.stderr);
    wab(&["qr", "a b/ü", "--out", "code.png", "--force"], 0)?;

    let code = wab(&["pair", "a b/ü", "--phone", "+1 555 000-1234", "--json"], 0)?;
    let code: Value = serde_json::from_str(&code.stdout)?;
    assert_eq!((&code["tenant"], &code["phone"]), (&json!("a b/ü"), &json!("15550001234")));
    let said = wab(&["pair", "a b/ü", "--phone", "15550001234"], 0)?;
    assert_eq!(said.stdout.trim(), code["code"].as_str().context("no code")?);
    assert!(said.stderr.contains("+15550001234"), "{}", said.stderr);

    let id = fleet.sandbox.bridges().await?[0]["id"].as_i64().context("no id")?;
    fleet.sandbox.change(id, json!({"status": "connected"})).await?;
    for args in [&["qr", "a b/ü"][..], &["pair", "a b/ü", "--phone", "15550001234"]] {
        let paired = wab(args, 1)?;
        assert!(paired.stderr.contains("paired already") && paired.stdout.is_empty(), "{}", paired.stderr);
    }
    let asked = wab(&["logout", "a b/ü"], 1)?;
    assert!(asked.stderr.contains("--auto-approve"), "{}", asked.stderr);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0);
    wab(&["logout", "a b/ü", "-y"], 0)?;
    assert_ne!(fleet.sandbox.bridges().await?[0]["status"], "connected");
    Ok(())
}

#[tokio::test]
async fn errors_while_pairing_are_reported() -> Result<()> {
    let fleet = Fleet::start(&["--speed", "60"])?;
    fleet.fleet_yaml("")?;
    fleet.sandbox.add_one("a", "connected").await?;
    for args in [&["qr", "b"][..], &["pair", "b", "--phone", "15550001234"], &["logout", "b", "-y"]] {
        let none = said(&fleet, args, 1)?;
        assert!(none.stderr.contains("no bridge with the customer_ref \"b\""), "{}", none.stderr);
        assert!(none.stderr.contains("wab apply provisions"), "{}", none.stderr);
        let refused = process::run(fleet.wab_command(args)?.env("WA_API_KEY", "sk_wrong"))?;
        assert_eq!(refused.code, 3, "{args:?}: {}", refused.stderr);
    }
    fleet.sandbox.clear_ledger().await?;
    fleet.sandbox.fault(json!({"method": "DELETE", "kind": "lost_reply"})).await?;
    let lost = said(&fleet, &["logout", "a", "-y"], 1)?;
    assert!(lost.stderr.contains("not known whether"), "{}", lost.stderr);
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 1, "the DELETE must be sent once");
    Ok(())
}

#[tokio::test]
async fn completions_and_manual_need_nothing_and_are_well_formed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let wab = |args: &[&str]| -> Result<String> {
        process::must(Command::new(process::built("wab")?).args(args).current_dir(dir.path()).env_clear())
    };
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = wab(&["completion", shell])?;
        assert!(script.contains("fail-on") && script.contains("logout"), "{shell}: {script}");
        if shell == "bash" {
            std::fs::write(dir.path().join("wab.bash"), script)?;
            process::must(Command::new("bash").arg("-n").arg(dir.path().join("wab.bash")))?;
        }
    }
    wab(&["man", "--out", "share/man1"])?;
    assert_eq!(wab(&["man"])?.trim(), std::fs::read_to_string(dir.path().join("share/man1/wab.1"))?.trim());
    let help = wab(&["--help"])?;
    for page in std::fs::read_dir(dir.path().join("share/man1"))? {
        let page = page?.path();
        // If groff is installed, it must print no warning.
        if let Ok(said) = process::run(Command::new("groff").args(["-man", "-ww", "-z"]).arg(&page)) {
            assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{}", page.display());
        }
        let name = page.file_stem().context("no name")?.to_string_lossy().into_owned();
        assert!(name == "wab" || help.contains(name.trim_start_matches("wab-")), "{name}");
    }
    assert!(dir.path().join("share/man1/wab-apply.1").exists());
    Ok(())
}
