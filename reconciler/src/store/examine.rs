//! What `wab doctor` asks the database; what the answers mean is not known here, and nothing is written.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::{Evaluation, Store, connect, find};
use crate::error::Error;
use crate::facts::BindingChange;
use crate::fleet::{Database, Fleet};

/// A connection to a database that may have no wab_ objects.
#[derive(Debug)]
pub struct Visit {
    conn: PgConnection,
}

impl Visit {
    /// Connects.
    pub async fn begin(database: &Database) -> Result<Self, Error> {
        Ok(Self { conn: connect::connect(database).await? })
    }

    /// The server's version as a number.
    pub fn server_version(&self) -> Option<u32> {
        self.conn.server_version_num()
    }

    /// This role and this database.
    pub async fn who(&mut self) -> Result<(String, String), Error> {
        const DOING: &str = "cannot ask the database who this is";
        let row = sqlx::query(
            "SELECT current_user::pg_catalog.text, pg_catalog.current_database()::pg_catalog.text",
        )
        .fetch_one(&mut self.conn)
        .await
        .map_err(Error::database(DOING))?;
        let read = || Ok((row.try_get(0)?, row.try_get(1)?));
        read().map_err(Error::database(DOING))
    }

    /// Whether the server is a standby.
    pub async fn is_standby(&mut self) -> Result<bool, Error> {
        connect::is_standby(&mut self.conn).await
    }

    /// The database's clock.
    pub async fn now(&mut self) -> Result<DateTime<Utc>, Error> {
        sqlx::query("SELECT pg_catalog.clock_timestamp()")
            .fetch_one(&mut self.conn)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(Error::database("cannot read the database's clock"))
    }

    /// The wab_ objects in it.
    pub async fn enter(mut self, schema: Option<&str>) -> Result<Store, Error> {
        let names = find::names(&mut self.conn, schema).await?;
        Ok(Store { conn: self.conn, names })
    }
}

/// How the objects came into the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `CREATE EXTENSION`.
    Extension {
        /// The version of its SQL.
        version: String,
    },
    /// `wab init --sql-only`, or by hand.
    SqlOnly,
}

/// The wab_ objects.
#[derive(Clone, Debug)]
pub struct Objects {
    /// Where they are.
    pub schema: String,
    /// How they came there.
    pub source: Source,
    /// What wab_version() says; with the extension, the library's. `None`: there is no such function.
    pub version: Option<String>,
}

/// The index on the tenants table's id.
#[derive(Clone, Debug)]
pub struct Index {
    /// The table.
    pub table: String,
    /// The column, quoted.
    pub column: String,
    /// Whether it is unique; `None`: there is no index.
    pub unique: Option<bool>,
}

/// Runs that did not end by their own account.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// How many.
    pub runs: i64,
    /// Who applies right now.
    pub holder: Option<String>,
    /// How the last run ended, or that it did not.
    pub last: Option<String>,
}

/// A job of pg_cron that calls one of our functions.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// Whether it is run.
    pub active: bool,
    /// Why its last run failed, if it did.
    pub failure: Option<String>,
}

impl Store {
    /// How the objects were installed, and in which version.
    pub async fn objects(&mut self) -> Result<Objects, Error> {
        const DOING: &str = "cannot read the version of the wab_ objects";
        let row = sqlx::query(
            "SELECT (SELECT e.extversion FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                     WHERE e.extname = 'pg_wabridges' AND n.nspname = $1) AS extension,
                    to_regprocedure(format('%I.wab_version()', $1::text)) IS NOT NULL AS says_version",
        )
        .bind(&self.names.schema)
        .fetch_one(&mut self.conn)
        .await
        .map_err(Error::database(DOING))?;
        let read = || Ok((row.try_get("extension")?, row.try_get("says_version")?));
        let (extension, says_version): (Option<String>, bool) = read().map_err(Error::database(DOING))?;
        let version = match says_version {
            false => None,
            true => sqlx::query(self.names.sql("SELECT @extschema@.wab_version()"))
                .fetch_one(&mut self.conn)
                .await
                .and_then(|row| row.try_get(0))
                .map_err(Error::database(DOING))?,
        };
        let source = extension.map_or(Source::SqlOnly, |version| Source::Extension { version });
        Ok(Objects { schema: self.names.schema.clone(), source, version })
    }

    /// The index on the bound table's id; `None`: no table is bound.
    pub async fn tenant_index(&mut self) -> Result<Option<Index>, Error> {
        const DOING: &str = "cannot look for an index on the tenants table";
        let row = sqlx::query(self.names.sql(
            "SELECT b.tenants::regclass::text AS table, quote_ident(b.tenant_id) AS column,
                    (SELECT bool_or(i.indisunique AND i.indnkeyatts = 1) FROM pg_index i
                     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                     WHERE i.indrelid = b.tenants AND a.attname = b.tenant_id AND i.indisvalid AND i.indpred IS NULL) AS unique
             FROM @extschema@.wab_tenant_binding b JOIN pg_class c ON c.oid = b.tenants",
        ))
        .fetch_optional(&mut self.conn)
        .await
        .map_err(Error::database(DOING))?;
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(Index {
                table: row.try_get("table")?,
                column: row.try_get("column")?,
                unique: row.try_get("unique")?,
            })
        };
        row.as_ref().map(read).transpose().map_err(Error::database(DOING))
    }

    /// Runs that did not end.
    pub async fn unfinished(&mut self) -> Result<Unfinished, Error> {
        let holder = self.lock_holder().await?;
        let last = self.last_run(holder.as_deref()).await?.map(|run| run.outcome);
        let runs = sqlx::query(
            self.names.sql("SELECT count(*) FROM @extschema@.wab_runs r WHERE r.finished_at IS NULL"),
        )
        .fetch_one(&mut self.conn)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(Error::database("cannot count the runs that did not end"))?;
        Ok(Unfinished { runs, holder, last })
    }

    /// The jobs of pg_cron that this role may see; `None`: it is not in this database.
    pub async fn jobs(&mut self) -> Result<Option<Vec<Job>>, Error> {
        const DOING: &str = "this role may not look at the jobs of pg_cron";
        let present: bool = sqlx::query(
            "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                            WHERE n.nspname = 'cron' AND c.relname = 'job')",
        )
        .fetch_one(&mut self.conn)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(Error::database(DOING))?;
        if !present {
            return Ok(None);
        }
        let rows = sqlx::query(
            "SELECT coalesce(j.jobname::text, 'job ' || j.jobid) AS name, j.active,
                    CASE WHEN d.status = 'failed' THEN coalesce(d.return_message, '?') END AS failure
             FROM cron.job j LEFT JOIN LATERAL (SELECT r.status, r.return_message FROM cron.job_run_details r
                                                WHERE r.jobid = j.jobid ORDER BY r.runid DESC LIMIT 1) d ON true
             WHERE j.database = current_database() AND j.command ~ '\\mwab_' ORDER BY 1",
        )
        .fetch_all(&mut self.conn)
        .await
        .map_err(Error::database(DOING))?;
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(Job {
                name: row.try_get("name")?,
                active: row.try_get("active")?,
                failure: row.try_get("failure")?,
            })
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map(Some).map_err(Error::database(DOING))
    }
}

impl Evaluation<'_> {
    /// How binding as fleet.yaml says would change what is bound; it is bound so until the transaction ends.
    pub async fn binding(&mut self, fleet: &Fleet) -> Result<Option<BindingChange>, Error> {
        self.bind(fleet).await
    }
}
