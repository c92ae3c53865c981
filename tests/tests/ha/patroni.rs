//! Starts etcd and Patroni with its servers, all on this machine.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{process, wait};
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

/// The name of the cluster.
const SCOPE: &str = "wab";

/// The database of the test.
pub const DATABASE: &str = "app";

/// A cluster of Patroni; dropping it stops it and removes its files.
pub struct Patroni {
    dir: TempDir,
    etcd: Child,
    nodes: Vec<Node>,
}

struct Node {
    name: String,
    port: u16,
    /// Patroni itself, which starts PostgreSQL.
    patroni: Mutex<Child>,
}

impl Patroni {
    /// Starts etcd and this number of servers, with the extension in the database.
    pub async fn start(servers: usize) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        if process::is_root()? {
            process::must(Command::new("chown").arg("postgres").arg(dir.path()))?;
        }
        let (clients, peers) = (free_port()?, free_port()?);
        let etcd = etcd(dir.path(), clients, peers)?;
        let mut cluster = Self { dir, etcd, nodes: Vec::new() };
        for nth in 1..=servers {
            let (name, port) = (format!("node{nth}"), free_port()?);
            let config =
                config(cluster.dir.path(), &name, Ports { rest: free_port()?, port, etcd: clients })?;
            std::fs::write(cluster.config(&name), config)?;
            let patroni = Mutex::new(cluster.spawn(&name)?);
            cluster.nodes.push(Node { name, port, patroni });
        }
        let started = cluster.is_whole().await;
        started.with_context(|| cluster.logs())?;
        cluster.sql_in("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        cluster.sql("CREATE EXTENSION pg_wabridges; CREATE TABLE probe (at timestamptz); INSERT INTO probe VALUES (now())")?;
        Ok(cluster)
    }

    /// Waits until one server leads and all others follow it.
    pub async fn is_whole(&self) -> Result<()> {
        let followers = (self.nodes.len() - 1).to_string();
        let streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        wait::until_within(Duration::from_secs(120), "all servers follow the leader", || async {
            Ok(self.sql_in("postgres", streaming).is_ok_and(|count| count == followers).then_some(()))
        })
        .await
    }

    /// One connection string for all servers.
    pub fn url(&self, database: &str) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("postgres://postgres@{}/{database}?target_session_attrs=read-write", hosts.join(","))
    }

    /// How to connect to each server.
    pub fn servers(&self) -> Vec<PgConnectOptions> {
        let options = || PgConnectOptions::new().host("127.0.0.1").username("postgres").database(DATABASE);
        self.nodes.iter().map(|node| options().port(node.port).statement_cache_capacity(0)).collect()
    }

    /// Runs SQL on the leader, which must succeed; returns rows as lines, columns separated by `|`.
    pub fn sql(&self, sql: &str) -> Result<String> {
        self.sql_in(DATABASE, sql)
    }

    fn sql_in(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database), "-c", sql]);
        Ok(process::must(psql.env("PGCONNECT_TIMEOUT", "2"))?.trim_end().to_owned())
    }

    /// Lets another server lead. The old leader shuts down cleanly and follows it.
    pub fn switch_over(&self) -> Result<()> {
        let mut command = Command::new("patronictl");
        command.arg("-c").arg(self.config(&self.nodes[0].name)).args(["switchover", SCOPE, "--force"]);
        process::must(&mut command).map(drop)
    }

    /// Stops the processes of the leader that send to the others, so that what it commits from now on is lost with it.
    pub fn cut_off(&self) -> Result<Vec<String>> {
        let senders = self.sql_in("postgres", "SELECT pid FROM pg_stat_replication")?;
        let senders: Vec<_> = senders.lines().map(str::to_owned).collect();
        process::must(Command::new("kill").arg("-STOP").args(&senders))?;
        Ok(senders)
    }

    /// Kills Patroni, PostgreSQL and these processes of the leader; returns its number.
    pub fn kill_leader(&self, senders: &[String]) -> Result<usize> {
        let port = self.sql_in("postgres", "SHOW port")?;
        let leader = self.nodes.iter().position(|node| node.port.to_string() == port);
        let leader = leader.context("no leader")?;
        let node = &self.nodes[leader];
        // Patroni first: it would start PostgreSQL again.
        let mut patroni = node.patroni.lock().unwrap_or_else(PoisonError::into_inner);
        patroni.kill()?;
        patroni.wait()?;
        let pid = self.postmaster(node)?;
        process::must(Command::new("kill").args(["-KILL", &pid]).args(senders))?;
        Ok(leader)
    }

    /// Starts the Patroni of a killed server. It follows the new leader, without what that did not receive.
    pub fn revive(&self, killed: usize) -> Result<()> {
        let node = &self.nodes[killed];
        *node.patroni.lock().unwrap_or_else(PoisonError::into_inner) = self.spawn(&node.name)?;
        Ok(())
    }

    /// The ends of all logs.
    pub fn logs(&self) -> String {
        let names = self.nodes.iter().map(|node| node.name.as_str()).chain(["etcd"]);
        let end = |name: &str| {
            let log =
                std::fs::read_to_string(self.dir.path().join(format!("{name}.log"))).unwrap_or_default();
            let from = log.len().saturating_sub(2_000);
            format!("{name}: {}\n", log.get(from..).unwrap_or(&log))
        };
        names.map(end).collect()
    }

    fn config(&self, node: &str) -> PathBuf {
        self.dir.path().join(format!("{node}.yml"))
    }

    fn spawn(&self, node: &str) -> Result<Child> {
        let mut command = as_server_user("/usr/bin/patroni")?;
        command.arg(self.config(node)).env("HOME", self.dir.path());
        logged(command, &self.dir.path().join(format!("{node}.log"))).context("make test-ha installs Patroni")
    }

    fn postmaster(&self, node: &Node) -> Result<String> {
        let file = self.dir.path().join(&node.name).join("postmaster.pid");
        let text = std::fs::read_to_string(file)?;
        Ok(text.lines().next().context("postmaster.pid is empty")?.trim().to_owned())
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for node in &self.nodes {
            let mut patroni = node.patroni.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = patroni.kill();
            let _ = patroni.wait();
            if let Ok(pid) = self.postmaster(node) {
                let _ = process::run(Command::new("kill").args(["-QUIT", &pid]));
            }
        }
        let _ = self.etcd.kill();
        let _ = self.etcd.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A command that replaces itself by the program, as the user `postgres` if this process runs as root: a signal to it
/// reaches the program.
fn as_server_user(program: &str) -> Result<Command> {
    if !process::is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups", program]);
    Ok(command)
}

fn logged(mut command: Command, log: &Path) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("cannot run {command:?}"))
}

