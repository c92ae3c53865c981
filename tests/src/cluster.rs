//! Starts and stops a throwaway PostgreSQL cluster with its own directory and a Unix socket, but no TCP port.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use crate::log;
use crate::process::{self, Said};

/// A running cluster; dropping it stops the server and removes its files.
pub struct Cluster {
    dir: TempDir,
    bin: PathBuf,
    port: u16,
    /// Parts of the warnings that the test causes.
    expected: Mutex<Vec<&'static str>>,
}

/// Where Linux has a file system in memory.
const MEMORY: &str = "/dev/shm";

/// Held while one thread makes the template.
static TEMPLATE: Mutex<()> = Mutex::new(());

impl Cluster {
    /// Starts a cluster with these lines in its postgresql.conf.
    pub fn start(conf: &[(&str, &str)]) -> Result<Self> {
        let bin = PathBuf::from(process::must(Command::new(pg_config()).arg("--bindir"))?.trim());
        let dir = match conf.contains(&("fsync", "on")) {
            true => directory_on_disk()?,
            false => directory()?,
        };
        let port =
            conf.iter().find(|(name, _)| *name == "port").map_or(Ok(5432), |(_, port)| port.parse())?;
        let cluster = Self { dir, bin, port, expected: Mutex::default() };
        cluster.copy_template()?;
        let socket = cluster.socket_dir().display().to_string();
        let mut lines = vec![
            ("listen_addresses", ""),
            ("unix_socket_directories", socket.as_str()),
            ("fsync", "off"),
            ("max_connections", "150"),
            ("log_min_messages", "warning"),
            // The SQLSTATE, which crate::log reads.
            ("log_line_prefix", "%m [%p] %e "),
        ];
        lines.extend_from_slice(conf);
        cluster.configure(&lines)?;
        cluster.start_again()?;
        Ok(cluster)
    }

    /// Copies the template. initdb runs once and its result stays in the target directory, because a copy is faster.
    fn copy_template(&self) -> Result<()> {
        let version = process::must(Command::new(self.bin.join("initdb")).arg("--version"))?;
        let name: String = version.chars().filter(char::is_ascii_alphanumeric).collect();
        let template = process::target_dir()?.join(format!("cluster-{name}"));
        // Tests of one process wait here for each other. Tests of another process see the template only once it is complete.
        let one_at_a_time = TEMPLATE.lock().unwrap_or_else(PoisonError::into_inner);
        if !template.exists() {
            let dir = directory()?;
            let data = dir.path().join("data");
            initdb(&self.bin, &data, &[])?;
            let ours = template.with_extension(std::process::id().to_string());
            process::must(Command::new("cp").arg("-a").arg(&data).arg(&ours))?;
            // The rename fails if another process has made the template meanwhile.
            if std::fs::rename(&ours, &template).is_err() {
                std::fs::remove_dir_all(&ours)?;
            }
        }
        drop(one_at_a_time);
        process::must(Command::new("cp").arg("-a").arg(&template).arg(self.data()))?;
        Ok(())
    }

