//! Reads the state of the database for `wab doctor`. It writes nothing.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use sqlx::types::Json;

use crate::config::{Database, Fleet};
use crate::db::drift::drift;
use crate::db::evaluation::Evaluation;
use crate::db::rows::from_row;
use crate::db::session::Session;
use crate::db::statement::{query_as, query_scalar};
use crate::db::store::Store;
use crate::model::{
    BindingChange, Error, Index, Job, Objects, RowSecurity, Source, Unfinished, UnmappedWord,
};

/// So many connections find a pooler. It may need a moment to take back the server process of a closed connection.
const TRIES: usize = 3;

/// A connection to a database that may have no wab_ objects.
#[derive(Debug)]
pub struct Visit {
    session: Session,
}

impl Visit {
    /// Connects.
    pub async fn begin(database: &Database) -> Result<Self, Error> {
        Ok(Self { session: Session::connect(database).await? })
    }

    /// The server's version as a number.
    pub fn server_version(&self) -> Option<u32> {
        self.session.server_version()
    }

    /// The current role and database.
    pub async fn who(&mut self) -> Result<(String, String), Error> {
        let who =
            query_as("SELECT current_user::pg_catalog.text, pg_catalog.current_database()::pg_catalog.text");
        let doing = "cannot read the current role and database";
        self.session.run(doing, async |conn| who.fetch_one(conn).await).await
    }

    /// Whether a pooler shares server processes between connections: two connections, one after the other, then have
    /// the same process. A server without a pooler starts a process for each.
    pub async fn is_pooled(&self) -> Result<bool, Error> {
        let mut pids = HashSet::new();
        for _ in 0..TRIES {
            let mut other = self.session.another().await?;
            let pid = query_scalar("SELECT pg_catalog.pg_backend_pid()");
            let pid: i32 = other
                .run("cannot read the id of the server process", async |conn| pid.fetch_one(conn).await)
                .await?;
            if !pids.insert(pid) {
                return Ok(true);
            }
            other.close().await;
        }
        Ok(false)
    }

    /// Whether the server is a standby.
    pub async fn is_standby(&mut self) -> Result<bool, Error> {
        self.session.is_standby().await
    }

    /// The database's clock.
    pub async fn now(&mut self) -> Result<DateTime<Utc>, Error> {
        self.session.now().await
    }

    /// Finds the `wab_` objects in the database.
    pub async fn enter(mut self, schema: Option<&str>) -> Result<Store, Error> {
        let names = self.session.names(schema).await?;
        Ok(Store::of(self.session, names))
    }
}

/// The plan of a look-up by the id as text.
const LOOK_UP: &str = "EXPLAIN (FORMAT JSON) SELECT FROM @extschema@.wab_tenants t WHERE t.customer_ref OPERATOR(pg_catalog.=) ''";
/// PostgreSQL's cost of reading about 50,000 rows, which takes some milliseconds.
const SLOW: f64 = 1000.0;

/// Whether this plan reads a whole table, and a large one.
fn is_slow(plan: &Value) -> bool {
    let root = &plan[0]["Plan"];
    root.to_string().contains("\"Seq Scan\"") && root["Total Cost"].as_f64().is_some_and(|cost| cost > SLOW)
}

from_row!(Index { table, column, as_text, unique, is_view; is_slow: false, repeated: Vec::new() });
from_row!(Job { name, active, ran, failure });
from_row!(UnmappedWord { raw_status, bridges });

/// The ids that more than one row has.
fn repeated_ids(Index { table, as_text, .. }: &Index) -> String {
    format!("SELECT {as_text} FROM {table} GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 3")
}

impl Store {
    /// Whether default_transaction_read_only is on, so that PostgreSQL refuses each write of wab. It is off on a standby, which
    /// refuses them too.
    pub async fn is_read_only(&mut self) -> Result<bool, Error> {
        let read_only = query_scalar(
            "SELECT pg_catalog.current_setting('default_transaction_read_only')::pg_catalog.bool",
        );
        let doing = "cannot find out whether transactions are read-only";
        self.session.run(doing, async |conn| read_only.fetch_one(conn).await).await
    }

