//! Prepares a fleet of a given size (a cluster with the extension, a sandbox, a tenants table) and runs programs on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet};
use e2e::sandbox::{KEY, Sandbox};
use serde_json::json;
use sqlx::postgres::PgConnection;
use tokio::runtime::Runtime;

use crate::contest::{Run, program};

/// The binding that fleet.yaml declares too.
const BIND: &str = "SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''', webhook_url =>
    $$'https://hooks.example.com/' || public.wab_url_encode(id::pg_catalog.text)$$)";

/// One in this many rows drifts or changes.
pub const DRIFTED: u32 = 100;

/// The product, with a fleet of this size.
pub struct Scene {
    pub fleet: Fleet,
    pub size: u32,
    runtime: Runtime,
    changes: std::cell::Cell<u32>,
}

impl Scene {
    /// Starts both servers and fills them.
    pub fn start(size: u32) -> Result<Self> {
        Self::with(size, &[])
    }

    /// Like `start`, on a disk: a commit waits until it is written, as on every real server.
    pub fn on_disk(size: u32) -> Result<Self> {
        Self::with(size, &[("fsync", "on"), ("min_wal_size", "2GB")])
    }

    fn with(size: u32, conf: &[(&str, &str)]) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let seed = size.to_string();
        let unlimited = ["--limit-provision", "--limit-proxy", "--limit-other", "--limit-floor"];
        let mut args = vec!["--list-status", "--seed", &seed];
        args.extend(unlimited.iter().flat_map(|limit| [*limit, "0"]));
        let sandbox = Sandbox::start(&args)?;
        // Servers with tables of this size have such settings.
        let large = [("shared_buffers", "1GB"), ("max_wal_size", "8GB")];
        let fleet = Fleet::with(sandbox, &[&large, conf].concat())?;
        fleet.fleet_yaml(
            "  limits: { other: 100000/1s }
policy: { max_creates: 1000000 }
bridges: { webhook_url: 'https://hooks.example.com/{tenant_id}' }
tenants: { table: public.tenants, wanted: \"status = 'active'\" }
",
        )?;
        let scene = Self { fleet, size, runtime, changes: std::cell::Cell::new(0) };
        scene.fleet.sql(
            "CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL, bridge_id bigint, bridge_status text);
             CREATE TABLE bridges (bridge_id bigint PRIMARY KEY, customer_ref text, state text, status text, created_at timestamptz)",
        )?;
        scene.fleet.sql(BIND)?;
        // These delays are longer than a measurement, and no number of changes is flapping, so that nothing becomes drift meanwhile.
        scene
            .fleet
            .sql("UPDATE wab_policy SET disconnected_after = '1 year', awaiting_scan_after = '1 year', flapping_changes = 1000000")?;
        scene.fleet.sql("SELECT * FROM wab_refresh(force => true)")?;
        scene
            .fleet
            .sql("UPDATE wab_bridges SET webhook_url = 'https://hooks.example.com/' || customer_ref")?;
        scene.reset_tenants()?;
        Ok(scene)
    }

    /// Resets the tenants table to a state without drift.
    pub fn reset_tenants(&self) -> Result<()> {
        self.fleet.sql(
            "TRUNCATE tenants;
             INSERT INTO tenants
             SELECT b.customer_ref, 'active', b.bridge_id, b.status FROM wab_bridges b",
        )?;
        self.vacuum()
    }

    /// Makes one tenant in a hundred drift: half have another status, a quarter no bridge_id, a quarter no bridge.
    pub fn drift(&self) -> Result<()> {
        self.fleet.sql(&format!(
            "UPDATE tenants SET bridge_status = 'unknown' WHERE bridge_id % {0} = 1 AND bridge_id % {1} < {2};
             UPDATE tenants SET bridge_id = NULL WHERE bridge_id % {0} = 1 AND bridge_id % {1} >= {2} AND bridge_id % {1} < {3};
             UPDATE tenants SET id = 'new_' || id, bridge_id = NULL, bridge_status = NULL
             WHERE bridge_id % {0} = 1 AND bridge_id % {1} >= {3}",
            DRIFTED,
            DRIFTED * 4,
            DRIFTED * 2,
            DRIFTED * 3
        ))?;
        self.vacuum()
    }