    /// Appends settings to postgresql.conf; they take effect after a reload or a restart.
    pub fn configure(&self, settings: &[(&str, &str)]) -> Result<()> {
        let file = self.data().join("postgresql.conf");
        let mut text = std::fs::read_to_string(&file)?;
        for (name, value) in settings {
            text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        std::fs::write(&file, text)?;
        Ok(())
    }

    /// Makes the server read its configuration again.
    pub fn reload(&self) -> Result<()> {
        self.pg_ctl(&["reload"])
    }

    /// Stops the server and starts it again.
    pub fn restart(&self) -> Result<()> {
        self.pg_ctl(&["-w", "-m", "fast", "-l", &self.path("log"), "restart"])
    }

    /// Ends the server as a crash does: without a checkpoint and without closing its clients' sessions.
    pub fn crash(&self) -> Result<()> {
        self.pg_ctl(&["-w", "-m", "immediate", "stop"])
    }

    /// Kills the server's main process, as the kernel does when memory runs out; returns once no process of it answers, and its id is
    /// free: a server does not start while the process that postmaster.pid names exists, even as a zombie.
    pub fn kill(&self) -> Result<()> {
        let postmaster = self.postmaster()?.to_string();
        process::must(Command::new("kill").args(["-KILL", &postmaster]))?;
        let entry = Path::new("/proc").join(&postmaster);
        let start = std::time::Instant::now();
        while self.psql("postgres", "SELECT 1")?.code == 0 || entry.exists() {
            anyhow::ensure!(start.elapsed().as_secs() < 60, "process {postmaster} does not end");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(())
    }

    /// Starts a stopped or crashed server; returns once it has recovered and accepts connections.
    pub fn start_again(&self) -> Result<()> {
        self.pg_ctl(&["-w", "-l", &self.path("log"), "start"])
    }

    /// A hot standby that follows this running cluster, with a directory and a socket of its own.
    pub fn standby(&self) -> Result<Self> {
        let standby =
            Self { dir: directory()?, bin: self.bin.clone(), port: self.port, expected: Mutex::default() };
        process::must(
            process::as_server_user(self.bin.join("pg_basebackup"))?
                .args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-U", "postgres"])
                .args(["-p", &self.port.to_string(), "-h"])
                .arg(self.socket_dir())
                .arg("-D")
                .arg(standby.data()),
        )?;
        standby.configure(&[("unix_socket_directories", &standby.socket_dir().display().to_string())])?;
        standby.start_again()?;
        Ok(standby)
    }

    /// Promotes a standby to a primary; returns once it accepts writes.
    pub fn promote(&self) -> Result<()> {
        self.pg_ctl(&["-w", "promote"])
    }

    /// The same cluster under the PostgreSQL of this pg_config, as pg_upgrade makes it; this one stays, and is stopped.
    pub fn pg_upgrade(&self, pg_config: &str) -> Result<Self> {
        let bin = PathBuf::from(process::must(Command::new(pg_config).arg("--bindir"))?.trim());
        let new = Self { dir: directory()?, bin, port: self.port, expected: Mutex::default() };
        // pg_upgrade refuses to change this. Versions before 18 have no checksums by default, and no option to say so.
        let help = process::must(Command::new(new.bin.join("initdb")).arg("--help"))?;
        let no_checksums = "--no-data-checksums";
        let like_the_old = if help.contains(no_checksums) { vec![no_checksums] } else { vec![] };
        initdb(&new.bin, &new.data(), &like_the_old)?;
        let conf = |data: PathBuf| data.join("postgresql.conf");
        std::fs::copy(conf(self.data()), conf(new.data()))?;
        new.configure(&[("unix_socket_directories", &new.socket_dir().display().to_string())])?;
        self.pg_ctl(&["-w", "-m", "fast", "stop"])?;
        process::must(
            process::as_server_user(new.bin.join("pg_upgrade"))?
                .current_dir(new.socket_dir())
                .args(["-U", "postgres", "-b"])
                .arg(&self.bin)
                .arg("-B")
                .arg(&new.bin)
                .arg("-d")
                .arg(self.data())
                .arg("-D")
                .arg(new.data())
                .arg("-s")
                .arg(new.socket_dir()),
        )?;
        new.start_again()?;
        Ok(new)
    }

    /// Restarts the server with another clock, such as `+0 x1000`: a thousand times as fast as the real one; or `-1h`: an
    /// hour back.
    pub fn restart_with_clock(&self, clock: &str) -> Result<()> {
        self.pg_ctl(&["-w", "-m", "fast", "stop"])?;
        self.start_with_faketime(&[format!("FAKETIME={clock}")])
    }

    /// Starts a stopped server whose clock shows the time in this file, such as `2026-01-31 10:20:30` (UTC), and stands still
    /// until the file changes. Waits and timeouts of the programs it starts still last as long as they should.
    pub fn start_with_clock_file(&self, file: &Path) -> Result<()> {
        self.start_with_faketime(&[
            format!("FAKETIME_TIMESTAMP_FILE={}", file.display()),
            "FAKETIME_NO_CACHE=1".to_owned(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            "TZ=UTC".to_owned(),
        ])
    }

    fn start_with_faketime(&self, variables: &[String]) -> Result<()> {
        let library =
            process::must(Command::new("sh").args(["-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1"]))
                .context("make tools installs faketime")?;
        let mut command = process::as_server_user("env")?;
        command
            .arg(format!("LD_PRELOAD={}", library.trim()))
            .args(variables)
            .arg(self.bin.join("pg_ctl"))
            // pg_ctl has the fast clock too: it waits for so many of its seconds.
            .args(["-t", "864000", "-s", "-w", "-l", &self.path("log"), "start", "-D"])
            .arg(self.data());
        self.run_pg_ctl(command)
    }

    /// Starts a stopped server in a mount namespace where `file` replaces `in_place_of`. Needs root.
    pub fn start_with_file(&self, file: &Path, in_place_of: &Path) -> Result<()> {
        let pg_ctl = process::as_server_user(self.bin.join("pg_ctl"))?;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"", "sh"])
            .arg(file)
            .arg(in_place_of)
            .arg(pg_ctl.get_program())
            .args(pg_ctl.get_args())
            .args(["-s", "-w", "-l", &self.path("log"), "start", "-D"])
            .arg(self.data());
        self.run_pg_ctl(command)
    }

    /// The process id of the postmaster.
    pub fn postmaster(&self) -> Result<i32> {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid"))?;
        Ok(file.lines().next().context("postmaster.pid is empty")?.trim().parse()?)
    }

    /// Stops every process of the server until the returned value is dropped: they keep their connections, and answer nothing.
    pub fn freeze(&self) -> Result<Frozen> {
        let frozen = Frozen { postmaster: self.postmaster()?.to_string() };
        frozen.signal("-STOP")?;
        Ok(frozen)
    }

    /// Writes a file that only the server's user can read, as a file with an API key must be.
    pub fn write_secret(&self, name: &str, content: &str) -> Result<PathBuf> {
        let file = self.dir.path().join(name);
        std::fs::write(&file, content)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        give_to_server_user(&file)?;
        Ok(file)
    }

    /// The folder of the server's socket; also its `host` in a connection string.
    pub fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The number in the name of the server's socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection string for this database.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres:///{database}?host={}&port={}&user=postgres",
            self.socket_dir().display(),
            self.port
        )
    }

    /// Connects as the superuser.
    pub async fn connect(&self, database: &str) -> Result<PgConnection> {
        let options = PgConnectOptions::new()
            .host(&self.socket_dir().display().to_string())
            .port(self.port)
            .username("postgres")
            .database(database)
            .statement_cache_capacity(0)
            .disable_statement_logging();
        Ok(PgConnection::connect_with(&options).await?)
    }

    /// A client program of PostgreSQL (psql, pg_dump …) that connects to this database.
    pub fn program(&self, name: &str, database: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command
            .env("PGHOST", self.socket_dir())
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres")
            .env("PGDATABASE", database)
            .env("PGOPTIONS", "");
        command
    }

    /// Runs a psql script and returns its output; an error does not stop the script.
    pub fn psql(&self, database: &str, script: &str) -> Result<Said> {
        process::run(self.program("psql", database).args(["-X", "-q", "-A", "-t", "-c", script]))
    }

    /// Runs SQL that must succeed; returns rows as lines, columns separated by `|`.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = self.program("psql", database);
        let said = process::run(psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]))?;
        anyhow::ensure!(said.code == 0, "{sql}\n{}{}", said.stdout, said.stderr);
        Ok(said.stdout.trim_end().to_owned())
    }

    /// Runs SQL that must fail; returns its SQLSTATE and the whole message.
    pub fn sql_error(&self, database: &str, sql: &str) -> Result<(String, String)> {
        let mut psql = self.program("psql", database);
        let said = process::run(psql.args(["-X", "-q", "-A", "-t", "-v", "VERBOSITY=verbose", "-c", sql]))?;
        let start = said.stderr.find("ERROR:").or_else(|| said.stderr.find("FATAL:"));
        let Some(start) = start else { anyhow::bail!("no error from {sql}: {}{}", said.stdout, said.stderr) };
        let state = said.stderr[start + 6..].trim_start().get(..5).unwrap_or_default().to_owned();
        Ok((state, said.stderr))
    }

    /// The server's log so far.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.path("log"))?)
    }

    /// Says that this test causes warnings with these words. Any other warning in the server's log fails it.
    pub fn expect_in_log(&self, words: &[&'static str]) {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).extend(words);
    }

    /// Stops the server. Dropping the cluster does so too.
    pub fn stop(&self) -> Result<()> {
        self.pg_ctl(&["-m", "immediate", "stop"])
    }

    /// Lets the server run after this process ends; returns the command that stops it and removes its files.
    pub fn leave_running(self) -> String {
        let prefix = if process::is_root().unwrap_or(false) { "runuser -u postgres -- " } else { "" };
        let stop = format!(
            "{prefix}{} -s -D {} -m fast stop\nrm -rf {}",
            self.bin.join("pg_ctl").display(),
            self.data().display(),
            self.dir.path().display()
        );
        std::mem::forget(self);
        stop
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn pg_ctl(&self, args: &[&str]) -> Result<()> {
        let mut command = process::as_server_user(self.bin.join("pg_ctl"))?;
        command.arg("-s").arg("-D").arg(self.data()).args(args);
        self.run_pg_ctl(command)
    }

    fn run_pg_ctl(&self, mut command: Command) -> Result<()> {
        // Many developers set RUST_BACKTRACE; error messages must be the same with it.
        command.env("RUST_BACKTRACE", "1");
        // The server inherits these streams and keeps them open, so the reader of a pipe would wait for ever.
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
        anyhow::ensure!(status.success(), "{command:?} failed; {}", self.log().unwrap_or_default());
        Ok(())
    }
}

/// A server that stands still.
pub struct Frozen {
    postmaster: String,
}

impl Frozen {
    /// The main process first, so that it starts no other one meanwhile.
    fn signal(&self, signal: &str) -> Result<()> {
        process::must(Command::new("kill").args([signal, &self.postmaster]))?;
        process::must(Command::new("pkill").args([signal, "--parent", &self.postmaster])).map(drop)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = self.signal("-CONT");
    }
}

impl Drop for Cluster {
    /// Fails the test if the log has a line that no test expects.
    fn drop(&mut self) {
        let _ = self.stop();
        if !std::thread::panicking() {
            let text = self.log().unwrap_or_default();
            let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
            let lines = log::unexpected(&text, &expected);
            assert!(lines.is_empty(), "the server's log has unexpected lines:\n{}", lines.join("\n"));
        }
    }
}

fn initdb(bin: &Path, data: &Path, more: &[&str]) -> Result<()> {
    let mut initdb = process::as_server_user(bin.join("initdb"))?;
    initdb
        .args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--wal-segsize=1",
        ])
        .args(more)
        .arg("-D")
        .arg(data);
    process::must(&mut initdb).map(drop)
}

