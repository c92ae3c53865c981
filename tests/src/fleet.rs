//! Starts the whole product for a test: a cluster with the extension, a sandbox that it calls, and `wab`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use sqlx::postgres::PgConnection;
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::process::{self, Said};
use crate::sandbox::{KEY, Sandbox};

/// The name of the database in every fleet.
pub const DATABASE: &str = "app";

/// The way in which the wab_ objects get into the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Install {
    /// `CREATE EXTENSION pg_wabridges`.
    Extension,
    /// `wab init --sql-only`, for servers where no extension can be installed.
    SqlOnly,
    /// The database has no wab_ objects.
    Nothing,
}

impl Install {
    /// Reads the environment variable WAB_E2E_INSTALL: extension (the default) or sql-only.
    pub fn from_environment() -> Result<Self> {
        match std::env::var("WAB_E2E_INSTALL").as_deref() {
            Err(_) | Ok("extension") => Ok(Self::Extension),
            Ok("sql-only") => Ok(Self::SqlOnly),
            Ok(other) => anyhow::bail!("WAB_E2E_INSTALL is {other:?}: use extension or sql-only"),
        }
    }
}

/// The running product.
pub struct Fleet {
    /// The provider.
    pub sandbox: Sandbox,
    /// The database server.
    pub cluster: Cluster,
    /// The way in which the wab_ objects were installed.
    pub install: Install,
    wab: PathBuf,
    dir: TempDir,
}

impl Fleet {
    /// Starts a sandbox with these arguments and a cluster that calls it; WAB_E2E_INSTALL selects the way to install.
    pub fn start(sandbox_args: &[&str]) -> Result<Self> {
        Self::with(Sandbox::start(sandbox_args)?, &[])
    }

    /// Like `start`, with this sandbox and more lines in postgresql.conf.
    pub fn with(sandbox: Sandbox, conf: &[(&str, &str)]) -> Result<Self> {
        Self::installed(Install::from_environment()?, sandbox, conf)
    }

    /// Like `with`, installed in this way.
    pub fn installed(install: Install, sandbox: Sandbox, conf: &[(&str, &str)]) -> Result<Self> {
        let cluster = Cluster::start(conf)?;
        let key_file = cluster.write_secret("api_key", KEY)?;
        cluster.configure(&[
            ("wab.api_url", sandbox.url()),
            ("wab.api_key_file", &key_file.display().to_string()),
        ])?;
        cluster.reload()?;
        let fleet =
            Self { sandbox, cluster, install, wab: process::built("wab")?, dir: tempfile::tempdir()? };
        fleet.cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        match install {
            Install::Extension => drop(fleet.sql("CREATE EXTENSION pg_wabridges")?),
            Install::SqlOnly => fleet.install_sql_only()?,
            Install::Nothing => {}
        }
        Ok(fleet)
    }

    fn install_sql_only(&self) -> Result<()> {
        process::must(&mut self.wab_command(&["init", "--sql-only"])?)?;
        let extensions = self.sql("SELECT count(*) FROM pg_extension WHERE extname = 'pg_wabridges'")?;
        anyhow::ensure!(extensions == "0", "an SQL-only installation must not create the extension");
        Ok(())
    }

    /// Stores the provider's current list in the database.
    pub async fn observe(&self) -> Result<()> {
        match self.install {
            Install::Extension | Install::Nothing => self.sql("SELECT * FROM wab_refresh()").map(drop),
            Install::SqlOnly => {
                let listing = self.sandbox.listing().await?.replace('\'', "''");
                self.sql(&format!(
                    "SELECT o.* FROM (SELECT array_agg(b.id) AS ids, array_agg(b.customer_ref) AS refs, array_agg(b.state) AS states,
                                             array_agg(b.status) AS statuses, array_agg(b.created_at) AS created
                                      FROM jsonb_to_recordset('{listing}') AS b(id bigint, customer_ref text, state text,
                                                                                status text, created_at timestamptz)) l,
                     wab_observe(l.ids, l.refs, l.states, l.statuses, l.created) o"
                ))
                .map(drop)
            }
        }
    }

    /// Provisions a bridge at the provider and records it in the database.
    pub async fn provision(&self, customer_ref: &str, webhook_url: &str) -> Result<()> {
        match self.install {
            Install::Extension | Install::Nothing => {
                self.sql(&format!("SELECT * FROM wab_provision('{customer_ref}', '{webhook_url}')")).map(drop)
            }
            Install::SqlOnly => {
                let id = self.sandbox.add_one(customer_ref, "qr").await?;
                self.sql(&format!(
                    "SELECT _wab_record_provision('{customer_ref}', {id}, 'running', 'qr', '{webhook_url}')"
                ))
                .map(drop)
            }
        }
    }

    /// Runs SQL that must succeed; returns rows as lines, columns separated by `|`.
    pub fn sql(&self, sql: &str) -> Result<String> {
        self.cluster.sql(DATABASE, sql)
    }

    /// Runs SQL that must fail; returns its SQLSTATE and the whole message.
    pub fn sql_error(&self, sql: &str) -> Result<(String, String)> {
        self.cluster.sql_error(DATABASE, sql)
    }

    /// Connects to the database.
    pub async fn connect(&self) -> Result<PgConnection> {
        self.cluster.connect(DATABASE).await
    }

    /// Writes a file beside fleet.yaml.
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let file = self.dir.path().join(name);
        std::fs::write(&file, content)?;
        Ok(file)
    }

    /// Writes fleet.yaml: the account section and then `rest`.
    pub fn fleet_yaml(&self, rest: &str) -> Result<PathBuf> {
        self.write("fleet.yaml", &format!("version: 1\naccount:\n  api_url: {}\n{rest}", self.sandbox.url()))
    }

    /// Runs this program as `wab` from now on.
    pub fn use_wab(&mut self, program: PathBuf) {
        self.wab = program;
    }

    /// The command `wab` in the directory of fleet.yaml, with the environment variables that it needs.
    pub fn wab_command(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(&self.wab);
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("WA_API_KEY", KEY)
            .env("DATABASE_URL", self.cluster.url(DATABASE))
            .env_remove("CI")
            .env_remove("GITHUB_STEP_SUMMARY")
            .env_remove("GITHUB_OUTPUT")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE");
        Ok(command)
    }

    /// Lets everything run after this process ends; returns a shell script that stops it and removes its files.
    pub fn leave_running(self) -> Result<String> {
        let Self { sandbox, cluster, dir, .. } = self;
        let files = dir.keep();
        Ok(format!(
            "kill {}\n{}\nrm -rf {}\n",
            sandbox.leave_running(),
            cluster.leave_running(),
            files.display()
        ))
    }

    /// Runs `wab`.
    pub fn wab(&self, args: &[&str]) -> Result<Said> {
        process::run(&mut self.wab_command(args)?)
    }

    /// Runs `wab` with this database URL.
    pub fn wab_on(&self, url: &str, args: &[&str]) -> Result<Said> {
        process::run(self.wab_command(args)?.env("DATABASE_URL", url))
    }
}
