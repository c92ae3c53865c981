//! The lock of `wab apply`: an advisory lock in a transaction that stays open on a connection of its own. A transaction
//! pooler cannot give its server process to others, and PostgreSQL ends it when the run is gone: at once if the process
//! died, after a minute at most if its network did.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::config::{Database, Who};
use crate::db::lock_holder::lock_holder;
use crate::db::names::Names;
use crate::db::rows::from_row;
use crate::db::session::Session;
use crate::db::statement::{query_as, query_scalar};
use crate::model::{Error, LockHolder};

const DOING: &str = "cannot take the lock of wab apply";
const LOST: &str = "the lock of wab apply was lost";

/// How long PostgreSQL keeps the lock of a run that it no longer hears of.
const LEASE: &str = "SET LOCAL idle_in_transaction_session_timeout = '45s'";

/// How often the run is heard of.
const EVERY: Duration = Duration::from_secs(10);

/// How long an answer may take before the lock counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the answer to another statement may take after that: the server may be slow, and not stand still.
const GRACE: Duration = Duration::from_secs(5);

/// How long the release may take. Without an answer the lock ends with the connection.
const RELEASE: Duration = Duration::from_secs(2);

/// A connection that tries to take the lock.
#[derive(Debug)]
pub struct Contender {
    session: Session,
    names: Names,
    who: Who,
}

/// Where and since when the lock is held.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// The server process.
    pid: i32,
    /// The database's time when it was taken.
    taken_at: DateTime<Utc>,
    /// When that server started, by which servers are told apart.
    server_since: DateTime<Utc>,
}

from_row!(Held { pid, taken_at, server_since });

impl Contender {
    /// Connects.
    pub async fn connect(database: &Database) -> Result<Self, Error> {
        Self::of(Session::connect(database).await?, database).await
    }

    async fn of(mut session: Session, database: &Database) -> Result<Self, Error> {
        let names = session.names(database.schema.as_deref()).await?;
        Ok(Self { session, names, who: Who::now() })
    }

    /// Tries to take the lock; fails if the server answers nothing. Meanwhile pg_stat_activity shows the run and its start; a
    /// run that finds the lock taken reports both.
    pub async fn try_lock(&mut self) -> Result<Result<Held, Option<LockHolder>>, Error> {
        let tried = tokio::time::timeout(PATIENCE, self.try_for_long()).await;
        tried.unwrap_or_else(|_| Err(Error::unanswered(DOING, PATIENCE)))
    }

    async fn try_for_long(&mut self) -> Result<Result<Held, Option<LockHolder>>, Error> {
        // PostgreSQL 17 can limit the duration of a transaction.
        let lease = match self.session.server_version() {
            Some(170_000..) => format!("SET LOCAL transaction_timeout = 0; {LEASE}"),
            _ => LEASE.to_owned(),
        };
        let conn = self.session.open(&lease).await?;
        let held = query_as(include_str!("apply_lock/announce.sql"))
            .bind(format!("wab apply of {}", self.who.who))
            .fetch_one(&mut *conn)
            .await
            .map_err(Error::database("cannot set application_name"))?;
        let take = self.names.sql("SELECT pg_try_advisory_xact_lock(@extschema@._wab_lock_id('apply'))");
        let is_taken: bool =
            query_scalar(take).fetch_one(&mut *conn).await.map_err(Error::database(DOING))?;
        if is_taken {
            return Ok(Ok(held));
        }
        let holder = lock_holder(conn, &self.names).await.ok().flatten();
        sqlx::raw_sql("ROLLBACK").execute(conn).await.map_err(Error::database(DOING))?;
        Ok(Err(holder))
    }

    /// Holds the lock that `try_lock` took. Needs a Tokio runtime.
    pub fn hold(self, held: Held) -> ApplyLock {
        let conn = Mutex::new(self.session.into_connection());
        let holder = Arc::new(Holder { conn, is_silent: watch::Sender::new(false) });
        let keeper = tokio::spawn(keep(Arc::clone(&holder)));
        ApplyLock { holder, keeper, held }
    }
}

