//! Tests that PostgreSQL notices within a minute that the machine of a run is gone, and frees the lock. Needs root.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet};
use e2e::sandbox::{KEY, Sandbox};
use e2e::{process, wait};

use crate::world;

/// A network namespace with a cable to ours.
struct Machine {
    /// A process that keeps the namespace.
    keeper: Child,
    cable: String,
    /// Our end of the cable, and its end.
    addresses: [String; 2],
}

impl Machine {
    /// `None` if this user may not make one.
    fn new() -> Result<Option<Self>> {
        if process::run(Command::new("unshare").args(["-n", "true"]))?.code != 0 {
            return Ok(None);
        }
        let keeper = Command::new("unshare").args(["-n", "sleep", "120"]).stdin(Stdio::null()).spawn()?;
        let pid = keeper.id().to_string();
        let (ours, theirs) = (format!("wab{pid}"), format!("wac{pid}"));
        // Another run of the tests on this host needs another network.
        let [.., high, low] = keeper.id().to_be_bytes();
        let addresses = [1, 2].map(|end| format!("10.213.{low}.{}", u32::from(high % 64) * 4 + end));
        let [here, there] = addresses.each_ref().map(|address| format!("{address}/30"));
        let machine = Self { keeper, cable: ours.clone(), addresses };
        ip(&["link", "add", &ours, "type", "veth", "peer", "name", &theirs])?;
        // The namespace exists once the keeper runs sleep.
        while process::run(Command::new("ip").args(["link", "set", &theirs, "netns", &pid]))?.code != 0
            || process::run(Command::new("ip").args(["link", "show", &theirs]))?.code == 0
        {
            std::thread::yield_now();
        }
        ip(&["addr", "add", &here, "dev", &ours])?;
        ip(&["link", "set", &ours, "up"])?;
        for args in [
            &["addr", "add", &there, "dev", &theirs][..],
            &["link", "set", &theirs, "up"],
            &["link", "set", "lo", "up"],
        ] {
            process::must(machine.inside("ip").args(args))?;
        }
        Ok(Some(machine))
    }

    /// A program that runs on the machine.
    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.keeper.id().to_string(), program]);
        command
    }

    fn cut(&self) -> Result<()> {
        ip(&["link", "set", &self.cable, "down"])
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = ip(&["link", "del", &self.cable]);
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

fn ip(args: &[&str]) -> Result<()> {
    process::must(Command::new("ip").args(args)).map(drop)
}

#[tokio::test]
async fn a_run_whose_network_is_cut_frees_the_lock_within_a_minute() -> Result<()> {
    let Some(machine) = Machine::new()? else {
        println!("skipped: this user may not make a network namespace");
        return Ok(());
    };
    let port =
        std::net::TcpListener::bind(format!("{}:0", machine.addresses[0]))?.local_addr()?.port().to_string();
    let fleet = Fleet::with(
        Sandbox::start(&["--list-status", "--speed", "60"])?,
        &[("listen_addresses", &machine.addresses[0]), ("port", &port)],
    )?;
    world::fill(&fleet).await?;
    let hba = fleet.cluster.write_secret(
        "hba",
        &format!("local all all trust\nhost all all {}/32 trust\n", machine.addresses[1]),
    )?;
    fleet.cluster.configure(&[("hba_file", &hba.display().to_string())])?;
    fleet.cluster.restart()?;
    // The provider on that machine accepts connections and does not answer.
    let sandbox = process::built("sandbox")?.display().to_string();
    let mut provider = machine
        .inside(&sandbox)
        .args(["--listen", "127.0.0.1:0", "--key", KEY])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(provider.stdout.take().context("no stdout")?).read_line(&mut line)?;
    let api_url = line.trim().rsplit(' ').next().unwrap_or_default();
    process::must(Command::new("kill").args(["-STOP", &provider.id().to_string()]))?;
    let account = format!("account: {{ api_url: '{api_url}', request_timeout: 5m }}");
    fleet.write("fleet.yaml", &format!("version: 1\n{account}\n{}", world::YAML))?;

    let wab = fleet.wab_command(&["apply", "-y"])?;
    let mut command = machine.inside(&wab.get_program().to_string_lossy());
    command.args(wab.get_args()).current_dir(wab.get_current_dir().context("no folder")?);
    command
        .env("WA_API_KEY", KEY)
        .env("DATABASE_URL", format!("postgres://postgres@{}:{port}/{DATABASE}", machine.addresses[0]));
    let mut run = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    wait::until("the apply holds the lock", || async { Ok((fleet.sql(held)? == "1").then_some(())) }).await?;
    // The run notices it too, if it is the server that is gone.
    let server = format!(":{port}");
    let established = ["-tnoH", "state", "established", "dport", "=", &server];
    wait::until("both connections of the run are kept alive", || async {
        let connections = process::must(machine.inside("ss").args(established))?;
        let kept = connections.matches("timer:(keepalive,").count();
        Ok((kept == 2 && connections.lines().count() == 2).then_some(()))
    })
    .await?;
    machine.cut()?;
    let cut = Instant::now();
    let freed = wait::until_within(Duration::from_secs(60), "the lock is free", || async {
        Ok((fleet.sql(held)? == "0").then_some(()))
    })
    .await;
    println!("the lock was free after {:?}", cut.elapsed());
    for child in [&mut run, &mut provider] {
        child.kill()?;
        child.wait()?;
    }
    freed?;
    // By keepalives: the lease of the lock alone takes 45 s.
    assert!(cut.elapsed() < Duration::from_secs(42), "{:?}", cut.elapsed());
    Ok(())
}

#[tokio::test]
async fn an_evaluation_whose_runner_hangs_is_ended_by_postgresql_after_five_minutes() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    // Only an evaluation under that limit wants the tenants.
    fleet.fleet_yaml(
        "tenants: { table: tenants, wanted: \"current_setting('idle_in_transaction_session_timeout') = '5min'\" }\n",
    )?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('new')")?;
    let said = fleet.wab(&["plan"])?;
    assert!(
        said.stdout.starts_with("Plan: 1 to provision, 1 table to bind."),
        "{}{}",
        said.stdout,
        said.stderr
    );
    assert!(!said.stdout.contains("churned"), "{}", said.stdout);
    Ok(())
}
