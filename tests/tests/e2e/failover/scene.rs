//! A fleet on a primary and its standby, an apply of 26 steps of every kind, and what must hold after it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::cluster::Cluster;
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::sandbox::Sandbox;
use e2e::{process, wait};
use serde_json::json;

/// Steps of the plan: 1 unlink, 4 links, 4 status writes, 14 provisions, 3 deletions.
pub const STEPS: usize = 26;
/// Longer than a run waits for the database.
const PATIENCE: Duration = Duration::from_secs(180);
/// Rows of the run log: one for all steps of a kind that writes rows, one for each call.
const LINES: &str = "20";

const YAML: &str = "  limits: { provision: 1000/1s, proxy: 1000/1s, other: 1000/1s }
tenants: { table: public.tenants, wanted: status = 'active' }
policy: { max_creates: 50, max_deletes: 5 }
bridges:
  webhook_url: 'https://app.example.net/{tenant_id}'
  extra: [ { tenant_id: alerts, reason: our own alerts } ]
  remove:
    - { customer_ref: gone_1, bridge_id: 101, reason: left }
    - { customer_ref: gone_2, bridge_id: 102, reason: left }
    - { customer_ref: gone_3, bridge_id: 103, reason: left }
";

/// The two servers, and the provider.
pub struct Scene {
    /// The fleet on the primary.
    pub fleet: Fleet,
    /// The standby.
    pub standby: Cluster,
}

/// When the primary dies and, if the standby hears no more of it earlier, that moment; both in bridges made.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// The primary dies after so many.
    pub dies_at: usize,
    /// The standby received the last transaction after so many.
    pub last_heard_at: Option<usize>,
}