fn etcd(dir: &Path, clients: u16, peers: u16) -> Result<Child> {
    let (client, peer) = (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
    let mut command = as_server_user("/usr/bin/etcd")?;
    command
        .args(["--name", "etcd", "--unsafe-no-fsync", "--data-dir"])
        .arg(dir.join("etcd"))
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("etcd={peer}")]);
    let child = logged(command, &dir.join("etcd.log")).context("make test-ha installs etcd")?;
    ensure!(child.id() > 0);
    Ok(child)
}

struct Ports {
    rest: u16,
    port: u16,
    etcd: u16,
}

/// The times are the shortest that Patroni allows. Replication is asynchronous, as by default.
fn config(dir: &Path, name: &str, ports: Ports) -> Result<String> {
    let bin = std::env::var("PG_CONFIG").unwrap_or_else(|_| "pg_config".to_owned());
    let bin = process::must(Command::new(bin).arg("--bindir"))?;
    let (dir, bin, Ports { rest, port, etcd }) = (dir.display(), bin.trim(), ports);
    Ok(format!(
        "scope: {SCOPE}
name: {name}
restapi: {{ listen: '127.0.0.1:{rest}', connect_address: '127.0.0.1:{rest}' }}
etcd3: {{ host: '127.0.0.1:{etcd}' }}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    postgresql:
      use_pg_rewind: true
      parameters: {{ wal_log_hints: 'on', fsync: 'off', max_connections: 50, wal_keep_size: 256MB }}
  initdb: [ {{ encoding: UTF8 }}, {{ locale: C.UTF-8 }}, {{ auth: trust }} ]
  pg_hba: [ local all all trust, host all all 127.0.0.1/32 trust, host replication all 127.0.0.1/32 trust ]
postgresql:
  listen: '127.0.0.1:{port}'
  connect_address: '127.0.0.1:{port}'
  data_dir: {dir}/{name}
  bin_dir: {bin}
  pgpass: {dir}/{name}.pgpass
  authentication:
    superuser: {{ username: postgres, password: unused }}
    replication: {{ username: replicator, password: unused }}
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
  parameters: {{ unix_socket_directories: {dir} }}
"
    ))
}
