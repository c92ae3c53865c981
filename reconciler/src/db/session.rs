//! A connection to the database that leaves nothing behind: each statement runs in a transaction, no statement has a name,
//! and no setting outlives its transaction. Behind a transaction pooler, the next transaction on the same server process
//! belongs to another application.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Row as _, Transaction};

use crate::config::Database;
use crate::db::connect::{connect, connect_writable};
use crate::db::find;
use crate::db::names::Names;
use crate::db::statement::query_scalar;
use crate::model::{DatabaseError, Error};

/// After so long without a statement the connection is tried before it is used, because PostgreSQL or a pooler may have
/// closed it: while a person reads a plan, or a run waits for the provider's limits.
const IDLE: Duration = Duration::from_secs(2);

/// After so long without an answer to COMMIT the connection of an apply counts as lost. A COMMIT only writes to the disk, but on a
/// primary without its synchronous standby it waits for ever. One that succeeds later does no harm: each write may be repeated.
const COMMIT: Duration = Duration::from_secs(20);

const BEGINNING: &str = "cannot begin a transaction";

/// One connection, which is made again if it was lost between two transactions.
#[derive(Debug)]
pub(super) struct Session {
    /// `None`: it was lost.
    conn: Option<PgConnection>,
    database: Database,
    /// The last use. `None` while a transaction begins, so that a connection counts as lost if that fails or is given up.
    used: Option<Instant>,
    on_loss: OnLoss,
    /// When the server started on which each transaction must run; `None`: each server will do.
    server: Option<DateTime<Utc>>,
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
        Self { conn: Some(conn), database: database.clone(), used, on_loss: OnLoss::Reconnect, server: None }
    }

    /// Sets what follows if the connection was lost between two transactions.
    pub fn on_loss(&mut self, on_loss: OnLoss) {
        self.on_loss = on_loss;
    }

    /// From now on each transaction on another server than the one that started then fails: a pooler may lead the next
    /// transaction anywhere, and so may a new connection.
    pub fn stay_on(&mut self, server: DateTime<Utc>) {
        self.server = Some(server);
    }

    /// Replaces the connection by one to any server that accepts writes.
    pub async fn reconnect(&mut self) -> Result<(), Error> {
        self.abandon();
        let on_loss = self.on_loss;
        *self = Self { on_loss, ..Self::connect_writable(&self.database).await? };
        Ok(())
    }

    /// Ends the connection without a word. Until then a pooler may keep a server connection for it, which the next one needs.
    pub fn abandon(&mut self) {
        (self.conn, self.used) = (None, None);
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
        if let Some(conn) = self.conn {
            let _ = conn.close().await;
        }
    }

    /// The server's version as a number.
    pub fn server_version(&self) -> Option<u32> {
        self.conn.as_ref().and_then(PgConnection::server_version_num)
    }

    /// The engine and its version, in the server's own words. Asked outside of a transaction: other engines than PostgreSQL
    /// refuse our settings.
    pub async fn version(&mut self) -> Result<String, Error> {
        query_scalar("SELECT pg_catalog.version()")
            .fetch_one(self.conn.as_mut().ok_or_else(lost)?)
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
        let used = self.used.take();
        let conn = self.conn.as_mut().ok_or_else(lost)?;
        let begin = AssertSqlSafe(format!("{begin}; {}", settings(conn)));
        let mut begun = in_time(deadline, conn.begin_with(begin)).await?;
        if let Some(server) = self.server
            && !in_time(deadline, is_on(server, &mut begun)).await?
        {
            return Err(moved());
        }
        self.used = used;
        Ok(begun)
    }

    /// Begins a transaction with our settings and `more` of them, and gives away its connection. It ends with a ROLLBACK, or
    /// with the connection.
    pub async fn open(&mut self, more: &str) -> Result<&mut PgConnection, Error> {
        let deadline = self.revive().await?;
        let used = self.used.take();
        let conn = self.conn.as_mut().ok_or_else(lost)?;
        let begin = AssertSqlSafe(format!("BEGIN; {}; {more}", settings(conn)));
        in_time(deadline, sqlx::raw_sql(begin).execute(&mut *conn)).await?;
        self.used = used;
        Ok(conn)
    }

    /// The connection, unless it was lost.
    pub fn into_connection(self) -> Option<PgConnection> {
        self.conn
    }

    /// Connects again if the connection was lost. Returns how long the first statement of a transaction may take.
    async fn revive(&mut self) -> Result<Option<Duration>, Error> {
        let deadline = self.database.connection()?.deadline;
        let is_alive = match (self.used, &mut self.conn) {
            (Some(used), Some(_)) if used.elapsed() <= IDLE => true,
            (Some(_), Some(conn)) => in_time(deadline, conn.ping()).await.is_ok(),
            _ => false,
        };
        if !is_alive {
            self.abandon();
            match self.on_loss {
                OnLoss::Reconnect => self.conn = Some(connect(&self.database).await?),
                OnLoss::Fail => return Err(lost()),
            }
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
        let on_loss = self.on_loss;
        let mut tx = self.begin().await?;
        let worked = match work(&mut tx).await {
            Ok(worked) => worked,
            Err(error) => {
                // The first error counts, not that of the rollback.
                let _ = tx.rollback().await;
                return Err(Error::database(doing)(error));
            }
        };
        match on_loss {
            OnLoss::Reconnect => tx.commit().await.map_err(Error::database(doing))?,
            OnLoss::Fail => commit(tx, doing).await?,
        }
        Ok(worked)
    }
}

/// Commits. Without an answer in time the connection counts as lost, and it is not known whether the server committed.
pub(super) async fn commit(tx: Transaction<'_, Postgres>, doing: &'static str) -> Result<(), Error> {
    match tokio::time::timeout(COMMIT, tx.commit()).await {
        Ok(committed) => committed.map_err(Error::database(doing)),
        Err(_) => Err(Error::lost(
            doing,
            format!(
                "no answer to COMMIT within {} s: does the server wait for its disk, or for a standby \
                 (synchronous_standby_names)?",
                COMMIT.as_secs()
            ),
        )),
    }
}

/// Whether this server started then.
async fn is_on(server: DateTime<Utc>, conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let ask = format!("SELECT pg_catalog.pg_postmaster_start_time() = '{}'", server.to_rfc3339());
    sqlx::raw_sql(AssertSqlSafe(ask)).fetch_one(conn).await?.try_get(0)
}

fn lost() -> Error {
    not_begun("the connection to the database was lost between two transactions")
}

fn moved() -> Error {
    not_begun("the connection leads to another server, where this run does not hold the lock of wab apply")
}

/// No transaction was begun. For the caller, another server is the loss of the old one.
fn not_begun(text: &str) -> Error {
    Error::lost(BEGINNING, text)
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
