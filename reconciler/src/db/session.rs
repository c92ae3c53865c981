//! A connection to the database that leaves nothing behind: each statement runs in a transaction, no statement has a name,
//! and no setting outlives its transaction. Behind a transaction pooler, the next transaction on the same server process
//! belongs to another application.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};

use crate::config::Database;
use crate::db::connect::connect;
use crate::db::find;
use crate::db::names::Names;
use crate::db::statement::query_scalar;
use crate::model::Error;

/// After so long without a statement the connection is tried before it is used, because PostgreSQL or a pooler may have
/// closed it: while a person reads a plan, or a run waits for the provider's limits.
const IDLE: Duration = Duration::from_secs(2);

/// One connection, which is made again if it was lost between two transactions.
#[derive(Debug)]
pub(super) struct Session {
    conn: PgConnection,
    database: Database,
    used: Instant,
}

impl Session {
    /// Connects. Needs a Tokio runtime with I/O and time.
    pub async fn connect(database: &Database) -> Result<Self, Error> {
        Ok(Self { conn: connect(database).await?, database: database.clone(), used: Instant::now() })
    }

    /// Another connection to the same database.
    pub async fn another(&self) -> Result<Self, Error> {
        Self::connect(&self.database).await
    }

    /// Closes the connection. Dropping it does so too, but does not wait for it.
    pub async fn close(self) {
        let _ = self.conn.close().await;
    }

    /// The server's version as a number.
    pub fn server_version(&self) -> Option<u32> {
        self.conn.server_version_num()
    }

    /// Finds the role's search_path and the schema of the `wab_` objects.
    pub async fn names(&mut self, schema: Option<&str>) -> Result<Names, Error> {
        let mut tx = self.begin().await?;
        let names = find::names(&mut tx, schema).await;
        tx.rollback().await.map_err(Error::database("cannot end a transaction"))?;
        names
    }

    /// The database's clock.
    pub async fn now(&mut self) -> Result<DateTime<Utc>, Error> {
        let now = query_scalar("SELECT pg_catalog.clock_timestamp()");
        self.run("cannot read the database's clock", async |conn| now.fetch_one(conn).await).await
    }

    /// Whether the server is a standby, which accepts no writes.
    pub async fn is_standby(&mut self) -> Result<bool, Error> {
        let standby = query_scalar("SELECT pg_catalog.pg_is_in_recovery()");
        let doing = "cannot find out whether the database is a standby";
        self.run(doing, async |conn| standby.fetch_one(conn).await).await
    }

    /// Begins a transaction with our settings. Dropping it rolls it back.
    pub async fn begin(&mut self) -> Result<Transaction<'_, Postgres>, Error> {
        self.begin_with("BEGIN").await
    }

    /// Begins a transaction with this statement, and sets our settings in it.
    pub async fn begin_with(&mut self, begin: &str) -> Result<Transaction<'_, Postgres>, Error> {
        if self.used.elapsed() > IDLE && self.conn.ping().await.is_err() {
            self.conn = connect(&self.database).await?;
        }
        self.used = Instant::now();
        let begin = AssertSqlSafe(format!("{begin}; {}", settings(&self.conn)));
        self.conn.begin_with(begin).await.map_err(Error::database("cannot begin a transaction"))
    }

    /// Runs statements in a transaction of their own, and commits it.
    pub async fn run<T>(
        &mut self,
        doing: &'static str,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        let mut tx = self.begin().await?;
        let worked = work(&mut tx).await;
        match worked {
            Ok(_) => tx.commit().await,
            // The first error counts, not that of the rollback.
            Err(_) => tx.rollback().await.or(Ok(())),
        }
        .and(worked)
        .map_err(Error::database(doing))
    }
}

/// jit: compiling our one long query takes longer than running it. hash_mem_multiplier: that query has one large hash
/// table. idle_in_transaction_session_timeout: an evaluation waits for the provider.
pub(super) fn settings(conn: &PgConnection) -> &'static str {
    match conn.server_version_num() {
        Some(..130_000) => {
            "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL jit = off; \
             SET LOCAL idle_in_transaction_session_timeout = 0"
        }
        _ => {
            "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL jit = off; \
             SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL hash_mem_multiplier = 64"
        }
    }
}
