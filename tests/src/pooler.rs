//! Starts PgBouncer between `wab` and a cluster.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::cluster::{Cluster, directory, give_to_server_user};
use crate::process::{self, Said};

/// A running PgBouncer; dropping it stops it and removes its files.
pub struct Pooler {
    dir: TempDir,
    child: Child,
}

impl Pooler {
    /// Starts PgBouncer with this `pool_mode` and this many server connections for each database.
    pub fn start(cluster: &Cluster, pool_mode: &str, pool_size: u32) -> Result<Self> {
        let dir = directory()?;
        let (path, server) = (dir.path().display(), cluster.socket_dir().display());
        let ini = dir.path().join("pgbouncer.ini");
        std::fs::write(
            &ini,
            format!(
                "[databases]\n* = host={server} port={} user=postgres\n\
                 [pgbouncer]\nlisten_addr =\nunix_socket_dir = {path}\nlisten_port = 6432\nauth_type = any\n\
                 pool_mode = {pool_mode}\ndefault_pool_size = {pool_size}\nlogfile = {path}/log\npidfile = {path}/pid\n",
                cluster.port()
            ),
        )?;
        give_to_server_user(&ini)?;
        let mut command = process::as_server_user("pgbouncer")?;
        command.arg("--quiet").arg(&ini).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("cannot run pgbouncer: make test-tools installs it")?;
        let pooler = Self { dir, child };
        pooler.wait()?;
        Ok(pooler)
    }

    fn wait(&self) -> Result<()> {
        let start = Instant::now();
        while self.psql("postgres", "SELECT 1")?.code != 0 {
            anyhow::ensure!(start.elapsed() < Duration::from_secs(30), "{}", self.log());
            std::thread::yield_now();
        }
        Ok(())
    }

    /// The log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// A connection string for this database, through the pooler.
    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&port=6432&user=postgres", self.dir.path().display())
    }

    /// psql with this database, through the pooler.
    pub fn program(&self, database: &str) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database)]);
        psql
    }

    /// Runs a psql script through the pooler.
    pub fn psql(&self, database: &str, script: &str) -> Result<Said> {
        process::run(self.program(database).args(["-c", script]))
    }

    /// Runs SQL that must succeed through the pooler; returns rows as lines, columns separated by `|`.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let said = self.psql(database, sql)?;
        anyhow::ensure!(said.code == 0, "{sql}\n{}{}", said.stdout, said.stderr);
        Ok(said.stdout.trim_end().to_owned())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // If this process runs as root, the child is runuser, and PgBouncer would outlive it.
        if let Ok(pid) = std::fs::read_to_string(self.dir.path().join("pid")) {
            let _ = process::run(Command::new("kill").args(["-KILL", pid.trim()]));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