impl Scene {
    /// Starts both. The standby has everything that the primary has.
    pub async fn start() -> Result<Self> {
        let limits =
            ["--limit-provision", "0", "--limit-proxy", "0", "--limit-other", "0", "--limit-floor", "0"];
        let sandbox = Sandbox::start(&[&["--list-status"][..], &limits].concat())?;
        let fleet = Fleet::installed(Install::from_environment()?, sandbox, &[])?;
        fleet.fleet_yaml(YAML)?;
        let known = (1..=10).map(|n| (n, format!("old_{n:02}")));
        let gone = (1..=3).map(|n| (100 + n, format!("gone_{n}")));
        let bridges: Vec<_> = known
            .chain(gone)
            .map(|(id, customer_ref)| json!({"id": id, "customer_ref": customer_ref, "status": "connected"}))
            .collect();
        fleet.sandbox.add(json!(bridges)).await?;
        fleet.sql(
            "CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL DEFAULT 'active', bridge_id bigint, bridge_status text);
             SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''');
             INSERT INTO tenants SELECT 'old_' || lpad(n::text, 2, '0'), 'active', CASE WHEN n > 4 THEN n END,
                                        CASE WHEN n BETWEEN 5 AND 8 THEN 'disconnected' ELSE 'paired' END
             FROM generate_series(1, 10) n;
             INSERT INTO tenants VALUES ('left', 'left', 900, 'paired');
             INSERT INTO tenants (id) SELECT 'new_' || lpad(n::text, 2, '0') FROM generate_series(1, 13) n",
        )?;
        fleet.observe().await?;
        for (method, ms) in [("POST", 60), ("DELETE", 60)] {
            let slow = json!({"method": method, "path_prefix": "/api/instances", "kind": "delay", "ms": ms});
            fleet.sandbox.fault(slow).await?;
        }
        fleet.sandbox.clear_ledger().await?;
        let standby = fleet.cluster.standby()?;
        let scene = Self { fleet, standby };
        scene.caught_up().await?;
        Ok(scene)
    }

    async fn caught_up(&self) -> Result<()> {
        let written = self.fleet.sql("SELECT pg_current_wal_flush_lsn()")?;
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        wait::until("the standby has caught up", || async {
            Ok((self.standby.sql("postgres", &replayed)? == "t").then_some(()))
        })
        .await
    }

    /// One connection string for both servers.
    pub fn url(&self) -> String {
        let [first, second] = [&self.fleet.cluster, &self.standby].map(|of| of.socket_dir().display());
        let port = self.fleet.cluster.port();
        format!(
            "postgres:///{DATABASE}?host={first},{second}&port={port},{port}&user=postgres&target_session_attrs=read-write"
        )
    }

    /// Starts `wab apply -y` on this database with these arguments.
    pub fn apply(&self, url: &str, args: &[&str]) -> Result<Running> {
        let (out, err) = (self.fleet.write("stdout", "")?, self.fleet.write("stderr", "")?);
        let mut wab = self.fleet.wab_command(&[&["apply", "-y"], args].concat())?;
        wab.env("DATABASE_URL", url).stdin(Stdio::null());
        let child = wab.stdout(File::create(&out)?).stderr(File::create(&err)?).spawn()?;
        Ok(Running { child, out, err })
    }

    /// Waits until the provider has made this number of bridges.
    pub async fn made(&self, bridges: usize) -> Result<()> {
        wait::until("the provider has made enough bridges", || async {
            Ok((self.fleet.sandbox.calls("POST").await? >= bridges).then_some(()))
        })
        .await
    }

    /// Waits for the moments, cuts the standby off, and returns at the moment of the primary's death.
    pub async fn reached(&self, loss: Loss) -> Result<()> {
        if let Some(heard) = loss.last_heard_at {
            self.made(heard).await?;
            self.cut_off().await?;
        }
        self.made(loss.dies_at).await
    }

    /// Ends the sessions on the primary that hold the lock of `wab apply` (`EXISTS`) or the others (`NOT EXISTS`); returns how
    /// many.
    pub fn end_sessions(&self, hold: &str) -> Result<usize> {
        let ended = self.fleet.sql(&format!(
            "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a
             WHERE a.datname = '{DATABASE}' AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
               AND {hold} (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory'
                           AND l.classid::bigint << 32 | l.objid::bigint = _wab_lock_id('apply'))"
        ))?;
        Ok(ended.parse()?)
    }

    /// Lets the first row of the run log wait, once.
    pub fn first_row_waits(&self) -> Result<()> {
        self.fleet
            .sql(
                "CREATE SEQUENCE attempts;
                 CREATE FUNCTION wait_once() RETURNS trigger LANGUAGE plpgsql AS
                     'BEGIN IF nextval(''public.attempts'') = 1 THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END';
                 CREATE TRIGGER wait_once BEFORE INSERT ON wab_runs FOR EACH ROW EXECUTE FUNCTION wait_once()",
            )
            .map(drop)
    }

    /// Returns once that row waits.
    pub async fn waits(&self) -> Result<()> {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        wait::until("the run has begun", || async { Ok((self.fleet.sql(waiting)? == "1").then_some(())) })
            .await
    }

    /// Ends the session in which that row waits, as soon as there is one.
    pub async fn end_waiting(&self) -> Result<()> {
        self.waits().await?;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        self.fleet.sql(end).map(drop)
    }

    /// Lets the provider take a second for each bridge, so that a server can be changed meanwhile.
    pub async fn make_slowly(&self) -> Result<()> {
        self.fleet.sandbox.heal().await?;
        let slow = json!({"method": "POST", "path_prefix": "/api/instances", "kind": "delay", "ms": 1000});
        self.fleet.sandbox.fault(slow).await
    }

    /// Lets the provider take its time for the list. A connection that was idle for so long is tried before it is used.
    pub async fn list_slowly(&self) -> Result<()> {
        let slow = json!({"method": "GET", "path": "/api/instances", "kind": "delay", "ms": 10000});
        self.fleet.sandbox.fault(slow).await
    }

    /// Waits until the run lists the bridges.
    pub async fn lists(&self) -> Result<()> {
        wait::until("the run lists the bridges", || async {
            Ok((self.fleet.sandbox.calls("GET").await? > 0).then_some(()))
        })
        .await
    }

    /// Disconnects the standby from its primary.
    pub async fn cut_off(&self) -> Result<()> {
        self.standby.sql("postgres", "ALTER SYSTEM SET primary_conninfo = ''")?;
        self.standby.reload()?;
        wait::until("the standby is cut off", || async {
            let heard = self.standby.sql("postgres", "SELECT count(*) FROM pg_stat_wal_receiver")?;
            Ok((heard == "0").then_some(()))
        })
        .await
    }

    /// Checks that one run did everything, once, and that all of it is in the database of this server.
    pub async fn is_complete(&self, server: &Cluster) -> Result<()> {
        let sql = |sql: &str| server.sql(DATABASE, sql);
        let runs = sql("SELECT outcome, steps, finished_at >= started_at FROM wab_runs")?;
        ensure!(runs == format!("done|{STEPS}|t"), "the run log: {runs}");
        let lines = "SELECT count(*), bool_and(outcome = 'done' AND finished_at >= started_at),
                            count(*) FILTER (WHERE (kind = 'provision') = (coalesce(bridge_id, 0) > 103)) FROM wab_operations";
        ensure!(sql(lines)? == format!("{LINES}|t|{LINES}"), "the run log: {}", sql("TABLE wab_operations")?);
        let unset = sql("SELECT count(*) FROM wab_bridges WHERE bridge_id > 103 AND webhook_url IS NULL")?;
        ensure!(unset == "0", "{unset} bridges have no webhook_url on record");
        self.nothing_was_done_twice().await?;
        self.holds_the_fleet(server).await
    }

    /// Checks that this server knows each bridge, and that the next plan is empty.
    pub async fn holds_the_fleet(&self, server: &Cluster) -> Result<()> {
        let sql = |sql: &str| server.sql(DATABASE, sql);
        let bridges = self.fleet.sandbox.bridges().await?;
        let live: BTreeMap<String, String> = bridges
            .iter()
            .map(|it| (it["id"].to_string(), it["customer_ref"].as_str().unwrap_or_default().to_owned()))
            .collect();
        let rows = |text: String| -> BTreeMap<String, String> {
            text.lines().filter_map(|row| row.split_once('|')).map(|(a, b)| (a.into(), b.into())).collect()
        };
        let known = rows(sql("SELECT bridge_id, customer_ref FROM wab_bridges")?);
        ensure!(known == live, "wab_bridges must have the live bridges: {known:?}, not {live:?}");
        let mut held = rows(sql("SELECT bridge_id, id FROM tenants WHERE bridge_id IS NOT NULL")?);
        held.extend(live.iter().filter(|(_, of)| *of == "alerts").map(|(a, b)| (a.clone(), b.clone())));
        ensure!(held == live, "each tenant row must have the id of its bridge: {held:?}");
        let said = self.fleet.wab_on(&server.url(DATABASE), &["plan", "--detailed-exitcode"])?;
        ensure!(said.code == 0, "the next plan has steps: {}{}", said.stdout, said.stderr);
        Ok(())
    }

    /// Checks that the provider got one POST for each missing tenant, and one DELETE for each tombstone.
    pub async fn nothing_was_done_twice(&self) -> Result<()> {
        let ledger = self.fleet.sandbox.ledger().await?;
        let of = |method: &str, field: &str| -> Vec<String> {
            let calls = ledger.iter().filter(|call| call["method"] == method);
            let mut all: Vec<_> = calls.filter_map(|call| call[field].as_str()).map(str::to_owned).collect();
            all.sort();
            all
        };
        let missing: Vec<_> =
            ["alerts".to_owned()].into_iter().chain((1..=13).map(|n| format!("new_{n:02}"))).collect();
        let posts = of("POST", "customer_ref");
        ensure!(posts == missing, "each bridge must be made once: {posts:?}");
        let deleted = of("DELETE", "path");
        let tombstones: Vec<_> = (101..=103).map(|id| format!("/api/instances/{id}")).collect();
        ensure!(deleted == tombstones, "each tombstone must be sent once: {deleted:?}");
        Ok(())
    }
}

/// A running `wab apply`; its output goes to files, so that it never waits for a reader.
pub struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Its output so far, on both streams.
    pub fn said(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.out)? + &std::fs::read_to_string(&self.err)?)
    }

    /// Waits until it has written this.
    pub async fn says(&self, words: &str) -> Result<()> {
        let said = || async { Ok(self.said()?.contains(words).then_some(())) };
        let said = wait::until_within(PATIENCE, "wab says so", said);
        said.await.with_context(|| format!("{words:?} is missing: {}", self.said().unwrap_or_default()))
    }

    /// Sends it SIGINT.
    pub fn interrupt(&self) -> Result<()> {
        let pid = self.child.id().to_string();
        process::must(std::process::Command::new("kill").args(["-INT", &pid])).map(drop)
    }

    /// Waits for its end, at most three minutes, and checks the exit code; returns what it said.
    pub fn ends_with(mut self, code: i32) -> Result<String> {
        let began = Instant::now();
        let ended = loop {
            if let Some(ended) = self.child.try_wait()? {
                break ended;
            }
            ensure!(began.elapsed() < PATIENCE, "it does not end: {}", self.said()?);
            std::thread::sleep(Duration::from_millis(20));
        };
        let said = self.said()?;
        ensure!(ended.code() == Some(code), "{ended}, not {code}: {said}");
        Ok(said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
