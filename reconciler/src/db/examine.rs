//! Reads the state of the database for `wab doctor`. It writes nothing.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::config::{Database, Fleet};
use crate::db::evaluation::Evaluation;
use crate::db::rows::from_row;
use crate::db::store::Store;
use crate::db::{connect, find};
use crate::model::{
    BindingChange, Error, Index, Job, Objects, RowSecurity, Source, Unfinished, UnmappedWord,
};

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

    /// The current role and database.
    pub async fn who(&mut self) -> Result<(String, String), Error> {
        sqlx::query_as("SELECT current_user::pg_catalog.text, pg_catalog.current_database()::pg_catalog.text")
            .fetch_one(&mut self.conn)
            .await
            .map_err(Error::database("cannot read the current role and database"))
    }

    /// Whether the server is a standby.
    pub async fn is_standby(&mut self) -> Result<bool, Error> {
        connect::is_standby(&mut self.conn).await
    }

    /// The database's clock.
    pub async fn now(&mut self) -> Result<DateTime<Utc>, Error> {
        sqlx::query_scalar("SELECT pg_catalog.clock_timestamp()")
            .fetch_one(&mut self.conn)
            .await
            .map_err(Error::database("cannot read the database's clock"))
    }

    /// Finds the `wab_` objects in the database.
    pub async fn enter(mut self, schema: Option<&str>) -> Result<Store, Error> {
        let names = find::names(&mut self.conn, schema).await?;
        Ok(Store { conn: self.conn, names })
    }
}

from_row!(Index { table, column, unique });
from_row!(Job { name, active, failure });
from_row!(UnmappedWord { raw_status, bridges });

impl Store {
    /// How the objects were installed, and their version.
    pub async fn objects(&mut self) -> Result<Objects, Error> {
        const DOING: &str = "cannot read the version of the wab_ objects";
        let read = sqlx::query_as(include_str!("examine/objects.sql"))
            .bind(&self.names.schema)
            .fetch_one(&mut self.conn)
            .await
            .map_err(Error::database(DOING))?;
        let (extension, says_version): (Option<String>, bool) = read;
        let version = match says_version {
            false => None,
            true => sqlx::query_scalar(self.names.sql("SELECT @extschema@.wab_version()"))
                .fetch_one(&mut self.conn)
                .await
                .map_err(Error::database(DOING))?,
        };
        let source = extension.map_or(Source::SqlOnly, |version| Source::Extension { version });
        Ok(Objects { schema: self.names.schema.clone(), source, version })
    }

    /// The provider's status words that are not mapped, the most frequent first.
    pub async fn unmapped_words(&mut self) -> Result<Vec<UnmappedWord>, Error> {
        sqlx::query_as(self.names.sql(include_str!("examine/unmapped_words.sql")))
            .fetch_all(&mut self.conn)
            .await
            .map_err(Error::database("cannot read the status words that are not mapped"))
    }

    /// The index on the bound table's tenant_id column; `None` if no table is bound.
    pub async fn tenant_index(&mut self) -> Result<Option<Index>, Error> {
        sqlx::query_as(self.names.sql(include_str!("examine/tenant_index.sql")))
            .fetch_optional(&mut self.conn)
            .await
            .map_err(Error::database("cannot look for an index on the tenants table"))
    }

    /// Row-level security on the bound table; `None` if no table is bound.
    pub async fn row_security(&mut self) -> Result<Option<RowSecurity>, Error> {
        const DOING: &str = "cannot read whether the tenants table has row-level security";
        let has_jobs: bool = sqlx::query_scalar(include_str!("examine/may_read_cron.sql"))
            .fetch_one(&mut self.conn)
            .await
            .map_err(Error::database(DOING))?;
        let found: Option<(String, bool)> =
            sqlx::query_as(self.names.sql(include_str!("examine/row_security.sql")))
                .fetch_optional(&mut self.conn)
                .await
                .map_err(Error::database(DOING))?;
        let Some((table, enabled)) = found else { return Ok(None) };
        let mut filtered = Vec::new();
        if enabled && has_jobs {
            filtered = sqlx::query_scalar(self.names.sql(include_str!("examine/filtered_jobs.sql")))
                .fetch_all(&mut self.conn)
                .await
                .map_err(Error::database(DOING))?;
        }
        Ok(Some(RowSecurity { table, enabled, filtered }))
    }

    /// Runs without a recorded end.
    pub async fn unfinished(&mut self) -> Result<Unfinished, Error> {
        let holder = self.lock_holder().await?;
        let last = self.last_run(holder.as_deref()).await?.map(|run| run.outcome);
        let runs = sqlx::query_scalar(
            self.names.sql("SELECT count(*) FROM @extschema@.wab_runs r WHERE r.finished_at IS NULL"),
        )
        .fetch_one(&mut self.conn)
        .await
        .map_err(Error::database("cannot count the unfinished runs"))?;
        Ok(Unfinished { runs, holder, last })
    }

    /// The pg_cron jobs that this role may see; `None` if pg_cron is not in this database.
    pub async fn jobs(&mut self) -> Result<Option<Vec<Job>>, Error> {
        const DOING: &str = "this role may not read the jobs of pg_cron";
        let present: bool = sqlx::query_scalar(include_str!("examine/has_cron.sql"))
            .fetch_one(&mut self.conn)
            .await
            .map_err(Error::database(DOING))?;
        if !present {
            return Ok(None);
        }
        sqlx::query_as(include_str!("examine/cron_jobs.sql"))
            .fetch_all(&mut self.conn)
            .await
            .map(Some)
            .map_err(Error::database(DOING))
    }
}

impl Evaluation<'_> {
    /// The change that binding as in fleet.yaml makes. It is only previewed.
    pub async fn binding(&mut self, fleet: &Fleet) -> Result<Option<BindingChange>, Error> {
        self.bind(fleet).await
    }
}
