//! The real things: a PostgreSQL with the extension under a clock that stands still, the sandbox with the same clock, and `wab`.

mod failover;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use crate::cluster::Cluster;
use crate::fleet::{Fleet, Install};
use crate::process::{self, Said};
use crate::sandbox::{KEY, Sandbox};
use crate::simulation::happen::Act;
use crate::simulation::mismatch::Table;
use crate::simulation::model::{Declared, Model};
use crate::simulation::moment::Moment;
use crate::simulation::receiver::Receiver;

/// Each job has a backend of its own, which then need not load the library. VACUUM runs as a job, at a known time.
const CONF: [(&str, &str); 2] = [("shared_preload_libraries", "pg_wabridges"), ("autovacuum", "off")];

/// What the server logs of a crash, of a list with a row that cannot be read, and of a failover.
const EXPECTED: [&str; 6] = [
    "terminating connection because of crash",
    "due to immediate shutdown command",
    "listed bridges could not be read",
    "could not receive data from WAL stream",
    "terminating walreceiver",
    "the primary server",
];

/// The daily wab plan, before the apply.
const PLAN: [&str; 3] = ["plan", "--format", "json"];

/// The daily wab apply. It ends before a step for which it would have to wait for the provider's limit.
const APPLY: [&str; 5] = ["apply", "-y", "--max-duration", "50s", "--concise"];

/// Everything that runs.
pub struct Stage {
    pub fleet: Fleet,
    pub receiver: Receiver,
    clock: PathBuf,
    key: String,
    /// What changed at the provider since it was last asked.
    changed: BTreeMap<i64, Map<String, Value>>,
    connection: PgConnection,
    /// The servers before a failover: the clock's file is in a folder of the first.
    retired: Vec<Cluster>,
}

