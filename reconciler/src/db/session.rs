//! A connection to the database that leaves nothing behind: each statement runs in a transaction, no statement has a name,
//! and no setting outlives its transaction. Behind a transaction pooler, the next transaction on the same server process
//! belongs to another application.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};

use crate::config::Database;
use crate::db::connect::{connect, connect_writable};
use crate::db::find;
use crate::db::names::Names;
use crate::db::statement::query_scalar;
use crate::model::{DatabaseError, Error};

/// After so long without a statement the connection is tried before it is used, because PostgreSQL or a pooler may have
/// closed it: while a person reads a plan, or a run waits for the provider's limits.
const IDLE: Duration = Duration::from_secs(2);

const BEGINNING: &str = "cannot begin a transaction";

/// One connection, which is made again if it was lost between two transactions.
#[derive(Debug)]
pub(super) struct Session {
    conn: PgConnection,
    database: Database,
    /// The last use; `None`: the connection did not answer.
    used: Option<Instant>,
    on_loss: OnLoss,
}

/// What follows if the connection was lost between two transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// It is made again, and the caller does not notice.
    Reconnect,
    /// The next transaction fails: the new connection may lead to a server that lacks what was committed on the old one.
    Fail,
}

impl Session {
    /// Connects. Needs a Tokio runtime with I/O and time.
    pub async fn connect(database: &Database) -> Result<Self, Error> {
        Ok(Self::of(connect(database).await?, database))
    }

    /// Connects to a server that accepts writes.
    pub async fn connect_writable(database: &Database) -> Result<Self, Error> {
        Ok(Self::of(connect_writable(database).await?, database))
    }

    fn of(conn: PgConnection, database: &Database) -> Self {
        let used = Some(Instant::now());
        Self { conn, database: database.clone(), used, on_loss: OnLoss::Reconnect }
    }

    /// Sets what follows if the connection was lost between two transactions.
    pub fn on_loss(&mut self, on_loss: OnLoss) {
        self.on_loss = on_loss;
    }

    /// Replaces the connection by one to a server that accepts writes.
    pub async fn reconnect(&mut self) -> Result<(), Error> {
        let on_loss = self.on_loss;
        *self = Self { on_loss, ..Self::connect_writable(&self.database).await? };
        Ok(())
    }

    /// The database that it is connected to, as configured.
    pub fn database(&self) -> &Database {
        &self.database
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

    /// The engine and its version, in the server's own words. Asked outside of a transaction: other engines than PostgreSQL
    /// refuse our settings.
    pub async fn version(&mut self) -> Result<String, Error> {
        query_scalar("SELECT pg_catalog.version()")
            .fetch_one(&mut self.conn)
            .await
            .map_err(Error::database("cannot read the server's version"))
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
        let deadline = self.revive().await?;
        let begin = AssertSqlSafe(format!("{begin}; {}", settings(&self.conn)));
        let used = self.used.take();
        let begun = in_time(deadline, self.conn.begin_with(begin)).await?;
        self.used = used;
        Ok(begun)
    }

    /// Begins a transaction with our settings and `more` of them, and gives away its connection. It ends with a ROLLBACK, or
    /// with the connection.
    pub async fn open(&mut self, more: &str) -> Result<&mut PgConnection, Error> {
        let deadline = self.revive().await?;
        let begin = AssertSqlSafe(format!("BEGIN; {}; {more}", settings(&self.conn)));
        let used = self.used.take();
        in_time(deadline, sqlx::raw_sql(begin).execute(&mut self.conn)).await?;
        self.used = used;
        Ok(&mut self.conn)
    }

    /// The connection.
    pub fn into_connection(self) -> PgConnection {
        self.conn
    }

    /// Connects again if the connection was lost. Returns how long the first statement of a transaction may take.
    async fn revive(&mut self) -> Result<Option<Duration>, Error> {
        let deadline = self.database.connection()?.deadline;
        let is_alive = match self.used {
            Some(used) if used.elapsed() <= IDLE => true,
            Some(_) => in_time(deadline, self.conn.ping()).await.is_ok(),
            None => false,
        };
        match self.on_loss {
            _ if is_alive => {}
            OnLoss::Reconnect => self.conn = connect(&self.database).await?,
            OnLoss::Fail => return Err(lost()),
        }
        self.used = Some(Instant::now());
        Ok(deadline)
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

fn lost() -> Error {
    let text = "the connection to the database was lost between two transactions".to_owned();
    let source = DatabaseError { text, sqlstate: None, hint: None, is_lost: true };
    Error::Database { doing: BEGINNING, source }
}

/// Waits for the first statement of a transaction. PostgreSQL answers it at once, but a pooler lets it wait until a server
/// connection is free.
async fn in_time<T>(
    deadline: Option<Duration>,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    let deadline = deadline.unwrap_or(Duration::MAX);
    match tokio::time::timeout(deadline, work).await {
        Ok(begun) => begun.map_err(Error::database(BEGINNING)),
        Err(_) => Err(Error::Database {
            doing: BEGINNING,
            source: DatabaseError {
                text: format!("no answer within {} s", deadline.as_secs()),
                sqlstate: None,
                hint: Some(
                    "is there a pooler, and are all its server connections taken? wab apply needs two at the same time: wait, or \
                     raise default_pool_size; or allow a longer deadline: connect_timeout in the URL, or PGCONNECT_TIMEOUT"
                        .to_owned(),
                ),
                is_lost: true,
            },
        }),
    }
}

/// jit: compiling our one long query takes longer than running it. hash_mem_multiplier: that query has one large hash
/// table. idle_in_transaction_session_timeout: an evaluation computes for a while between two statements. tcp_…: PostgreSQL
/// notices after half a minute that this machine is gone; by default it takes two hours, in which a transaction keeps its locks.
fn settings(conn: &PgConnection) -> &'static str {
    match conn.server_version_num() {
        Some(..130_000) => "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL jit = off",
        _ => {
            "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL jit = off; SET LOCAL hash_mem_multiplier = 64; \
             SET LOCAL idle_in_transaction_session_timeout = '5min'; SET LOCAL tcp_user_timeout = '30s'; \
             SET LOCAL tcp_keepalives_idle = 15; SET LOCAL tcp_keepalives_interval = 5; SET LOCAL tcp_keepalives_count = 3"
        }
    }
}