fn pg_config() -> String {
    std::env::var("PG_CONFIG").unwrap_or_else(|_| "pg_config".to_owned())
}

/// A new folder that belongs to the server's user. A cluster has a thousand files, so it is made in memory if there is room.
pub(crate) fn directory() -> Result<TempDir> {
    if !has_room(MEMORY)? {
        return directory_on_disk();
    }
    let dir = tempfile::Builder::new().prefix("wab").tempdir_in(MEMORY)?;
    give_to_server_user(dir.path())?;
    Ok(dir)
}

/// The same where temporary files are, which is on a disk on most machines: for a server that waits for its disk.
fn directory_on_disk() -> Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("wab").tempdir()?;
    give_to_server_user(dir.path())?;
    Ok(dir)
}

/// Whether the file system has 4 GB left.
fn has_room(folder: &str) -> Result<bool> {
    let said = process::run(Command::new("df").args(["--output=avail", "-k", folder]))?;
    let available = said.stdout.lines().nth(1).and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok());
    Ok(available.is_some_and(|kilobytes| kilobytes > 4 << 20))
}

/// Makes the server's user the owner.
pub(crate) fn give_to_server_user(path: &Path) -> Result<()> {
    if process::is_root()? {
        process::must(Command::new("chown").arg("postgres").arg(path))?;
    }
    Ok(())
}