impl Stage {
    /// Starts everything at this time, with an empty tenants table.
    pub async fn set(at: Moment) -> Result<Self> {
        let sandbox = Sandbox::start(&["--list-status"])?;
        let fleet = Fleet::installed(Install::Extension, sandbox, &CONF)?;
        fleet.cluster.expect_in_log(&EXPECTED);
        let receiver = Receiver::start().await?;
        let url = fleet.cluster.write_secret("alert_url", &receiver.url)?.display().to_string();
        fleet.cluster.configure(&[("wab.alert_url_file", &url)])?;
        let clock = fleet.cluster.socket_dir().join("clock");
        std::fs::write(&clock, text(at))?;
        fleet.cluster.stop()?;
        fleet.cluster.start_with_clock_file(&clock)?;
        let connection = fleet.connect().await?;
        let mut stage = Self {
            fleet,
            receiver,
            clock,
            key: KEY.to_owned(),
            changed: BTreeMap::new(),
            connection,
            retired: Vec::new(),
        };
        stage.before_calls(at).await?;
        stage
            .run(
                "CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL DEFAULT 'active', bridge_id bigint,
                     bridge_status text);
                 SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''');
                 UPDATE wab_policy SET unobserved_after = '2 hours'",
            )
            .await?;
        stage.declare(&Declared::default())?;
        Ok(stage)
    }

    /// Sets the server's clock to this time.
    pub fn at(&self, at: Moment) -> Result<()> {
        // The server may read the file at any moment.
        let new = self.clock.with_extension("new");
        std::fs::write(&new, text(at))?;
        std::fs::rename(&new, &self.clock)?;
        Ok(())
    }

    /// Makes the provider what it has become by now, because it is asked next.
    pub async fn before_calls(&mut self, at: Moment) -> Result<()> {
        let sandbox = &self.fleet.sandbox;
        sandbox.stop_clock_at(&at.to_string()).await?;
        for (id, change) in std::mem::take(&mut self.changed) {
            sandbox.change(id, Value::Object(change)).await?;
        }
        Ok(())
    }

    /// Fills the tenants table and the provider as the model has them.
    pub async fn fill(&mut self, model: &Model) -> Result<()> {
        let bridges: Vec<Value> = model
            .provider
            .bridges
            .iter()
            .map(|(id, bridge)| {
                json!({"id": id, "customer_ref": bridge.customer_ref, "status": bridge.word,
                       "created_at": bridge.created_at.to_string()})
            })
            .collect();
        self.fleet.sandbox.add(json!(bridges)).await?;
        let ids: Vec<&str> = model.rows.keys().map(String::as_str).collect();
        let insert = format!("INSERT INTO tenants (id) SELECT unnest('{{{}}}'::text[])", ids.join(","));
        self.run(&insert).await
    }

    /// Runs SQL; its errors are the caller's.
    pub async fn run(&mut self, sql: &str) -> Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await?;
        Ok(())
    }

    /// Continues in a new backend, which knows of no calls that another one made.
    pub async fn renew(&mut self) -> Result<()> {
        self.connection = self.fleet.connect().await?;
        Ok(())
    }

    /// Runs SQL as pg_cron does: in a backend of its own, which knows of no calls that another one made.
    pub async fn job(&self, sql: &str) -> Result<()> {
        let mut connection = self.fleet.connect().await?;
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
        connection.close().await?;
        done?;
        Ok(())
    }

    /// The rows of a query with two columns.
    pub async fn table(&mut self, sql: &str) -> Result<Table> {
        let rows: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(&mut self.connection)
            .await
            .context(sql.to_owned())?;
        Ok(rows.into_iter().collect())
    }

    /// Runs the daily `wab plan`.
    pub fn plan(&self) -> Result<Said> {
        process::run(self.fleet.wab_command(&PLAN)?.env("WA_API_KEY", &self.key))
    }

    /// Runs the daily `wab apply`.
    pub fn apply(&self) -> Result<Said> {
        process::run(&mut self.apply_command()?)
    }

    /// What the database has recorded of the bridges whose id or customer_ref is a word of this text, and of their drift.
    pub async fn history(&mut self, object: &str) -> Result<String> {
        let words = format!("string_to_array('{}', ' ')", object.replace('\'', "''"));
        let rows = self
            .table(&format!(
                "SELECT '1', coalesce(string_agg(e::text, E'\n' ORDER BY e.at), '') FROM wab_bridge_events e
                 WHERE e.customer_ref = ANY ({words}) OR e.bridge_id::text = ANY ({words})
                 UNION ALL
                 SELECT '2', coalesce(string_agg(d::text, E'\n' ORDER BY d.began_at), '') FROM wab_drift_episodes d
                 WHERE d.customer_ref = ANY ({words}) OR d.subject = ANY ({words})"
            ))
            .await?;
        Ok(rows.into_values().collect::<Vec<_>>().join("\n"))
    }

    fn apply_command(&self) -> Result<Command> {
        let mut command = self.fleet.wab_command(&APPLY)?;
        command.env("WA_API_KEY", &self.key);
        Ok(command)
    }

    /// The customer_refs whose sessions told their status at this time, by the provider's record.
    pub async fn asked(&self, at: Moment) -> Result<Vec<String>> {
        let calls = self.fleet.sandbox.ledger().await?;
        let time = at.to_string().replace('Z', ".000000Z");
        let told = |call: &&Value| {
            let path = call["path"].as_str().unwrap_or_default();
            call["at"] == time && call["status"] == 200 && path.ends_with("/proxy/status")
        };
        Ok(calls
            .iter()
            .filter(told)
            .filter_map(|call| Some(call["customer_ref"].as_str()?.to_owned()))
            .collect())
    }

    /// Lets the server crash and recover.
    async fn crash(&mut self) -> Result<()> {
        let cluster = &self.fleet.cluster;
        cluster.crash()?;
        cluster.start_with_clock_file(&self.clock)?;
        self.connection = self.fleet.connect().await?;
        Ok(())
    }

    /// Starts `wab apply`, and a second one while the first holds its lock. Returns how the second ended, whether the first was
    /// running still, and how that ended.
    pub async fn apply_twice(&mut self) -> Result<(Said, bool, Option<i32>)> {
        // So that the first is not done before the second begins.
        let slow =
            json!({"kind": "delay", "ms": 300, "method": "GET", "path_prefix": "/api/instances", "times": 1});
        self.fleet.sandbox.fault(slow).await?;
        let mut first = self.apply_command()?;
        let mut first = first.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let locks = "SELECT 'locks', count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND granted";
        while first.try_wait()?.is_none()
            && self.table(locks).await?.get("locks").is_some_and(|held| held == "0")
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let said = self.apply()?;
        let was_running = first.try_wait()?.is_none();
        Ok((said, was_running, first.wait()?.code()))
    }

    /// Does to the real things what happened in the model. Webhooks, and a second wab apply, are left to the caller.
    pub async fn act(&mut self, act: &Act, declared: &Declared) -> Result<()> {
        let sandbox = &self.fleet.sandbox;
        match act {
            Act::Sql(sql) => self.run(sql).await,
            Act::Add(bridges) => sandbox.add(bridges.clone()).await.map(drop),
            Act::Change(id, field, value) => {
                self.changed.entry(*id).or_default().insert((*field).to_owned(), json!(value));
                Ok(())
            }
            Act::Remove(id) => {
                self.changed.remove(id);
                sandbox.remove(*id).await
            }
            Act::Break(fault) => {
                sandbox.heal().await?;
                sandbox.fault(fault.clone()).await
            }
            Act::Heal => sandbox.heal().await,
            Act::Lose(method) => {
                let fault =
                    json!({"kind": "lost_reply", "method": method, "path_prefix": "/api", "times": 1});
                sandbox.fault(fault).await
            }
            Act::Set(settings) => sandbox.set(settings.clone()).await,
            Act::Install(key) => {
                self.fleet.cluster.write_secret("api_key", key)?;
                self.key.clone_from(key);
                Ok(())
            }
            Act::Crash => self.crash().await,
            Act::Failover => self.fail_over().await,
            Act::Declare => self.declare(declared),
            Act::ApplyTwice | Act::Webhook { .. } => Ok(()),
        }
    }

    /// Writes fleet.yaml.
    fn declare(&self, declared: &Declared) -> Result<()> {
        let keep = declared.keep.iter().map(|(customer_ref, until)| {
            format!("{{ customer_ref: {customer_ref}, reason: may come back, until: {until} }}")
        });
        let remove = declared.remove.iter().map(|(id, customer_ref)| {
            format!("{{ customer_ref: {customer_ref}, bridge_id: {id}, reason: reviewed }}")
        });
        let extra = declared
            .extra
            .iter()
            .map(|customer_ref| format!("{{ tenant_id: {customer_ref}, reason: for tests }}"));
        let list = |entries: Vec<String>| entries.join(",\n    ");
        let yaml = format!(
            "tenants: {{ table: public.tenants, wanted: status = 'active' }}\n\
             policy: {{ max_creates: 100, max_deletes: 100 }}\nbridges:\n  extra: [\n    {} ]\n  \
             keep: [\n    {} ]\n  remove: [\n    {} ]\n",
            list(extra.collect()),
            list(keep.collect()),
            list(remove.collect())
        );
        self.fleet.fleet_yaml(&yaml).map(drop)
    }
}

/// A time as the library that sets the server's clock reads it; the clock then stands still.
fn text(at: Moment) -> String {
    at.to_string().replace('T', " ").replace('Z', "")
}