    /// How the objects were installed, and their version.
    pub async fn objects(&mut self) -> Result<Objects, Error> {
        let read = query_as(include_str!("examine/objects.sql")).bind(&self.names.schema);
        let version = query_scalar(self.names.sql("SELECT @extschema@.wab_version()"));
        let doing = "cannot read the version of the wab_ objects";
        let (extension, version) = self
            .session
            .run(doing, async |conn| {
                let (extension, says_version): (Option<String>, bool) = read.fetch_one(&mut *conn).await?;
                let version: Option<String> = match says_version {
                    false => None,
                    true => version.fetch_one(conn).await?,
                };
                Ok((extension, version))
            })
            .await?;
        let source = extension.map_or(Source::SqlOnly, |version| Source::Extension { version });
        Ok(Objects { schema: self.names.schema.clone(), source, version })
    }

    /// The provider's status words that are not mapped, the most frequent first.
    pub async fn unmapped_words(&mut self) -> Result<Vec<UnmappedWord>, Error> {
        let words = query_as(self.names.sql(include_str!("examine/unmapped_words.sql")));
        let doing = "cannot read the status words that are not mapped";
        self.session.run(doing, async |conn| words.fetch_all(conn).await).await
    }

    /// How a tenant row is found by its id; `None` if no table is bound.
    pub async fn tenant_index(&mut self) -> Result<Option<Index>, Error> {
        let index = query_as(self.names.sql(include_str!("examine/tenant_index.sql")));
        let look_up = query_scalar(self.names.sql(LOOK_UP));
        let doing = "cannot look for an index on the tenants table";
        self.session
            .run(doing, async |conn| {
                let index: Option<Index> = index.fetch_optional(&mut *conn).await?;
                let Some(index) = index else { return Ok(None) };
                let plan: Json<Value> = look_up.fetch_one(&mut *conn).await?;
                let repeated = match index.unique {
                    Some(true) => Vec::new(),
                    _ => query_scalar(AssertSqlSafe(repeated_ids(&index))).fetch_all(conn).await?,
                };
                Ok(Some(Index { is_slow: is_slow(&plan), repeated, ..index }))
            })
            .await
    }

    /// Row-level security on the bound table; `None` if no table is bound.
    pub async fn row_security(&mut self) -> Result<Option<RowSecurity>, Error> {
        let has_jobs = query_scalar(include_str!("examine/may_read_cron.sql"));
        let bound = query_as(self.names.sql(include_str!("examine/row_security.sql")));
        let filtered = query_scalar(self.names.sql(include_str!("examine/filtered_jobs.sql")));
        let doing = "cannot read whether the tenants table has row-level security";
        self.session
            .run(doing, async |conn| {
                let has_jobs: bool = has_jobs.fetch_one(&mut *conn).await?;
                let bound: Option<(String, bool)> = bound.fetch_optional(&mut *conn).await?;
                let Some((table, enabled)) = bound else { return Ok(None) };
                let filtered = if enabled && has_jobs { filtered.fetch_all(conn).await? } else { Vec::new() };
                Ok(Some(RowSecurity { table, enabled, filtered }))
            })
            .await
    }

    /// Runs without a recorded end.
    pub async fn unfinished(&mut self) -> Result<Unfinished, Error> {
        let holder = self.lock_holder().await?.map(|holder| holder.to_string());
        let last = self.last_run(holder.as_deref()).await?.map(|run| run.outcome);
        let count = query_scalar(
            self.names.sql("SELECT count(*) FROM @extschema@.wab_runs r WHERE r.finished_at IS NULL"),
        );
        let doing = "cannot count the unfinished runs";
        let runs = self.session.run(doing, async |conn| count.fetch_one(conn).await).await?;
        Ok(Unfinished { runs, holder, last })
    }

    /// The pg_cron jobs that this role may see; `None` if pg_cron is not in this database.
    pub async fn jobs(&mut self) -> Result<Option<Vec<Job>>, Error> {
        let has_cron = query_scalar(include_str!("examine/has_cron.sql"));
        let jobs = query_as(include_str!("examine/cron_jobs.sql"));
        self.session
            .run("this role may not read the jobs of pg_cron", async |conn| {
                let has_cron: bool = has_cron.fetch_one(&mut *conn).await?;
                if has_cron { jobs.fetch_all(conn).await.map(Some) } else { Ok(None) }
            })
            .await
    }
}

impl Evaluation<'_> {
    /// The change that binding as in fleet.yaml makes. It is only previewed.
    pub async fn binding(&mut self, fleet: &Fleet) -> Result<Option<BindingChange>, Error> {
        self.bind(fleet).await
    }

    /// Fails if an expression of the binding, or of its preview, fails on a row.
    pub async fn require_readable(&mut self) -> Result<(), Error> {
        drift(self, None).await.map(drop)
    }
}
