//! Shows the main job in under a minute: a fleet with every kind of drift is queried in SQL, planned and repaired.
#![allow(clippy::print_stdout)]

use std::io::IsTerminal;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use e2e::demo_fleet;
use e2e::fleet::{DATABASE, Fleet};
use e2e::process;
use e2e::sandbox::KEY;
use e2e::served::Served;
use serde_json::json;

/// Set by Ctrl-C and checked after each step, so that the demo stops everything that it started before it ends.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The sandbox runs 60 times as fast as the provider.
const LIMITS: &str = "  limits: { provision: 10/1s, proxy: 120/1s, other: 120/1s }\n";

fn main() -> ExitCode {
    match demo() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<()> {
    let keep = std::env::args().any(|arg| arg == "--keep");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.spawn(async {
        let _ = tokio::signal::ctrl_c().await;
        INTERRUPTED.store(true, Ordering::Relaxed);
    });
    say("Starting a temporary PostgreSQL server and a sandbox that imitates the provider");
    let fleet = Fleet::start(&["--list-status", "--speed", "60"])?;
    say("Creating a table of 300 tenants, and their bridges at the provider");
    runtime.block_on(demo_fleet::create(&fleet))?;
    let yaml = fleet.fleet_yaml(&format!("{LIMITS}{}", demo_fleet::YAML))?;
    from_sql(&fleet)?;
    from_ci(&fleet)?;
    if keep {
        runtime.block_on(move_on(&fleet))?;
        leave_running(fleet, &yaml)?;
    } else {
        say("Done. The demo stops everything that it started; `make demo KEEP=1` leaves it running.");
    }
    Ok(())
}

/// Shows the work of a DBA, in SQL.
fn from_sql(fleet: &Fleet) -> Result<()> {
    psql(
        fleet,
        "Bind your tenants table: it stays the source of truth for the tenants you want to serve",
        demo_fleet::BIND,
    )?;
    psql(
        fleet,
        "Refresh: one call to the provider lists the whole fleet and stores it",
        "SELECT * FROM wab_refresh()",
    )?;
    psql(
        fleet,
        "Provision a bridge for one tenant with one statement (here with its own webhook_url)",
        "SELECT * FROM wab_provision('cust_0041', 'https://staging.example.com/hooks/cust_0041')",
    )?;
    psql(
        fleet,
        "Report unpaired numbers at once (by default after 15 minutes or 24 hours), as this fleet is seconds old",
        demo_fleet::NO_GRACE,
    )?;
    psql(
        fleet,
        "Count the drift: the differences between your tenants and the provider are a view",
        "SELECT kind, severity, count(*), sum(monthly_cost) AS monthly_cost\nFROM wab_drift GROUP BY 1, 2 ORDER BY 1",
    )?;
    psql(
        fleet,
        "Look at one row of each kind, with its reason",
        "SELECT DISTINCT ON (kind) kind, bridge_id, customer_ref, stored, observed, detail FROM wab_drift ORDER BY kind, customer_ref",
    )?;
    psql(
        fleet,
        "List the bridges that you still pay for, although no tenant needs them",
        "SELECT bridge_id, customer_ref, status, monthly_cost FROM wab_orphaned_bridges ORDER BY 1",
    )?;
    psql(
        fleet,
        "Summarize the fleet in one row, for example for a cron job to log",
        "\\x on\nSELECT * FROM wab_summary()",
    )
}

/// Shows the work of a CI job, with `wab`.
fn from_ci(fleet: &Fleet) -> Result<()> {
    wab(fleet, "Plan the repair: a dry run that changes nothing", &["plan"])?;
    wab(
        fleet,
        "Apply the plan: create and link bridges, write statuses, delete nothing",
        &["apply", "--auto-approve"],
    )?;
    wab(fleet, "Plan again: no step is left, only findings for you to decide on", &["plan"])
}

/// Changes the world after the apply, so that a fleet that is left running has drift again.
async fn move_on(fleet: &Fleet) -> Result<()> {
    say("New drift for you to try: five signups, two lost bridge_ids, five numbers that disconnected");
    fleet.sql(
        "INSERT INTO tenants (id, name) SELECT 'cust_' || n, 'Customer ' || n FROM generate_series(8841, 8845) n;
         UPDATE tenants SET bridge_id = NULL WHERE id IN ('cust_0003', 'cust_0004');",
    )?;
    for bridge in fleet.sandbox.bridges().await?.iter().take(5) {
        let id = bridge["id"].as_i64().context("a bridge without an id")?;
        fleet.sandbox.change(id, json!({"status": "disconnected"})).await?;
    }
    fleet.sql("SELECT * FROM wab_refresh()")?;
    Ok(())
}

fn leave_running(fleet: Fleet, yaml: &std::path::Path) -> Result<()> {
    let wab = process::built("wab")?;
    let (url, mine) = (fleet.cluster.url(DATABASE), fleet.cluster.url("mine"));
    let provider = fleet.sandbox.url().to_owned();
    let (socket, yaml) = (fleet.cluster.socket_dir().display().to_string(), yaml.display().to_string());
    let stop = process::target_dir()?.join("demo-stop.sh");
    let board = Served::open(&fleet)?;
    let pages = board.url().to_owned();
    std::fs::write(&stop, format!("kill {}\n{}", board.leave_running(), fleet.leave_running()?))?;
    say("The demo is still running. Look at it in a browser:");
    println!("  {pages}/");
    println!("Try it:");
    println!("  psql '{url}'");
    println!(
        "  export DATABASE_URL='{url}' WA_API_KEY={KEY} PATH={}:$PATH",
        wab.with_file_name("").display()
    );
    println!("  wab -f {yaml} plan");
    println!("The three main jobs, in psql:");
    println!("  SELECT * FROM wab_provision('cust_8842');");
    println!("  SELECT * FROM wab_reconcile();");
    println!("  SELECT * FROM wab_summary();");
    println!(
        "Your own first plan, in a database of your own. The provider has the demo's bridges: they are orphaned here."
    );
    println!("  psql '{url}' -c 'CREATE DATABASE mine'");
    println!("  export DATABASE_URL='{mine}'");
    println!("  psql \"$DATABASE_URL\" -c 'CREATE EXTENSION pg_wabridges' \\");
    println!("    -c \"CREATE TABLE tenants (id text PRIMARY KEY, status text)\" \\");
    println!("    -c \"INSERT INTO tenants VALUES ('bakery', 'active'), ('florist', 'active')\" \\");
    println!(
        "    -c \"SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''', add_columns => true)\""
    );
    println!("  echo 'version: 1' > fleet.yaml");
    println!("  echo 'account: {{ api_url: \"{provider}\" }}' >> fleet.yaml");
    println!("  echo \"tenants: {{ table: tenants, wanted: status = 'active' }}\" >> fleet.yaml");
    println!("  wab plan");
    println!("The provider's fleet, and every call that the provider received:");
    println!("  curl {provider}/_sandbox/summary");
    println!("  curl {provider}/_sandbox/ledger");
    println!("The server's socket, log and data are in {socket}. To stop everything: make demo-stop");
    Ok(())
}

fn say(text: &str) {
    match std::io::stdout().is_terminal() {
        true => println!("\n\x1b[1m── {text}\x1b[0m"),
        false => println!("\n── {text}"),
    }
}

fn psql(fleet: &Fleet, why: &str, sql: &str) -> Result<()> {
    say(why);
    println!("=> {sql}");
    let script = fleet.write("demo.sql", sql)?;
    let mut command = fleet.cluster.program("psql", DATABASE);
    show(command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-P", "footer=off", "-f"]).arg(script))
}

fn wab(fleet: &Fleet, why: &str, args: &[&str]) -> Result<()> {
    say(why);
    println!("$ wab {}", args.join(" "));
    show(&mut fleet.wab_command(args)?)
}

/// Runs a command with its output on the terminal; ends the demo if the command fails or Ctrl-C was pressed.
fn show(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(std::process::Stdio::null())
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    if INTERRUPTED.load(Ordering::Relaxed) {
        bail!("interrupted; the demo stops everything that it started");
    }
    anyhow::ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