    /// Removes the bridge_id from one in this many tenant rows; 1 gives the state of a first adoption.
    pub fn unlink(&self, one_in: u32) -> Result<()> {
        self.fleet.sql(&format!("UPDATE tenants SET bridge_id = NULL WHERE bridge_id % {one_in} = 0"))?;
        self.vacuum()
    }

    fn vacuum(&self) -> Result<()> {
        self.fleet.sql("VACUUM ANALYZE").map(drop)
    }

    /// Gives one bridge in a hundred a new status at the provider. It then requests the list once, so that neither contestant
    /// waits while the sandbox rebuilds it. The bridges count as paired before, because one that waits for its scan cannot become
    /// disconnected.
    pub fn change_the_list(&self) -> Result<()> {
        self.fleet.sql("UPDATE wab_bridges SET unpaired_since = NULL WHERE unpaired_since IS NOT NULL")?;
        let turn = self.changes.get();
        self.changes.set(turn + 1);
        let status = ["closed", "qr", "logged_out", "unpaired", "disconnected", "pairing"][turn as usize % 6];
        self.runtime.block_on(async {
            for id in (3..=self.size).step_by(DRIFTED as usize) {
                self.fleet.sandbox.change(i64::from(id), json!({ "status": status })).await?;
            }
            anyhow::Ok(())
        })?;
        self.body().map(drop)
    }

    /// Requests the list and returns its size in bytes. It uses curl, because memory of this process would count for its children.
    pub fn body(&self) -> Result<usize> {
        let (url, key) = (self.fleet.sandbox.url(), format!("Authorization: Bearer {KEY}"));
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--fail",
            "--noproxy",
            "*",
            "-o",
            "/dev/null",
            "-w",
            "%{size_download}",
            "-H",
            &key,
        ]);
        let size = e2e::process::must(curl.arg(format!("{url}/api/instances")))?;
        size.trim().parse().with_context(|| format!("no size: {size}"))
    }

    /// Runs this SQL in psql.
    pub fn psql(&self, sql: &str, expected: &str) -> Result<Run> {
        let mut psql = self.fleet.cluster.program("psql", DATABASE);
        program(psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]), expected)
    }

    /// Runs `wab` with these arguments.
    pub fn wab(&self, args: &[&str], expected: &str) -> Result<Run> {
        program(&mut self.fleet.wab_command(args)?, expected)
    }

    /// Runs one of `alternatives/`, with the URLs and the key in environment variables.
    pub fn alternative(&self, program_and_file: [&str; 2], dry_run: bool, expected: &str) -> Result<Run> {
        let [interpreter, file] = program_and_file;
        let mut command = Command::new(interpreter);
        command.arg(alternatives()?.join(file));
        for (key, value) in self.fleet.cluster.program("psql", DATABASE).get_envs() {
            command.env(key, value.context("an unset variable")?);
        }
        command
            .env("WA_API_URL", self.fleet.sandbox.url())
            .env("WA_API_KEY", KEY)
            .env("DATABASE_URL", self.fleet.cluster.url(DATABASE))
            .env("DRY_RUN", if dry_run { "1" } else { "0" });
        program(&mut command, expected)
    }

    /// Waits for work that is done on the side.
    pub fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(work)
    }

    /// Does work over a connection that stays open.
    pub fn connected<T>(&self, work: impl AsyncFnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        self.runtime.block_on(async {
            let mut connection = self.fleet.connect().await?;
            work(&mut connection).await
        })
    }
}

/// The folder of the alternatives.
pub fn alternatives() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("alternatives"))
}
