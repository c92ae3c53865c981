//! Starts HAProxy in front of two clusters: one address, whose server changes when the first one dies.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::process;

/// A running HAProxy; dropping it stops it and removes its files.
pub struct Balancer {
    dir: TempDir,
    child: Child,
}

impl Balancer {
    /// Starts HAProxy: connections lead to `first` as long as it can be reached, and then to `second`. It cuts those that
    /// lead to a server that went away.
    pub fn start(first: &Cluster, second: &Cluster) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let server = |cluster: &Cluster| socket(cluster.socket_dir(), cluster.port());
        let config = format!(
            "global\n  maxconn 50\ndefaults\n  mode tcp\n  timeout connect 2s\n  timeout client 5m\n  timeout server 5m\n\
             listen primary\n  bind {}\n  default-server check inter 100ms fall 2 rise 1 on-marked-down shutdown-sessions\n  \
             server first {}\n  server second {} backup\n",
            socket(dir.path(), 6432),
            server(first),
            server(second)
        );
        let file = dir.path().join("haproxy.cfg");
        std::fs::write(&file, config)?;
        let log = std::fs::File::create(dir.path().join("log"))?;
        let mut command = Command::new("/usr/sbin/haproxy");
        command.arg("-db").arg("-f").arg(&file).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot run haproxy: make test-tools installs it")?;
        let balancer = Self { dir, child };
        balancer.wait()?;
        Ok(balancer)
    }

    fn wait(&self) -> Result<()> {
        let start = Instant::now();
        let ask =
            || process::run(Command::new("psql").args(["-X", "-c", "SELECT 1", "-d", &self.url("postgres")]));
        while ask()?.code != 0 {
            anyhow::ensure!(start.elapsed() < Duration::from_secs(30), "{}", self.log());
            std::thread::yield_now();
        }
        Ok(())
    }

    /// The log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// A connection string for this database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&port=6432&user=postgres", self.dir.path().display())
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn socket(folder: &Path, port: u16) -> String {
    format!("unix@{}/.s.PGSQL.{port}", folder.display())
}
