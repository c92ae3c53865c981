//! Tests that a signal ends every verb at once, also as process 1 of a container.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::fleet::DATABASE;
use e2e::process;
use e2e::wait;
use serde_json::json;
use tokio::net::TcpListener;

use crate::world;

/// The longest time that a signal may need.
const SOON: Duration = Duration::from_secs(1);

fn send(signal: &str, pid: &str) -> Result<()> {
    process::must(Command::new("kill").args([signal, pid])).map(drop)
}

#[tokio::test]
async fn as_process_1_every_verb_ends_within_a_second() -> Result<()> {
    if process::run(Command::new("unshare").args(["-pf", "true"]))?.code != 0 {
        println!("skipped: this user may not make a PID namespace");
        return Ok(());
    }
    // It accepts connections and never answers: the provider and the database at once.
    let deaf = TcpListener::bind("127.0.0.1:0").await?;
    let address = deaf.local_addr()?;
    let folder = tempfile::tempdir()?;
    fs::write(
        folder.path().join("fleet.yaml"),
        format!("version: 1\naccount: {{ api_url: 'http://{address}' }}\n"),
    )?;
    for args in [
        &["plan"][..],
        &["drift"],
        &["status"],
        &["export"],
        &["doctor"],
        &["apply", "-y"],
        &["pair", "cust_01", "--phone", "+15550001111"],
        &["qr", "cust_01"],
        &["logout", "cust_01", "-y"],
        &["init", "--sql-only"],
    ] {
        let mut command = Command::new("unshare");
        command
            .args(["-pf", "--kill-child"])
            .arg(process::built("wab")?)
            .args(args)
            .current_dir(folder.path());
        command
            .env("WA_API_KEY", "sk_test_1")
            .env("DATABASE_URL", format!("postgres://u@{address}/d?connect_timeout=0"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut run = command.spawn()?;
        let connection = deaf.accept().await?;
        let children = format!("/proc/{0}/task/{0}/children", run.id());
        let wab = fs::read_to_string(children)?.split_whitespace().next().context("no child")?.to_owned();
        let sent = Instant::now();
        send("-TERM", &wab)?;
        let status = run.wait()?;
        let took = sent.elapsed();
        let mut stderr = String::new();
        run.stderr.take().context("no stderr")?.read_to_string(&mut stderr)?;
        assert_eq!(status.code(), Some(8), "{args:?}: {stderr}");
        assert!(took < SOON, "{args:?} took {took:?}");
        assert!(stderr.contains("stopped by SIGTERM"), "{args:?}: {stderr}");
        drop(connection);
    }
    Ok(())
}

#[tokio::test]
async fn a_hangup_ends_an_apply_with_a_report_unless_it_is_ignored() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 3) n")?;
    let slow = json!({"method": "POST", "path": "/api/instances", "kind": "delay", "ms": 1000, "times": 1});
    for (program, code, made) in [(None, 8, 1), (Some("nohup"), 0, 3)] {
        fleet.sandbox.fault(slow.clone()).await?;
        fleet.sandbox.clear_ledger().await?;
        let wab = fleet.wab_command(&["apply", "-y"])?;
        let mut command = match program {
            Some(program) => {
                let mut command = Command::new(program);
                command.arg(wab.get_program()).args(wab.get_args());
                command.current_dir(wab.get_current_dir().context("no folder")?);
                command.envs(wab.get_envs().filter_map(|(name, value)| Some((name, value?))));
                command
            }
            None => wab,
        };
        command.env("DATABASE_URL", fleet.cluster.url(DATABASE));
        let run = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        wait::until("the apply calls the provider", || async {
            Ok((fleet.sandbox.calls("POST").await? > 0).then_some(()))
        })
        .await?;
        send("-HUP", &run.id().to_string())?;
        let output = run.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{program:?}: {said}");
        assert!(said.contains(&format!("{made} of 3 steps done")) || code == 0, "{program:?}: {said}");
        let ended = "SELECT count(*) FROM wab_runs WHERE finished_at IS NULL";
        assert_eq!(fleet.sql(ended)?, "0", "{program:?}: the run's end is recorded");
        assert_eq!(
            fleet.sql(
                "SELECT count(*) FROM tenants WHERE id LIKE 'new%' AND status = 'active' AND bridge_id > 0"
            )?,
            made.to_string()
        );
        fleet.sandbox.heal().await?;
        if code == 8 {
            fleet.sql("UPDATE tenants SET status = 'done' WHERE id LIKE 'new%' AND bridge_id > 0; INSERT INTO tenants (id) VALUES ('new_4')")?;
        }
    }
    Ok(())
}