/// The lock. Dropping it ends the connection and releases it.
#[derive(Debug)]
pub struct ApplyLock {
    holder: Arc<Holder>,
    keeper: JoinHandle<()>,
    held: Held,
}

impl ApplyLock {
    /// When the run first took the lock, by the clock of that server.
    pub fn taken_at(&self) -> DateTime<Utc> {
        self.held.taken_at
    }

    /// When the server started on which the lock was taken. The connection may have moved to another one since.
    pub fn server_since(&self) -> DateTime<Utc> {
        self.held.server_since
    }

    /// Takes the lock on the server that accepts writes now, unless it is held there. `store_server` is when the server of the
    /// store started.
    /// If another run holds it, the error names that run. The session that held it for this run before may outlive its
    /// connection for a minute: that is a loss.
    pub async fn take_again(
        &mut self,
        database: &Database,
        store_server: DateTime<Utc>,
    ) -> Result<(), Error> {
        if store_server == self.held.server_since && self.require().await.is_ok() {
            return Ok(());
        }
        // Before the next connection: a pooler may have no third one.
        self.keeper.abort();
        *self.holder.conn.lock().await = None;
        let session = Session::connect_writable(database).await?;
        let mut contender = Contender::of(session, database).await?;
        match contender.try_lock().await? {
            Ok(held) => {
                let taken_at = self.held.taken_at;
                *self = contender.hold(Held { taken_at, ..held });
                Ok(())
            }
            Err(Some(LockHolder { pid, server_since, .. }))
                if (pid, server_since) == (self.held.pid, self.held.server_since) =>
            {
                Err(ended())
            }
            Err(holder) => Err(Error::Locked { holder }),
        }
    }

    /// Fails if the lock was lost: the process was stopped, the network was cut, or a person ended the session.
    pub async fn require(&self) -> Result<(), Error> {
        self.holder.hear().await
    }

    /// Returns once the server has answered nothing for so long that the lock counts as lost. A server that stands still keeps its
    /// connections, and a statement under way would wait for ever.
    pub async fn silence(&self) -> Error {
        let mut is_silent = self.holder.is_silent.subscribe();
        // The sender lives as long as `self`.
        let _ = is_silent.wait_for(|is_silent| *is_silent).await;
        tokio::time::sleep(GRACE).await;
        Error::unanswered(LOST, PATIENCE)
    }

    /// Releases the lock at once. It would end with the connection too, but later, and the next run may be waiting.
    pub async fn release(self) {
        self.keeper.abort();
        if let Some(conn) = &mut *self.holder.conn.lock().await {
            // If this fails, the connection is lost, and the lock with it.
            let _ = tokio::time::timeout(RELEASE, sqlx::raw_sql("ROLLBACK").execute(conn)).await;
        }
    }
}

impl Drop for ApplyLock {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Lets PostgreSQL hear of the run again and again, until the lock is lost.
async fn keep(holder: Arc<Holder>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if holder.hear().await.is_err() {
            return;
        }
    }
}

/// The lock is held by a transaction of this connection.
#[derive(Debug)]
struct Holder {
    /// `None` once it was lost.
    conn: Mutex<Option<PgConnection>>,
    /// It was lost because the server answered nothing.
    is_silent: watch::Sender<bool>,
}

impl Holder {
    /// A connection that fails ends: its next user need not wait for it, and a pooler has a server connection for the next one.
    async fn hear(&self) -> Result<(), Error> {
        let mut conn = self.conn.lock().await;
        let Some(holder) = conn.as_mut() else { return Err(ended()) };
        let heard = sqlx::raw_sql("SELECT 1").execute(holder);
        let heard = match tokio::time::timeout(PATIENCE, heard).await {
            Ok(heard) => heard.map(drop).map_err(Error::database(LOST)),
            Err(_) => {
                self.is_silent.send_replace(true);
                Err(Error::unanswered(LOST, PATIENCE))
            }
        };
        if heard.is_err() {
            *conn = None;
        }
        heard
    }
}

fn ended() -> Error {
    Error::database(LOST)(std::io::Error::from(std::io::ErrorKind::NotConnected).into())
}
