//! Starts PgBouncer between `wab` and a cluster.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::cluster::{Cluster, directory, give_to_server_user};
use crate::process::{self, Said};

/// A program, and the setting that only it has.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    setting: &'static str,
}

impl Program {
    /// The program that the server's user can run: a copy of ours, because that user may not enter the target directory.
    fn in_folder(&self, folder: &Path) -> Result<PathBuf> {
        if !self.path.is_absolute() {
            return Ok(self.path.clone());
        }
        let copy = folder.join("pgbouncer");
        std::fs::copy(&self.path, &copy)?;
        give_to_server_user(&copy)?;
        Ok(copy)
    }

    /// Debian 12's PgBouncer.
    pub fn debian() -> Self {
        Self { path: "pgbouncer".into(), setting: "" }
    }

    /// Debian 12's PgBouncer and, if `make test-tools` could build it, the newer one that keeps prepared statements apart.
    pub fn all() -> Result<Vec<Self>> {
        let path = process::target_dir()?.join("pgbouncer/pgbouncer");
        let newer = path.exists().then_some(Self { path, setting: "max_prepared_statements = 100\n" });
        Ok(std::iter::once(Self::debian()).chain(newer).collect())
    }
}

/// A running PgBouncer; dropping it stops it and removes its files.
pub struct Pooler {
    dir: TempDir,
    child: Child,
}

impl Pooler {
    /// Starts Debian's PgBouncer with this `pool_mode` and this many server connections for each database.
    pub fn start(cluster: &Cluster, pool_mode: &str, pool_size: u32) -> Result<Self> {
        Self::run(&Program::debian(), cluster, pool_mode, pool_size)
    }

    /// As `start`, with this program.
    pub fn run(program: &Program, cluster: &Cluster, pool_mode: &str, pool_size: u32) -> Result<Self> {
        let dir = directory()?;
        let (path, server) = (dir.path().display(), cluster.socket_dir().display());
        let ini = dir.path().join("pgbouncer.ini");
        std::fs::write(
            &ini,
            format!(
                "[databases]\n* = host={server} port={} user=postgres\n\
                 [pgbouncer]\nlisten_addr =\nunix_socket_dir = {path}\nlisten_port = 6432\nauth_type = any\n\
                 pool_mode = {pool_mode}\ndefault_pool_size = {pool_size}\nserver_login_retry = 1\nlogfile = {path}/log\npidfile = {path}/pid\n{}",
                cluster.port(),
                program.setting
            ),
        )?;
        give_to_server_user(&ini)?;
        let mut command = process::as_server_user(program.in_folder(dir.path())?)?;
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

    /// Leads new server connections to another cluster, as when the name of its server moves.
    pub fn move_to(&self, cluster: &Cluster) -> Result<()> {
        let ini = self.dir.path().join("pgbouncer.ini");
        let text = std::fs::read_to_string(&ini)?;
        let server =
            format!("* = host={} port={} user=postgres", cluster.socket_dir().display(), cluster.port());
        let lines = text.lines().map(|line| if line.starts_with("* = ") { &server } else { line });
        std::fs::write(&ini, lines.collect::<Vec<_>>().join("\n"))?;
        let pid = std::fs::read_to_string(self.dir.path().join("pid"))?;
        process::must(Command::new("kill").args(["-HUP", pid.trim()])).map(drop)
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
