//! Prepares a fleet with a plan of 25 steps, and checks the promises that must hold after a crash.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use e2e::fleet::{DATABASE, Fleet};
use e2e::sandbox::KEY;
use e2e::{process, wait};
use serde_json::{Value, json};

/// Steps of the plan: 5 links, 5 status writes, 10 provisions, 5 deletions.
pub const STEPS: usize = 25;

const YAML: &str = "  connect_timeout: 5s
  limits: { provision: 1000/1s, proxy: 1000/1s, other: 1000/1s }
tenants: { table: public.tenants, wanted: status = 'active' }
policy: { max_creates: 50, max_deletes: 5 }
bridges:
  remove:
    - { customer_ref: gone_1, bridge_id: 101, reason: left }
    - { customer_ref: gone_2, bridge_id: 102, reason: left }
    - { customer_ref: gone_3, bridge_id: 103, reason: left }
    - { customer_ref: gone_4, bridge_id: 104, reason: left }
    - { customer_ref: gone_5, bridge_id: 105, reason: left }
";

/// The fleet of the crash tests.
pub struct Scene {
    /// The running product.
    pub fleet: Fleet,
}

impl Scene {
    /// Starts an empty fleet.
    pub fn start() -> Result<Self> {
        let limits =
            ["--limit-provision", "0", "--limit-proxy", "0", "--limit-other", "0", "--limit-floor", "0"];
        let args = [&["--list-status"][..], &limits].concat();
        let sandbox = e2e::sandbox::Sandbox::start(&args)?;
        let fleet = Fleet::with(sandbox, &[("log_statement", "all")])?;
        fleet.fleet_yaml(YAML)?;
        fleet.sql(
            "CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL DEFAULT 'active', bridge_id bigint, bridge_status text);
             CREATE TABLE pace (seconds float8 NOT NULL);
             CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN PERFORM pg_sleep(seconds) FROM public.pace; RETURN NEW; END';
             CREATE TRIGGER slowly BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION slowly();
             SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''')",
        )?;
        Ok(Self { fleet })
    }

    /// Restores the initial state: the plan has 25 steps, no operation is recorded and no fault is active.
    pub async fn reset(&self) -> Result<()> {
        let sandbox = &self.fleet.sandbox;
        sandbox.heal().await?;
        for bridge in sandbox.bridges().await? {
            sandbox.remove(bridge["id"].as_i64().context("no id")?).await?;
        }
        let healthy = (1..=20).map(|n| (n, format!("cust_{n:02}")));
        let gone = (1..=5).map(|n| (100 + n, format!("gone_{n}")));
        let bridges: Vec<_> = healthy
            .chain(gone)
            .map(|(id, customer_ref)| json!({"id": id, "customer_ref": customer_ref, "status": "connected"}))
            .collect();
        sandbox.add(json!(bridges)).await?;
        self.fleet.sql(
            "TRUNCATE wab_bridges, wab_bridge_events, wab_observations, wab_operations, wab_runs, wab_declared, tenants, pace;
             INSERT INTO tenants SELECT 'cust_' || lpad(n::text, 2, '0'), 'active', CASE WHEN n > 5 THEN n END,
                                        CASE WHEN n BETWEEN 6 AND 10 THEN 'disconnected' ELSE 'paired' END
             FROM generate_series(1, 20) n;
             INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 10) n",
        )?;
        self.fleet.observe().await?;
        sandbox.clear_ledger().await
    }

    /// Makes each write of a tenant row take this long.
    pub fn write_rows_in(&self, seconds: f64) -> Result<()> {
        self.fleet.sql(&format!("DELETE FROM pace; INSERT INTO pace VALUES ({seconds})")).map(drop)
    }

    /// Delays the answers to list, provision and delete calls; the provider still does the work at once.
    pub async fn answer_in(&self, ms: u64) -> Result<()> {
        // The oldest matching fault strikes, so the last fault strikes only the GET of a single bridge.
        let instances = "/api/instances";
        for fault in [
            json!({"method": "POST", "path": instances, "kind": "delay", "ms": ms}),
            json!({"method": "GET", "path": instances, "kind": "delay", "ms": ms}),
            json!({"method": "DELETE", "path_prefix": instances, "kind": "delay", "ms": ms}),
            json!({"method": "GET", "path_prefix": instances, "kind": "delay", "ms": ms / 2}),
        ] {
            self.fleet.sandbox.fault(fault).await?;
        }
        Ok(())
    }

    /// Starts `wab apply -y`.
    pub fn apply(&self) -> Result<Running> {
        self.apply_with(&[])
    }

    /// Starts `wab apply -y` with these arguments.
    pub fn apply_with(&self, args: &[&str]) -> Result<Running> {
        let (out, err) = (self.fleet.write("stdout", "")?, self.fleet.write("stderr", "")?);
        let mut wab = self.fleet.wab_command(&[&["apply", "-y"], args].concat())?;
        let child =
            wab.stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&err)?).spawn()?;
        let running = Running { child, out, err };
        let cmdline = std::fs::read(format!("/proc/{}/cmdline", running.child.id()))?;
        ensure!(!String::from_utf8_lossy(&cmdline).contains(KEY), "the command line contains the API key");
        Ok(running)
    }

    /// Runs `wab` and checks its exit code, and that its output does not contain the key.
    pub fn wab(&self, args: &[&str], code: i32) -> Result<String> {
        let said = self.fleet.wab(args)?;
        let text = said.stdout + &said.stderr;
        ensure!(said.code == code, "wab {args:?} ended with {}: {text}", said.code);
        ensure!(!text.contains(KEY), "the output of wab {args:?} contains the API key");
        Ok(text)
    }

    /// Waits until no session holds the lock of `wab apply`.
    pub async fn lock_is_free(&self) -> Result<()> {
        wait::until("the lock is free", || async {
            let held = self.fleet.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")?;
            Ok((held == "0").then_some(()))
        })
        .await
    }

    /// Whether wab_runs contains a run that began and did not end.
    pub fn is_interrupted(&self) -> Result<bool> {
        Ok(self.fleet.sql("SELECT count(*) FROM wab_runs WHERE finished_at IS NULL")? != "0")
    }

    /// Checks that `wab status` reports an interrupted run if and only if there is one.
    pub fn status_tells(&self) -> Result<()> {
        let interrupted = self.is_interrupted()?;
        let said = self.wab(&["status"], 0)?;
        ensure!(said.contains("interrupted") == interrupted, "interrupted is {interrupted}: {said}");
        Ok(())
    }

    /// Checks that each tenant row has no bridge_id, or that of a live bridge with the tenant's customer_ref.
    pub async fn no_row_is_half_written(&self) -> Result<()> {
        let live = self.live().await?;
        for row in self.fleet.sql("SELECT id, bridge_id FROM tenants WHERE bridge_id IS NOT NULL")?.lines() {
            let (tenant, bridge) = row.split_once('|').context("no columns")?;
            ensure!(live.get(bridge).is_some_and(|owner| owner == tenant), "{tenant} has bridge {bridge}");
        }
        Ok(())
    }

    /// Checks that each call that changes something was recorded before it was sent.
    pub async fn every_call_is_on_record(&self) -> Result<()> {
        let trail = self
            .fleet
            .sql("SELECT kind, customer_ref, '/api/instances/' || bridge_id FROM wab_operations")?;
        for call in self.fleet.sandbox.ledger().await? {
            let (begin, end) = match call["method"].as_str() {
                Some("POST") => {
                    (format!("provision|{}|", call["customer_ref"].as_str().unwrap_or_default()), "")
                }
                Some("DELETE") => ("delete|".to_owned(), call["path"].as_str().unwrap_or_default()),
                _ => continue,
            };
            let known = trail.lines().any(|row| row.starts_with(&begin) && row.ends_with(end));
            ensure!(known, "no operation was recorded for {call}, only: {trail}");
        }
        Ok(())
    }

    /// Checks that one more apply succeeds, that the fleet is then as fleet.yaml declares it, and that nothing was done twice.
    pub async fn one_more_apply_converges(&self) -> Result<()> {
        self.wab(&["apply", "-y"], 0)?;
        let plan = self.fleet.wab(&["plan", "--format", "json"])?;
        let plan: Value = serde_json::from_str(&plan.stdout)?;
        ensure!(plan["steps"] == json!([]), "the next plan still has steps: {}", plan["steps"]);
        let wanted: Vec<String> =
            (1..=20).map(|n| format!("cust_{n:02}")).chain((1..=10).map(|n| format!("new_{n}"))).collect();
        let live = self.live().await?;
        let mut owners: Vec<_> = live.values().cloned().collect();
        owners.sort();
        let mut sorted = wanted.clone();
        sorted.sort();
        ensure!(
            owners == sorted,
            "each tenant must have one bridge, and no other bridge may exist: {owners:?}"
        );
        let rows = |sql: &str| -> Result<BTreeMap<String, String>> {
            let rows = self.fleet.sql(sql)?;
            Ok(rows
                .lines()
                .filter_map(|row| row.split_once('|'))
                .map(|(a, b)| (a.into(), b.into()))
                .collect())
        };
        ensure!(
            rows("SELECT bridge_id, id FROM tenants")? == live,
            "each tenant row must have the id of its bridge"
        );
        ensure!(
            rows("SELECT bridge_id, customer_ref FROM wab_bridges")? == live,
            "wab_bridges must contain the live bridges"
        );
        let told = "SELECT count(*) FROM tenants t JOIN wab_bridges b USING (bridge_id) WHERE t.bridge_status = b.status";
        ensure!(self.fleet.sql(told)? == "30", "each tenant row must have the status of its bridge");
        self.nothing_was_done_twice().await
    }

    /// Checks the ledger of the crashed run and the next one: one POST per missing tenant, one DELETE per tombstone.
    async fn nothing_was_done_twice(&self) -> Result<()> {
        let mut made: BTreeMap<String, usize> = BTreeMap::new();
        let mut deleted: BTreeMap<String, usize> = BTreeMap::new();
        for call in self.fleet.sandbox.ledger().await? {
            let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
            match call["method"].as_str() {
                Some("POST") => *made.entry(text("customer_ref")).or_default() += 1,
                Some("DELETE") => *deleted.entry(text("path")).or_default() += 1,
                _ => {}
            }
        }
        // The sandbox does the work of a call before it records it, so each POST in the ledger made its bridge.
        let posts = (1..=10).map(|n| (format!("new_{n}"), 1)).collect();
        ensure!(made == posts, "each missing tenant needs one POST, and no other POST may be sent: {made:?}");
        let deletions = (101..=105).map(|id| (format!("/api/instances/{id}"), 1)).collect();
        ensure!(
            deleted == deletions,
            "each tombstone needs one DELETE, and no other DELETE may be sent: {deleted:?}"
        );
        Ok(())
    }

    /// The provider's bridge ids and their customer_refs.
    pub async fn live(&self) -> Result<BTreeMap<String, String>> {
        let bridges = self.fleet.sandbox.bridges().await?;
        let carried = |b: &Value| b["customer_ref"].as_str().unwrap_or_default().to_owned();
        Ok(bridges.iter().map(|bridge| (bridge["id"].to_string(), carried(bridge))).collect())
    }

    /// Checks that neither a dump of the database nor the server's log, which has every statement, contains the key.
    pub fn key_is_nowhere(&self) -> Result<()> {
        let dump = process::must(&mut self.fleet.cluster.program("pg_dump", DATABASE))?;
        let log = self.fleet.cluster.log()?;
        for (text, what, known) in [(dump, "the dump", "cust_01"), (log, "the log", "wab_operations")] {
            ensure!(text.contains(known), "{what} lacks {known:?}, so searching it proves nothing");
            ensure!(!text.contains(KEY), "{what} contains the API key");
        }
        Ok(())
    }
}

/// A running `wab apply`; its output goes to files, so that it never waits for a reader.
pub struct Running {
    /// The process.
    pub child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Its output so far, on both streams; fails if it contains the key.
    pub fn said(&self) -> Result<String> {
        let text = std::fs::read_to_string(&self.out)? + &std::fs::read_to_string(&self.err)?;
        ensure!(!text.contains(KEY), "the output contains the API key");
        Ok(text)
    }

    /// Sends it the signal of this name.
    pub fn signal(&self, name: &str) -> Result<()> {
        process::must(
            std::process::Command::new("kill").args([&format!("-{name}"), &*self.child.id().to_string()]),
        )
        .map(drop)
    }

    /// Waits for its end; returns the exit code, or -1 if a signal ended it.
    pub fn end(&mut self) -> Result<i32> {
        Ok(self.child.wait()?.code().unwrap_or(-1))
    }
}
