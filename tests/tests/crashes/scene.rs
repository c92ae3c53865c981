//! A fleet with 25 steps to do, put back as often as a test likes, and the promises that hold after a crash. No crash
//! is made here.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use e2e::fleet::{DATABASE, Fleet};
use e2e::sandbox::KEY;
use e2e::{process, wait};
use serde_json::{Value, json};

/// Steps of the plan: 5 binds, 5 status writes, 10 provisions, 5 deletions.
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

/// The fleet, and where the last `wab` says what it says.
pub struct Scene {
    /// The product.
    pub fleet: Fleet,
}

impl Scene {
    /// Starts the fleet; nothing is in it yet.
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

    /// Puts everything back: 25 steps are to be done, none is on record, no fault is in force.
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

    /// Makes each tenant row that is written take so long.
    pub fn write_rows_in(&self, seconds: f64) -> Result<()> {
        self.fleet.sql(&format!("DELETE FROM pace; INSERT INTO pace VALUES ({seconds})")).map(drop)
    }

    /// Makes the provider answer listings, provisions and deletions so late; it does its work at once.
    pub async fn answer_in(&self, ms: u64) -> Result<()> {
        // The oldest fault that fits strikes: what is left for the last one are looks at single bridges.
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
        let (out, err) = (self.fleet.write("stdout", "")?, self.fleet.write("stderr", "")?);
        let mut wab = self.fleet.wab_command(&["apply", "-y"])?;
        let child =
            wab.stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&err)?).spawn()?;
        let running = Running { child, out, err };
        let cmdline = std::fs::read(format!("/proc/{}/cmdline", running.child.id()))?;
        ensure!(!String::from_utf8_lossy(&cmdline).contains(KEY), "the key is on the command line");
        Ok(running)
    }

    /// Runs `wab` to its end and sees that it keeps the key to itself.
    pub fn wab(&self, args: &[&str], code: i32) -> Result<String> {
        let said = self.fleet.wab(args)?;
        let text = said.stdout + &said.stderr;
        ensure!(said.code == code, "wab {args:?} ended with {}: {text}", said.code);
        ensure!(!text.contains(KEY), "wab {args:?} shows the key");
        Ok(text)
    }

    /// Waits until nobody holds the lock of apply.
    pub async fn lock_is_free(&self) -> Result<()> {
        wait::until("the lock is free", || async {
            let held = self.fleet.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")?;
            Ok((held == "0").then_some(()))
        })
        .await
    }

    /// Whether a row of wab_runs says that the run began and does not say that it ended.
    pub fn is_interrupted(&self) -> Result<bool> {
        Ok(self.fleet.sql("SELECT count(*) FROM wab_runs WHERE finished_at IS NULL")? != "0")
    }

    /// `wab status` says so, and only if it is so.
    pub fn status_tells(&self) -> Result<()> {
        let interrupted = self.is_interrupted()?;
        let said = self.wab(&["status"], 0)?;
        ensure!(said.contains("interrupted") == interrupted, "interrupted is {interrupted}: {said}");
        Ok(())
    }

    /// Holds at every moment: a tenant row has no bridge, or the live bridge that carries its id.
    pub async fn no_row_is_half_written(&self) -> Result<()> {
        let live = self.live().await?;
        for row in self.fleet.sql("SELECT id, bridge_id FROM tenants WHERE bridge_id IS NOT NULL")?.lines() {
            let (tenant, bridge) = row.split_once('|').context("no columns")?;
            ensure!(live.get(bridge).is_some_and(|owner| owner == tenant), "{tenant} has bridge {bridge}");
        }
        Ok(())
    }

    /// Holds at every moment: a call that changes something was on record before it was made.
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
            ensure!(known, "not on record: {call}, only: {trail}");
        }
        Ok(())
    }

    /// One more apply ends well, and then everything is as the fleet file wants it, and nothing was done twice.
    pub async fn one_more_apply_converges(&self) -> Result<()> {
        self.wab(&["apply", "-y"], 0)?;
        let plan = self.fleet.wab(&["plan", "--format", "json"])?;
        let plan: Value = serde_json::from_str(&plan.stdout)?;
        ensure!(plan["steps"] == json!([]), "steps are left: {}", plan["steps"]);
        let wanted: Vec<String> =
            (1..=20).map(|n| format!("cust_{n:02}")).chain((1..=10).map(|n| format!("new_{n}"))).collect();
        let live = self.live().await?;
        let mut owners: Vec<_> = live.values().cloned().collect();
        owners.sort();
        let mut sorted = wanted.clone();
        sorted.sort();
        ensure!(owners == sorted, "one bridge a tenant, and no other: {owners:?}");
        let rows = |sql: &str| -> Result<BTreeMap<String, String>> {
            let rows = self.fleet.sql(sql)?;
            Ok(rows
                .lines()
                .filter_map(|row| row.split_once('|'))
                .map(|(a, b)| (a.into(), b.into()))
                .collect())
        };
        ensure!(rows("SELECT bridge_id, id FROM tenants")? == live, "each row holds its bridge's id");
        ensure!(rows("SELECT bridge_id, customer_ref FROM wab_bridges")? == live, "so does wab_bridges");
        let told = "SELECT count(*) FROM tenants t JOIN wab_bridges b USING (bridge_id) WHERE t.bridge_status = b.status";
        ensure!(self.fleet.sql(told)? == "30", "each row has its bridge's status");
        self.nothing_was_done_twice().await
    }

    /// Counted in the ledger, over the run that crashed and the one after it.
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
        // The sandbox does a call's work when it enters the call: no POST is in the ledger without its bridge.
        let posts = (1..=10).map(|n| (format!("new_{n}"), 1)).collect();
        ensure!(made == posts, "one POST a missing tenant, and no other: {made:?}");
        let deletions = (101..=105).map(|id| (format!("/api/instances/{id}"), 1)).collect();
        ensure!(deleted == deletions, "one DELETE a tombstone, and no other: {deleted:?}");
        Ok(())
    }

    /// Bridge ids and the customer_refs they carry.
    pub async fn live(&self) -> Result<BTreeMap<String, String>> {
        let bridges = self.fleet.sandbox.bridges().await?;
        let carried = |b: &Value| b["customer_ref"].as_str().unwrap_or_default().to_owned();
        Ok(bridges.iter().map(|bridge| (bridge["id"].to_string(), carried(bridge))).collect())
    }

    /// Neither a dump of the database nor the server's log, which has every statement, has the key.
    pub fn key_is_nowhere(&self) -> Result<()> {
        let dump = process::must(&mut self.fleet.cluster.program("pg_dump", DATABASE))?;
        let log = self.fleet.cluster.log()?;
        for (text, what, known) in [(dump, "the dump", "cust_01"), (log, "the log", "wab_operations")] {
            ensure!(text.contains(known), "{what} is not what it should be");
            ensure!(!text.contains(KEY), "{what} has the key");
        }
        Ok(())
    }
}

/// A `wab apply` that runs; its output goes to files, so that it never waits for a reader.
pub struct Running {
    /// The process.
    pub child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// What it said so far, on both streams; never the key.
    pub fn said(&self) -> Result<String> {
        let text = std::fs::read_to_string(&self.out)? + &std::fs::read_to_string(&self.err)?;
        ensure!(!text.contains(KEY), "the key is shown");
        Ok(text)
    }

    /// Sends it a signal by its name.
    pub fn signal(&self, name: &str) -> Result<()> {
        process::must(
            std::process::Command::new("kill").args([&format!("-{name}"), &*self.child.id().to_string()]),
        )
        .map(drop)
    }

    /// Waits for its end; returns the exit code, -1 when a signal ended it.
    pub fn end(&mut self) -> Result<i32> {
        Ok(self.child.wait()?.code().unwrap_or(-1))
    }
}
